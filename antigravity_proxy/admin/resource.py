"""The admin listener's routes, in Klein (contract.md 4), and the gate that admits requests by them."""

from __future__ import annotations

from typing import Any

from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy.admin.client_keys import ClientKeysPages
from antigravity_proxy.admin.http import CALLBACK, Answers, BaseUrl, Headers
from antigravity_proxy.admin.login import LoginPages
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.admin.signin import SignInPages
from antigravity_proxy.admin.static import FILES, ICON, SCRIPT, STYLE
from antigravity_proxy.admin.status_pages import StatusPages
from antigravity_proxy.admin.why import WhyPage
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import MethodNotAllowed, NotFound, ProxyError
from antigravity_proxy.web.bodies import BodyUse
from antigravity_proxy.web.edge import Admission, GuardedRequest
from antigravity_proxy.web.twisted_request import TwistedRequest

#: bytes of a body; an API key in a form is the longest that is ever sent here
MAX_BODY = 16 << 10
_TITLES = {
    404: "There is no such page",
    405: "Method not allowed",
    408: "The request took too long",
    413: "The request is too large",
}


class AdminResource:
    """All pages under their routes."""

    app = Klein()

    def __init__(
        self,
        answers: Answers,
        pages: Pages,
        login: LoginPages,
        signing_in: SignInPages,
        status: StatusPages,
        why: WhyPage,
        client_keys: ClientKeysPages,
    ) -> None:
        self._answers = answers
        self._pages = pages
        self._login = login
        self._signing_in = signing_in
        self._status = status
        self._why = why
        self._client_keys = client_keys

    def resource(self) -> IResource:
        """The pages as a resource."""
        return _Routed(self.app.resource())

    @app.route("/", methods=["GET"])
    async def page(self, request: Any) -> bytes:
        return await self._status.page(request)

    @app.route("/events", methods=["GET"])
    async def events(self, request: Any) -> bytes:
        return await self._status.events(request)

    @app.route("/accounts", methods=["POST"])
    async def change(self, request: Any) -> bytes:
        return await self._status.change(request)

    @app.route("/client-keys", methods=["POST"])
    async def client_keys(self, request: Any) -> bytes:
        return await self._client_keys.change(request)

    @app.route("/why", methods=["GET"])
    def why(self, request: Any) -> bytes:
        return self._why.page(request)

    @app.route("/login", methods=["GET"])
    def login_form(self, request: Any) -> bytes:
        return self._login.form(request)

    @app.route("/login", methods=["POST"])
    def login(self, request: Any) -> bytes:
        return self._login.login(request)

    @app.route("/logout", methods=["POST"])
    def logout(self, request: Any) -> bytes:
        return self._login.logout(request)

    @app.route("/auth/start", methods=["GET"])
    def start(self, request: Any) -> bytes:
        return self._signing_in.start(request)

    @app.route(CALLBACK, methods=["GET"])
    async def callback(self, request: Any) -> bytes:
        return await self._signing_in.callback(request)

    @app.route(STYLE.route, methods=["GET"])
    @app.route(SCRIPT.route, methods=["GET"])
    @app.route(ICON.route, methods=["GET"])
    def static(self, request: Any) -> bytes:
        return self._answers.send(request, FILES[request.admitted.path].rendered())

    @app.handle_errors(Exception)
    def failed(self, request: Any, failure: Failure) -> bytes:
        """Logs a fault of ours; the page doesn't show it."""
        if not failure.check(CancelledError):
            request.channel.site.failed(failure)
        return self._answers.send(request, self._pages.message(500, "Internal error", "The log says what."))


class AdminAdmission(Admission, kw_only=True):
    """The path within the admin pages."""

    path: str


AdminRequest = GuardedRequest[AdminAdmission]


class AdminGate:
    """Admits requests by their heads, before a body is read."""

    max_body = MAX_BODY

    def __init__(self, base_url: BaseUrl, pages: Pages, headers: Headers) -> None:
        self._base_url = base_url
        self._pages = pages
        self._headers = headers
        self._methods = _methods(AdminResource.app)

    def admit(self, request: AdminRequest, method: bytes, target: bytes) -> None:
        """Notes the path on the request. Raises NotFound, MethodNotAllowed."""
        path = self._base_url.inner(target.partition(b"?")[0].decode("latin-1"))
        allowed = self._methods.get(path)
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


def _methods(app: Klein) -> dict[str, tuple[str, ...]]:
    """The methods of each route's path. HEAD, which werkzeug adds to GET, would begin sign-ins and event streams."""
    methods: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        methods.setdefault(rule.rule, set()).update(rule.methods or ())
    return {path: tuple(sorted(each - {"HEAD"})) for path, each in methods.items()}


class _Routed(Resource):
    """Has Klein route by the path that the gate noted."""

    isLeaf = True

    def __init__(self, inner: IResource) -> None:
        super().__init__()
        self._inner = inner

    def render(self, request: AdminRequest) -> Any:
        page = TwistedRequest(request)
        page.postpath = [part.encode("ascii") for part in request.admitted.path.split("/")[1:]]
        page.render(self._inner)
        return NOT_DONE_YET
