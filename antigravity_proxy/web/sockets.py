"""WebSockets on ``/v1/responses`` (clients.md 12.4): frames on Twisted's own implementation, guarded as the rest is.

A socket stays with its channel: what the client doesn't read, and how long it takes nothing, is the channel's to judge.
Messages are bounded and their bytes budgeted as bodies are, one response is under way at a time, and closing ends it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from twisted.internet.interfaces import IConsumer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.server import NOT_DONE_YET
from twisted.web.websocket import WebSocketResource
from wsproto.connection import ConnectionState
from wsproto.utilities import LocalProtocolError

from antigravity_proxy import errors
from antigravity_proxy.coroutines import Running
from antigravity_proxy.dialect.openai.errors import error_object
from antigravity_proxy.http1.sending import send
from antigravity_proxy.relay.context import ClientGone
from antigravity_proxy.settings.limits import (
    BODY_CHECK_SECONDS,
    BODY_MIN_RATE,
    SOCKET_IDLE_SECONDS,
    SOCKET_KEEPALIVE,
    SOCKET_SECONDS,
)
from antigravity_proxy.telemetry.record import CLIENT_LEFT, Ledger, Record
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.web.bodies import Reservation
from antigravity_proxy.web.frames import check_handshake, framed, read_head
from antigravity_proxy.web.gate import ApiAdmission, ApiGate, ApiRequest
from antigravity_proxy.web.responses import Asking, Responses
from antigravity_proxy.web.serving import Serving

log = Logger()

#: why a socket is closed (RFC 6455 7.4.1)
_GOING_AWAY, _NOT_TEXT, _POLICY, _TOO_LARGE = 1001, 1003, 1008, 1009


class Sockets:
    """Makes a socket of a request that asks for one. ``limits``: an event that comes before each response, or empty."""

    def __init__(
        self,
        gate: ApiGate,
        serving: Serving,
        responses: Responses,
        ledger: Ledger,
        ticker: Ticker,
        limits: Callable[[Record], bytes],
    ) -> None:
        self.gate = gate
        self.serving = serving
        self.responses = responses
        self.ledger = ledger
        self.ticker = ticker
        self.limits = limits

    def upgrade(self, request: ApiRequest, admission: ApiAdmission) -> None:
        """Answers the handshake; raises BadRequest if it is not one, Forbidden for a page of another origin."""
        check_handshake(request)
        self.gate.check_origin(request)
        query = request.uri.partition(b"?")[2]
        request.uri = request.path  # what Twisted may log of it holds no key
        session = _Session(self, request, admission, query)
        channel = request.channel
        factory: Any = _Factory(session)
        resource: Any = WebSocketResource(factory)  # our request has what it asks of Twisted's
        made = resource.render_GET(request)
        if made is not NOT_DONE_YET:
            raise errors.BadRequest("The WebSocket handshake is malformed.")
        request.code = http.SWITCHING
        channel.upgrade(session)


class _Factory:
    """Hands Twisted the session that is to hear of the frames."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def buildProtocol(self, request: Any) -> _Session:
        return self._session


class _Message:
    """A message as it comes, in pieces: linear in its length, which Twisted's own buffer isn't."""

    def __init__(self, session: _Session) -> None:
        self._session = session
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        if self._session.receives(len(piece)):
            self._pieces.append(piece)

    def done(self) -> str:
        pieces, self._pieces = self._pieces, []
        return "".join(pieces)


class _NoBytes:
    """Binary messages have no meaning here."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def add(self, piece: bytes) -> None:
        self._session.close(_NOT_TEXT)

    def done(self) -> bytes:
        return b""


class _Session:
    """One socket: implements Twisted's ``WebSocketProtocol`` and the channel's ``Upgraded``."""

    def __init__(self, sockets: Sockets, request: ApiRequest, admission: ApiAdmission, query: bytes) -> None:
        self._sockets = sockets
        self._request = request
        self._admission = admission
        self._query = query
        self._headers = request.requestHeaders
        self._asking = Asking(sockets.gate.keys.accepted(self._headers, query), secrets.token_bytes(16))
        self._began = self._since = self._said = sockets.ticker.clock.seconds()
        self._reservation: Reservation | None = None
        self._received = 0
        self._client: _SocketClient | None = None
        self._serving: Running | None = None
        self._draining = False
        self._closing = False
        self._transport: Any = None

    # Twisted's calls

    def negotiationStarted(self, transport: Any) -> None:
        self._transport = transport
        transport._textBuffer, transport._bytesBuffer = _Message(self), _NoBytes(self)

    def negotiationFinished(self) -> None:
        pass

    def pongReceived(self, payload: bytes) -> None:
        pass

    def bytesMessageReceived(self, data: bytes) -> None:
        pass

    def textMessageReceived(self, message: str) -> None:
        """A whole message: what it asks for is begun, or refused in a frame."""
        reservation, self._reservation, self._received = self._reservation, None, 0
        self._since = self._sockets.ticker.clock.seconds()
        if self._closing:
            _release(reservation)
            return
        try:
            body = message.encode()
            head = read_head(body)
            if head.type == "response.processed":
                _release(reservation)
                return
            if head.type != "response.create":
                raise errors.BadRequest(f"There is no event {str(head.type)[:80]!r} here.", param="type")
            if self._serving is not None:
                raise errors.BadRequest("A response is under way on this socket: there is one at a time.")
            if self._draining:
                raise errors.Unavailable("The server is shutting down.", retry_after=1)
            admission = self._sockets.gate.admit_message(self._request, self._admission, self._headers, self._query)
        except UnicodeEncodeError:
            _release(reservation)
            self._refuse(errors.BadRequest("The message is not UTF-8."))
        except errors.ProxyError as e:
            _release(reservation)
            self._refuse(e)
        else:
            self._begin(admission, body, head.generate is not False, reservation)

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone, and with it the response that is under way."""
        self._closing = True
        _release(self._reservation)
        if self._client is not None:
            self._client.gone = True
        if self._serving is not None:
            self._serving.cancel()
        self._sockets.responses.closed(self._asking)

    # the channel's calls

    def drain(self) -> None:
        """Ends the socket once the response that is under way is whole."""
        self._draining = True
        if self._serving is None:
            self.close(_GOING_AWAY)

    def tick(self, now: float) -> None:
        """Ends a socket that is not used, or whose message doesn't go on; fills a long silence."""
        if self._reservation is not None:
            if now - self._since >= BODY_CHECK_SECONDS:
                if self._received < BODY_CHECK_SECONDS * BODY_MIN_RATE:
                    self.close(_POLICY)
                self._since, self._received = now, 0
        elif self._serving is None and (
            now - self._since >= SOCKET_IDLE_SECONDS or now - self._began >= SOCKET_SECONDS
        ):
            self.close(_GOING_AWAY)
        if now - self._said >= SOCKET_KEEPALIVE and not self._closing:
            self._said = now
            self._transport.ping()

    # the parts' calls

    def receives(self, count: int) -> bool:
        """Counts ``count`` characters of a message; false: it is too much, and the socket ends."""
        site = self._request.channel.site
        if self._reservation is None:
            self._since = self._sockets.ticker.clock.seconds()
            self._reservation = Reservation(site.bodies, self._admission.holder, self._sockets.gate.max_body)
        self._received += count
        try:
            self._reservation.received(count)
        except errors.ProxyError as e:
            if not self._closing:
                self._refuse(e)
            self.close(_TOO_LARGE)
            return False
        return not self._closing

    def send(self, frames: bytes) -> None:
        """Sends events, one in a line; raises ClientGone where the client has closed the socket.

        Whole texts without an extension, as ``sendTextMessage`` would frame them, at a fifth of its cost.
        """
        wire = self._transport
        if wire._wsconn.state is not ConnectionState.OPEN:
            raise ClientGone
        self._said = self._sockets.ticker.clock.seconds()
        send(wire.transport, framed(frames))

    def limits(self, record: Record) -> bytes:
        """The event that comes before a response, or empty."""
        return self._sockets.limits(record)

    def close(self, code: int) -> None:
        """Ends the socket in order."""
        if self._closing:
            return
        self._closing = True
        try:
            self._transport.loseConnection(code)
        except LocalProtocolError:  # the client was first
            return

    def _refuse(self, error: errors.ProxyError) -> None:
        rendered = {"type": "error", "status": error.status, "error": error_object(error)}
        if error.retry_after is not None:
            rendered["headers"] = {"retry-after": str(error.retry_after)}
        try:
            self.send(msgspec.json.encode(rendered))
        except ClientGone:
            return

    def _begin(self, admission: ApiAdmission, body: bytes, generate: bool, reservation: Reservation | None) -> None:
        self._client = client = _SocketClient(
            self, self._request, admission.recorded, self._sockets.ticker, reservation
        )
        coroutine = self._serve(admission, body, generate, client)
        del body
        self._serving = serving = Running(coroutine, partial(self._ended, admission, client))
        serving.start()

    async def _serve(self, admission: ApiAdmission, body: bytes, generate: bool, client: _SocketClient) -> None:
        client.record.began = self._sockets.ticker.clock.seconds()
        responses = self._sockets.responses
        understanding = responses.understand(body, self._asking, framed=True, generate=generate)
        del body
        try:
            decoded, end = await understanding
            generating = self._sockets.serving.generate(admission, self._headers, decoded, client)
            del decoded  # a long stream keeps no prompt in memory
            try:
                await generating
            finally:
                end()
        except errors.ProxyError as e:
            client.record.error, client.record.status = e.code, e.status
            self._refuse(e)

    def _last_resort(self, failure: Failure, admission: ApiAdmission, client: _SocketClient) -> None:
        """The last handler: a client that left is not an error; anything else is ours."""
        if client.gone or failure.check(ClientGone):
            client.gone = True
            return
        log.failure("request {id} failed", failure, id=admission.id)
        client.record.error, client.record.status = errors.InternalError.code, errors.InternalError.status
        self._refuse(errors.InternalError("Internal error of the proxy; see its log."))

    def _ended(self, admission: ApiAdmission, client: _SocketClient, failure: Failure | None) -> None:
        if failure is not None:
            self._last_resort(failure, admission, client)
        self._serving = self._client = None
        self._since = self._sockets.ticker.clock.seconds()
        client.tell()
        self._sockets.ledger.close(client.record)
        if self._draining:
            self.close(_GOING_AWAY)


class _SocketClient:
    """Implements ``web.serving.AnsweredClient``: an answer's events become frames. There is no head to be sent."""

    __slots__ = ("_reservation", "_session", "_ticker", "consumer", "gone", "head_sent", "record", "sent", "started")

    def __init__(
        self, session: _Session, request: ApiRequest, record: Record, ticker: Ticker, reservation: Reservation | None
    ) -> None:
        self._session = session
        self._ticker = ticker
        self._reservation = reservation
        self.consumer: IConsumer | None = request
        self.gone = False
        self.started = False
        self.head_sent = False
        self.record = record
        self.sent = 0

    def prepare(self, headers: tuple[tuple[bytes, bytes], ...], keepalive: bytes | None) -> None:
        """There are no headers; long silences are the session's to fill."""

    def send(self, data: bytes) -> None:
        """Sends events of the answer."""
        if not self.started:
            self.started = self.head_sent = True
            self.record.first_byte = self._ticker.clock.seconds() - self.record.began
            self._release()
            if limits := self._session.limits(self.record):
                self._session.send(limits)
        self.sent += len(data)
        self._session.send(data)

    def finish(self, data: bytes | None) -> None:
        """Sends the last events."""
        if not self.gone and data:
            self.send(data)

    def tell(self) -> None:
        """Completes the record."""
        self._release()
        record = self.record
        record.client_left = self.gone
        record.status = CLIENT_LEFT if self.gone else record.status or http.OK
        record.bytes_out = self.sent

    def _release(self) -> None:
        _release(self._reservation)
        self._reservation = None


def _release(reservation: Reservation | None) -> None:
    if reservation is not None:
        reservation.release()
