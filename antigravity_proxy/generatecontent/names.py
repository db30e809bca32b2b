"""Function names that upstream accepts, and the way back to the client's own. Pure (translation.md 2.3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from antigravity_proxy.canonical.models import Family

MAX_LENGTH = 64
_VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_BAD = re.compile(r"[^A-Za-z0-9_.:-]")
#: Anthropic's own, narrower
_VALID_FOR_CLAUDE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_BAD_FOR_CLAUDE = re.compile(r"[^A-Za-z0-9_-]")


class NameMap:
    """One request's function names, both ways. Names that are fine for the target's family stay as they are."""

    __slots__ = ("_back", "_there")

    def __init__(self, names: Collection[str], family: Family = "gemini") -> None:
        valid, bad = (_VALID_FOR_CLAUDE, _BAD_FOR_CLAUDE) if family == "claude" else (_VALID, _BAD)
        self._there: dict[str, str] = {}
        self._back: dict[str, str] = {}
        if not names:
            return
        unique = dict.fromkeys(names)
        taken = {name for name in unique if valid.fullmatch(name)}
        for name in unique:
            if name not in taken:
                sent = _rewritten(name, bad)
                while sent in taken or sent in self._back:
                    sent = f"{sent[: MAX_LENGTH - 9]}_{_digest(sent + name)}"
                self._there[name] = sent
                self._back[sent] = name

    @property
    def changed(self) -> bool:
        """Whether any name had to be rewritten."""
        return bool(self._there)

    def there(self, name: str) -> str:
        """The name as it is sent."""
        return self._there.get(name, name)

    def back(self, name: str) -> str:
        """The client's own name for one that upstream answers with."""
        return self._back.get(name, name)


#: of a request without functions
NO_NAMES = NameMap(())


def _rewritten(name: str, bad: re.Pattern[str]) -> str:
    plain = bad.sub("_", name) or "_"
    if not (plain[0].isalpha() or plain[0] == "_"):
        plain = "_" + plain
    return plain if len(plain) <= MAX_LENGTH else f"{plain[:55]}_{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
