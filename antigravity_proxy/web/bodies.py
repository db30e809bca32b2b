"""How much memory the bodies of all requests may take together, and how small their pieces may be. Pure.

A body counts from the moment its length is announced (a chunked one as it grows) until its request has been sent on,
or has ended. So a body that was let in always finds room.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from msgspec import Struct

from antigravity_proxy.errors import BadRequest, BodyTooLarge, Unavailable

#: seconds after which a client may try again when there is no room
_RETRY = 2
#: what a chunked body reserves at a time
_STEP = 64 << 10
#: pieces of any size that a body may come in; beyond them they have to be of this size on average
_FREE_PIECES, _LEAST_PIECE = 4096, 256
#: a body above this is decoded apart
LARGE = 256 << 10
_SLICE = 1 << 20
#: how often a byte may be in a large body: what begins lists and objects, what ends texts, what follows a value
_MOST = ((b"{", 200_000), (b"[", 200_000), (b'"', 1_000_000), (b",", 4_000_000))
_MARKS = b"".join(mark for mark, _ in _MOST)


class BodyUse(Enum):
    """The treatment of a request's body."""

    __hash__ = object.__hash__  # Enum's own is a call of Python

    REFUSED = "there may be none"
    IGNORED = "it is read and thrown away"
    KEPT = "it is kept"


class BodyBudget:
    """Counts what is reserved, in bytes: ``total`` for everybody, half of it for one holder of a key or an address."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._share = total // 2
        self._held: dict[str, int] = {}
        self.reserved = 0

    def take(self, holder: str, count: int) -> None:
        """Reserves ``count`` more bytes. Raises Unavailable where there is no room."""
        mine = self._held.get(holder, 0) + count
        if self.reserved + count > self._total or mine > self._share:
            raise Unavailable("Too many large requests are under way. Please try again.", retry_after=_RETRY)
        self._held[holder] = mine
        self.reserved += count

    def give_back(self, holder: str, count: int) -> None:
        """Frees ``count`` bytes."""
        left = self._held.get(holder, 0) - count
        if left:
            self._held[holder] = left
        else:
            self._held.pop(holder, None)
        self.reserved -= count


class Reservation(Struct, eq=False):
    """One body's part of the budget. ``limit`` is the largest body there may be, in bytes."""

    budget: BodyBudget
    holder: str
    limit: int
    _pieces: int = 0
    _received: int = 0
    _reserved: int = 0

    def announced(self, length: int) -> None:
        """The body's length is known. Raises BodyTooLarge, Unavailable."""
        if length > self.limit:
            raise self._too_large()
        self.budget.take(self.holder, length)
        self._reserved = length

    def received(self, count: int, pieces: int = 1) -> None:
        """``count`` bytes came, in ``pieces`` pieces.

        Raises BodyTooLarge, Unavailable, BadRequest (pieces without end).
        """
        self._pieces += pieces
        self._received += count
        if self._received > self.limit:
            raise self._too_large()
        if self._pieces > _FREE_PIECES and self._received < self._pieces * _LEAST_PIECE:
            raise BadRequest("The request body comes in too many pieces that are too small.")
        if self._received > self._reserved:
            more = max(_STEP, self._received - self._reserved)
            self.budget.take(self.holder, more)
            self._reserved += more

    def release(self) -> None:
        """The body is kept no longer."""
        if self._reserved:
            self.budget.give_back(self.holder, self._reserved)
            self._reserved = 0

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The request body is larger than {self.limit} bytes.")


def check_shape(body: bytes) -> None:
    """Raises BadRequest for a body of more values than any request has: they take far more memory than their text."""
    if len(body) <= LARGE:
        return
    # one pass over all marks takes less than counting any of them; few bodies need more
    marked = sum(len(piece) - len(piece.translate(None, _MARKS)) for piece in _slices(body))
    for mark, most in _MOST:
        if marked > most and sum(piece.count(mark) for piece in _slices(body)) > most:
            raise BadRequest("The request has too many messages, parts or other values.")


def _slices(body: bytes) -> Iterator[bytes]:
    """Each is short work, between which other threads have their turn."""
    return (body[begin : begin + _SLICE] for begin in range(0, len(body), _SLICE))
