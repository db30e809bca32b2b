"""Clients' keys of their own, each with a name and its limits, as their file has them: hashes, never keys. Pure.

The keys are random, 256 bits: a plain SHA-256 can't be turned back, and a slow hash would only slow every request.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

#: what every key begins with, so that log filters and secret scanners know one
PREFIX = "sk-ag-"
_Moment = Annotated[datetime, Meta(tz=True)]
_Limit = Annotated[int, Meta(ge=1, le=100_000)]
_Tokens = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]
_Pattern = Annotated[str, Meta(min_length=1, max_length=200)]


class ClientKeysError(Exception):
    """The file's content can't be used; the message says why, and holds no key."""


class ClientKey(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One client's key. ``sha256`` is its hash, 64 hex digits. A limit of None means no limit.

    ``requests_per_minute`` and ``concurrent`` (requests under way at a time) count what asks a model. ``models``:
    patterns with ``*`` and ``?``, one of which the id of the model that serves must fit; none: any model.
    ``tokens_per_day`` and ``tokens_per_month`` (UTC) count input and output.
    """

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    created: _Moment
    expires: _Moment | None = None
    requests_per_minute: _Limit | None = None
    concurrent: _Limit | None = None
    models: tuple[_Pattern, ...] = ()
    tokens_per_day: _Tokens | None = None
    tokens_per_month: _Tokens | None = None

    def has_expired(self, epoch: float) -> bool:
        """Whether its time is over; ``epoch`` in seconds."""
        return self.expires is not None and epoch >= self.expires.timestamp()

    @property
    def has_budget(self) -> bool:
        """Whether its tokens are limited."""
        return self.tokens_per_day is not None or self.tokens_per_month is not None

    @property
    def has_limits(self) -> bool:
        """Whether there is a limit to report to the client."""
        return self.has_budget or self.requests_per_minute is not None

    @property
    def is_counted(self) -> bool:
        """Whether its requests or tokens are limited, in any way."""
        return self.has_limits or self.concurrent is not None

    def may_use(self, model: str) -> bool:
        """Whether it may use the model of that id."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    keys: tuple[ClientKey, ...]


def digest(key: bytes) -> bytes:
    """The hash of a key, as ``ClientKey.sha256`` has it."""
    return hashlib.sha256(key).hexdigest().encode("ascii")


def parse(content: bytes | str) -> tuple[ClientKey, ...]:
    """The keys of a file. Raises ClientKeysError unless all of it is understood: a misspelt limit must not be none."""
    try:
        keys = msgspec.json.decode(content, type=_File).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise ClientKeysError(str(e) if isinstance(e, msgspec.ValidationError) else "it is not JSON") from None
    for field in ("name", "sha256"):
        values = [getattr(key, field) for key in keys]
        if len(set(values)) != len(values):
            raise ClientKeysError(f"two keys have the same {field}")
    return keys


def render(keys: tuple[ClientKey, ...]) -> bytes:
    """The file's content for these keys."""
    return msgspec.json.format(msgspec.json.encode(_File(1, keys)), indent=2) + b"\n"
