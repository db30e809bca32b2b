"""What all requests share: the pool, tokens, projects, connections, base URLs, clocks. Built once by the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.generatecontent.request import Quirk
from antigravity_proxy.relay.bases import BaseUrls
from antigravity_proxy.relay.projects import Projects
from antigravity_proxy.relay.signatures import Signatures
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egresses

T = TypeVar("T")


class Place(Protocol):
    """Does pure work, here or in a thread; gives or raises what that gives or raises."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


async def at_once(work: Callable[[], T]) -> T:
    """The place for work that is short."""
    return work()


@dataclass(slots=True)
class Resources:
    """The relay's surroundings.

    ``epoch`` is the wall clock in epoch seconds, ``jitter`` a number from 0 to 1, ``new_uuid`` a fresh UUID as text,
    ``hex_digits`` as many random hex digits as asked for.
    ``quirks`` remembers, by upstream model id, what had to be left out to be accepted (upstream.md 4.3).
    """

    ticker: Ticker
    epoch: Callable[[], float]
    jitter: Callable[[], float]
    new_uuid: Callable[[], str]
    hex_digits: Callable[[int], str]
    pool: Pool
    tokens: TokenKeeper
    projects: Projects
    egresses: Egresses
    bases: BaseUrls
    signatures: Signatures
    product: str = "antigravity-proxy"
    quirks: dict[str, frozenset[Quirk]] = field(default_factory=dict)

    @property
    def clock(self) -> IReactorTime:
        """Monotonic seconds and timers."""
        return self.ticker.clock
