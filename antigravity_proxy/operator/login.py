"""``antigravity-proxy login``: signing in where there is no browser, by an address that is carried over by hand."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from click import ClickException
from twisted.internet.threads import deferToThread

from antigravity_proxy.admin.service import sign_in
from antigravity_proxy.admin.signin import READ_ONLY, Added, Begun, SignIn, SignInFailed
from antigravity_proxy.codeassist.signin import Callback, read_pasted
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.startup import Start
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import configured
from antigravity_proxy.upstream.oauth import OAuthClient
from antigravity_proxy.volume.writer import NewAccount, Written


class Login:
    """One sign-in at a terminal. Everything raises ClickException."""

    def __init__(self, reactor: Any, start: Start, epoch: Callable[[], float]) -> None:
        settings: Settings = start.settings
        if settings.read_only:
            raise ClickException(READ_ONLY)
        self._ticker = Ticker(reactor)
        try:
            self._egresses = configured(reactor, self._ticker, settings)
        except SettingsError as e:
            raise ClickException(str(e)) from e

        async def store(account: NewAccount) -> Written:
            written: Written = await deferToThread(start.writer.add, account)
            return written

        oauth = OAuthClient(reactor, epoch, settings.token_url, settings.user_agent, settings.userinfo_url)
        self._sign_in: SignIn = sign_in(reactor, settings, oauth, self._egresses, store)

    def begin(self) -> Begun:
        """Where to send a browser."""
        try:
            return self._sign_in.begin()
        except SignInFailed as e:
            raise ClickException(e.message) from e

    async def finish(self, begun: Begun, pasted: str) -> Added:
        """Stores the account, given the address that the browser was sent back to."""
        callback = checked(begun, pasted)
        try:
            return await self._sign_in.finish(callback, begun.verifier)
        except SignInFailed as e:
            raise ClickException(e.message) from e
        finally:
            await self._egresses.close()
            self._ticker.stop()


def checked(begun: Begun, pasted: str) -> Callback:
    """The pasted text, if it is the answer to this very sign-in. Raises ClickException."""
    callback = read_pasted(pasted)
    if not callback.state:
        raise ClickException("that is not the address that the browser was sent back to: it has no 'state' in it")
    is_cut = begun.state.startswith(callback.state) and callback.state != begun.state
    if is_cut or not (callback.code or callback.error):
        raise ClickException("that address is incomplete: a line end may have cut it. Paste all of it as one line")
    if not hmac.compare_digest(callback.state.encode(), begun.state.encode()):
        raise ClickException("that address belongs to another sign-in: run the command again, and use its own URL")
    return callback
