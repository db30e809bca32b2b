"""Decides on each API request by its head: what it is, whether its key is right, how its errors look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import Forbidden, MethodNotAllowed, ProxyError
from antigravity_proxy.http1.fields import HeaderFields
from antigravity_proxy.settings.parse import Network
from antigravity_proxy.telemetry.record import CLIENT_LEFT, Ledger, Record
from antigravity_proxy.web.bodies import BodyUse
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.client_kind import kind_of
from antigravity_proxy.web.cors import Cors, Fields
from antigravity_proxy.web.dialects import DIALECTS, marked
from antigravity_proxy.web.edge import Admission, Again, GuardedRequest
from antigravity_proxy.web.forwarded import address_of
from antigravity_proxy.web.hosts import Hosts
from antigravity_proxy.web.identity import own_id, own_trace
from antigravity_proxy.web.key_ring import KeyRing
from antigravity_proxy.web.origin import is_foreign
from antigravity_proxy.web.rate_limits import RateLimits
from antigravity_proxy.web.routes import PREFLIGHT, Operation, Route, match

_READING = (b"GET", b"HEAD")
_METHODS = {name: name.decode() for name in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")}
_NAMES = {operation: operation.name.lower() for operation in Operation}


class ApiAdmission(Admission, kw_only=True):
    """The notes on an API request from its head.

    ``id`` is our id of it. ``record`` is None for a look at a page that needs no key; ``key`` is the client's own, None
    where a plain one was shown, or none is needed.
    """

    route: Route
    id: str
    record: Record | None = None
    key: ClientKey | None = None

    @property
    def recorded(self) -> Record:
        """The record of a request that has one: RuntimeError."""
        if self.record is None:
            raise RuntimeError("no record is kept of this request")
        return self.record


class Reading(Struct, frozen=True):
    """What a head says, for each request that has it, as long as the keys are those of ``ring``.

    ``agent`` is the kind of the client's program, ``owner`` the client whose own key it shows.
    """

    ring: KeyRing
    route: Route
    method: str
    agent: str
    cors: Fields
    owner: ClientKey | None
    body: BodyUse


ApiRequest = GuardedRequest[ApiAdmission]


class ApiGate:
    """The gate of the API listener. ``keys`` may be replaced while it runs; ``max_body`` in bytes.

    Every request gets a record in the ledger here, but for looks at pages that need no key.
    """

    def __init__(
        self,
        keys: KeyRing,
        max_body: int,
        hex_digits: Callable[[int], str],
        ledger: Ledger,
        rate_limits: RateLimits,
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        trusted: Sequence[Network] = (),
    ) -> None:
        self.keys = keys
        self.max_body = max_body
        self._hex = hex_digits
        self._ledger = ledger
        self.rate_limits = rate_limits
        self._hosts = Hosts(hosts)
        self._origins = frozenset(origin.encode("ascii") for origin in origins)
        self._cors = Cors(origins)
        self._trusted = trusted
        ledger.observe(rate_limits, keys_only=True)

    def admit(self, request: ApiRequest, method: bytes, target: bytes) -> Again | None:
        """Notes the route, an id and the client's key on the request.

        Raises Unauthorized, Forbidden, ClientLimited, and MethodNotAllowed for a page that needs no key.
        """
        headers = request.requestHeaders
        admission = self._note(request, target)
        route = admission.route
        cors = self._cors.headers(headers)
        request.setHeaders(cors)
        preflight = self._cors.preflight(method, headers)
        if preflight is not None:
            admission.record = self._open(request, method, admission)
            admission.route, admission.body = PREFLIGHT, BodyUse.REFUSED
            request.setHeaders(preflight)
        elif not route.needs_key:
            admission.spared, admission.body = True, BodyUse.REFUSED
            if method not in _READING:
                raise MethodNotAllowed("Method not allowed.", allow=route.methods)
        else:
            admission.record = record = self._open(request, method, admission)
            asks_model = method == b"POST" and "POST" in route.methods
            admission.body = BodyUse.KEPT if asks_model else BodyUse.IGNORED
            key = self._identify(headers, target.partition(b"?")[2])
            self._charge(admission, record, key, asks_model=asks_model)
            admission.holder = record.key or record.client
            reading = Reading(self.keys, route, record.method, record.agent, cors, key, admission.body)
            return partial(self._admit_again, reading)
        return None

    def _admit_again(self, reading: Reading, request: ApiRequest) -> bool:
        """As ``admit``, but for what was read before; False if other keys are in force since.

        Raises Unauthorized, ClientLimited.
        """
        if reading.ring is not self.keys:
            return False
        route, headers = reading.route, request.requestHeaders
        identity = (b"x-request-id" in headers and own_id(headers)) or "req_" + self._hex(24)
        record = self._ledger.open(identity, reading.method, route.dialect, _NAMES[route.operation])
        record.client = address_of(request.channel.peer, headers, self._trusted)
        record.agent = reading.agent
        record.trace = (b"traceparent" in headers and own_trace(headers, self._hex)) or self._ledger.new_trace()
        request.admission = admission = ApiAdmission(route=route, id=identity, record=record, body=reading.body)
        if reading.cors:
            request.setHeaders(reading.cors)
        if reading.owner is not None:
            self._charge(admission, record, reading.owner, asks_model=reading.body is BodyUse.KEPT)
        admission.holder = record.key or record.client
        return True

    def admit_message(
        self, request: ApiRequest, handshake: ApiAdmission, headers: HeaderFields, query: bytes
    ) -> ApiAdmission:
        """Admits a message of a socket as a request of its own: its key may have been withdrawn since the handshake.

        Raises as ``admit``.
        """
        admission = ApiAdmission(route=handshake.route, id="req_" + self._hex(24), holder=handshake.holder)
        admission.record = record = self._open(request, b"POST", admission)
        try:
            key = self._identify(headers, query)
            self._charge(admission, record, key, asks_model="POST" in admission.route.methods)
        except ProxyError as e:
            record.status, record.error, record.refused = e.status, e.code, True
            self._ledger.close(record)
            raise
        return admission

    def check_origin(self, request: ApiRequest) -> None:
        """Raises Forbidden for a socket that a page of another origin opens: no browser asks before it does."""
        if is_foreign(request.requestHeaders, allowed=self._origins):
            raise Forbidden("Pages of this origin may not open a socket here: name it in PROXY_CORS_ORIGINS.")

    def _identify(self, headers: HeaderFields, query: bytes) -> ClientKey | None:
        """The client whose own key is shown, if the request may come at all. Raises Unauthorized, Forbidden."""
        if self.keys.open:
            hosts = headers.getRawHeaders(b"host", ())
            self._hosts.check(hosts[-1] if hosts else None)
            if is_foreign(headers, allowed=self._origins):
                raise Forbidden(
                    "No API key is set here, so pages of other sites may not call: set one, or name the page's origin "
                    "in PROXY_CORS_ORIGINS."
                )
        return self.keys.check(headers, query)

    def _charge(self, admission: ApiAdmission, record: Record, key: ClientKey | None, *, asks_model: bool) -> None:
        """Counts the request for its client's own key. Raises Unauthorized, ClientLimited."""
        if key is not None:
            admission.key, record.key = key, key.name
            self.rate_limits.take(key, record, asks_model=asks_model)

    def render(self, request: ApiRequest, error: ProxyError) -> Rendered:
        """The error in the dialect of the request's path, as far as that is known."""
        admission = self._noted(request)
        return DIALECTS[admission.route.dialect].render_error(error, admission.id)

    def refused(self, request: ApiRequest, error: ProxyError, answer: Rendered) -> None:
        """Closes the record of a request that never reached a resource."""
        admission = self._noted(request)
        record = admission.record or self._open(request, request.method, admission)
        record.refused = True
        record.status, record.error, record.bytes_out = answer.status, error.code, len(answer.body)
        self._ledger.close(record)

    def lost(self, request: ApiRequest) -> None:
        """Closes the record of a client that left before its request was whole."""
        record = None if request.admission is None else request.admission.record
        if record is not None and not record.closed:
            record.status, record.client_left = CLIENT_LEFT, True
            self._ledger.close(record)

    def _noted(self, request: ApiRequest) -> ApiAdmission:
        """The record of the request; of one with an incomplete head, as far as it came."""
        return request.admission or self._note(request, request.target)

    def _note(self, request: ApiRequest, target: bytes) -> ApiAdmission:
        headers = request.requestHeaders
        path = target.partition(b"?")[0].decode("latin-1")
        request.admission = admission = ApiAdmission(
            route=match(path, marked(headers.hasHeader)), id=own_id(headers) or "req_" + self._hex(24)
        )
        return admission

    def _open(self, request: ApiRequest, method: bytes, admission: ApiAdmission) -> Record:
        route = admission.route
        record = self._ledger.open(admission.id, _METHODS.get(method, "OTHER"), route.dialect, _NAMES[route.operation])
        record.client = address_of(request.channel.peer, request.requestHeaders, self._trusted)
        record.agent = kind_of((request.getHeader(b"user-agent") or b"").decode("latin-1"))
        record.trace = own_trace(request.requestHeaders, self._hex) or self._ledger.new_trace()
        return record
