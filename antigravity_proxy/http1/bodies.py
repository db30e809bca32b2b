"""The bodies of HTTP/1.1 messages as they arrive, read strictly (RFC 9112). Does no I/O.

What ``parser`` says of heads holds here too.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Protocol

from antigravity_proxy.http1.parser import CONTROL, MAX_LENGTH_DIGITS, Malformed, TooLong, check_field

#: the longest line of a chunk's size with its extensions, in bytes
MAX_CHUNK_LINE = 256
#: a trailer section, in bytes
MAX_TRAILERS = 16 << 10

_HEX_DIGITS = b"0123456789abcdefABCDEF"
#: the line of a chunk's size as everybody writes it
_plain_size = re.compile(rb"([0-9A-Fa-f]{1,%d})\r\n" % MAX_LENGTH_DIGITS).match


class Body(Protocol):
    """A body on its way. ``length`` in bytes; None: it is not known before. ``surplus`` is what came behind its end,
    ``pieces`` how many the last call's content had.
    """

    length: int | None
    done: bool
    pieces: int
    surplus: bytes

    def feed(self, data: bytes) -> bytes:
        """The content in ``data``, without its framing. Raises Malformed."""
        ...


class LengthBody:
    """A body of a known length."""

    __slots__ = ("_left", "done", "length", "surplus")
    pieces = 1

    def __init__(self, length: int) -> None:
        self.length: int | None = length
        self._left = length
        self.done = not length
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """The content in ``data``."""
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        self._left, self.done = 0, True
        if left:
            self.surplus = data[left:]
            return data[:left]
        return data


class UntilClose:
    """A body that ends with the connection (RFC 9112 6.3, the last rule); of responses only."""

    __slots__ = ("done", "surplus")
    length: int | None = None
    pieces = 1

    def __init__(self) -> None:
        self.done = False
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """All of it."""
        return data


class _At(Enum):
    """The part of a chunked body that comes next."""

    SIZE = "a line with a chunk's size"
    DATA = "a chunk's data"
    DATA_END = "the CRLF behind it"
    TRAILERS = "a line of the trailer section"


#: bound here, since each chunk asks for them
_SIZE, _DATA, _DATA_END, _TRAILERS = _At.SIZE, _At.DATA, _At.DATA_END, _At.TRAILERS


class ChunkedBody:
    """A body in chunks (RFC 9112 7.1). Extensions and trailers are checked, bounded, and dropped."""

    __slots__ = ("_at", "_left", "_line", "_trailers", "done", "pieces", "surplus")
    length: int | None = None

    def __init__(self) -> None:
        self._at = _SIZE
        self._left = 0  # of the current chunk, in bytes
        self._line = b""  # the beginning of a line whose end has not come
        self._trailers = 0  # bytes of the trailer section
        self.done = False
        self.pieces = 0
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """The content in ``data``; pieces of one call come together."""
        plain = _plain_size(data) if self._at is _SIZE and not self._line else None
        end = len(data)
        if plain is not None:
            place = plain.end()
            stop = place + int(plain[1], 16)
            if place < stop == end - 2 and data.endswith(b"\r\n"):  # one chunk alone, as an event mostly comes
                self.pieces = 1
                return data[place:stop]
        elif self._line:
            data = self._line + data
            self._line, end = b"", len(data)
            plain = _plain_size(data) if self._at is _SIZE else None
        pieces: list[bytes] = []
        place = 0
        while place < end:  # ``plain`` is the chunk's size that is there, if it is one
            if plain is not None:
                place = plain.end()
                size = int(plain[1], 16)
                stop = place + size
                if data[stop : stop + 2] != b"\r\n":
                    self._left, self._at = size, _DATA if size else _TRAILERS
                    plain = None
                elif size:  # the whole chunk is here
                    pieces.append(data[place:stop])
                    place = stop + 2
                    plain = _plain_size(data, place)
                else:
                    self.done, self.surplus = True, data[stop + 2 :]
                    break
            elif self._at is _DATA:
                piece = data[place : place + self._left]
                pieces.append(piece)
                place += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._at = _DATA_END
            elif self._at is _DATA_END:
                ending = data[place : place + 2]
                if ending == b"\r\n":
                    place += 2
                    self._at = _SIZE
                    plain = _plain_size(data, place)
                elif ending == b"\r":
                    self._line, place = ending, end
                else:
                    raise Malformed("a chunk is longer than its size")
            else:
                place = self._take_line(data, place)
                if self.done:
                    self.surplus = data[place:]
                    break
        self.pieces = len(pieces)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_line(self, data: bytes, place: int) -> int:
        """Takes the line that begins at ``place``, and returns where the next thing begins."""
        limit = MAX_CHUNK_LINE if self._at is _SIZE else MAX_TRAILERS - self._trailers
        # one byte more than the longest line, and its CR LF
        stop = data.find(b"\r\n", place, place + limit + 2)
        if stop < 0:
            if len(data) - place > limit + 1:
                raise TooLong("a chunk's line or the trailer section is too long")
            self._line = data[place:]
            return len(data)
        line = data[place:stop]
        if self._at is _SIZE:
            self._left = _chunk_size(line)
            self._at = _DATA if self._left else _TRAILERS
        elif line:
            self._trailers += len(line) + 2
            check_field(line)
        else:
            self.done = True
        return stop + 2


def _chunk_size(line: bytes) -> int:
    digits, _, extension = line.partition(b";")
    digits = digits.rstrip(b" \t") if extension else digits
    if not digits or len(digits) > MAX_LENGTH_DIGITS or digits.translate(None, _HEX_DIGITS):
        raise Malformed("a chunk's size is malformed")
    if extension and CONTROL.search(extension):
        raise Malformed("a chunk's extension holds a control character")
    return int(digits, 16)
