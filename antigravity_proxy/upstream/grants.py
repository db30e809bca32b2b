"""New tokens for Vertex AI: by a service account's key, a user's refresh token, or the metadata server.

(official-upstreams.md 3.3)
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from twisted.web.iweb import IAgent

from antigravity_proxy.canonical.grant import (
    AuthorizedUser,
    Grant,
    IssuedToken,
    Metadata,
    RefreshRejected,
    ServiceAccount,
)
from antigravity_proxy.codeassist.oauth import read_answer
from antigravity_proxy.generatecontent.durations import http_date
from antigravity_proxy.settings.limits import METADATA_SECONDS
from antigravity_proxy.settings.table import OAuthPair
from antigravity_proxy.upstream.assertion import SCOPE, assertion
from antigravity_proxy.upstream.oauth import Answered, OAuthClient

#: how a service account asks (RFC 7523 2.1)
_ASSERTED = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: seconds that the clocks may differ before that is the reason for a refused assertion
_MAX_SKEW = 60.0
#: seconds to wait where it is
_SKEW_PAUSE = 60.0
_FLAVOR = {"Metadata-Flavor": ["Google"]}


class TokenGrants:
    """Asks for tokens. ``token_url``: asked instead of the files' own token endpoints; empty: it is not."""

    def __init__(self, epoch: Callable[[], float], oauth: OAuthClient, token_url: str = "") -> None:
        self._epoch = epoch
        self._oauth = oauth
        self._token_url = token_url

    async def issue(self, grant: Grant, agent: IAgent, direct: IAgent) -> IssuedToken:
        """A new token, by the credential's own way out ``agent``; the metadata server is asked by ``direct`` alone.

        Raises RefreshRejected: ``dead`` only where nothing but another file or key helps.
        """
        try:
            match grant:
                case ServiceAccount():
                    return await self._asserted(grant, agent)
                case AuthorizedUser():
                    client = OAuthPair(grant.client_id, grant.client_secret)
                    return await self._oauth.refresh(agent, grant.token, client)
                case Metadata():
                    return await self._of_machine(grant, direct)
        except RefreshRejected as e:
            if e.kind == "misconfigured":  # the client is the file's own, or there is none
                raise RefreshRejected("dead", str(e)) from None
            raise
        raise RefreshRejected("temporary", "an API key is not renewed")

    async def project(self, grant: Metadata, direct: IAgent) -> str:
        """The project that the machine belongs to. Raises RefreshRejected."""
        answer = await self._machine_says(grant, direct, "project/project-id")
        return answer.body.decode("ascii", "replace").strip()

    async def _asserted(self, grant: ServiceAccount, agent: IAgent) -> IssuedToken:
        sent_at = self._epoch()
        form = {"grant_type": _ASSERTED, "assertion": assertion(grant, sent_at).reveal()}
        answer = await self._oauth.ask(agent, "token", "POST", self._token_url or grant.token_uri, form)
        try:
            return read_answer(answer.status, answer.body, sent_at)
        except RefreshRejected as e:
            theirs = http_date(answer.date)
            skew = 0.0 if theirs is None else self._epoch() - theirs
            if e.kind == "dead" and abs(skew) > _MAX_SKEW:
                way = "fast" if skew > 0 else "slow"
                words = f"this machine's clock is {abs(skew):.0f} s {way}: Google refuses what it signs"
                raise RefreshRejected("temporary", words, pause=_SKEW_PAUSE, clock=words) from None
            raise

    async def _of_machine(self, grant: Metadata, direct: IAgent) -> IssuedToken:
        sent_at = self._epoch()
        path = "instance/service-accounts/default/token?scopes=" + quote(SCOPE, safe="")
        answer = await self._machine_says(grant, direct, path)
        return read_answer(answer.status, answer.body, sent_at)

    async def _machine_says(self, grant: Metadata, direct: IAgent, path: str) -> Answered:
        url = f"http://{grant.host}/computeMetadata/v1/{path}"
        answer = await self._oauth.ask(direct, "metadata", "GET", url, None, _FLAVOR, METADATA_SECONDS)
        if answer.flavor != "Google":
            raise RefreshRejected("temporary", f"{grant.host} is not Google's metadata server")
        if answer.status != 200:
            raise RefreshRejected("temporary", f"the metadata server answered {answer.status}")
        return answer
