"""Heads that came before: a client's next request mostly differs from its last in little, so each head is read once.

What is kept is found by the whole head but for the digits of its Content-Length, and but for the fields that name one
request alone: whatever else differs makes another head. Only heads that passed the gate are kept, with the client's key
as it came; a bounded number of them, and none of those that hold more than a plain request does. They are found by
their hash, under a key of the process: how long it takes tells nothing of others' keys.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from weakref import ref

from msgspec import Struct

from antigravity_proxy import errors
from antigravity_proxy.http1.fields import ReceivedFields
from antigravity_proxy.http1.parser import (
    MAX_LENGTH_DIGITS,
    HeadReader,
    Malformed,
    RequestHead,
    request_head,
    request_line,
)
from antigravity_proxy.settings.limits import HEAD_BYTES

if TYPE_CHECKING:
    from antigravity_proxy.web.edge import Again

_END = b"\r\n\r\n"
#: the line of Content-Length, as everybody writes it; no more digits than ``announced_length`` takes
_LENGTH = re.compile(rb"\r\n(?i:content-length):[ \t]*([0-9]{1,%d})(?=\r\n)" % MAX_LENGTH_DIGITS)
#: the fields that differ from request to request, or behind a proxy from client to client; and the most that may come
_OWN = re.compile(
    rb"(?i)\r\n(?=[bitx])(x-(?:request-id|correlation-id|client-request-id|amzn-trace-id|cloud-trace-context"
    rb"|forwarded-for|real-ip)|idempotency-key|traceparent|tracestate|baggage):([^\x00-\x08\x0a-\x1f\x7f]*)(?=\r\n)"
)
_MOST_OWN = 16
#: fields that take a request another way
_UNCOMMON = (b"content-encoding", b"expect", b"transfer-encoding")
#: bytes and fields of a head that is kept
LONGEST, MOST_FIELDS = 4096, 64
#: heads that are kept, and their bytes together
MOST, ROOM = 512, 512 << 10


class KnownHead(Struct, frozen=True, weakref=True):
    """A head that came before, and what admits a further request with it. Nobody changes it.

    ``before`` and ``after`` are its text beside the digits of Content-Length, ``head`` is without that field; all are
    without those that name one request.
    """

    before: bytes
    after: bytes
    head: RequestHead
    persistent: bool
    again: Again

    def __repr__(self) -> str:
        return "<KnownHead>"


class KnownHeads:
    """The heads that are kept; where there are too many, the oldest leave. ``size``: their bytes."""

    __slots__ = ("_heads", "size")

    def __init__(self) -> None:
        self._heads: dict[tuple[bytes, bytes], KnownHead] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._heads)

    def find(self, data: bytes, last: ref[KnownHead] | None) -> tuple[KnownHead, ReceivedFields, int, bytes] | None:
        """The known head that ``data`` begins with, its fields, the length of its body, and what came behind it.

        ``last``: what was found or kept for the connection's request before, which is likely the same.
        """
        likely = None if last is None else last()
        if likely is not None and data.startswith(likely.before):
            begin = len(likely.before)
            stop = data.find(b"\r", begin, begin + MAX_LENGTH_DIGITS + 1)
            if data.startswith(likely.after, stop) and (digits := data[begin:stop]).isdigit():
                return likely, likely.head.fields, int(digits), data[stop + len(likely.after) :]
        end = data.find(_END) + len(_END)
        if not len(_END) < end <= HEAD_BYTES:
            return None
        parts = _OWN.split(data[:end])
        split = _split(b"".join(parts[::3]))
        known = None if split is None or len(parts) > 3 * _MOST_OWN else self._heads.get((split[0], split[2]))
        if split is None or known is None:
            return None
        fields = known.head.fields
        if len(parts) > 1:
            fields = ReceivedFields(fields)
            for name, value in zip(map(bytes.lower, parts[1::3]), parts[2::3], strict=True):
                fields[name] = [*fields.get(name, ()), value.strip(b" \t")]
        return known, fields, int(split[1]), data[end:]

    def keep(self, block: bytes, head: RequestHead, again: Again | None) -> ref[KnownHead] | None:
        """Keeps a head that has passed, if it is a plain one, else None.

        ``block`` is its text; without ``again`` it is none.
        """
        split = _split(_OWN.sub(b"", block + _END))
        if again is None or split is None or head.target[:1] != b"/" or any(name in head.fields for name in _UNCOMMON):
            return None
        if len(block) > LONGEST or len(head.fields) > MOST_FIELDS:
            return None
        before, _, after = split
        plain = request_head((before + b"0" + after).removesuffix(_END))
        del plain.fields[b"content-length"]
        known = KnownHead(before, after, plain, plain.persistent, again)
        if (before, after) not in self._heads:
            self.size += len(before) + len(after)
        self._heads[before, after] = known
        while self.size > ROOM or len(self._heads) > MOST:
            oldest = next(iter(self._heads))
            del self._heads[oldest]
            self.size -= sum(map(len, oldest))
        return ref(known)

    def forget(self) -> None:
        """Forgets all of them."""
        self._heads.clear()
        self.size = 0


def _split(text: bytes) -> tuple[bytes, bytes, bytes] | None:
    """A head at the digits of its Content-Length, or None."""
    found = _LENGTH.search(text)
    return None if found is None else (text[: found.start(1)], found[1], text[found.end(1) :])


def head_so_far(line: bytes | None, begun: HeadReader | None) -> RequestHead:
    """The record of a request whose head is not read, by its first line, as far as one came."""
    line = line or (begun and begun.first_line) or b""
    try:
        method, target, minor = request_line(line)
    except Malformed:
        method, target, minor = b"", b"", 1
    return RequestHead(minor, ReceivedFields(), method, target)


def too_large(line: bytes) -> errors.ProxyError:
    """The refusal of a head that is over a bound; ``line`` is its first."""
    if len(line) > HEAD_BYTES // 2:
        return errors.UriTooLong("The request's target is too long.")
    return errors.HeadTooLarge("The headers are too many, or too long in all.")


def refusal_of(error: Malformed | errors.ProxyError) -> errors.ProxyError:
    """What a client is told of an error in what it sent."""
    return errors.BadRequest(f"Malformed HTTP request: {error}.") if isinstance(error, Malformed) else error
