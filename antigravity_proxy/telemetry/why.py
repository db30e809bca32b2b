"""The last requests, and why each took the accounts that it took: in memory, bounded. No I/O (contract.md 10)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from antigravity_proxy.accounts import standing
from antigravity_proxy.telemetry.record import Record

#: requests that are remembered, and bytes that they may hold, about
MOST, MOST_BYTES = 4000, 16 << 20
#: bytes of a record and of an attempt, about
_RECORD, _ATTEMPT = 900, 300


class _Kept(Struct, gc=False):
    record: Record
    ended: float
    size: int


class WhyLog:
    """An observer of the ledger. ``epoch``: the wall clock in seconds."""

    def __init__(self, epoch: Callable[[], float]) -> None:
        self._epoch = epoch
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __call__(self, record: Record) -> None:
        """Remembers a request that asked for something; of two with the same id the later."""
        if record.refused or record.method != "POST":
            return
        size = _RECORD + _ATTEMPT * len(record.attempts) + len(record.asked) + len(record.id)
        boards = record.boards
        if boards and not boards[0].told:  # its bytes count once, with the first request that it served
            boards[0].told = True
            size += standing.MOST_BYTES
        kept, identity = self._kept, record.id
        if identity in kept:
            self.size -= kept.pop(identity).size
        kept[identity] = _Kept(record, self._epoch(), size)
        self.size += size
        while len(kept) > MOST or self.size > MOST_BYTES:
            self.size -= kept.popitem(last=False)[1].size

    def explain(self, identity: str) -> dict[str, Any] | None:
        """The explanation of a request, as JSON has it; None: nothing is known (any more)."""
        kept = self._kept.get(identity)
        if kept is None:
            return None
        record, began = kept.record, kept.ended - kept.record.duration
        tried = {attempt.account for attempt in record.attempts}
        return {
            "id": record.id,
            "began": _utc(began),
            "seconds": round(record.duration, 3),
            "dialect": record.dialect,
            "operation": record.operation,
            "asked": record.asked[:_LONGEST],
            "model": record.model,
            "key": record.key,
            "status": record.status,
            "error": record.error,
            "upstream": record.upstream,
            "attempts": [
                {
                    "account": attempt.account,
                    "upstream": attempt.upstream,
                    "after": round(attempt.began, 3),
                    "seconds": round(attempt.took, 3),
                    "outcome": attempt.reason or "served",
                    "status": attempt.status,
                }
                for attempt in record.attempts
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
                for board in record.boards
            ],
        }


#: characters of a name that a client made up
_LONGEST = 200


def _utc(epoch: float) -> str:
    return datetime.fromtimestamp(max(0.0, min(epoch, _LAST)), UTC).isoformat(timespec="milliseconds")


#: the last moment that a date can have
_LAST = 253_402_300_799.0
