"""Access to the admin pages by API key or session, and the pages ``/login`` and ``/logout``."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from antigravity_proxy.admin.http import Answers, form, hostname
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.admin.sessions import ATTEMPT_SECONDS, SESSION_SECONDS, Expiring, Login, Session, Throttle
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.settings.parse import Network
from antigravity_proxy.web.forwarded import address_of, network_of
from antigravity_proxy.web.key_ring import KeyRing, keys_shown
from antigravity_proxy.web.origin import is_foreign

log = Logger()

_SESSION, _FORM = "session", "form"


class Access:
    """Decides on requests. ``clock`` gives monotonic seconds; new ``keys`` end the sessions of the old ones."""

    def __init__(
        self,
        answers: Answers,
        pages: Pages,
        keys: KeyRing,
        trusted: tuple[Network, ...],
        clock: Callable[[], float],
    ) -> None:
        self._answers = answers
        self._pages = pages
        self._keys = keys
        self._trusted = trusted
        self._clock = clock
        self._sessions: Expiring[Session] = Expiring(SESSION_SECONDS)
        self._visitors: Expiring[Session] = Expiring(SESSION_SECONDS)  # apart: they must not push out who logged in
        self._throttle = Throttle()
        self._changes = 0  # of the keys

    @property
    def is_open(self) -> bool:
        """Whether no key is asked for at all."""
        return self._keys.open

    def use(self, keys: KeyRing) -> None:
        """These keys are in force now."""
        if not keys.same_as(self._keys):
            self._sessions.clear()
            self._visitors.clear()
            self._changes += 1
        self._keys = keys

    def refusal(self, request: Any, after: str = "/") -> Rendered | None:
        """Why the request may not pass, None if it may: a session, a key in a header, or no key where that is open.

        ``after``: the page that a login leads to.
        """
        base_url = self._answers.base_url
        if self._keys.open:
            if not base_url.is_loopback:
                words = "No API key is set, so these pages are open on loopback alone: set PROXY_API_KEY."
                return self._pages.message(403, "An API key is needed", words)
            if not base_url.is_ours(hostname(request)):
                return self._pages.elsewhere(
                    400,
                    "Open this page under another address",
                    "No API key is set, so these pages answer under names that lead to this machine alone:",
                    base_url.url(after),
                )
            return None
        session = self.session(request)
        if session is not None and session.is_login:
            return None
        shown = keys_shown(request.requestHeaders)
        return self.wrong_key(request, shown, after) if shown else self.login(request, 401, after=after)

    def still_holds(self, request: Any) -> bool:
        """Whether a request that passed would pass again: its session has not ended, its key is still in force."""
        session = self.session(request)
        if self._keys.open or (session is not None and session.is_login):
            return True
        return self._keys.has(keys_shown(request.requestHeaders))

    def wrong_key(self, request: Any, shown: list[bytes], after: str = "/") -> Rendered | None:
        """The refusal of a wrong key; None for a right one, however many wrong ones came from the same network.

        Only wrong keys are slowed down: else anybody on the operator's network could lock them out.
        """
        if self._keys.has(shown):
            return None
        now, network = self._clock(), self._network(request)
        wait = self._throttle.wait(network, now)
        if wait:
            words = "Too many wrong keys came from your address. Please wait a minute."
            page = self._pages.message(429, "Please wait", words)
            return Rendered(page.status, page.body, ((b"retry-after", str(int(wait) + 1).encode()),))
        self._throttle.wrong(network, now)
        log.warn("login refused: {reason}", reason="wrong API key")
        return self.login(request, 401, "Wrong API key.", after)

    def login_of(self, request: Any) -> Login:
        """The session or key of a request that passes ``refusal``."""
        session = self.session(request)
        return Login(
            self._answers.cookie(request, _SESSION) if session is not None and session.is_login else "",
            self._changes,
            self._holder(request, keys_shown(request.requestHeaders)) if session is None else session.holder,
        )

    def is_in_force(self, login: Login) -> bool:
        """False once the login's session has ended, or the API keys have changed since."""
        if login.key_changes != self._changes:
            return False
        return not login.session or self._sessions.get(login.session, self._clock()) is not None

    def _network(self, request: Any) -> str:
        return network_of(
            address_of(getattr(request.getClientAddress(), "host", ""), request.requestHeaders, self._trusted)
        )

    def _holder(self, request: Any, shown: list[bytes]) -> str:
        """The first key shown, as a digest, and the network that it came from."""
        key = hashlib.sha256(shown[0]).hexdigest() if shown else ""
        return f"{key} {self._network(request)}"

    def login(self, request: Any, status: int, trouble: str = "", after: str = "/") -> Rendered:
        """The login form, which leads to ``after``; ``trouble``: why it is shown again."""
        if not self._keys.has_plain:
            trouble = "No API key is in force, so nobody can log in: set PROXY_API_KEY. /health of the API says why."
        token = secrets.token_urlsafe(32)
        self._answers.set_cookie(request, _FORM, token, ATTEMPT_SECONDS)
        if status == 401:
            request.setHeader(b"www-authenticate", b'Bearer realm="antigravity-proxy"')
        return self._pages.login(status, token, trouble, after)

    def is_own_login(self, request: Any, token: str) -> bool:
        """Whether the login form came from a page of ours, in the browser that it was shown in."""
        shown = self._answers.cookie(request, _FORM)
        return bool(shown) and hmac.compare_digest(token.encode(), shown.encode()) and not self.is_foreign(request)

    def begin(self, request: Any, key: str) -> Session:
        """A new session for a key that was found right, whatever cookie came along; the session before ends."""
        self.end(request)
        self._answers.set_cookie(request, _FORM, "", 0.0)
        return self._new(request, self._sessions, [key.encode()], is_login=True)

    def visit(self, request: Any) -> Session:
        """The session of a request that may pass: where no key is asked for too, its token guards every change.

        A program that shows a key in a header has none, and none is kept for it.
        """
        session = self.session(request)
        if session is not None:
            return session
        return self._new(request, self._visitors, [], is_login=False) if self._keys.open else Session("", False)

    def _new(self, request: Any, kept: Expiring[Session], shown: list[bytes], *, is_login: bool) -> Session:
        holder = self._holder(request, shown)
        name, session = secrets.token_urlsafe(32), Session(secrets.token_urlsafe(32), is_login, holder)
        kept.put(name, session, self._clock(), holder)
        self._answers.set_cookie(request, _SESSION, name, SESSION_SECONDS)
        return session

    def end(self, request: Any) -> None:
        """Ends the request's session, if it has one."""
        self._sessions.take(self._answers.cookie(request, _SESSION), self._clock())

    def session(self, request: Any) -> Session | None:
        """The request's session."""
        name, now = self._answers.cookie(request, _SESSION), self._clock()
        return (self._sessions.get(name, now) or self._visitors.get(name, now)) if name else None

    def own_form(self, request: Any) -> tuple[dict[str, str], Session] | None:
        """The fields of a form of a page of ours, and the session it was shown in; None: it is not ours, or too old."""
        fields, session = form(request), self.session(request)
        if fields is None or session is None or not session.is_own(fields.get("token", "")):
            return None
        return None if self.is_foreign(request) else (fields, session)

    def is_foreign(self, request: Any) -> bool:
        """Another site's page sent the form."""
        return is_foreign(request.requestHeaders, own=(self._answers.base_url.origin.encode("latin-1"),))


#: the pages that a login may lead to
_AFTER = ("/", "/auth/start")


class LoginPages:
    """Takes the API key and gives a session for it."""

    def __init__(self, answers: Answers, pages: Pages, access: Access) -> None:
        self._answers = answers
        self._pages = pages
        self._access = access

    def form(self, request: Any) -> bytes:
        """The login form."""
        return self._answers.send(request, self._access.login(request, 200))

    def login(self, request: Any) -> bytes:
        """Takes the API key of the form, and begins a session."""
        fields = form(request)
        if fields is None:
            return self._answers.send(request, self._pages.message(415, "Not the login form", "Use the login form."))
        after = fields.get("after", "/")
        after = after if after in _AFTER else "/"
        if not self._access.is_own_login(request, fields.get("token", "")):
            log.warn("login refused: {reason}", reason="the form is not ours, or out of date")
            page = self._access.login(request, 403, "The form has expired. Please try again.", after)
            return self._answers.send(request, page)
        key = fields.get("key", "")
        refusal = self._access.wrong_key(request, [key.encode()], after)
        if refusal is not None:
            return self._answers.send(request, refusal)
        self._access.begin(request, key)
        log.info("somebody logged in to the admin pages")
        return self._answers.redirect(request, 303, self._answers.base_url.path(after))

    def logout(self, request: Any) -> bytes:
        """Ends the session."""
        if self._access.own_form(request) is None:
            return self._answers.send(request, self._pages.out_of_date())
        self._access.end(request)
        return self._answers.redirect(request, 303, self._answers.base_url.path("/login"))
