"""The API resource: routes a request, decodes it, has it served, and sees to it that it ends well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy import errors
from antigravity_proxy.accounts.condition import of_credential, unusable
from antigravity_proxy.canonical import windows
from antigravity_proxy.canonical.catalogue import PublicModel
from antigravity_proxy.canonical.credential import ACCOUNTS, VERTEX
from antigravity_proxy.canonical.router import Router
from antigravity_proxy.canonical.windows import Window
from antigravity_proxy.coroutines import Running, Steps
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.openai import responses_listing
from antigravity_proxy.relay.context import ClientGone, RelayContext
from antigravity_proxy.state.usage import UsageLedger
from antigravity_proxy.telemetry.record import Ledger, Record
from antigravity_proxy.web import capacity, limit_headers, usage
from antigravity_proxy.web.bodies import LARGE, BodyUse
from antigravity_proxy.web.budgets import Budgets
from antigravity_proxy.web.client import HttpClient
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.client_kind import CODEX
from antigravity_proxy.web.decoding import Decoding
from antigravity_proxy.web.dialects import DIALECTS, Dialect, Incoming, TokenCount
from antigravity_proxy.web.gate import ApiAdmission, ApiGate, ApiRequest
from antigravity_proxy.web.limit_headers import Headers
from antigravity_proxy.web.limits import Limits
from antigravity_proxy.web.responses import Asking, Responses
from antigravity_proxy.web.routes import Operation, Route
from antigravity_proxy.web.serving import Serving
from antigravity_proxy.web.twisted_request import TwistedRequest

try:
    from antigravity_proxy.web.sockets import Sockets
except ImportError:  # wsproto is not installed
    Sockets = None  # type: ignore[assignment, misc]

log = Logger()

#: an enumeration's own attribute is ten times slower than a name
_KEPT, _PUBLIC = BodyUse.KEPT, Operation.PUBLIC
#: to a preflight; the gate has set its headers
_GO_AHEAD = Rendered(200, b"")
#: what has to do with responses that are kept
_OF_RESPONSES = frozenset(
    {
        Operation.RESPONSES,
        Operation.RESPONSE_COUNT,
        Operation.COMPACTION,
        Operation.STORED_RESPONSE,
        Operation.RESPONSE_ITEMS,
        Operation.RESPONSE_END,
    }
)
#: accounts whose windows are looked at for one answer
_WINDOWS_OF = 100
#: agents that try a websocket first fall back on this at once (clients.md 3)
_NO_WEBSOCKET = Rendered(
    426,
    b"Use POST: WebSockets need the package wsproto, which is not installed here.\n",
    ((b"content-type", b"text/plain"),),
)


class ApiResource(Resource):
    """Everything on the API port. Pages that need no key are handed to ``public``."""

    isLeaf = True

    def __init__(
        self,
        context: RelayContext,
        router: Callable[[], Router],
        gate: ApiGate,
        public: IResource,
        hex_digits: Callable[[int], str],
        ledger: Ledger,
        decoding: Decoding,
        responses: Responses,
        usage: UsageLedger,
        budgets: Budgets,
        limits: Limits,
    ) -> None:
        super().__init__()
        self._context = context
        self._router = router
        self._gate = gate
        self._public = public
        self._ledger = ledger
        self._decoding = decoding
        self._responses = responses
        self._usage = usage
        self._budgets = budgets
        self._serving = serving = Serving(context, router, limits, hex_digits, ledger)
        self._sockets = (
            None if Sockets is None else Sockets(gate, serving, responses, ledger, context.ticker, self._limits_event)
        )

    def render(self, request: ApiRequest) -> Any:
        """Serves one request; never raises."""
        admission = request.admitted
        route = admission.route
        if route.operation is _PUBLIC:
            TwistedRequest(request).render(self._public)
            return NOT_DONE_YET
        client = HttpClient(request, admission.recorded, self._context.ticker)
        dialect = route.dialect
        tells_windows = dialect == "anthropic" or client.record.agent == CODEX
        if tells_windows or (admission.key is not None and admission.key.has_limits):
            client.further = partial(self._limits_left, admission.key, dialect, client.record)
        ended = partial(self._ended, request, client)
        try:
            steps = self._steps(request, admission, client)
        except Exception:
            ended(Failure())
            return NOT_DONE_YET
        serving = Running(steps, ended)
        request.on_lost = partial(_hung_up, client, serving)
        serving.start()
        return NOT_DONE_YET

    def _steps(self, request: ApiRequest, admission: ApiAdmission, client: HttpClient) -> Steps:
        """What serves the request. What needs no wait is done at once. Raises a ProxyError."""
        client.record.began = self._context.clock.seconds()
        route = admission.route
        dialect = DIALECTS[route.dialect]
        decode = dialect.decoders.get(route.operation)
        if decode is None or admission.body is not _KEPT or request.body_size > LARGE:
            request.setHeader(dialect.id_header, admission.id.encode())
            return self._serve(request, admission, client, dialect)
        client.id_header = dialect.id_header
        decoded = decode(self._incoming(request, route))
        return self._serving.generate(admission, request.requestHeaders, decoded, client)

    async def _serve(
        self, request: ApiRequest, admission: ApiAdmission, client: HttpClient, dialect: Dialect
    ) -> Steps | None:
        """Serves a request; an answer that is generated by the coroutine that it returns. Raises a ProxyError."""
        route = admission.route
        if admission.body is not _KEPT:  # else it is a POST where one may be
            self._check_method(request, route)
        if _wants_websocket(request, route):
            if self._sockets is None:
                client.reply(_NO_WEBSOCKET)
            else:
                self._sockets.upgrade(request, admission)
        elif route.operation in _OF_RESPONSES:
            return await self._respond(request, admission, client)
        elif (decode := dialect.decoders.get(route.operation)) is not None:
            place = self._decoding.place(request.body_size)
            decoded = await self._decoding.decode(decode, self._incoming(request, route))
            return self._serving.generate(admission, request.requestHeaders, decoded, client, place)
        elif (embed := dialect.embeddings.get(route.operation)) is not None:
            wanted = await self._decoding.decode(embed, self._incoming(request, route))
            client.reply(wanted.render(await self._serving.embed(admission, wanted.call, client)))
        elif (count := dialect.counts.get(route.operation)) is not None:
            client.reply(await self._count(request, admission, count, client))
        elif route.operation is Operation.USAGE:
            client.reply(await usage.answer(self._usage, admission.key, _query(request)))
        else:
            client.reply(self._document(request, admission, dialect))
        return None

    def _incoming(self, request: ApiRequest, route: Route) -> Incoming:
        """The parts of the request that a decoder needs; the body is kept nowhere else after this."""
        content_types = request.requestHeaders.get(b"content-type")
        content_type = content_types[-1].decode("latin-1") if content_types else ""
        query = _query(request) if b"?" in request.uri else {}
        original = _anthropic(request) if route.dialect == "anthropic" and self._takes_originals() else None
        return Incoming(request.take_body(), content_type, route.model, query, original)

    def _takes_originals(self) -> bool:
        """Whether an upstream may take a request of Anthropic's dialect unchanged."""
        vertex = self._context.others.get(VERTEX)
        return vertex is not None and bool(vertex.pool.states)

    def _check_method(self, request: ApiRequest, route: Route) -> None:
        if route.operation is Operation.UNKNOWN:
            raise errors.NotFound(f"No such path: {_shown(request.path)}")
        if request.method.decode("latin-1") not in route.methods and not _wants_websocket(request, route):
            raise errors.MethodNotAllowed("Method not allowed.", allow=route.methods)

    def _document(self, request: ApiRequest, admission: ApiAdmission, dialect: Dialect) -> Rendered:
        """The answer of an operation that asks no model."""
        match admission.route.operation:
            case Operation.MODELS:
                return dialect.render_models(self._models(admission), _query(request))
            case Operation.MODEL:
                name = admission.route.model
                found = self._model(admission, name)
                return dialect.render_model(found, name)
            case Operation.CAPACITY:
                return self._capacity()
            case _:
                return _GO_AHEAD

    def _limits_left(self, key: ClientKey | None, dialect: str, record: Record) -> Headers:
        """The rest of the client key's limits at this moment, and of the windows of the account that serves."""
        found: Headers = ()
        epoch = self._context.epoch()
        if key is not None and key.has_limits:
            requests, tokens = self._gate.rate_limits.left(key), self._budgets.left(key)
            found = limit_headers.of_key(dialect, requests, tokens, epoch)
        serving = self._context.upstream.pool.find(record.account) if record.account else None
        if serving is None or not serving.standing.windows:
            return found
        if dialect == "anthropic":
            found += limit_headers.unified(windows.of_model(serving.standing, record.model), epoch)
        elif record.agent == CODEX:
            found += limit_headers.codex(self._fullest(record.model), epoch)
        return found

    def _limits_event(self, record: Record) -> bytes:
        """The events that Codex gets on a socket, ahead of a response; empty: none."""
        if record.agent != CODEX or record.upstream != ACCOUNTS:
            return b""
        return limit_headers.codex_event(self._fullest(record.model), self._context.epoch())

    def _fullest(self, model: str) -> Mapping[str, Window]:
        """The windows of the account that has most left: Codex stops its user with a question when little is."""
        states = islice(self._context.upstream.pool.states, _WINDOWS_OF)
        return windows.fullest((state.standing for state in states), model)

    def _models(self, admission: ApiAdmission) -> tuple[PublicModel, ...]:
        """The models that the client may use."""
        router, key = self._router(), admission.key
        listed = router.public(self._offers)
        if key is None or not key.models:
            return listed
        return tuple(model for model in listed if _may_use(key, router, model.id))

    def _model(self, admission: ApiAdmission, name: str) -> PublicModel | None:
        """The model of that name, if the client may use it: what a request for it would be served by."""
        router, key = self._router(), admission.key
        found = router.find(name, self._offers)
        return found if found is not None and (key is None or _may_use(key, router, name)) else None

    def _offers(self, upstream: str, model: str) -> bool:
        return self._context.others[upstream].pool.offers(model)

    def _capacity(self) -> Rendered:
        upstreams = self._context.upstreams
        found = {name: upstream.pool.capacity(self._router().ids(name)) for name, upstream in upstreams.items()}
        pools = [upstream.pool for upstream in upstreams.values()]
        accounts, usable = sum(len(pool.states) for pool in pools), sum(pool.usable() for pool in pools)
        states = self._context.upstream.pool.states  # upstream reports no windows of the others
        credentials = (
            of_credential(state, upstream.pool.rules, upstream.pool.now())
            for upstream in self._context.others.values()
            for state in upstream.pool.states
        )
        pool = self._context.upstream.pool
        out = unusable(states, pool.rules, ("",), pool.now())
        return capacity.render(found, accounts, usable, self._context.epoch(), states, credentials, out)

    async def _count(
        self, request: ApiRequest, admission: ApiAdmission, count: TokenCount, client: HttpClient
    ) -> Rendered:
        place = self._decoding.place(request.body_size)
        call = await self._decoding.decode(count.decode, self._incoming(request, admission.route))
        return count.render(await self._serving.count(admission, call, client, place))

    async def _respond(self, request: ApiRequest, admission: ApiAdmission, client: HttpClient) -> Steps | None:
        """Serves what has to do with responses that are kept, as ``_serve``."""
        responses, headers = self._responses, request.requestHeaders
        place = self._decoding.place(request.body_size)
        asking = Asking(self._gate.keys.accepted(headers, request.uri.partition(b"?")[2]))
        match admission.route.operation:
            case Operation.RESPONSES:
                decoded, end = await responses.understand(request.take_body(), asking)
                return _until(end, self._serving.generate(admission, headers, decoded, client, place))
            case Operation.COMPACTION:
                compacting = responses.compaction(request.take_body(), asking)
                return self._serving.generate(admission, headers, await compacting, client, place)
            case Operation.RESPONSE_COUNT:
                call = await responses.call(request.take_body(), asking)
                tokens = 0 if call is None else await self._serving.count(admission, call, client, place)
                client.reply(responses_listing.render_count(tokens))
            case Operation.RESPONSE_ITEMS:
                client.reply(await responses.input_items(admission.route.response, asking, _query(request)))
            case Operation.RESPONSE_END:
                client.reply(await responses.cancelled(admission.route.response, asking))
            case _:
                found = responses.deleted if request.method == b"DELETE" else responses.retrieved
                client.reply(await found(admission.route.response, asking))
        return None

    def _last_resort(self, failure: Failure, request: ApiRequest, client: HttpClient) -> None:
        """The last handler: an error is told to the client, and one that left is none.

        Anything else is a fault of ours, and shown without details.
        """
        error = failure.value
        if isinstance(error, errors.ProxyError):
            client.record.error = error.code
            client.reply(self._gate.render(request, error))
            return
        if client.gone or isinstance(error, ClientGone):
            return
        log.failure("request {id} failed", failure, id=request.admitted.id)
        client.record.error = errors.InternalError.code
        if client.head_sent:
            request.break_off()
        else:
            client.reply(self._gate.render(request, errors.InternalError("Internal error of the proxy; see its log.")))

    def _ended(self, request: ApiRequest, client: HttpClient, failure: Failure | None) -> None:
        if failure is not None:
            self._last_resort(failure, request, client)
        client.tell()
        self._ledger.close(client.record)


def _may_use(key: ClientKey, router: Router, name: str) -> bool:
    """Whether a client may use what serves a name."""
    model = router.first(name)
    return model is not None and key.may_use(model.id)


async def _until(end: Callable[[], object], generating: Steps) -> None:
    """Calls ``end`` when what is generated has come to its end, whatever that is."""
    try:
        await generating
    finally:
        end()


def _hung_up(client: HttpClient, serving: Running, reason: Failure) -> None:
    client.lost(reason)
    serving.cancel()


def _wants_websocket(request: ApiRequest, route: Route) -> bool:
    if request.method != b"GET" or route.operation is not Operation.RESPONSES:
        return False
    return (request.getHeader(b"upgrade") or b"").lower() == b"websocket"


def _anthropic(request: ApiRequest) -> tuple[str, str]:
    """The headers ``anthropic-version`` and ``anthropic-beta``, which may come several times."""
    version = request.getHeader(b"anthropic-version") or b""
    betas = b",".join(request.requestHeaders.getRawHeaders(b"anthropic-beta", []))
    return version.decode("latin-1"), betas.decode("latin-1")


def _query(request: ApiRequest) -> dict[str, str]:
    """The query's fields; of a repeated one the last."""
    if b"?" not in request.uri:
        return {}
    return dict(parse_qsl(request.uri.partition(b"?")[2].decode("latin-1"), keep_blank_values=True))


def _shown(path: bytes) -> str:
    """A path for an error message: printable, and not too long."""
    text = path.decode("ascii", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
