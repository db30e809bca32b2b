"""The client's side of a streamed or collected answer, over one HTTP request."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.settings.limits import FIRST_KEEPALIVE, KEEPALIVE
from antigravity_proxy.telemetry.record import CLIENT_LEFT, Record
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.web.edge import SERVER_NAME, GuardedRequest, lines_of, shown

#: what every answer's head says
_ALWAYS = ((b"server", SERVER_NAME), (b"x-content-type-options", b"nosniff"))


@lru_cache(maxsize=256)
def _lines(headers: tuple[tuple[bytes, bytes], ...], model: str, upstream: str) -> bytes:
    """The head of a model's answer, but for what differs from one to the next."""
    told = ((b"x-antigravity-model", model.encode()), (b"x-antigravity-upstream", upstream.encode()))
    return lines_of((*_ALWAYS, *headers, *told))


class HttpClient(Struct, eq=False):
    """Implements ``relay.client.Client``.

    A streamed answer's head leaves with its first byte, so that an early failure can still be an HTTP status; or, when
    upstream is silent for long, with a keep-alive (translation.md 3.4). ``id_header`` carries our id of the request,
    if it is not set already. ``further`` gives headers that are known late.
    """

    _request: GuardedRequest[Any]
    record: Record
    _ticker: Ticker
    id_header: bytes = b""
    consumer: IConsumer | None = None
    further: Callable[[], tuple[tuple[bytes, bytes], ...]] | None = None
    gone: bool = False
    started: bool = False
    head_sent: bool = False
    _headers: tuple[tuple[bytes, bytes], ...] = ()
    _keepalive: bytes = b""
    _tells_model: bool = False  # who served is known when the head leaves
    _said: float = 0.0  # monotonic seconds: when the client last got a byte

    def __repr__(self) -> str:
        return f"<HttpClient {'answering' if self.started else 'waiting'}>"

    def prepare(self, headers: tuple[tuple[bytes, bytes], ...], keepalive: bytes | None) -> None:
        """Sets the answer's headers. ``keepalive`` is None for a collected answer, else what fills long silences."""
        self._headers = headers
        self._tells_model = True
        if keepalive is None:
            return
        self.consumer = self._request
        if keepalive:
            self._keepalive = keepalive
            self._said = self._ticker.clock.seconds()
            self._ticker.watch(self)

    def lost(self, reason: Failure) -> None:
        """The connection is gone (``notifyFinish`` failed)."""
        self.gone = True
        self._ticker.leave(self)

    def send(self, data: bytes) -> None:
        """Sends bytes of the answer, the head before the first."""
        if not self.started:
            self.started = True
            self._first_byte()
            self._send_head()
            self._request.write(data)
            self._request.answer_begins()
        else:
            self._request.write(data)
        self._said = self._ticker.clock.seconds()

    def finish(self, data: bytes | None) -> None:
        """Sends the last bytes and ends the answer, or breaks it off."""
        if self._keepalive:
            self._ticker.leave(self)
        if self.gone:
            return
        request = self._request
        if data is None:
            request.break_off()
            return
        self._send_head()
        if data:
            self._first_byte()
        request.finish(data)

    def reply(self, rendered: Rendered) -> None:
        """Sends a complete answer with a status of its own; only while no head has left."""
        self._ticker.leave(self)
        if self.gone:
            return
        self._request.setResponseCode(rendered.status)
        self._tells_model = False
        self._headers = (*rendered.headers, (b"content-length", b"%d" % len(rendered.body)))
        self._send_head()
        self._first_byte()
        self._request.finish(rendered.body)

    def tell(self) -> None:
        """Completes the record: what was answered, as far as it was."""
        record, request = self.record, self._request
        record.client_left = self.gone
        record.status = CLIENT_LEFT if self.gone and not self.head_sent else request.code
        record.bytes_out = request.sentLength

    def _first_byte(self) -> None:
        record = self.record
        if record.first_byte is None:
            record.first_byte = self._ticker.clock.seconds() - record.began

    def _send_head(self) -> None:
        if self.head_sent:
            return
        self.head_sent = True
        request, record, id_header = self._request, self.record, self.id_header
        further = () if self.further is None else self.further()
        self.further = None
        if self._tells_model:
            first = b"%b: %b\r\n" % (shown(id_header), record.id.encode()) if id_header else b""
            lines = _lines(self._headers, record.model, record.upstream)
            request.setLines(first, lines + lines_of(further) if further else lines)
        else:
            if id_header:
                request.setHeader(id_header, record.id.encode())
            request.setHeaders((*_ALWAYS, *self._headers, *further))
        self._headers = ()

    def tick(self, now: float) -> None:
        """Fills a long silence."""
        if now - self._said >= (KEEPALIVE if self.head_sent else FIRST_KEEPALIVE):
            self._send_head()
            self._said = now
            self._request.write(self._keepalive)
