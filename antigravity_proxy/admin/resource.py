"""The admin listener's routes, in Klein (contract.md 4); what each does stands in the module of its pages."""

from __future__ import annotations

from typing import Any

from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource

from antigravity_proxy.admin.gate import AdminRequest
from antigravity_proxy.admin.http import Answers
from antigravity_proxy.admin.login_pages import LoginPages
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.admin.signin_pages import SignInPages
from antigravity_proxy.admin.static import FILES
from antigravity_proxy.admin.status_pages import StatusPages

log = Logger()


class AdminResource:
    """All pages under their routes."""

    app = Klein()

    def __init__(
        self, answers: Answers, pages: Pages, login: LoginPages, signing_in: SignInPages, status: StatusPages
    ) -> None:
        self._answers = answers
        self._pages = pages
        self._login = login
        self._signing_in = signing_in
        self._status = status

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

    @app.route("/oauth-callback", methods=["GET"])
    async def callback(self, request: Any) -> bytes:
        return await self._signing_in.callback(request)

    @app.route("/static/<name>", methods=["GET"])
    def static(self, request: Any, name: str) -> bytes:
        return self._answers.send(request, FILES[f"/static/{name}"].rendered())

    @app.handle_errors(Exception)
    def failed(self, request: Any, failure: Failure) -> bytes:
        """A fault of ours: the log has it, the page does not."""
        if not failure.check(CancelledError):
            log.failure("an admin page failed", failure)
        return self._answers.send(request, self._pages.message(500, "Something went wrong here", "The log says what."))


class _Routed(Resource):
    """Has Klein route by the path that the gate noted."""

    isLeaf = True

    def __init__(self, inner: IResource) -> None:
        super().__init__()
        self._inner = inner

    def render(self, request: AdminRequest) -> Any:
        request.postpath = [part.encode("ascii") for part in request.admitted.path.split("/")[1:]]
        return self._inner.render(request)
