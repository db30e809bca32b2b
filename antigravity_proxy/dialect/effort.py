"""Words for how much to think: an unknown one counts as the nearest. Pure (translation.md 14)."""

from __future__ import annotations

from difflib import get_close_matches

from antigravity_proxy.canonical.call import Effort

#: words for efforts, those of other programs too
_EFFORTS: dict[str, Effort] = {
    "none": "none", "off": "none", "disabled": "none", "minimal": "minimal", "min": "minimal", "very_low": "minimal",
    "low": "low", "medium": "medium", "normal": "medium", "default": "medium", "auto": "medium", "high": "high",
    "xhigh": "xhigh", "extra_high": "xhigh", "very_high": "xhigh", "max": "max", "maximum": "max", "ultra": "max",
    "extreme": "max", "highest": "max",
}  # fmt: skip
#: this many characters of an effort word decide its meaning
_MAX_WORD = 20


def nearest_effort(word: str) -> Effort:
    """The effort that a word means: an unknown one the nearest that is known, and else that in the middle."""
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    found: Effort | None = _EFFORTS.get(plain)
    if found is None:
        close = get_close_matches(plain[:_MAX_WORD], _EFFORTS, 1)
        found = _EFFORTS[close[0]] if close else "medium"
    return found
