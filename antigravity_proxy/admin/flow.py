"""One sign-in from its first URL to the stored account, for the browser and for the operator's command alike."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from msgspec import Struct
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from antigravity_proxy.codeassist import signin
from antigravity_proxy.codeassist.oauth import RefreshRejected
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.resolve import OAuthPair, Settings
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


class SignInFailed(Exception):
    """Nothing was stored; ``message`` tells a person why, and holds no token. ``status`` as an HTTP answer has it."""

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
            raise SignInFailed(503, "The account could not be stored: the daemon is ending.") from None
        return Added(user.email, written)

    def _client(self) -> tuple[str, OAuthPair]:
        """The OAuth client and its key: the plain one, else the first by name."""
        for key, client in sorted(self._settings.clients.items()):
            return key, client
        raise SignInFailed(503, NO_CLIENT)
