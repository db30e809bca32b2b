"""The context of a request: the client whose answer it is, and what all requests share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from twisted.internet.interfaces import IConsumer, IReactorTime

from antigravity_proxy.accounts.replication import LocalState, SharedState
from antigravity_proxy.accounts.standing import Boards
from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.relay.signatures import Signatures
from antigravity_proxy.relay.upstream import Upstream
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egresses

T = TypeVar("T")


class Elsewhere(Protocol):
    """Does pure work in a thread; gives or raises what that gives or raises."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


#: where pure work is done; None: here and now, since it is short
Place = Elsewhere | None


async def work_at(place: Place, work: Callable[[], T]) -> T:
    """The result of pure work at its place; raises what that raises."""
    return work() if place is None else await place(work)


@dataclass(slots=True)
class RelayContext:
    """The parts that all requests share; built once by the service.

    ``epoch`` is the wall clock in epoch seconds, ``jitter`` a number from 0 to 1, ``hex_digits`` as many random hex
    digits as asked for. ``upstream`` is the accounts', ``others`` are the official ones by name. ``boards``: how
    ranks are recorded there; None: they aren't.
    """

    ticker: Ticker
    epoch: Callable[[], float]
    jitter: Callable[[], float]
    hex_digits: Callable[[int], str]
    egresses: Egresses
    signatures: Signatures
    upstream: Upstream
    others: dict[str, Upstream] = field(default_factory=dict)
    boards: Boards | None = None
    #: the upstream that last served a conversation which several can serve
    legs: SharedState = field(default_factory=LocalState)
    clock: IReactorTime = field(init=False)  # the ticker's: monotonic seconds and timers

    def of(self, model: Model) -> Upstream:
        """The upstream that serves a model. Raises KeyError for one that is not there."""
        return self.upstream if model.upstream == ACCOUNTS else self.others[model.upstream]

    @property
    def upstreams(self) -> dict[str, Upstream]:
        """All of them, by the names that users give them."""
        return {ACCOUNTS: self.upstream, **self.others}

    def __post_init__(self) -> None:
        self.clock = self.ticker.clock


class ClientGone(Exception):
    """The client hung up: nothing more is sent anywhere."""


class Client(Protocol):
    """The client's side of one request: where the answer's bytes go, and whether anybody still waits for them.

    ``started`` turns true with the first byte of the answer: from then on nothing is tried again. ``gone``: the client
    hung up. ``consumer`` slows upstream down to the client's pace; None where the answer is collected first.
    """

    gone: bool
    started: bool
    consumer: IConsumer | None

    @property
    def record(self) -> Record:
        """The request's outcome is recorded here."""
        ...

    def send(self, data: bytes) -> None:
        """Sends the next bytes of the answer."""
        ...
