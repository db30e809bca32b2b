"""Asks the token endpoint for a new access token: a small JSON call, by treq."""

from __future__ import annotations

from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from treq.client import HTTPClient
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from antigravity_proxy.codeassist.oauth import Grant, RefreshRejected, read_answer
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import TOKEN_BODY, TOKEN_SECONDS
from antigravity_proxy.settings.resolve import OAuthPair
from antigravity_proxy.upstream.exchange import BytesBody


class _TooLong(Exception):
    """The answer is longer than any token answer."""


class OAuthClient:
    """Talks to one token endpoint. ``epoch``: the wall clock in epoch seconds."""

    def __init__(self, clock: IReactorTime, epoch: Callable[[], float], token_url: str, user_agent: str) -> None:
        self._clock: Any = clock
        self._epoch = epoch
        self._url = token_url
        self._user_agent = user_agent

    async def refresh(self, agent: IAgent, refresh_token: Secret, client: OAuthPair) -> Grant:
        """A new access token, asked for by ``agent``'s way out. Raises RefreshRejected (upstream.md 7)."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token.reveal(),
            "client_id": client.id,
            "client_secret": client.secret.reveal(),
        }
        sent_at = self._epoch()
        try:
            status, body = await self._post(agent, form)
        except RefreshRejected:
            raise
        except Exception as e:  # network, TLS, time-out, an answer without end: all of them pass
            raise RefreshRejected("temporary", f"the token endpoint could not be asked: {type(e).__name__}") from None
        return read_answer(status, body, sent_at)

    async def _post(self, agent: IAgent, form: dict[str, str]) -> tuple[int, bytes]:
        jar: Any = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))  # no cookie of one account meets another
        client = HTTPClient(agent, cookiejar=jar, data_to_body_producer=BytesBody)
        request = client.post(
            self._url,
            data=form,
            headers=Headers({"User-Agent": [self._user_agent], "Accept": ["application/json"]}),
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,
            timeout=TOKEN_SECONDS,
        )
        response = await request
        pieces: list[bytes] = []
        size = 0

        def collect(data: bytes) -> None:
            nonlocal size
            size += len(data)
            if size > TOKEN_BODY:
                raise _TooLong
            pieces.append(data)

        done: Any = response.collect(collect)
        done.addTimeout(TOKEN_SECONDS, self._clock)
        await done
        return response.code, b"".join(pieces)
