"""What the admin listener lets in, decided by a request's head; and how its refusals look."""

from __future__ import annotations

from antigravity_proxy.admin.http import Headers
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.admin.place import CALLBACK, Place
from antigravity_proxy.admin.static import FILES
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import MethodNotAllowed, NotFound, ProxyError
from antigravity_proxy.web.bodies import BodyUse
from antigravity_proxy.web.edge import Admission, GuardedRequest

#: an API key in a form is the most that is ever sent here
MAX_BODY = 16 << 10
_METHODS = {
    "/": ("GET",),
    "/events": ("GET",),
    "/accounts": ("POST",),
    "/login": ("GET", "POST"),
    "/logout": ("POST",),
    "/auth/start": ("GET",),
    CALLBACK: ("GET",),
    **dict.fromkeys(FILES, ("GET",)),
}
_TITLES = {
    404: "There is no such page",
    405: "That can't be done here",
    408: "The request took too long",
    413: "That is too much",
}


class AdminAdmission(Admission, kw_only=True):
    """The path, as it is within the admin pages."""

    path: str


AdminRequest = GuardedRequest[AdminAdmission]


class AdminGate:
    """The gate of the admin listener."""

    max_body = MAX_BODY

    def __init__(self, place: Place, pages: Pages, headers: Headers) -> None:
        self._place = place
        self._pages = pages
        self._headers = headers

    def admit(self, request: AdminRequest, method: bytes, target: bytes) -> None:
        """Notes the path on the request; raises NotFound, MethodNotAllowed."""
        path = self._place.inner(target.partition(b"?")[0].decode("latin-1"))
        allowed = _METHODS.get(path)
        if allowed is None:
            raise NotFound("The status page is at /, and an account is added at /auth/start.")
        if method.decode("latin-1") not in allowed:
            raise MethodNotAllowed("The method is not allowed here.", allow=allowed)
        request.admission = AdminAdmission(
            path=path, body=BodyUse.KEPT if method == b"POST" else BodyUse.REFUSED, holder=request.channel.address
        )

    def render(self, request: AdminRequest, error: ProxyError) -> Rendered:
        """The error as a page."""
        title = _TITLES.get(error.status, "The request can't be served")
        page = self._pages.message(error.status, title, error.message)
        allow = error.allow if isinstance(error, MethodNotAllowed) else ()
        further = ((b"allow", ", ".join(allow).encode()),) if allow else ()
        return Rendered(page.status, page.body, (*self._headers, *further))

    def refused(self, request: AdminRequest, error: ProxyError, answer: Rendered) -> None:
        """No record is kept of these pages."""

    def lost(self, request: AdminRequest) -> None:
        """As ``refused``."""
