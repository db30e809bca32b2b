"""``/auth/start``, which sends the browser to the provider, and ``/oauth-callback``, where it comes back."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from antigravity_proxy.accounts.singleflight import SingleFlight
from antigravity_proxy.admin.access import Access
from antigravity_proxy.admin.flow import READ_ONLY, Added, SignIn, SignInFailed
from antigravity_proxy.admin.http import Answers, cookie, hostname
from antigravity_proxy.admin.memory import ATTEMPT_SECONDS, Attempt, Expiring
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.codeassist.signin import read_callback
from antigravity_proxy.dialect.base import Rendered

log = Logger()

_SIGN_IN = "antigravity_signin_"
_START = "/auth/start"


class SignInPages:
    """The pages. ``clock`` gives monotonic seconds."""

    def __init__(
        self,
        answers: Answers,
        pages: Pages,
        access: Access,
        sign_in: SignIn,
        clock: Callable[[], float],
        *,
        read_only: bool,
    ) -> None:
        self._answers = answers
        self._pages = pages
        self._access = access
        self._sign_in = sign_in
        self._clock = clock
        self._read_only = read_only
        self._attempts: Expiring[Attempt] = Expiring(ATTEMPT_SECONDS)
        self._flights: SingleFlight[Added] = SingleFlight()

    def stop(self) -> None:
        """Gives up the sign-ins that are being ended."""
        self._flights.cancel()

    def start(self, request: Any) -> bytes:
        """Sends the browser to the provider."""
        refusal = self._read_only_page() or self._wrong_host(request) or self._access.refusal(request, _START)
        if refusal is not None:
            return self._answers.send(request, refusal)
        try:
            begun = self._sign_in.begin()
        except SignInFailed as e:
            log.warn("sign-in failed: {reason}", reason=e.message)
            page = self._pages.message(e.status, "Signing in is not possible yet", e.message)
            return self._answers.send(request, page)
        browser = secrets.token_urlsafe(32)
        self._attempts.put(begun.state, Attempt(begun.verifier, browser), self._clock())
        # not Strict: it has to come along when the provider sends the browser back
        self._answers.set_cookie(request, _of_state(begun.state), browser, ATTEMPT_SECONDS, same_site="lax")
        return self._answers.redirect(request, 302, begun.url)

    async def callback(self, request: Any) -> bytes:
        """Ends what ``start`` began: stores the account, or says why not."""
        refusal = self._read_only_page()
        if refusal is not None:
            return self._answers.send(request, refusal)
        callback = read_callback(urlsplit(request.uri.decode("latin-1")).query)
        attempt = self._attempts.take(callback.state, self._clock())
        if attempt is None:
            log.warn("sign-in failed: {reason}", reason="its state is unknown, used or too old")
            words = "This sign-in was not begun here, was ended before, or took more than ten minutes."
            pasted = "If 'antigravity-proxy login' asks for it, copy this page's address into it."
            page = self._pages.message(400, "Nothing was added", words, pasted, again=True)
            return self._answers.send(request, page)
        name = _of_state(callback.state)
        browser = cookie(request, name)
        self._answers.set_cookie(request, name, "", 0.0, same_site="lax")
        if not attempt.is_of(browser):
            log.warn("sign-in failed: {reason}", reason="it came back in another browser, or under another host name")
            place = self._answers.place
            words = (
                f"This sign-in was begun in another browser, or under another host name than {place.host}, and its "
                "cookie is missing here. Open it under this address, and sign in again:"
            )
            page = self._pages.elsewhere(400, "Nothing was added", words, place.url(_START))
            return self._answers.send(request, page)
        # a browser that goes away must not break off what its code was already spent for
        ending = self._flights.do(
            callback.state, lambda: Deferred.fromCoroutine(self._sign_in.finish(callback, attempt.verifier))
        )
        try:
            added = await ending
        except SignInFailed as e:
            page = self._pages.message(e.status, "Nothing was added", e.message, again=True)
            return self._answers.send(request, page)
        words = "was added" if added.written.is_new else "was there already, and is signed in again"
        told = f"{added.email.reveal()} {words}. It is in use from now on; this page may be closed."
        return self._answers.send(request, self._pages.message(200, "Signed in", told, again=True))

    def _read_only_page(self) -> Rendered | None:
        return self._pages.message(403, "This daemon is read-only", READ_ONLY) if self._read_only else None

    def _wrong_host(self, request: Any) -> Rendered | None:
        """Cookies set under one host name don't come back under another; and without a key no other name is ours."""
        place = self._answers.place
        if hostname(request) == place.host or not (place.is_assumed or self._access.is_open):
            return None
        words = (
            "The provider will send the browser back to the address below, so it has to begin there as well. From "
            "another machine, set OAUTH_REDIRECT_URL, or use 'antigravity-proxy login'."
        )
        return self._pages.elsewhere(400, "Open this page under another address", words, place.url(_START))


def _of_state(state: str) -> str:
    """The cookie of one sign-in: several may be under way in one browser."""
    return _SIGN_IN + state[:8]
