"""Keys of the Gemini API as an environment variable holds them (contract.md 7). Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from antigravity_proxy.secret import Secret

#: what credentials may be called: shown, logged, a label in metrics
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PRINTABLE = re.compile(r"[\x21-\x7e]{8,512}")
#: what begins so is a secret of another kind
_OTHERS = {
    "ya29.": "an access token",
    "1//": "a refresh token",
    "sk-": "a key of another vendor, or of this proxy",
    "-----": "a key in PEM",
    "{": "a JSON file",
    "eyJ": "a JWT",
    "GOCSPX-": "an OAuth client's secret",
}
#: standard keys and auth keys (official-upstreams.md 2.3)
_SHAPES = re.compile(r"AIza[\w-]{30,}|AQ\.[\w.-]{16,}")


class NamedKey(Struct, frozen=True):
    """A key and what it is called."""

    name: str
    key: Secret


def checked(text: str) -> Secret:
    """One API key. Raises ValueError, whose words follow "it takes" and hold nothing of it."""
    for start, what in _OTHERS.items():
        if text.startswith(start):
            raise ValueError(f"a Gemini API key from AI Studio, such as AIza… or AQ.…; this looks like {what}")
    if not _PRINTABLE.fullmatch(text):
        raise ValueError("an API key: one line of 8 to 512 printable characters without spaces")
    return Secret(text)


def looks_like_a_key(key: Secret) -> bool:
    """Whether it has the shape of the keys that Google makes."""
    return bool(_SHAPES.fullmatch(key.reveal()))


def gemini_keys(value: str) -> tuple[NamedKey, ...]:
    """Keys separated by commas or newlines; ``name=key`` names one, the others are numbered. Raises ValueError."""
    found: list[NamedKey] = []
    for number, item in enumerate(filter(None, (item.strip() for item in re.split(r"[,\n]", value))), 1):
        name, equals, key = item.partition("=")
        if not equals or not NAME.fullmatch(name.strip()):
            name, key = f"gemini-{number}", item
        try:
            found.append(NamedKey(name.strip(), checked(key.strip())))
        except ValueError as e:
            raise ValueError(f"API keys separated by commas or newlines; of the {number}. one: {e}") from None
    for words, values in (
        ("name", [each.name for each in found]),
        ("key", [each.key.reveal() for each in found]),
    ):
        twice = next((i for i, one in enumerate(values, 1) if one in values[: i - 1]), None)
        if twice is not None:
            raise ValueError(f"each API key once; the {twice}. one has the {words} of an earlier one")
    return tuple(found)
