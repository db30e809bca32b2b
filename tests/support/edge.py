"""A guarded site on a clock, and connections to it. Real Twisted, no sockets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy.telemetry.record import Ledger, Record
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.web.edge import GuardedRequest
from antigravity_proxy.web.gate import ApiGate
from antigravity_proxy.web.key_ring import KeyRing
from antigravity_proxy.web.rate_limits import RateLimits
from antigravity_proxy.web.site import GuardedSite


class Recorder(Resource):
    """Keeps what arrives; ``/slow`` is answered later."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []
        self.waiting: list[GuardedRequest] = []

    def render(self, request: Any) -> Any:
        self.bodies.append(request.take_body())
        if b"slow" in self.bodies[-1]:
            self.waiting.append(request)
            return NOT_DONE_YET
        return b"done"


class Edge:
    """A site, and a connection to it."""

    def __init__(self, max_body: int = 100, origins: Iterable[str] = (), **options: Any) -> None:
        self.clock = Clock()
        self.resource = Recorder()
        self.records: list[Record] = []
        ledger = Ledger(self.clock.seconds)
        ledger.observe(self.records.append)
        rate_limits = RateLimits(self.clock.seconds, self.clock.seconds)
        trusted = options.get("trusted", ())
        gate = ApiGate(
            KeyRing(["k"]),
            max_body,
            lambda count: "0" * count,
            ledger,
            rate_limits,
            origins=origins,
            trusted=trusted,
        )
        self.site = GuardedSite(self.resource, gate, Ticker(self.clock), **options)

    def connect(self, address: str = "") -> tuple[Any, Any]:
        channel = self.site.buildProtocol(IPv4Address("TCP", address, 1) if address else None)
        if channel is None:
            return None, None
        transport: Any = StringTransport()
        transport.abortConnection = lambda: (setattr(transport, "aborted", True), transport.loseConnection())
        transport.aborted = False
        channel.makeConnection(transport)
        return channel, transport

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1)


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
KEY = b"x-api-key: k\r\n"


def request(body: bytes = b"hello", *extra: bytes) -> bytes:
    return HEAD + KEY + b"".join(extra) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def turn(clock: Clock) -> None:
    """One turn of a reactor: what is due, but not what that adds (``Clock.advance`` does both)."""
    due = [call for call in clock.getDelayedCalls() if call.getTime() <= clock.seconds()]
    for call in due:
        clock.calls.remove(call)
        call.called = 1
        call.func(*call.args, **call.kw)
