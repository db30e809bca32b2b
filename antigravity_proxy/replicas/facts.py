"""Facts about an account besides its cooldowns, each with an end: token, bar, project, … Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec
from msgspec import Struct

#: seconds: a replica that starts later finds out by asking once
BAR_SECONDS = 86_400.0
PROJECT_SECONDS = 86_400.0
GROUP_SECONDS = 7 * 86_400.0
#: all accounts rest until somebody ends that: a month without any process is as good as an end
REST_SECONDS = 30 * 86_400.0
#: seconds for which no replica asks again after upstream named no project
NO_PROJECT_SECONDS = 300.0
#: seconds: figures older than that say little
QUOTA_SECONDS = 3600.0
#: no time has more epoch seconds
_LATEST = float(1 << 33)


class Token(Struct, frozen=True, array_like=True, tag=1):
    """A live access token; ``expires_at`` in epoch seconds."""

    kind: ClassVar[str] = "t"
    access_token: str
    expires_at: float

    def __repr__(self) -> str:
        return "Token(…)"


class Bar(Struct, frozen=True, array_like=True, tag=2):
    """Out of use as long as its row holds that sign-in."""

    kind: ClassVar[str] = "b"
    sign_in: str
    reason: str


class Project(Struct, frozen=True, array_like=True, tag=3):
    """Upstream's project; empty: none."""

    kind: ClassVar[str] = "p"
    project: str


class Quotas(Struct, frozen=True, array_like=True, tag=4):
    """By model: the remaining fraction, 0 to 1, and when it resets (epoch seconds; None: not known)."""

    kind: ClassVar[str] = "q"
    figures: dict[str, tuple[float, float | None]]


class Group(Struct, frozen=True, array_like=True, tag=5):
    """Shares quotas with all who belong to this project, as long as its row holds that sign-in."""

    kind: ClassVar[str] = "n"
    sign_in: str
    project: str


Fact = Token | Bar | Project | Quotas | Group
KINDS = tuple(each.kind for each in (Token, Bar, Project, Quotas, Group))


def life(fact: Fact, epoch: float) -> float:
    """Seconds for which it is to be remembered; ``epoch`` in seconds."""
    if isinstance(fact, Token):
        return fact.expires_at - epoch
    if isinstance(fact, Project):
        return PROJECT_SECONDS if fact.project else NO_PROJECT_SECONDS
    if isinstance(fact, Bar):
        return BAR_SECONDS if fact.sign_in else REST_SECONDS  # no account's: that of all
    return GROUP_SECONDS if isinstance(fact, Group) else QUOTA_SECONDS


encode = msgspec.msgpack.Encoder().encode
_DECODER: msgspec.msgpack.Decoder[Fact] = msgspec.msgpack.Decoder(Fact)


def decode(data: bytes) -> Fact | None:
    """The fact in these bytes; None: another release's, or invalid."""
    try:
        fact = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return fact if all(map(_is_sound, _numbers(fact))) else None


def _numbers(fact: Fact) -> Iterator[float]:
    if isinstance(fact, Token):
        yield fact.expires_at
    elif isinstance(fact, Quotas):
        for remaining, resets_at in fact.figures.values():
            yield remaining
            yield resets_at or 0.0


def _is_sound(number: float) -> bool:
    """Whether it can be a share or epoch seconds: neither negative nor without end."""
    return 0 <= number < _LATEST
