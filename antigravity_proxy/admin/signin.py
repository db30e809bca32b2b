"""Sign-in at Google: from its first URL to the stored account, for the pages and for ``antigravity-proxy login``."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from antigravity_proxy.accounts.waiting import SingleFlight
from antigravity_proxy.admin.http import Answers, hostname
from antigravity_proxy.admin.login import Access
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.admin.sessions import ATTEMPT_SECONDS, Attempt, Expiring
from antigravity_proxy.canonical.grant import RefreshRejected
from antigravity_proxy.codeassist import signin
from antigravity_proxy.codeassist.signin import read_callback
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.table import OAuthPair, Settings
from antigravity_proxy.upstream.oauth import OAuthClient
from antigravity_proxy.volume.snapshot import VolumeError
from antigravity_proxy.volume.writer import NewAccount, Written

log = Logger()

#: where a person takes back what an application was allowed
PERMISSIONS = "https://myaccount.google.com/permissions"
READ_ONLY = (
    "The data directory is read-only here, so no account can be added. Add it in the desktop app, or start the daemon "
    "with READONLY_MODE=false on a directory that it may write."
)
NO_CLIENT = (
    "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not set: signing in needs an OAuth client of your own. Set both "
    "(or GOOGLE_CLIENT_ID_FILE and GOOGLE_CLIENT_SECRET_FILE) and start the daemon again."
)

TOO_LITTLE = (
    "Nothing was added: access to Google Cloud was not allowed, and without it every request would be refused. Sign in "
    'again, and tick "See, edit, configure, and delete your Google Cloud data" on Google\'s page, or "Select all".'
)


class SignInFailed(Exception):
    """Nothing was stored; ``message`` says why in words for a person, and contains no token.

    ``status`` is the HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Begun(Struct, frozen=True):
    """Where to send the browser, and what its answer must fit."""

    url: str
    state: str
    verifier: str


class Added(Struct, frozen=True):
    """Whose account was stored."""

    email: Secret
    written: Written


class SignIn:
    """Begins sign-ins and ends them. ``agent``: the way out; ``store`` writes an account, or raises VolumeError."""

    def __init__(
        self,
        settings: Settings,
        oauth: OAuthClient,
        agent: Callable[[], IAgent],
        store: Callable[[NewAccount], Awaitable[Written]],
    ) -> None:
        self._settings = settings
        self._oauth = oauth
        self._agent = agent
        self._store = store

    def use(self, settings: Settings) -> None:
        """These settings are in force now."""
        self._settings = settings

    def begin(self) -> Begun:
        """A new sign-in. Raises SignInFailed where no OAuth client is configured."""
        _, client = self._client()
        settings, state, verifier = self._settings, secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        url = signin.authorization_url(settings.auth_url, client.id, settings.oauth_redirect_url, state, verifier)
        return Begun(url, state, verifier)

    async def finish(self, callback: signin.Callback, verifier: str) -> Added:
        """Stores the account whose consent the callback brings; its state was checked. Raises SignInFailed."""
        try:
            added = await self._finish(callback, verifier)
        except SignInFailed as e:
            log.warn("sign-in failed: {reason}", reason=e.message)
            raise
        what = "added" if added.written.is_new else "signed in again"
        log.info("account {account} was {what}", account=added.written.id, what=what)
        if added.written.key_file:
            log.info("a new master key was made: {file}", file=added.written.key_file)
        return added

    async def _finish(self, callback: signin.Callback, verifier: str) -> Added:
        key, client = self._client()
        if callback.error:
            raise SignInFailed(400, f"Nothing was added: {signin.refusal(callback.error)}.")
        if not callback.code:
            raise SignInFailed(400, "Nothing was added: the provider sent no code.")
        try:
            agent = self._agent()
            redirect = self._settings.oauth_redirect_url
            grant = await self._oauth.redeem(agent, callback.code, verifier, redirect, client)
            if not signin.is_enough(grant.scopes):
                raise SignInFailed(400, TOO_LITTLE)
            if grant.refresh_token is None:
                raise SignInFailed(
                    400,
                    "Nothing was added: the provider gave no refresh token, without which the account would work for "
                    f"an hour. Take this application's access back at {PERMISSIONS}, and sign in again.",
                )
            user = await self._oauth.user(agent, grant.access_token)
        except RefreshRejected as e:
            raise SignInFailed(400 if e.kind == "dead" else 502, f"Nothing was added: {e}.") from None
        account = NewAccount(
            email=user.email,
            name=user.name,
            avatar_url=user.picture,
            access_token=grant.access_token,
            refresh_token=grant.refresh_token,
            expires_at=grant.expires_at,
            client_key=key or None,
        )
        try:
            written = await self._store(account)
        except VolumeError as e:
            raise SignInFailed(503, f"The account could not be stored: {e}.") from None
        except CancelledError:
            raise SignInFailed(503, "The account could not be stored: the daemon is shutting down.") from None
        return Added(user.email, written)

    def _client(self) -> tuple[str, OAuthPair]:
        """The OAuth client and its key: the plain one, else the first by name."""
        for key, client in sorted(self._settings.clients.items()):
            return key, client
        raise SignInFailed(503, NO_CLIENT)


_SIGN_IN = "signin_"
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
        login = self._access.login_of(request)
        self._attempts.put(begun.state, Attempt(begun.verifier, browser, login), self._clock(), login.holder)
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
        if not self._access.is_in_force(attempt.login):
            log.warn("sign-in failed: {reason}", reason="the login that began it has ended")
            words = "The login that began this sign-in has ended. Log in, and sign in again."
            return self._answers.send(request, self._pages.message(403, "Nothing was added", words, again=True))
        name = _of_state(callback.state)
        browser = self._answers.cookie(request, name)
        self._answers.set_cookie(request, name, "", 0.0, same_site="lax")
        if not attempt.is_of(browser):
            log.warn("sign-in failed: {reason}", reason="it came back in another browser, or under another host name")
            base_url = self._answers.base_url
            words = (
                f"This sign-in was begun in another browser, or under another host name than {base_url.host}, and its "
                "cookie is missing here. Open it under this address, and sign in again:"
            )
            page = self._pages.elsewhere(400, "Nothing was added", words, base_url.url(_START))
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
        base_url = self._answers.base_url
        if hostname(request) == base_url.host or not (base_url.is_assumed or self._access.is_open):
            return None
        words = (
            "The provider will send the browser back to the address below, so sign-in has to begin there as well. From "
            "another machine, set OAUTH_REDIRECT_URL, or use 'antigravity-proxy login'."
        )
        return self._pages.elsewhere(400, "Open this page under another address", words, base_url.url(_START))


def _of_state(state: str) -> str:
    """The cookie of one sign-in: several may be under way in one browser."""
    return _SIGN_IN + state[:8]
