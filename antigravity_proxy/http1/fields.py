"""The header fields of a message, under the names that Twisted's own class gives its methods. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from antigravity_proxy.http1.parser import Fields


class HeaderFields(Protocol):
    """What is asked of a request's fields, here or of ``twisted.web.http_headers.Headers``. Names in any case."""

    def hasHeader(self, name: bytes, /) -> bool:
        """The field is there."""
        ...

    def getRawHeaders(self, name: bytes, default: Sequence[bytes] = ..., /) -> Sequence[bytes]:
        """Its values, in their order."""
        ...


class ReceivedFields:
    """A request's fields, as the parser read them."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def hasHeader(self, name: bytes) -> bool:
        """The field is there."""
        return name in self._fields or name.lower() in self._fields

    def getRawHeaders(self, name: bytes, default: Sequence[bytes] = ()) -> Sequence[bytes]:
        """Its values, in their order; ``default`` where there is none."""
        return self._fields.get(name.lower(), default)

    def firsts(self, names: Iterable[bytes]) -> list[bytes]:
        """The first value of each of these fields that is there; lower-case names."""
        fields = self._fields
        return [fields[name][0] for name in names if name in fields]

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """All fields with their values."""
        return iter(self._fields.items())


NO_FIELDS = ReceivedFields({})
