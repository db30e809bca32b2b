"""Asks the Gemini API what it offers: one credential of each quota group, in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.canonical.offers import united as offered_by_any
from antigravity_proxy.canonical.wire import UpstreamRequest
from antigravity_proxy.geminiapi import models_list
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import ACCOUNT_METHOD_BODY, ACCOUNT_METHOD_SECONDS
from antigravity_proxy.upstream.account_methods import AccountMethodFailed
from antigravity_proxy.upstream.egress import Egress, Egresses
from antigravity_proxy.upstream.exchange import ExchangeError, Unreachable

log = Logger()

#: seconds from a start, or a new credential, to the first round; between two; and after one that a group failed in
FIRST, EVERY, AGAIN = 1.0, 6 * 3600.0, 600.0
#: a round is lengthened by up to this share
_JITTER = 0.1


async def listed(clock: Any, egress: Egress, base: bytes, key: Secret) -> Offers:
    """What a key's project is offered. Raises AccountMethodFailed, whose message holds no secret."""
    pages: list[models_list.Listed] = []
    token = ""
    for _ in range(models_list.MAX_PAGES):
        more = f"&pageToken={quote(token, safe='')}" if token else ""
        url = base + b"/v1beta/models?pageSize=1000" + more.encode("ascii")
        pages.append(models_list.page(await _get(clock, egress, url, key)))
        token = pages[-1].next_page
        if not token:
            break
    return models_list.united(pages)


async def _get(clock: Any, egress: Egress, url: bytes, key: Secret) -> object:
    request = UpstreamRequest(url, ((b"x-goog-api-key", key),), b"")
    async with egress.calls:
        exchange = egress.exchange()
        cut = clock.callLater(ACCOUNT_METHOD_SECONDS, exchange.abort)
        try:
            headers = egress.headers(url, request.headers, b"application/json")
            response = await exchange.open(b"GET", url, headers, None)
            text = await exchange.read(ACCOUNT_METHOD_BODY)
        except ExchangeError as e:
            exchange.abort()
            raise AccountMethodFailed(f"upstream could not be asked: {e}") from e
        finally:
            if cut.active():
                cut.cancel()
    if response.code != 200:
        said = failure.read(text, 0.0, http_status=response.code)
        raise AccountMethodFailed(f"upstream answered {response.code} {said.reason}", response.code, said.reason)
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise AccountMethodFailed("upstream's answer is not JSON") from e


class GeminiModels:
    """Asks in rounds, between ``start`` and ``stop``. ``tell`` hears what all together are offered, when it changes."""

    def __init__(
        self,
        clock: Any,
        pool: Pool,
        egresses: Egresses,
        base: bytes,
        tell: Callable[[Offers], object],
        jitter: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._egresses = egresses
        self._base = base
        self._tell = tell
        self._jitter = jitter
        self._running = False
        self._timer: IDelayedCall | None = None
        self._round: Deferred[None] | None = None
        self._found: dict[AccountState, Offers] = {}
        self._told = Offers()

    def start(self) -> None:
        """Begins in a moment, if there is anybody."""
        self._running = True
        if self._pool.states:
            self._in(FIRST)

    def stop(self) -> None:
        """Gives up what is under way."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._round is not None:
            self._round.cancel()

    def joined(self, state: AccountState) -> None:
        """A credential is new: a round comes soon."""
        if self._running:
            self._in(FIRST)

    def left(self, state: AccountState) -> None:
        """A credential is gone."""
        if self._found.pop(state, None) is not None:
            self._unite()

    def look(self) -> Deferred[None]:
        """A round now; fires at its end."""
        looking: Deferred[None] = Deferred.fromCoroutine(self._ask_all())
        return looking

    def _in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._round is None:
            self._round = self.look()
            self._round.addErrback(lambda failure: log.failure("models could not be asked for", failure))
            self._round.addBoth(self._ended)

    def _ended(self, _: object) -> None:
        self._round = None

    async def _ask_all(self) -> None:
        groups: set[int] = set()
        failed = False
        for state in tuple(self._pool.states):
            members = self._pool.group_of(state)
            if id(members) in groups or not policy.in_use(state):
                continue
            groups.add(id(members))
            try:
                egress = self._egresses.of(state.credential)
                offers = await listed(self._clock, egress, self._base, state.access_token)
            except (AccountMethodFailed, Unreachable) as e:
                failed = True
                log.warn("credential {account}: its models are not known: {why}", account=state.credential.id, why=e)
                continue
            ids = frozenset(offer.id for offer in offers.models)
            for each in members:
                each.offers(ids)
            self._found[state] = offers
        self._unite()
        if self._running:
            self._in((AGAIN if failed else EVERY) * (1 + _JITTER * self._jitter()))

    def _unite(self) -> None:
        offers = offered_by_any(set(self._found.values()))
        if offers != self._told:
            self._told = offers
            self._tell(offers)
