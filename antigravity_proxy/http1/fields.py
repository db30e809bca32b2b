"""The header fields of a message, under the names that Twisted's own class gives its methods. Does no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


def field(name: bytes, value: bytes) -> bytes:
    """A field as it is sent, behind the line before it. Raises ValueError where it would begin a line of its own."""
    if b"\n" in value or b"\r" in value:
        raise ValueError("a header holds a line end")
    return b"\r\n" + name + b": " + value


class HeaderFields(Protocol):
    """Queries on a request's fields, here or in ``twisted.web.http_headers.Headers``. Lower-case names."""

    def hasHeader(self, name: bytes, /) -> bool:
        """The field is there."""
        ...

    def getRawHeaders(self, name: bytes, default: Sequence[bytes], /) -> Sequence[bytes]:
        """Its values, in their order; ``default`` if there is none."""
        ...


class ReceivedFields(dict[bytes, list[bytes]]):
    """A request's fields, as the parser read them. A request is asked for a dozen: the dict answers by itself."""

    __slots__ = ()

    hasHeader = dict.__contains__
    getRawHeaders = dict.get
    #: asked for by Twisted's WebSocket
    getAllRawHeaders = dict.items


NO_FIELDS = ReceivedFields()
