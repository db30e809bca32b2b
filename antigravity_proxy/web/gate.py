"""Decides on each API request by its head: what it is, whether its key is right, how its errors look."""

from __future__ import annotations

from collections.abc import Callable

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import ProxyError
from antigravity_proxy.web import dialects
from antigravity_proxy.web.edge import GuardedRequest
from antigravity_proxy.web.keys import KeyRing
from antigravity_proxy.web.routes import Route, match


class ApiGate:
    """The gate of the API listener. ``keys`` may be replaced while it runs; ``max_body`` in bytes."""

    def __init__(self, keys: KeyRing, max_body: int, hex_digits: Callable[[int], str]) -> None:
        self.keys = keys
        self.max_body = max_body
        self._hex = hex_digits

    def admit(self, request: GuardedRequest, method: bytes, target: bytes) -> None:
        """Notes the route and an id on the request; raises Unauthorized."""
        route = self._note(request, target)
        if route.needs_key:
            self.keys.check(request.requestHeaders, target.partition(b"?")[2])
        else:
            request.spared = True

    def render(self, request: GuardedRequest, error: ProxyError) -> Rendered:
        """The error in the dialect of the request's path, as far as that is known."""
        route = request.route or self._note(request, request.target)
        return dialects.render_error(route, error, request.request_id)

    def _note(self, request: GuardedRequest, target: bytes) -> Route:
        headers = request.requestHeaders
        request.request_id = "req_" + self._hex(24)
        request.route = route = match(
            target.partition(b"?")[0].decode("latin-1"),
            anthropic=headers.hasHeader(b"anthropic-version"),
            gemini=headers.hasHeader(b"x-goog-api-key") or headers.hasHeader(b"x-goog-api-client"),
        )
        return route
