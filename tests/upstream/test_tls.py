"""TLS towards upstream is verified, always: by the system's roots and those of an extra file."""

from __future__ import annotations

import datetime
import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL._util import lib
from support.deferreds import deferred
from support.proxies import proxy
from twisted.internet import ssl
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.resource import Resource
from twisted.web.server import Site

from antigravity_proxy.canonical.wire import bearer
from antigravity_proxy.http1 import tls
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.proxies import ProxyAddress, parse_proxy_url
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egress
from antigravity_proxy.upstream.endpoints import KeptEndpoints, SystemAndExtraRoots
from antigravity_proxy.upstream.exchange import Broken, Unreachable, host_header


def certificate(directory: Path, host: str) -> tuple[Path, Any]:
    """A self-signed certificate for a host: its PEM file, and what a server presents."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / f"{host}.pem"
    path.write_bytes(pem)
    return path, ssl.PrivateCertificate.loadPEM(pem + private).options()


class Hello(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        return b"hello"


@pytest.mark.parametrize(
    ("host", "trusted", "works"),
    [("localhost", True, True), ("localhost", False, False), ("other.example", True, False)],
)
@pytest.mark.parametrize("kind", ["", "http", "socks5"])
@pytest.mark.row("upstream TLS")
@deferred()
async def test_chain_and_name_are_verified(tmp_path: Path, host: str, trusted: bool, works: bool, kind: Any) -> None:
    """Directly, and through a proxy: that is not who is talked to."""
    async with AsyncExitStack() as around:
        through = (await around.enter_async_context(proxy(kind))).url if kind else None
        await verify(tmp_path, host, trusted, works, parse_proxy_url(through) if through else None)


async def verify(tmp_path: Path, host: str, trusted: bool, works: bool, through: ProxyAddress | None) -> None:
    from twisted.internet import reactor

    pem, context = certificate(tmp_path, host)
    site = Site(Hello(), timeout=None)
    site.log = lambda request: None  # type: ignore[method-assign]
    port = reactor.listenSSL(0, site, context, interface="127.0.0.1")
    ticker = Ticker(reactor)
    endpoints = KeptEndpoints(reactor, connect_timeout=5, ca_file=str(pem) if trusted else None, proxy=through)
    egress = Egress(ticker, endpoints, "ua", 5)
    url = b"https://localhost:%d/" % port.getHost().port
    exchange = egress.exchange()
    try:
        if works:
            await exchange.open(url, egress.head(b"GET", url, bearer(Secret("x"))), None)
            assert await exchange.read(99) == b"hello"
        else:
            with pytest.raises(Unreachable):
                await exchange.open(url, egress.head(b"GET", url, bearer(Secret("x"))), None)
    finally:
        await egress.forget_idle()
        ticker.stop()
        await port.stopListening()


@pytest.mark.parametrize("kind", ["", "http"])
@deferred()
async def test_bodies_of_any_size_arrive_in_order(tmp_path: Path, kind: Any) -> None:
    """Records leave at once, but for those that the socket does not take."""
    from twisted.internet import reactor

    class Digest(Resource):
        isLeaf = True

        def render(self, request: Any) -> bytes:
            return hashlib.sha256(request.content.read()).hexdigest().encode()

    pem, context = certificate(tmp_path, "localhost")
    site = Site(Digest(), timeout=None)
    site.log = lambda request: None  # type: ignore[method-assign]
    port = reactor.listenSSL(0, site, context, interface="127.0.0.1")
    ticker = Ticker(reactor)
    async with AsyncExitStack() as around:
        through = parse_proxy_url((await around.enter_async_context(proxy(kind))).url) if kind else None
        endpoints = KeptEndpoints(reactor, connect_timeout=5, ca_file=str(pem), proxy=through)
        egress = Egress(ticker, endpoints, "ua", 5)
        url = b"https://localhost:%d/" % port.getHost().port
        for size in (10, 100_000, 5_000_000, 20):
            body = bytes(range(256)) * (size // 256 + 1)
            exchange = egress.exchange()
            await exchange.open(url, egress.head(b"POST", url, bearer(Secret("x"))), body)
            assert (await exchange.read(99)).decode() == hashlib.sha256(body).hexdigest()
        await egress.forget_idle()
        ticker.stop()
        await port.stopListening()


def test_what_the_short_way_relies_on_is_there() -> None:
    """A release of Twisted that changes it falls back to its own way; this says so."""
    assert tls.KNOWN


class Scripted(Protocol):
    """Answers the first bytes of a request with ``says``; then ``breaks`` the connection in its way."""

    def __init__(self, says: bytes, breaks: str) -> None:
        self._says, self._breaks = says, breaks

    def dataReceived(self, data: bytes) -> None:
        made: Any = self.transport
        TLSMemoryBIOProtocol.write(made, self._says)
        if self._breaks == "by a record that is none":
            made.transport.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        elif self._breaks == "in order":
            made.loseConnection()
        else:
            made.transport.loseConnection()


@pytest.mark.parametrize("breaks", ["by a record that is none", "in order", "without a word"])
@pytest.mark.parametrize("framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked", b"X: until it closes"])
@deferred()
async def test_a_connection_that_breaks_within_an_answer_is_broken(tmp_path: Path, breaks: str, framing: bytes) -> None:
    from twisted.internet import reactor

    pem, context = certificate(tmp_path, "localhost")
    says = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + (b"4\r\nabcd\r\n" if b"chunked" in framing else b"abcd")
    port = reactor.listenSSL(0, Factory.forProtocol(lambda: Scripted(says, breaks)), context, interface="127.0.0.1")
    ticker = Ticker(reactor)
    egress = Egress(ticker, KeptEndpoints(reactor, connect_timeout=5, ca_file=str(pem)), "ua", 5)
    url = b"https://localhost:%d/" % port.getHost().port
    exchange = egress.exchange()
    await exchange.open(url, egress.head(b"GET", url, bearer(Secret("x"))), None)
    if b"until" in framing and breaks == "in order":
        assert await exchange.read(99) == b"abcd"
    else:
        with pytest.raises(Broken):
            await exchange.read(99)
    await egress.forget_idle()
    ticker.stop()
    await port.stopListening()


@deferred()
async def test_a_session_is_resumed(tmp_path: Path) -> None:
    """The second connection to a host does the short handshake; its name is verified all the same."""
    from twisted.internet import reactor

    pem, plain = certificate(tmp_path, "localhost")
    context = ssl.CertificateOptions(
        plain.privateKey, plain.certificate, enableSessions=True, enableSessionTickets=True
    )
    resumed: list[bool] = []

    class Tells(Resource):
        isLeaf = True

        def render(self, request: Any) -> bytes:
            handle = request.channel.transport.getHandle()
            resumed.append(bool(lib.SSL_session_reused(handle._ssl)))
            request.setHeader(b"connection", b"close")
            return b"hello"

    site = Site(Tells(), timeout=None)
    site.log = lambda request: None  # type: ignore[method-assign]
    port = reactor.listenSSL(0, site, context, interface="127.0.0.1")
    ticker = Ticker(reactor)
    egress = Egress(ticker, KeptEndpoints(reactor, connect_timeout=5, ca_file=str(pem)), "ua", 5)
    url = b"https://localhost:%d/" % port.getHost().port
    for _ in range(3):
        exchange = egress.exchange()
        await exchange.open(url, egress.head(b"GET", url, bearer(Secret("x"))), None)
        assert await exchange.read(99) == b"hello"
        await egress.forget_idle()
    assert resumed == [False, True, True]
    ticker.stop()
    await port.stopListening()


def test_a_ca_file_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SystemAndExtraRoots(str(tmp_path / "none"))
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(OSError, match="no PEM certificate"):
        SystemAndExtraRoots(str(tmp_path / "junk"))


def test_the_host_header_names_the_port_only_where_it_is_unusual() -> None:
    assert host_header(b"https://h.example/x") == b"h.example"
    assert host_header(b"https://h.example:8443/x") == b"h.example:8443"
    assert host_header(b"http://127.0.0.1:9100/x") == b"127.0.0.1:9100"
