"""Decides on each API request by its head: what it is, whether its key is right, how its errors look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import ProxyError
from antigravity_proxy.settings.parse import Network
from antigravity_proxy.telemetry.record import CLIENT_LEFT, Ledger, Record
from antigravity_proxy.web import dialects
from antigravity_proxy.web.cors import Cors
from antigravity_proxy.web.edge import GuardedRequest
from antigravity_proxy.web.forwarded import address_of
from antigravity_proxy.web.hosts import Hosts
from antigravity_proxy.web.identity import own_id, own_trace
from antigravity_proxy.web.key_ring import KeyRing
from antigravity_proxy.web.rate_limits import RateLimits
from antigravity_proxy.web.routes import PREFLIGHT, Operation, Route, match

_READING = (b"GET", b"HEAD")
_METHODS = {name: name.decode() for name in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")}
_NAMES = {operation: operation.name.lower() for operation in Operation}


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
        self._rate_limits = rate_limits
        self._hosts = Hosts(hosts)
        self._cors = Cors(origins)
        self._trusted = trusted
        ledger.observe(rate_limits)

    def admit(self, request: GuardedRequest, method: bytes, target: bytes) -> None:
        """Notes the route, an id and the client's key on the request; raises Unauthorized, Forbidden, ClientLimited."""
        headers = request.requestHeaders
        route = self._note(request, target)
        if route.needs_key or method not in _READING:
            request.record = self._open(request, method, route)
        for name, value in self._cors.headers(headers):
            request.setHeader(name, value)
        preflight = self._cors.preflight(method, headers)
        if preflight is not None:
            request.route = PREFLIGHT
            for name, value in preflight:
                request.setHeader(name, value)
        elif not route.needs_key:
            request.spared = True
        else:
            self._identify(request, route, target)

    def _identify(self, request: GuardedRequest, route: Route, target: bytes) -> None:
        """Whose request it is, and whether that client may send it now."""
        headers = request.requestHeaders
        if self.keys.open:
            self._hosts.check(request.getHeader(b"host"))
        key = self.keys.check(headers, target.partition(b"?")[2])
        if key is not None:
            request.client_key, request.record.key = key, key.name
            self._rate_limits.take(key, request.record, asks_model="POST" in route.methods)

    def render(self, request: GuardedRequest, error: ProxyError) -> Rendered:
        """The error in the dialect of the request's path, as far as that is known."""
        return dialects.render_error(self._route(request), error, request.request_id)

    def refused(self, request: GuardedRequest, error: ProxyError, answer: Rendered) -> None:
        """Closes the record of a request that never reached a resource."""
        record: Record = request.record or self._open(request, request.method, self._route(request))
        record.refused = True
        record.status, record.error, record.bytes_out = answer.status, error.code, len(answer.body)
        self._ledger.close(record)

    def lost(self, request: GuardedRequest) -> None:
        """Closes the record of a client that left before its request was whole."""
        record: Record | None = request.record
        if record is not None and not record.closed:
            record.status, record.client_left = CLIENT_LEFT, True
            self._ledger.close(record)

    def _route(self, request: GuardedRequest) -> Route:
        """The request's route; of one whose head is not whole, as far as it came."""
        route: Route | None = request.route
        return route or self._note(request, request.target)

    def _note(self, request: GuardedRequest, target: bytes) -> Route:
        headers = request.requestHeaders
        request.request_id = own_id(headers) or "req_" + self._hex(24)
        request.route = route = match(
            target.partition(b"?")[0].decode("latin-1"),
            anthropic=headers.hasHeader(b"anthropic-version"),
            gemini=headers.hasHeader(b"x-goog-api-key") or headers.hasHeader(b"x-goog-api-client"),
        )
        return route

    def _open(self, request: GuardedRequest, method: bytes, route: Route) -> Record:
        record = self._ledger.open(
            request.request_id, _METHODS.get(method, "OTHER"), route.dialect, _NAMES[route.operation]
        )
        record.client = address_of(request, self._trusted)
        record.trace = own_trace(request.requestHeaders, self._hex) or self._ledger.new_trace()
        return record
