"""The API resource: routes a request, decodes it, has it served, and sees to it that it ends well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy import errors
from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.catalogue import Catalogue
from antigravity_proxy.canonical.chunk import Usage
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.dialect.base import Decoded, Rendered, Stamp
from antigravity_proxy.relay.context import ClientGone, RelayContext
from antigravity_proxy.relay.counting import count_tokens
from antigravity_proxy.relay.fanout import FanOut
from antigravity_proxy.relay.generation import Generation
from antigravity_proxy.relay.signatures import Memory
from antigravity_proxy.telemetry.record import Ledger, Record
from antigravity_proxy.web import capacity, dialects
from antigravity_proxy.web.client import HttpClient
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.edge import GuardedRequest
from antigravity_proxy.web.gate import ApiGate
from antigravity_proxy.web.routes import Operation, Route

log = Logger()

#: to a preflight; the gate has set its headers
_GO_AHEAD = Rendered(200, b"")
#: agents that try a websocket first fall back on this at once (clients.md 3)
_NO_WEBSOCKET = Rendered(426, b"Use POST: there are no websockets here.\n", ((b"content-type", b"text/plain"),))


class ApiResource(Resource):
    """Everything on the API port. Pages that need no key are handed to ``public``."""

    isLeaf = True

    def __init__(
        self,
        context: RelayContext,
        catalogue: Callable[[], Catalogue],
        gate: ApiGate,
        public: IResource,
        hex_digits: Callable[[int], str],
        ledger: Ledger,
    ) -> None:
        super().__init__()
        self._context = context
        self._catalogue = catalogue
        self._gate = gate
        self._public = public
        self._hex = hex_digits
        self._ledger = ledger

    def render(self, request: GuardedRequest) -> Any:
        """Serves one request; never raises."""
        route: Route = request.route
        if route.operation is Operation.PUBLIC and request.method in (b"GET", b"HEAD"):
            return self._public.render(request)
        client = HttpClient(request, self._context.ticker)
        serving = Deferred.fromCoroutine(self._serve(request, route, client))
        request.notifyFinish().addErrback(_hung_up, client, serving)
        serving.addErrback(self._last_resort, request, client)
        serving.addCallback(self._ended, client)
        return NOT_DONE_YET

    async def _serve(self, request: GuardedRequest, route: Route, client: HttpClient) -> None:
        record = client.record
        record.began = self._context.clock.seconds()
        request.setHeader(dialects.id_header(route), request.request_id.encode())
        try:
            if route.operation is Operation.UNKNOWN:
                raise errors.NotFound(f"No such path: {_shown(request.path)}")
            if route.operation is Operation.STORED_RESPONSE:
                raise errors.NotFound(f"Responses are not stored here: {_shown(request.path)}")
            if _wants_websocket(request) and route.operation is Operation.RESPONSES:
                client.reply(_NO_WEBSOCKET)
            elif request.method.decode("latin-1") not in route.methods:
                raise errors.MethodNotAllowed("Method not allowed.", allow=route.methods)
            elif route.operation is Operation.PREFLIGHT:
                client.reply(_GO_AHEAD)
            elif route.operation in (Operation.MODELS, Operation.MODEL):
                client.reply(dialects.models(route, self._catalogue(), request))
            elif route.operation is Operation.CAPACITY:
                client.reply(self._capacity())
            elif dialects.counts(route):
                client.reply(await self._count(request, route, client))
            else:
                await self._generate(request, dialects.decode(route, request), client)
        except errors.ProxyError as e:
            record.error = e.code
            client.reply(self._gate.render(request, e))

    async def _generate(self, request: GuardedRequest, decoded: Decoded, client: HttpClient) -> None:
        context, call, record = self._context, decoded.call, client.record
        model = self._model(request, call, record)
        if call.stream:
            self._ledger.streams(record)
        memory = Memory(context.signatures, record.key, call, model)
        stamp = Stamp(int(context.epoch()), self._hex, request.request_id, context.epoch, memory.call_signed)
        new_answer = decoded.new_answer
        if not decoded.asks_upstream:
            answer = new_answer(stamp)
            client.prepare(_headers(answer.content_type, model.id), None)
            client.finish(answer.close())
            return
        await memory.recall(call)
        generation: Generation | FanOut
        if call.choices == 1 and not decoded.more:
            generation = Generation(context, call, model, memory, lambda: new_answer(stamp), client)
        else:
            calls = (call, *decoded.more)
            any_will_do = decoded.any_will_do
            generation = FanOut(
                context, calls, model, memory, lambda: new_answer(stamp), client, any_will_do=any_will_do
            )
            del calls
        answer = generation.answer
        streamed = call.stream
        client.prepare(_headers(answer.content_type, model.id), answer.keepalive if streamed else None)
        del decoded, call, answer
        try:
            tail = await generation.run()
        except errors.ProxyError as e:
            if not client.head_sent:
                raise
            record.error = e.code
            client.finish(generation.answer.fail(e))
        else:
            client.finish(tail)
        finally:
            _count_tokens(record, generation.usage)

    def _model(self, request: GuardedRequest, call: Call, record: Record) -> Model:
        model = self._catalogue().serving(call)
        record.asked, record.model, record.family = call.model, model.id, model.family
        key: ClientKey | None = request.client_key
        if key is not None and not key.may_use(model.id):
            raise errors.Forbidden(f"This API key may not use the model {model.id}.", param="model")
        return model

    def _capacity(self) -> Rendered:
        pool = self._context.upstream.pool
        models = pool.capacity(self._catalogue().ids)
        return capacity.render(models, len(pool.states), pool.usable(), self._context.epoch())

    async def _count(self, request: GuardedRequest, route: Route, client: HttpClient) -> Rendered:
        call = dialects.decode_count(route, request)
        model = self._model(request, call, client.record)
        return dialects.counted(route, await count_tokens(self._context, call, model, client))

    def _last_resort(self, failure: Failure, request: GuardedRequest, client: HttpClient) -> None:
        """What nobody caught: a client that left is no fault; anything else is ours, and is told without details."""
        if client.gone or failure.check(ClientGone):
            return
        log.failure("request {id} failed", failure, id=request.request_id)
        client.record.error = errors.InternalError.code
        if client.head_sent:
            request.channel.transport.abortConnection()  # a truncated answer must look truncated
        else:
            client.reply(self._gate.render(request, errors.InternalError("Internal error of the proxy; see its log.")))

    def _ended(self, _: None, client: HttpClient) -> None:
        client.tell()
        self._ledger.close(client.record)


def _count_tokens(record: Record, usage: Usage) -> None:
    record.tokens_in, record.tokens_out = usage.input_tokens, usage.output_tokens


def _hung_up(reason: Failure, client: HttpClient, serving: Deferred[None]) -> None:
    client.lost(reason)
    serving.cancel()


def _headers(content_type: bytes, model: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"content-type", content_type),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
        (b"x-antigravity-model", model.encode()),
    )


def _wants_websocket(request: GuardedRequest) -> bool:
    upgrade = request.getHeader(b"upgrade")
    return request.method == b"GET" and upgrade is not None and upgrade.lower() == b"websocket"


def _shown(path: bytes) -> str:
    """A path as it may stand in an error: printable, and not too long."""
    text = path.decode("ascii", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
