"""The way to Redis: address, TLS, sentinels, login. Each step within some seconds, or it counts as failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis
from OpenSSL.crypto import Error
from twisted.internet.defer import TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.protocol import Factory
from twisted.internet.ssl import PrivateCertificate, optionsForClientTLS

from antigravity_proxy.replicas.connection import Connection, Lost
from antigravity_proxy.replicas.status import meaning
from antigravity_proxy.replicas.wire import Command
from antigravity_proxy.settings.redis_url import RedisUrl
from antigravity_proxy.upstream.endpoints import SystemAndExtraRoots

#: seconds to connect to an address
CONNECT_SECONDS = 3.0
#: seconds for that and for finding the address: a first name server that is mute takes five of them by itself
DIAL_SECONDS = 15.0
#: seconds for an answer to each step of the greeting
GREETING_SECONDS = 2.0
#: of a client's commands these say what it needs of a user's rights (docs/scaling.md)
CLIENT_NAME = "antigravity-proxy"


class _Connections(Factory):
    """Twisted's own would log every attempt."""

    noisy = False
    protocol = Connection


class Connector:
    """Makes connections as the URL says. Raises OSError where its TLS files can't be used."""

    def __init__(self, reactor: Any, url: RedisUrl) -> None:
        self._reactor = reactor
        self._url = url
        self._roots = SystemAndExtraRoots(url.ca_file)
        self._certificate = _certificate(url)

    async def connect(self) -> Connection:
        """A connection that is logged in, speaks RESP3 and can write. Raises Lost."""
        connection = await (self._to_master() if self._url.master else self._open(*self._url.hosts[0]))
        url = self._url
        try:
            await self._greet(connection, url.user, url.password.reveal())
            if url.database:
                await self._step(connection, [(b"SELECT", url.database)])
            (role,) = await self._step(connection, [(b"ROLE",)])
            if not isinstance(role, list) or not role or role[0] != b"master":
                raise Lost("this Redis is a read-only replica")
        except BaseException:
            connection.close("Redis is not connected")
            raise
        return connection

    async def _to_master(self) -> Connection:
        """Asks the sentinels, one after the other, where their master is."""
        reason = "no sentinel can be reached"
        for host, port in self._url.hosts:
            try:
                sentinel = await self._open(host, port)
            except Lost:
                continue
            try:
                if self._url.sentinel_password:
                    await self._greet(sentinel, "", self._url.sentinel_password.reveal())
                ask = (b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._url.master)
                (found,) = await self._step(sentinel, [ask])
                if isinstance(found, list) and len(found) == 2:
                    return await self._open(found[0].decode(), int(found[1]))
                reason = "the sentinels know no master of that name"
            except (ValueError, UnicodeDecodeError, AttributeError):
                reason = "a sentinel sent an invalid reply"
            except Lost as e:
                reason = str(e)
            finally:
                sentinel.close("done")
        raise Lost(reason)

    async def _open(self, host: str, port: int) -> Connection:
        endpoint: Any = HostnameEndpoint(self._reactor, host.encode("ascii"), port, timeout=CONNECT_SECONDS)
        if self._url.tls:
            options = optionsForClientTLS(host, trustRoot=self._roots, clientCertificate=self._certificate)
            endpoint = wrapClientTLS(options, endpoint)
        try:
            connection: Connection = await endpoint.connect(_Connections()).addTimeout(DIAL_SECONDS, self._reactor)
        except (ConnectionRefusedError, DNSLookupError, ConnectTimeout, TimeoutError, ConnectError) as e:
            raise Lost(_why(e)) from None
        return connection

    async def _greet(self, connection: Connection, user: str, password: str) -> None:
        login = (b"AUTH", user or "default", password) if password else ()
        (hello,) = await self._step(connection, [(b"HELLO", 3, *login, b"SETNAME", CLIENT_NAME)])
        if not isinstance(hello, dict) or hello.get(b"proto") != 3:
            raise Lost("Redis sent an invalid reply")

    async def _step(self, connection: Connection, commands: Sequence[Command]) -> list[Any]:
        try:
            answers: list[Any] = await connection.ask(commands).addTimeout(GREETING_SECONDS, self._reactor)
        except TimeoutError:
            raise Lost("Redis does not answer") from None
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                raise Lost(meaning(str(answer)))
        return answers


def _certificate(url: RedisUrl) -> PrivateCertificate | None:
    if url.cert_file is None:
        return None
    text = b""
    for path in filter(None, (url.key_file, url.cert_file)):
        with open(path, "rb") as file:
            text += file.read() + b"\n"
    try:
        found: PrivateCertificate = PrivateCertificate.loadPEM(text)
    except Error:
        raise OSError("it holds no certificate with its key") from None
    return found


def _why(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "Redis refuses connections"
    if isinstance(error, DNSLookupError):
        return "Redis' host name is not known"
    if isinstance(error, ConnectTimeout | TimeoutError):
        return "Redis does not answer"
    return "Redis can't be reached"
