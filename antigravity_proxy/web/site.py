"""The site: its guarded connections, how many there may be, and how they end."""

from __future__ import annotations

from collections import Counter
from typing import Any, Generic

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.resource import IResource

from antigravity_proxy.settings.limits import BODIES_TOTAL, MAX_CONNECTIONS, SHED_CONNECTIONS
from antigravity_proxy.settings.parse import Network
from antigravity_proxy.telemetry.bucket import Bucket
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.web.bodies import BodyBudget
from antigravity_proxy.web.channel import GuardedChannel
from antigravity_proxy.web.edge import A, Gate
from antigravity_proxy.web.forwarded import is_trusted, network_of
from antigravity_proxy.web.heads import KnownHeads
from antigravity_proxy.web.round_robin import RoundRobin

log = Logger()

#: the budget holds this many bodies of the largest kind at least
_LARGEST_BODIES = 4
#: tracebacks of failed pages: a second, and at once
_FAULT_RATE, _FAULT_BURST = 0.1, 5.0


class GuardedSite(server.Site, Generic[A]):
    """A Site of guarded channels: counts them, caps them, drains them. Keeps no access log of its own.

    ``max_per_address``: connections of one address (IPv6: of a /64) at a time; None: as many as there may be.
    Addresses in ``trusted`` are proxies, whose connections are other clients'.
    """

    noisy = False

    def __init__(
        self,
        resource: IResource,
        gate: Gate[A],
        ticker: Ticker,
        *,
        max_connections: int = MAX_CONNECTIONS,
        max_per_address: int | None = None,
        trusted: tuple[Network, ...] = (),
    ) -> None:
        super().__init__(resource, reactor=ticker.clock, timeout=None, parsePOSTFormSubmission=False)
        self.gate = gate
        self.ticker = ticker
        self.channels: set[GuardedChannel] = set()
        self.turns = RoundRobin(ticker.clock)
        self.bodies = BodyBudget(max(BODIES_TOTAL, _LARGEST_BODIES * gate.max_body))
        self.heads = KnownHeads()
        self._dated, self._date_line = -1, b""
        self._faults = Bucket(_FAULT_RATE, _FAULT_BURST)
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._trusted = trusted
        self._of_address: Counter[str] = Counter()
        self._empty: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A channel for a new connection.

        Above the cap it only says so, in the dialect of what is asked; far above it is None (closed at once).
        """
        above = len(self.channels) - self._max_connections
        host = getattr(addr, "host", "")
        address = network_of(host)
        if above >= SHED_CONNECTIONS or (self._has_too_many(address) and not is_trusted(host, self._trusted)):
            return None
        return GuardedChannel(self, host, address, sheds=above >= 0)

    def date_line(self) -> bytes:
        """The Date of an answer that begins now, as a line of its head (RFC 9110 6.6.1)."""
        second = int(self.ticker.clock.seconds())
        if second != self._dated:
            self._dated, self._date_line = second, b"Date: %b\r\n" % http.datetimeToString()
        return self._date_line

    def channel_made(self, channel: GuardedChannel) -> None:
        """A connection was made."""
        self.channels.add(channel)
        self._of_address[channel.address] += 1

    @property
    def is_full(self) -> bool:
        """True while new connections get 503: then those that send nothing must go soon."""
        return len(self.channels) >= self._max_connections

    def failed(self, reason: Failure) -> None:
        """A page failed by a fault of ours; of very many tracebacks only some are logged."""
        if self._faults.take(self.ticker.clock.seconds()):
            log.failure("a page failed", reason)

    def channel_gone(self, channel: GuardedChannel) -> None:
        """A connection is closed; ends a drain with the last one."""
        self.channels.discard(channel)
        self._of_address[channel.address] -= 1
        if not self._of_address[channel.address]:
            del self._of_address[channel.address]
        if self._empty is not None and not self.channels:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def drain(self, clock: IReactorTime, deadline: float) -> Deferred[int]:
        """Lets what runs finish; fires with the number of connections that had to be cut after ``deadline`` seconds."""
        if not self.channels:
            return succeed(0)
        cut = 0
        self._empty = empty = Deferred[None]()

        def cut_all() -> None:
            nonlocal cut
            cut = len(self.channels)
            for channel in list(self.channels):
                channel.transport.abortConnection()

        call = clock.callLater(deadline, cut_all)
        for channel in list(self.channels):
            channel.drain()

        def done(_: None) -> int:
            if call.active():
                call.cancel()
            return cut

        return empty.addCallback(done)

    def _has_too_many(self, address: str) -> bool:
        return self._max_per_address is not None and self._of_address[address] >= self._max_per_address
