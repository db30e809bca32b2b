"""What the admin listener lets in, decided by a request's head; and how its refusals look."""

from __future__ import annotations

from collections.abc import Iterable

from antigravity_proxy.admin import pages
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import MethodNotAllowed, NotFound, ProxyError
from antigravity_proxy.web.edge import GuardedRequest
from antigravity_proxy.web.hosts import Hosts
from antigravity_proxy.web.keys import KeyRing

#: an API key in a form is all that is ever sent here
MAX_BODY = 16 << 10
CALLBACK = "/oauth-callback"
_METHODS = {"/auth/start": ("GET",), CALLBACK: ("GET",), "/login": ("GET", "POST")}
_TITLES = {
    403: "This address is not ours",
    404: "There is no such page",
    405: "That can't be done here",
    408: "The request took too long",
    413: "That is too much",
}


class AdminGate:
    """The gate of the admin listener. ``redirect_path``: where else a callback may arrive, behind a reverse proxy.

    Without any key (``keys.open``) only ``hosts`` are answered.
    """

    max_body = MAX_BODY

    def __init__(
        self, redirect_path: str, headers: tuple[tuple[bytes, bytes], ...], keys: KeyRing, hosts: Iterable[str]
    ) -> None:
        self._redirect_path = redirect_path
        self._headers = headers
        self._hosts = Hosts(hosts)
        self.keys = keys

    def admit(self, request: GuardedRequest, method: bytes, target: bytes) -> None:
        """Notes the path on the request; raises NotFound, MethodNotAllowed, Forbidden."""
        if self.keys.open:
            self._hosts.check(request.getHeader(b"host"))
        path = target.partition(b"?")[0].decode("latin-1")
        if path == self._redirect_path and path not in _METHODS:
            path = CALLBACK
        allowed = _METHODS.get(path)
        if allowed is None:
            raise NotFound("An account is added at /auth/start.")
        if method.decode("latin-1") not in allowed:
            raise MethodNotAllowed("The method is not allowed here.", allow=allowed)
        request.route = path

    def render(self, request: GuardedRequest, error: ProxyError) -> Rendered:
        """The error as a page."""
        title = _TITLES.get(error.status, "The request can't be served")
        page = pages.message(error.status, title, error.message)
        allow = error.allow if isinstance(error, MethodNotAllowed) else ()
        further = ((b"allow", ", ".join(allow).encode()),) if allow else ()
        return Rendered(page.status, page.body, (*self._headers, *further))

    def refused(self, request: GuardedRequest, error: ProxyError, answer: Rendered) -> None:
        """No record is kept of these pages."""

    def lost(self, request: GuardedRequest) -> None:
        """As ``refused``."""
