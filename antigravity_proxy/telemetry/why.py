"""The last requests, and why each took the accounts that it took: in memory, bounded. No I/O (contract.md 10)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.accounts import standing
from antigravity_proxy.accounts.standing import Board
from antigravity_proxy.telemetry.record import Attempt, Record, nothing_waits

#: requests that are remembered, and bytes that they may hold, about
MOST, MOST_BYTES = 4000, 16 << 20
#: bytes of what is kept of a request besides its text, about
_KEPT = 400


class _Told(Struct, array_like=True):
    """A record, as far as it is told."""

    duration: float
    dialect: str
    operation: str
    asked: str
    model: str
    key: str
    status: int
    error: str
    upstream: str
    attempts: list[Attempt]


_written = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(_Told).decode


class _Kept(Struct, gc=False):
    """``told`` is written: objects that nobody may ever ask for would cost every request more."""

    told: bytes
    boards: tuple[Board, ...]
    ended: float
    size: int


class WhyLog:
    """An observer of the ledger, with which it ``settle``s before a look."""

    def __init__(self) -> None:
        self.settle: Callable[[], None] = nothing_waits
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __call__(self, record: Record) -> None:
        """Remembers a request that asked for something; of two with the same id the later."""
        if record.refused or record.method != "POST":
            return
        told = _written(
            (
                record.duration,
                record.dialect,
                record.operation,
                record.asked[:_LONGEST],
                record.model,
                record.key,
                record.status,
                record.error,
                record.upstream,
                record.attempts,
            )
        )
        kept, identity, boards = self._kept, record.id, record.boards
        size = _KEPT + len(told) + len(identity)
        if boards and not boards[0].told:  # its bytes count once, with the first request that it served
            boards[0].told = True
            size += standing.MOST_BYTES
        if identity in kept:
            self.size -= kept.pop(identity).size
        kept[identity] = _Kept(told, boards, record.ended, size)
        self.size += size
        while len(kept) > MOST or self.size > MOST_BYTES:
            self.size -= kept.popitem(last=False)[1].size

    def explain(self, identity: str) -> dict[str, Any] | None:
        """The explanation of a request, as JSON has it; None: nothing is known (any more)."""
        self.settle()
        kept = self._kept.get(identity)
        if kept is None:
            return None
        told = _read(kept.told)
        tried = {attempt.account for attempt in told.attempts}
        return {
            "id": identity,
            "began": _utc(kept.ended - told.duration),
            "seconds": round(told.duration, 3),
            "dialect": told.dialect,
            "operation": told.operation,
            "asked": told.asked,
            "model": told.model,
            "key": told.key,
            "status": told.status,
            "error": told.error,
            "upstream": told.upstream,
            "attempts": [
                {
                    "account": attempt.account,
                    "upstream": attempt.upstream,
                    "after": round(attempt.began, 3),
                    "seconds": round(attempt.took, 3),
                    "outcome": attempt.reason or "served",
                    "status": attempt.status,
                }
                for attempt in told.attempts
            ],
            "standings": [
                {
                    "upstream": board.upstream,
                    "model": board.model,
                    "accounts": board.accounts,
                    "lookedAt": board.looked_at,
                    "couldServe": board.able,
                    "lines": [
                        {
                            "account": line.account,
                            "place": line.place or None,
                            "tried": line.account in tried,
                            "why": line.why,
                            "until": None if line.until is None else _utc(line.until),
                        }
                        for line in board.lines
                    ],
                }
                for board in kept.boards
            ],
        }


#: characters of a name that a client made up
_LONGEST = 200


def _utc(epoch: float) -> str:
    return datetime.fromtimestamp(max(0.0, min(epoch, _LAST)), UTC).isoformat(timespec="milliseconds")


#: the last moment that a date can have
_LAST = 253_402_300_799.0
