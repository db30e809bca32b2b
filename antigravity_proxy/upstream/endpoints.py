"""Endpoints towards upstream: made once for each host; TLS is always verified; through a proxy if there is one."""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import TLS_CLIENT_METHOD, Context, Error
from OpenSSL.SSL import Connection as SSLConnection
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.abstract import isIPAddress
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.web.client import URI, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from antigravity_proxy.settings.proxies import ProxyAddress
from antigravity_proxy.upstream.connection import Origin
from antigravity_proxy.upstream.tunnel import ProxyHealth, TunnelEndpoint


@implementer(IOpenSSLTrustRoot)
class SystemAndExtraRoots:
    """The system's trust store, and the roots of a PEM file besides it. Raises OSError for a file without any."""

    def __init__(self, ca_file: str | None) -> None:
        self._ca_file = ca_file
        if ca_file:
            with open(ca_file, "rb"):
                pass
            try:
                Context(TLS_CLIENT_METHOD).load_verify_locations(ca_file)
            except Error:
                raise OSError("it holds no PEM certificate") from None

    def _addCACertsToContext(self, context: Context) -> None:
        context.set_default_verify_paths()
        if self._ca_file:
            context.load_verify_locations(self._ca_file)


@implementer(IOpenSSLClientConnectionCreator)
class _Resuming:
    """Begins each TLS connection to a host with the session of an earlier one: a third less work for both sides.

    A session holds what was verified when it began: it is used with the same trust roots and the same name only.
    """

    def __init__(self, creator: Any) -> None:
        self._creator = creator
        self._session: Any = None

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSLConnection:
        """Twisted's: the TLS side of a new connection."""
        connection: SSLConnection = self._creator.clientConnectionForTLS(tlsProtocol)
        if self._session is not None:
            connection.set_session(self._session)
        return connection

    def remember(self, connection: SSLConnection) -> None:
        """Keeps this connection's session for the next one. It has one once bytes have come (RFC 8446 4.6.1)."""
        self._session = connection.get_session() or self._session


@implementer(IAgentEndpointFactory)
class KeptEndpoints:
    """Makes each host's endpoint once: name encoding and TLS options cost more than a small request.

    ``connect_timeout`` in seconds. ``proxy``: every connection goes through it; ``proxy_health``: how that does.
    """

    def __init__(
        self, reactor: Any, *, connect_timeout: float, ca_file: str | None = None, proxy: ProxyAddress | None = None
    ) -> None:
        self._reactor = reactor
        self._timeout = connect_timeout
        self._proxy = proxy
        self.proxy_health = None if proxy is None else ProxyHealth(reactor, proxy)
        self._policy = BrowserLikePolicyForHTTPS(trustRoot=SystemAndExtraRoots(ca_file))
        self._kept: dict[Origin, IStreamClientEndpoint] = {}
        self._sessions: dict[Origin, _Resuming] = {}

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """The endpoint for a URI's host."""
        key = (uri.scheme, uri.host, uri.port)
        endpoint = self._kept.get(key)
        if endpoint is None:
            endpoint = self._kept[key] = self._make(*key)
        return endpoint

    def remember_session(self, origin: Origin, transport: Any) -> None:
        """A connection to that origin works: the next one may resume its TLS session."""
        sessions = self._sessions.get(origin)
        if sessions is not None and (handle := transport.getHandle()) is not None:
            sessions.remember(handle)

    def _make(self, scheme: bytes, host: bytes, port: int) -> IStreamClientEndpoint:
        if self._proxy is None or self.proxy_health is None:
            inner = self._tcp(host.decode("ascii"), port)
        else:
            inner = self._through(self._proxy, self.proxy_health, host.decode("ascii"), port)
        if scheme == b"http":
            return inner
        return self._tls(inner, host, port)

    def _through(self, proxy: ProxyAddress, health: ProxyHealth, host: str, port: int) -> IStreamClientEndpoint:
        outer = self._tcp(proxy.host, proxy.port)
        if proxy.scheme == "https":
            outer = self._tls(outer, proxy.host.encode("ascii"), proxy.port)
        return TunnelEndpoint(self._reactor, outer, proxy, host, port, self._timeout, health)

    def _tcp(self, host: str, port: int) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint
        if isIPAddress(host):  # there is one address to try: looking for others takes as much as two requests
            endpoint = TCP4ClientEndpoint(self._reactor, host, port, self._timeout)
        else:
            endpoint = HostnameEndpoint(self._reactor, host.encode("ascii"), port, timeout=self._timeout)
        return endpoint

    def _tls(self, inner: IStreamClientEndpoint, host: bytes, port: int) -> IStreamClientEndpoint:
        sessions = self._sessions[b"https", host, port] = _Resuming(self._policy.creatorForNetloc(host, port))
        endpoint: IStreamClientEndpoint = wrapClientTLS(sessions, inner)
        return endpoint
