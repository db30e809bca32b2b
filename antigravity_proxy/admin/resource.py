"""The admin pages, in Klein: login, the way to the provider, and the way back (contract.md 4)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from klein import Klein
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource

from antigravity_proxy.accounts.singleflight import SingleFlight
from antigravity_proxy.admin import pages
from antigravity_proxy.admin.flow import READ_ONLY, Added, SignIn, SignInFailed
from antigravity_proxy.admin.memory import ATTEMPT_SECONDS, SESSION_SECONDS, Attempt, Expiring, Throttle
from antigravity_proxy.codeassist.signin import read_callback
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.settings.resolve import Settings
from antigravity_proxy.web.edge import SERVER_NAME, GuardedRequest
from antigravity_proxy.web.forwarded import address_of
from antigravity_proxy.web.keys import KeyRing, is_loopback, keys_shown

log = Logger()

_SESSION, _FORM, _SIGN_IN = "antigravity_session", "antigravity_form", "antigravity_signin_"
_FORM_TYPE = b"application/x-www-form-urlencoded"


class Place(Struct, frozen=True):
    """Where the pages are, as browsers see them. ``is_assumed``: nobody said so, it is the default."""

    origin: str
    host: str
    is_secure: bool
    is_assumed: bool
    is_loopback: bool

    @classmethod
    def of(cls, settings: Settings) -> Place:
        """The place that the settings describe: that of the redirect URI."""
        parts = urlsplit(settings.oauth_redirect_url)
        return cls(
            origin=f"{parts.scheme}://{parts.netloc}",
            host=parts.hostname or "",
            is_secure=parts.scheme == "https",
            is_assumed=settings.sources["oauth_redirect_url"] == "default",
            is_loopback=is_loopback(settings.oauth_listen_host),
        )


class AdminPages:
    """The pages. ``clock`` gives monotonic seconds; ``keys`` may be replaced, which ends the sessions of other keys."""

    app = Klein()

    def __init__(
        self,
        settings: Settings,
        sign_in: SignIn,
        keys: KeyRing,
        headers: tuple[tuple[bytes, bytes], ...],
        clock: Callable[[], float],
        *,
        read_only: bool,
    ) -> None:
        self._place = Place.of(settings)
        self._trusted = settings.trusted_proxies
        self._sign_in = sign_in
        self._keys = keys
        self._headers = headers
        self._clock = clock
        self._read_only = read_only
        self._attempts: Expiring[Attempt] = Expiring(ATTEMPT_SECONDS)
        self._sessions: Expiring[bool] = Expiring(SESSION_SECONDS)
        self._throttle = Throttle()
        self._flights: SingleFlight[Added] = SingleFlight()

    def resource(self) -> IResource:
        """The pages as a resource."""
        return _Routed(self.app.resource())

    def use(self, keys: KeyRing) -> None:
        """These keys are in force now."""
        if not keys.same_as(self._keys):
            self._sessions.clear()
        self._keys = keys

    def stop(self) -> None:
        """Gives up the sign-ins that are being ended."""
        self._flights.cancel()

    @app.route("/auth/start", methods=["GET"])
    def start(self, request: Any) -> bytes:
        """Sends the browser to the provider."""
        refusal = self._read_only_page() or self._wrong_host(request) or self._unauthorized(request)
        if refusal is not None:
            return self._send(request, refusal)
        try:
            begun = self._sign_in.begin()
        except SignInFailed as e:
            log.warn("sign-in failed: {reason}", reason=e.message)
            return self._send(request, pages.message(e.status, "Signing in is not possible yet", e.message))
        browser = secrets.token_urlsafe(32)
        self._attempts.put(begun.state, Attempt(begun.verifier, browser), self._clock())
        # not Strict: it has to come along when the provider sends the browser back
        self._set_cookie(request, _of_state(begun.state), browser, ATTEMPT_SECONDS, same_site="lax")
        return self._redirect(request, 302, begun.url)

    @app.route("/oauth-callback", methods=["GET"])
    async def callback(self, request: Any) -> bytes:
        """Ends what ``start`` began: stores the account, or says why not."""
        refusal = self._read_only_page()
        if refusal is not None:
            return self._send(request, refusal)
        callback = read_callback(urlsplit(request.uri.decode("latin-1")).query)
        attempt = self._attempts.take(callback.state, self._clock())
        if attempt is None:
            log.warn("sign-in failed: {reason}", reason="its state is unknown, used or too old")
            words = "This sign-in was not begun here, was ended before, or took more than ten minutes."
            pasted = "If 'antigravity-proxy login' asks for it, copy this page's address into it."
            return self._send(request, pages.message(400, "Nothing was added", words, pasted, again=True))
        cookie = _of_state(callback.state)
        browser = _cookie(request, cookie)
        self._set_cookie(request, cookie, "", 0.0, same_site="lax")
        if not attempt.is_of(browser):
            log.warn("sign-in failed: {reason}", reason="it came back in another browser, or under another host name")
            words = (
                "This sign-in was begun in another browser, or under another host name than "
                f"{self._place.host}, and its cookie is missing here. Open it under this address, and sign in again:"
            )
            return self._send(request, pages.elsewhere(400, "Nothing was added", words, self._start_url()))
        # a browser that goes away must not break off what its code was already spent for
        ending = self._flights.do(
            callback.state, lambda: Deferred.fromCoroutine(self._sign_in.finish(callback, attempt.verifier))
        )
        try:
            added = await ending
        except SignInFailed as e:
            return self._send(request, pages.message(e.status, "Nothing was added", e.message, again=True))
        words = "was added" if added.written.is_new else "was there already, and is signed in again"
        told = f"{added.email.reveal()} {words}. It is in use from now on; this page may be closed."
        return self._send(request, pages.message(200, "Signed in", told, again=True))

    @app.route("/login", methods=["GET"])
    def login_form(self, request: Any) -> bytes:
        """The login form."""
        return self._send(request, self._login(request, 200))

    @app.route("/login", methods=["POST"])
    def login(self, request: Any) -> bytes:
        """Takes the API key of the form, and begins a session: always a new one, whatever cookie came along."""
        if not _is_form(request):
            return self._send(request, pages.message(415, "That is no form", "Use the login form."))
        fields = parse_qs(request.take_body().decode("latin-1"))
        token, key = (fields.get(name, [""])[0] for name in ("token", "key"))
        cookie = _cookie(request, _FORM)
        if not cookie or not hmac.compare_digest(token.encode(), cookie.encode()) or self._is_foreign(request):
            log.warn("login refused: {reason}", reason="the form is not ours, or out of date")
            return self._send(request, self._login(request, 403, "The form was out of date. Please try again."))
        refusal = self._wrong_key(request, [key.encode()])
        if refusal is not None:
            return self._send(request, refusal)
        self._sessions.take(_cookie(request, _SESSION), self._clock())
        session = secrets.token_urlsafe(32)
        self._sessions.put(session, True, self._clock())
        self._set_cookie(request, _FORM, "", 0.0)
        self._set_cookie(request, _SESSION, session, SESSION_SECONDS)
        log.info("somebody logged in to the admin pages")
        return self._redirect(request, 303, "/auth/start")

    @app.handle_errors(Exception)
    def failed(self, request: Any, failure: Failure) -> bytes:
        """A fault of ours: the log has it, the page does not."""
        if not failure.check(CancelledError):
            log.failure("an admin page failed", failure)
        return self._send(request, pages.message(500, "Something went wrong here", "The log says what."))

    def _read_only_page(self) -> Rendered | None:
        return pages.message(403, "This daemon is read-only", READ_ONLY) if self._read_only else None

    def _wrong_host(self, request: Any) -> Rendered | None:
        """Cookies set under one host name don't come back under another; and without a key no other name is ours."""
        if _hostname(request) == self._place.host or not (self._place.is_assumed or self._keys.open):
            return None
        words = (
            "The provider will send the browser back to the address below, so it has to begin there as well. From "
            "another machine, set OAUTH_REDIRECT_URL, or use 'antigravity-proxy login'."
        )
        return pages.elsewhere(400, "Open this page under another address", words, self._start_url())

    def _unauthorized(self, request: Any) -> Rendered | None:
        """Why the request may not pass, None if it may: a session, a key in a header, or no key where that is open."""
        if self._keys.open:
            if self._place.is_loopback:
                return None
            words = "No API key is set, so these pages are open on loopback alone: set PROXY_API_KEY."
            return pages.message(403, "An API key is needed", words)
        session = _cookie(request, _SESSION)
        if session and self._sessions.get(session, self._clock()):
            return None
        shown = keys_shown(request.requestHeaders)
        return self._wrong_key(request, shown) if shown else self._login(request, 401)

    def _wrong_key(self, request: Any, shown: list[bytes]) -> Rendered | None:
        """The refusal of a wrong key, or of any key from an address that showed too many wrong ones."""
        now, address = self._clock(), address_of(request, self._trusted)
        wait = self._throttle.wait(address, now)
        if wait:
            request.setHeader(b"retry-after", str(int(wait) + 1).encode())
            words = "Too many wrong keys came from your address. Please wait a minute."
            return pages.message(429, "Please wait", words)
        if self._keys.has(shown):
            return None
        self._throttle.wrong(address, now)
        log.warn("login refused: {reason}", reason="wrong API key")
        return self._login(request, 401, "Wrong API key.")

    def _login(self, request: Any, status: int, trouble: str = "") -> Rendered:
        if self._keys.closed:
            trouble = "No API key is in force, so nobody can log in: set PROXY_API_KEY. /health of the API says why."
        token = secrets.token_urlsafe(32)
        self._set_cookie(request, _FORM, token, ATTEMPT_SECONDS)
        if status == 401:
            request.setHeader(b"www-authenticate", b'Bearer realm="antigravity-proxy"')
        return pages.login(status, token, trouble)

    def _is_foreign(self, request: Any) -> bool:
        """Whether another site's page sent the form, as browsers tell (Fetch Metadata, else ``Origin``)."""
        site = request.getHeader(b"sec-fetch-site")
        if site is not None:
            return site not in (b"same-origin", b"none")
        origin = request.getHeader(b"origin")
        if origin is None:
            return False
        host = (request.getHeader(b"host") or b"").decode("latin-1")
        return origin.decode("latin-1") not in (f"http://{host}", f"https://{host}", self._place.origin)

    def _start_url(self) -> str:
        return f"{self._place.origin}/auth/start"

    def _set_cookie(self, request: Any, name: str, value: str, seconds: float, same_site: str = "strict") -> None:
        request.addCookie(
            name,
            value,
            path="/",
            max_age=str(int(seconds)),
            httpOnly=True,
            secure=self._place.is_secure,
            sameSite=same_site,
        )

    def _send(self, request: Any, page: Rendered) -> bytes:
        request.setResponseCode(page.status)
        request.setHeader(b"server", SERVER_NAME)
        for name, value in self._headers:
            request.setHeader(name, value)
        return page.body

    def _redirect(self, request: Any, status: int, url: str) -> bytes:
        self._send(request, Rendered(status, b""))
        request.setHeader(b"location", url.encode("ascii"))
        return b""


class _Routed(Resource):
    """Has Klein route by the path that the gate noted."""

    isLeaf = True

    def __init__(self, inner: IResource) -> None:
        super().__init__()
        self._inner = inner

    def render(self, request: GuardedRequest) -> Any:
        request.postpath = [part.encode("ascii") for part in request.route.split("/")[1:]]
        return self._inner.render(request)


def _of_state(state: str) -> str:
    """The cookie of one sign-in: several may be under way in one browser."""
    return _SIGN_IN + state[:8]


def _cookie(request: Any, name: str) -> str:
    value: bytes | None = request.getCookie(name.encode("ascii"))
    return "" if value is None else value.decode("latin-1")


def _hostname(request: Any) -> str:
    """The host that the request names, without its port; empty for nonsense."""
    try:
        return urlsplit(f"//{(request.getHeader(b'host') or b'').decode('latin-1')}").hostname or ""
    except ValueError:
        return ""


def _is_form(request: Any) -> bool:
    kind: bytes = (request.getHeader(b"content-type") or b"").partition(b";")[0]
    return kind.strip().lower() == _FORM_TYPE
