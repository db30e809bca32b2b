"""The last hour in minutes, and the last errors: what the status page draws. Does no I/O; its memory is bounded.

An observer of finished requests: a few additions for each, no more.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy.errors import UpstreamRefusesRequest
from antigravity_proxy.telemetry.record import CLIENT_LEFT, Record, nothing_waits

#: minutes that are remembered
MINUTES = 60
#: errors that are remembered
ERRORS = 50
#: characters of a model name that a client made up
_LONGEST_NAME = 80


class Minute(Struct):
    """The requests that ended in one minute; ``number`` counts minutes of the monotonic clock.

    ``failed``: no answer, or an answer broken off, for a reason of ours or of upstream's; ``limited``: 429;
    ``refused``: the request itself was wrong; ``left``: the client hung up before an answer began. ``streams`` are
    among the others. ``tokens`` in and out.
    """

    number: int
    served: int = 0
    limited: int = 0
    failed: int = 0
    refused: int = 0
    left: int = 0
    streams: int = 0
    tokens: int = 0

    @property
    def requests(self) -> int:
        """All of them."""
        return self.served + self.limited + self.failed + self.refused + self.left


class RecentError(Struct, frozen=True):
    """One request that ended in an error: when (epoch seconds), the request, the last account, and the error."""

    at: float
    dialect: str
    model: str
    account: str
    status: int
    code: str
    attempts: int
    in_stream: bool
    id: str = ""


class History:
    """Takes finished requests, and ``settle``s with the ledger before a look. ``seconds`` is the monotonic clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self.settle: Callable[[], None] = nothing_waits
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self._present = Minute(-1)  # the last of them, once there is one
        self._faults: deque[RecentError] = deque(maxlen=ERRORS)
        self._refused: Counter[str] = Counter()

    def note(self, record: Record) -> None:
        """Takes a record that is closed."""
        number = int((record.began + record.duration) // 60)
        minute = self._present
        if minute.number != number:
            minute = self._present = Minute(number)
            self._minutes.append(minute)
        if record.streamed:
            minute.streams += 1
        minute.tokens += record.tokens_in + record.tokens_out
        if record.status == CLIENT_LEFT:
            minute.left += 1
            return
        if not record.error:
            minute.served += 1
            return
        if record.error == UpstreamRefusesRequest.code:
            self._refused[record.agent] += 1
        if record.status == 429:
            minute.limited += 1
        elif 400 <= record.status < 500:
            minute.refused += 1
        else:
            minute.failed += 1
        if not record.refused:
            self._faults.appendleft(self._fault(record))

    def minutes(self) -> tuple[Minute, ...]:
        """The last hour, the oldest minute first, quiet ones included."""
        self.settle()
        return tuple(self._filled())

    def refused(self) -> tuple[tuple[str, int], ...]:
        """How many requests upstream has refused for what they say, by kind of client, since the start."""
        self.settle()
        return tuple(self._refused.most_common())

    def faults(self) -> tuple[RecentError, ...]:
        """The last errors, the newest first."""
        self.settle()
        return tuple(self._faults)

    def _filled(self) -> Iterator[Minute]:
        last = int(self._seconds() // 60)
        known = {minute.number: minute for minute in self._minutes}
        for number in range(last - MINUTES + 1, last + 1):
            yield replace(known[number]) if number in known else Minute(number)

    def _fault(self, record: Record) -> RecentError:
        return RecentError(
            at=record.ended,
            dialect=record.dialect,
            model=(record.model or record.asked)[:_LONGEST_NAME],
            account=record.account,
            status=record.status,
            code=record.error,
            attempts=len(record.attempts),
            in_stream=record.status < 400,
            id=record.id,
        )
