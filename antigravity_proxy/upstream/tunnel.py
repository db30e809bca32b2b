"""Egress through a proxy: HTTP CONNECT and SOCKS5. The negotiations are generators that do no I/O of their own."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.proxies import ProxyAddress

log = Logger()

#: yields bytes to send (maybe none), receives bytes; returns surplus bytes, which belong to the tunnel
Negotiation = Generator[bytes, bytes, bytes]

MAX_REPLY_HEAD = 16 << 10
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?(?:\r\n|$)")


class TunnelRefused(ConnectError):
    """The proxy did not open the tunnel; the message says why, without credentials."""

    def __init__(self, why: str) -> None:
        super().__init__(None, why)


class ProxyUnreachable(TunnelRefused):
    """There is no connection to the proxy itself."""


class ProxyHealth:
    """How an egress proxy does: logged when it begins to fail and when it works again.

    ``trouble``: why it gave no way when it was last tried, without credentials; empty: it did, or was not tried yet.
    ``failed_at``: when it last failed, in monotonic seconds.
    """

    def __init__(self, clock: IReactorTime, proxy: ProxyAddress) -> None:
        self._clock = clock
        self.name = proxy.shown
        self.trouble = ""
        self.failed_at = float("-inf")

    def __repr__(self) -> str:
        return f"<ProxyHealth {self.name} {self.trouble or 'well'}>"

    def failed(self, error: TunnelRefused) -> None:
        """It gave no way."""
        self.failed_at = self._clock.seconds()
        words = " ".join(str(error).split())
        if isinstance(error, ProxyUnreachable):
            trouble = f"can't be reached: {words}"
        else:
            trouble = f"gives no way to upstream: {words}"
        if not self.trouble:
            log.warn("the egress proxy {proxy} {trouble}", proxy=self.name, trouble=trouble)
        self.trouble = trouble

    def worked(self) -> None:
        """It opened a tunnel."""
        if self.trouble:
            log.info("the egress proxy {proxy} works again", proxy=self.name)
        self.trouble = ""


def http_connect(proxy: ProxyAddress, host: str, port: int) -> Negotiation:
    """CONNECT (RFC 9110 9.3.6); raises TunnelRefused."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user is not None and proxy.password is not None:
        credentials = b64encode(f"{proxy.user.reveal()}:{proxy.password.reveal()}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    reply = yield ("\r\n".join(lines) + "\r\n\r\n").encode()
    while b"\r\n\r\n" not in reply:
        if len(reply) > MAX_REPLY_HEAD:
            raise TunnelRefused("the proxy's reply has no end")
        reply += yield b""
    head, _, surplus = reply.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if status is None:
        raise TunnelRefused("the proxy does not speak HTTP")
    if status[1] != b"200":
        raise TunnelRefused(f"the proxy answered {int(status[1])}")
    return surplus


def socks5(proxy: ProxyAddress, host: str, port: int) -> Negotiation:
    """SOCKS5 with names resolved by the proxy (RFC 1928, RFC 1929); raises TunnelRefused."""
    buffer = b""

    def read(count: int, send: bytes = b"") -> Generator[bytes, bytes, bytes]:
        nonlocal buffer
        if send:
            buffer += yield send
        while len(buffer) < count:
            buffer += yield b""
        taken, buffer = buffer[:count], buffer[count:]
        return taken

    with_password = proxy.user is not None and proxy.password is not None
    method = yield from read(2, b"\x05\x01" + (b"\x02" if with_password else b"\x00"))
    if method[0] != 5 or method[1] == 0xFF:
        raise TunnelRefused("the proxy accepts none of the authentication methods that we have")
    if with_password and method[1] == 2:
        user, password = cast(Secret, proxy.user).reveal().encode(), cast(Secret, proxy.password).reveal().encode()
        if len(user) > 255 or len(password) > 255:
            raise TunnelRefused("user name or password is too long for SOCKS5")
        reply = yield from read(2, bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if reply[1] != 0:
            raise TunnelRefused("the proxy refused user name and password")
    head = yield from read(4, b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
    if head[1] != 0:
        raise TunnelRefused(f"the proxy answered with SOCKS5 reply {head[1]}")
    length = (yield from read(1))[0] if head[3] == 3 else {1: 4, 4: 16}.get(head[3], 0)
    if not length:
        raise TunnelRefused("the proxy's reply has an unknown address")
    yield from read(length + 2)
    return buffer


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """Connects to ``host`` and ``port`` through a proxy. The negotiation may take ``timeout`` seconds.

    ``health`` gets each attempt's outcome.
    """

    def __init__(
        self,
        clock: IReactorTime,
        outer: IStreamClientEndpoint,
        proxy: ProxyAddress,
        host: str,
        port: int,
        timeout: float,
        health: ProxyHealth,
    ) -> None:
        self._clock = clock
        self._health = health
        self._outer = outer
        self._timeout = timeout
        negotiate = socks5 if proxy.scheme == "socks5" else http_connect
        self._negotiation: Callable[[], Negotiation] = lambda: negotiate(proxy, host, port)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Fires with the factory's protocol once the tunnel is open; fails with TunnelRefused."""
        tunnel: _Tunnel | None = None
        given_up = False

        def give_up(_: Deferred[IProtocol]) -> None:
            nonlocal given_up
            given_up = True
            connecting.cancel()
            if tunnel is not None:
                tunnel.refuse(TunnelRefused("given up"))

        opened: Deferred[IProtocol] = Deferred(give_up)

        def build(_: Any = None) -> _Tunnel:
            nonlocal tunnel
            tunnel = _Tunnel(self._clock, self._negotiation(), self._timeout, protocolFactory, opened)
            return tunnel

        def opens(protocol: IProtocol) -> IProtocol:
            self._health.worked()
            return protocol

        def refuses(failure: Failure) -> Failure:
            if not given_up and isinstance(failure.value, TunnelRefused):
                self._health.failed(failure.value)
            return failure

        connecting: Deferred[Any] = self._outer.connect(Factory.forProtocol(build))
        connecting.addErrback(lambda failure: None if opened.called else opened.errback(_not_reached(failure)))
        opened.addCallbacks(opens, refuses)
        return opened


def _not_reached(failure: Failure) -> Failure:
    """The outer connection's failure, by a name of its own."""
    if failure.check(CancelledError):
        return failure
    words = str(failure.value) or type(failure.value).__name__
    return Failure(ProxyUnreachable(words))


class _Tunnel(Protocol):
    """Runs the negotiation, then becomes transparent."""

    def __init__(
        self,
        clock: IReactorTime,
        negotiation: Negotiation,
        timeout: float,
        factory: IProtocolFactory,
        opened: Deferred[IProtocol],
    ) -> None:
        self._negotiation = negotiation
        self._factory = factory
        self._opened = opened
        self._inner: Any = None
        self._late = clock.callLater(timeout, lambda: self.refuse(TunnelRefused("the proxy did not answer in time")))

    def connectionMade(self) -> None:
        self._step(next, self._negotiation)

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)
        else:
            self._step(self._negotiation.send, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)
        else:
            self.refuse(TunnelRefused("the proxy closed the connection"))

    def refuse(self, error: TunnelRefused) -> None:
        """Ends a tunnel that is not open yet."""
        if self._late.active():
            self._late.cancel()
        if self._inner is None:
            cast(Any, self.transport).abortConnection()
            if not self._opened.called:
                self._opened.errback(error)

    def _step(self, advance: Callable[[Any], bytes], value: Any) -> None:
        try:
            out = advance(value)
        except StopIteration as done:
            self._open(done.value)
        except TunnelRefused as e:
            self.refuse(e)
        except ValueError:  # a name that IDNA can't write, a number out of range
            self.refuse(TunnelRefused("the handshake with the proxy is malformed"))
        else:
            if out:
                cast(Any, self.transport).write(out)

    def _open(self, surplus: bytes) -> None:
        self._late.cancel()
        self._inner = self._factory.buildProtocol(cast(Any, self.transport).getPeer())
        self._inner.makeConnection(self.transport)
        if not self._opened.called:
            self._opened.callback(self._inner)
        if surplus:
            self._inner.dataReceived(surplus)
