"""Asks the token endpoint for tokens, and whose they are: small JSON calls, by treq."""

from __future__ import annotations

from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from msgspec import Struct
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.codeassist.oauth import read_answer
from antigravity_proxy.codeassist.signin import User, read_user
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import TOKEN_BODY, TOKEN_SECONDS
from antigravity_proxy.settings.table import OAuthPair


@implementer(IBodyProducer)
class BytesBody:
    """A request body in one write, with its length announced; a new one for every attempt."""

    __slots__ = ("_body", "length")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        self._body = b""  # Twisted keeps this object until the answer's end
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing to pause: it is all written already."""

    def resumeProducing(self) -> None:
        """Nothing to resume."""

    def stopProducing(self) -> None:
        """Nothing to stop."""


class _TooLong(Exception):
    """The answer is longer than any token answer."""


class Answered(Struct, frozen=True):
    """An answer; ``date`` and ``flavor`` are its headers ``Date`` and ``Metadata-Flavor``, None where it has none."""

    status: int
    body: bytes
    date: str | None = None
    flavor: str | None = None


class OAuthClient:
    """Talks to one token endpoint, and to the user info endpoint beside it. ``epoch``: the wall clock in epoch seconds.

    Failures to ask (network, TLS, time-out, an answer without end) are RefreshRejected of kind ``temporary``.
    """

    def __init__(
        self, clock: IReactorTime, epoch: Callable[[], float], token_url: str, user_agent: str, userinfo_url: str = ""
    ) -> None:
        self._clock: Any = clock
        self._epoch = epoch
        self._url = token_url
        self._userinfo_url = userinfo_url
        self._user_agent = user_agent

    async def refresh(self, agent: IAgent, refresh_token: Secret, client: OAuthPair) -> IssuedToken:
        """A new access token, asked for by ``agent``'s way out. Raises RefreshRejected (upstream.md 7)."""
        return await self._grant(
            agent, {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal()}, client
        )

    async def redeem(
        self, agent: IAgent, code: str, verifier: str, redirect_uri: str, client: OAuthPair
    ) -> IssuedToken:
        """The tokens for a sign-in's code. Raises RefreshRejected."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return await self._grant(agent, form, client)

    async def user(self, agent: IAgent, access_token: Secret) -> User:
        """Whose token it is. Raises RefreshRejected."""
        authorization = {"Authorization": [f"Bearer {access_token.reveal()}"]}
        answer = await self.ask(agent, "user info", "GET", self._userinfo_url, None, authorization)
        return read_user(answer.status, answer.body)

    async def _grant(self, agent: IAgent, form: dict[str, str], client: OAuthPair) -> IssuedToken:
        sent_at = self._epoch()
        whole = form | {"client_id": client.id, "client_secret": client.secret.reveal()}
        answer = await self.ask(agent, "token", "POST", self._url, whole)
        return read_answer(answer.status, answer.body, sent_at)

    async def ask(
        self,
        agent: IAgent,
        name: str,
        method: str,
        url: str,
        form: dict[str, str] | None,
        headers: dict[str, list[str]] | None = None,
        seconds: float | None = None,
    ) -> Answered:
        """The answer of the endpoint of that ``name``, whatever the status. Raises RefreshRejected (``temporary``).

        ``seconds``: how long it may take; None: as long as a token may.
        """
        try:
            return await self._answer(agent, method, url, form, headers or {}, seconds or TOKEN_SECONDS)
        except Exception as e:  # of any kind: all of them pass
            raise RefreshRejected("temporary", f"the {name} endpoint could not be asked: {type(e).__name__}") from None

    async def _answer(
        self,
        agent: IAgent,
        method: str,
        url: str,
        form: dict[str, str] | None,
        headers: dict[str, list[str]],
        seconds: float,
    ) -> Answered:
        jar: Any = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))  # no cookie of one account meets another
        client = HTTPClient(agent, cookiejar=jar, data_to_body_producer=BytesBody)
        request = client.request(
            method,
            url,
            data=form,
            headers=Headers({"User-Agent": [self._user_agent], "Accept": ["application/json"]} | headers),
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,
            timeout=seconds,
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
        done.addTimeout(seconds, self._clock)
        await done
        date, flavor = (response.headers.getRawHeaders(name, [None])[-1] for name in ("date", "metadata-flavor"))
        return Answered(response.code, b"".join(pieces), date, flavor)
