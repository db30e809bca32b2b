"""Egress through a proxy: the negotiations alone, and over sockets with real Twisted clients behind them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.deferreds import deferred
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from antigravity_proxy.canonical.wire import bearer
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.proxies import ProxyAddress, parse_proxy_url
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream import tunnel
from antigravity_proxy.upstream.egress import Egress
from antigravity_proxy.upstream.endpoints import KeptEndpoints
from antigravity_proxy.upstream.exchange import Unreachable
from antigravity_proxy.upstream.tunnel import TunnelRefused, http_connect, socks5

OPEN = ProxyAddress("http", "p", 3128)
KEYED = ProxyAddress("socks5", "p", 1080, Secret("me"), Secret("pässword"))
SOCKS = ProxyAddress("socks5", "p", 1080)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://p", ProxyAddress("http", "p", 80)),
        ("https://p:8443/", ProxyAddress("https", "p", 8443)),
        ("socks5://p", ProxyAddress("socks5", "p", 1080)),
        ("socks5h://me:p%40ss@p:99", ProxyAddress("socks5", "p", 99, Secret("me"), Secret("p@ss"))),
        ("http://only@p", ProxyAddress("http", "p", 80, Secret("only"), Secret(""))),
    ],
)
def test_good_proxy_urls(url: str, address: ProxyAddress) -> None:
    assert parse_proxy_url(url) == address


@pytest.mark.parametrize(
    "url", ["ftp://u:hunter2@p", "p:3128", "http://", "http://u:hunter2@p/path", "http://p:99999", "socks4://p", ""]
)
def test_bad_proxy_urls_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(ValueError, match="proxy URL") as e:
        parse_proxy_url(url)
    assert "hunter2" not in str(e.value)


def negotiate(negotiation: tunnel.Negotiation, replies: list[bytes], size: int) -> tuple[bytes, bytes]:
    """Runs a negotiation against a proxy's replies, cut into pieces; gives what was sent and what was left over."""
    sent = next(negotiation)
    for reply in replies:
        for i in range(0, len(reply), size):
            try:
                sent += negotiation.send(reply[i : i + size])
            except StopIteration as done:
                return sent, done.value + reply[i + size :]
    raise AssertionError("the negotiation did not end")


@given(st.integers(1, 60))
def test_connect_in_any_pieces(size: int) -> None:
    replies = [b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nSURPLUS"]
    sent, surplus = negotiate(http_connect(OPEN, "host.example", 443), replies, size)
    assert sent == b"CONNECT host.example:443 HTTP/1.1\r\nHost: host.example:443\r\n\r\n"
    assert surplus == b"SURPLUS"


def test_connect_signs_in_and_brackets_addresses() -> None:
    keyed = ProxyAddress("http", "p", 3128, Secret("me"), Secret("pass"))
    sent, _ = negotiate(http_connect(keyed, "::1", 443), [b"HTTP/1.1 200 OK\r\n\r\n"], 99)
    assert sent.startswith(b"CONNECT [::1]:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:pass") in sent


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "answered 407"),
        (b"SSH-2.0-x\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 xyz\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 " + b"9" * 5000 + b"\r\n\r\n", "does not speak HTTP"),
        ("HTTP/1.1 ²00 OK\r\n\r\n".encode("latin-1"), "does not speak HTTP"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "does not speak HTTP"),
        (b"x" * 20_000, "no end"),
    ],
)
def test_connect_refused(reply: bytes, why: str) -> None:
    with pytest.raises(TunnelRefused, match=why):
        negotiate(http_connect(OPEN, "h", 1), [reply, b"x"], 20_000)


GRANTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


@given(st.integers(1, 20))
def test_socks_in_any_pieces(size: int) -> None:
    sent, surplus = negotiate(socks5(SOCKS, "host.example", 443), [b"\x05\x00", GRANTED + b"SURPLUS"], size)
    assert sent == b"\x05\x01\x00" + b"\x05\x01\x00\x03\x0chost.example\x01\xbb"
    assert surplus == b"SURPLUS"


def test_socks_signs_in_and_takes_every_kind_of_address() -> None:
    replies = [b"\x05\x02", b"\x01\x00", b"\x05\x00\x00\x03\x04name\x00\x50"]
    sent, _ = negotiate(socks5(KEYED, "127.0.0.1", 80), replies, 99)
    assert b"\x01\x02me\x09p\xc3\xa4ssword" in sent
    assert sent.endswith(b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50")
    sent, _ = negotiate(socks5(SOCKS, "::1", 80), [b"\x05\x00", b"\x05\x00\x00\x04" + bytes(18)], 99)
    assert sent.endswith(b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50")


@pytest.mark.parametrize(
    ("proxy", "replies", "why"),
    [
        (SOCKS, [b"\x05\xff"], "none of the authentication methods"),
        (SOCKS, [b"HT"], "none of the authentication methods"),
        (KEYED, [b"\x05\x02", b"\x01\x01"], "refused user name"),
        (ProxyAddress("socks5", "p", 1, Secret("x" * 256), Secret("")), [b"\x05\x02"], "too long"),
        (SOCKS, [b"\x05\x00", b"\x05\x05\x00\x01"], "SOCKS5 reply 5"),
        (SOCKS, [b"\x05\x00", b"\x05\x00\x00\x09"], "unknown address"),
    ],
)
def test_socks_refused(proxy: ProxyAddress, replies: list[bytes], why: str) -> None:
    with pytest.raises(TunnelRefused, match=why):
        negotiate(socks5(proxy, "h", 1), replies, 99)


class Scripted(Protocol):
    """A proxy that asks its script what to answer, then joins the client to the host that it named."""

    def __init__(self, script: Callable[[bytes], Any], target: int) -> None:
        self._script = script
        self._target = target
        self._seen = b""
        self._peer: Any = None

    def dataReceived(self, data: bytes) -> None:
        if self._peer is not None:
            self._peer.transport.write(data)
            return
        self._seen += data
        answer = self._script(self._seen)
        if answer is None:
            return
        self._seen = b""
        if answer.endswith(b"GO"):
            self._join(answer[:-2])
        else:
            self.transport.write(answer)

    def connectionLost(self, reason: Any = None) -> None:
        if self._peer is not None:
            self._peer.transport.loseConnection()

    def _join(self, answer: bytes) -> None:
        from twisted.internet import reactor
        from twisted.internet.endpoints import connectProtocol

        class Far(Protocol):
            def dataReceived(far, data: bytes) -> None:  # noqa: N805
                self.transport.write(data)

        def joined(far: Any) -> None:
            self._peer = far
            self.transport.write(answer)

        connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self._target), Far()).addCallback(joined)


def http_proxy(seen: bytes) -> bytes | None:
    return b"HTTP/1.1 200 OK\r\n\r\nGO" if b"\r\n\r\n" in seen else None


def socks_proxy(seen: bytes) -> bytes | None:
    if seen == b"\x05\x01\x00":
        return b"\x05\x00"
    return GRANTED + b"GO" if seen[:2] == b"\x05\x01" and len(seen) > 8 else None


@pytest.mark.parametrize(("scheme", "script"), [("http", http_proxy), ("socks5", socks_proxy)])
@deferred()
async def test_an_exchange_through_a_proxy_keeps_its_connection(scheme: str, script: Any) -> None:
    from twisted.internet import reactor

    simulator = Simulator(reactor)
    simulator.start()
    far = simulator._port.getHost().port
    made: list[Scripted] = []

    def build() -> Scripted:
        made.append(Scripted(script, far))
        return made[-1]

    port = reactor.listenTCP(0, Factory.forProtocol(build), interface="127.0.0.1")
    address = parse_proxy_url(f"{scheme}://127.0.0.1:{port.getHost().port}")
    ticker = Ticker(reactor)
    egress = Egress(ticker, KeptEndpoints(reactor, connect_timeout=5, proxy=address), "ua", 5)
    url = b"http://127.0.0.1:1/v1internal:loadCodeAssist"
    for _ in range(2):
        exchange = egress.exchange()
        response = await exchange.open(url, egress.head(b"POST", url, bearer(Secret("ya29.x"))), b"{}")
        assert response.code == 200
        assert b"simulated-project" in await exchange.read(9999)
    assert len(made) == 1
    assert simulator.loads[0].headers.getRawHeaders("user-agent") == ["ua"]
    assert simulator.loads[0].headers.getRawHeaders("accept-encoding") == ["identity"]
    await egress.forget_idle()
    ticker.stop()
    await port.stopListening()
    await simulator.stop()


@deferred()
async def test_a_proxy_that_refuses_is_an_unreachable_upstream() -> None:
    from twisted.internet import reactor

    factory = Factory.forProtocol(lambda: Scripted(lambda seen: b"HTTP/1.1 403 No\r\n\r\n", 1))
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    address = parse_proxy_url(f"http://127.0.0.1:{port.getHost().port}")
    ticker = Ticker(reactor)
    egress = Egress(ticker, KeptEndpoints(reactor, connect_timeout=5, proxy=address), "ua", 5)
    with pytest.raises(Unreachable):
        await egress.exchange().open(b"http://h.example/", egress.head(b"GET", b"http://h/", bearer(Secret("x"))), None)
    ticker.stop()
    await port.stopListening()


class Silent:
    """An endpoint that connects at once, to nobody."""

    def __init__(self) -> None:
        self.transport: Any = StringTransport()
        self.transport.abortConnection = self.transport.loseConnection
        self.protocol: Any = None

    def connect(self, factory: Any) -> Deferred[Any]:
        self.protocol = factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)
        connected: Deferred[Any] = Deferred()
        connected.callback(self.protocol)
        return connected


def opening(clock: Clock) -> tuple[Silent, list[Any], Deferred[Any]]:
    silent, results = Silent(), []
    endpoint = tunnel.TunnelEndpoint(clock, silent, OPEN, "h", 443, 15.0, tunnel.ProxyHealth(clock, OPEN))
    waiting = endpoint.connect(Factory.forProtocol(Protocol))
    waiting.addBoth(results.append)
    return silent, results, waiting


def test_a_silent_proxy_is_given_up() -> None:
    clock = Clock()
    silent, results, _ = opening(clock)
    clock.advance(15)
    assert results[0].check(TunnelRefused)
    assert silent.transport.disconnecting


def test_a_proxy_that_hangs_up_or_a_caller_that_gives_up_ends_it() -> None:
    clock = Clock()
    silent, results, _ = opening(clock)
    silent.protocol.connectionLost(None)
    assert results[0].check(TunnelRefused)
    silent, results, waiting = opening(clock)
    waiting.cancel()
    assert results
    assert silent.transport.disconnecting
    assert not clock.getDelayedCalls()


def test_the_tunnel_becomes_transparent() -> None:
    clock = Clock()
    silent, results, _ = opening(clock)
    silent.protocol.dataReceived(b"HTTP/1.1 200 OK\r\n\r\nfirst")
    inner = results[0]
    got: list[bytes] = []
    inner.dataReceived = got.append
    silent.protocol.dataReceived(b"more")
    assert got == [b"more"]
    lost: list[Any] = []
    inner.connectionLost = lost.append
    silent.protocol.connectionLost(None)
    assert len(lost) == 1
