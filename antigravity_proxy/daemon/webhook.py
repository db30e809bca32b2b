"""The webhook: notices are looked for now and then, and posted one after the other; no request waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from treq.client import HTTPClient
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.client import Agent
from twisted.web.http_headers import Headers

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.daemon.notices import AGAIN_AFTER, TITLES, Notice, Notices
from antigravity_proxy.secret import Secret
from antigravity_proxy.telemetry.record import Record

log = Logger()

#: seconds between two looks, and accounts that one turn of the reactor looks at
EVERY, _AT_ONCE = 10.0, 500
#: notices that wait; further ones are counted and left out
MOST = 100
#: seconds before each further try of a post that failed, and those that a receiver has to answer
PAUSES, PATIENCE = (2.0, 15.0, 60.0), 10.0
#: seconds between two posts: a hundred accounts that die together must not flood the receiver
APART = 1.0

Claim = Callable[[str, str, float], Awaitable[bool]]


class Webhook(Service):
    """Watches between its start and its stop. An observer of the ledger: models that were asked for are watched.

    ``pool`` holds the accounts, ``official`` the credentials of the official upstreams. ``error`` says what is wrong
    with the volume; ``claim``: whether this replica is the one to send a notice. ``sent``, ``failed`` and
    ``left_out`` count notices.
    """

    def __init__(
        self,
        reactor: Any,
        url: Secret,
        notices: Notices,
        pool: Pool,
        official: Sequence[Pool],
        error: Callable[[], str],
        claim: Claim,
    ) -> None:
        self._reactor = reactor
        self._url = url
        self._notices = notices
        self._pool = pool
        self._official = official
        self._error = error
        self._claim = claim
        self._slices = Slices(reactor)
        self._client = HTTPClient(Agent(reactor, connectTimeout=PATIENCE))
        self._waiting: deque[Notice] = deque()
        self._posting: Deferred[None] | None = None
        self._looking: Any = None
        self.sent = self.failed = self.left_out = 0

    def __call__(self, record: Record) -> None:
        """A request has ended."""
        if record.error and record.model:
            self._notices.asked(record.model, record.asked)
        elif record.attempts and self._notices.has_asked:
            self._notices.served(record.asked)

    def startService(self) -> None:
        super().startService()
        self._looking = self._reactor.callLater(EVERY, self._look)

    def stopService(self) -> None:
        super().stopService()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._posting is not None:
            self._posting.cancel()

    def tell(self, notice: Notice) -> None:
        """Posts a notice in its turn."""
        if len(self._waiting) >= MOST:
            self.left_out += 1
            log.warn("webhook: {count} notices were left out, since too many wait", count=self.left_out)
            return
        self._waiting.append(notice)
        if self._posting is None:
            posting: Deferred[None] = Deferred.fromCoroutine(self._post_all())
            if not posting.called:
                self._posting = posting
            posting.addErrback(self._broken).addBoth(self._ended)

    def _look(self) -> None:
        self._looking = None
        self._slices.run(self._looks()).addErrback(lambda failure: log.failure("webhook: a check failed", failure))
        if self.running:
            self._looking = self._reactor.callLater(EVERY, self._look)

    def _looks(self) -> Iterator[None]:
        for notice in (*self._notices.of_volume(self._error()), *self._notices.of_models(self._pool.free_in)):
            self.tell(notice)
        for pool in (self._pool, *self._official):
            states, held = iter(tuple(pool.states)), bool(pool.terms_rest)
            while some := list(islice(states, _AT_ONCE)):
                for notice in self._notices.of_accounts(some, pool.now(), held=held):
                    self.tell(notice)
                yield

    async def _post_all(self) -> None:
        while self._waiting and self.running:
            notice = self._waiting.popleft()
            if not await self._claim(f"tell-{notice.event}", notice.thing or "volume", AGAIN_AFTER * 0.9):
                continue
            await self._post(notice)
            if self.running:
                await deferLater(self._reactor, APART)

    async def _post(self, notice: Notice) -> None:
        body = payload(notice)
        for pause in (*PAUSES, None):
            why = await self._try(body)
            if not why:
                self.sent += 1
                return
            if pause is None or not self.running:
                break
            await deferLater(self._reactor, pause)
        self.failed += 1
        log.warn("webhook: the notice {event} could not be posted: {why}", event=notice.event, why=why)

    async def _try(self, body: bytes) -> str:
        """Posts once; returns why it failed, empty: it did not.

        The URL may hold a secret, so no error's own words are used.
        """
        try:
            response = await self._client.post(
                self._url.reveal(),
                data=body,
                headers=Headers({b"content-type": [b"application/json"], b"user-agent": [b"antigravity-proxy"]}),
                allow_redirects=False,
                timeout=PATIENCE,
            )
            await response.collect(_pass_over).addTimeout(PATIENCE, self._reactor)
        except CancelledError:
            raise
        except Exception as e:
            return type(e).__name__
        return "" if 200 <= response.code < 300 else f"status {response.code}"

    def _broken(self, failure: Any) -> None:
        if failure.check(CancelledError) is None:
            log.failure("webhook: a notice could not be posted", failure)

    def _ended(self, _: object) -> None:
        self._posting = None


def _pass_over(data: bytes) -> None:
    """Nobody reads what a receiver answers."""


def payload(notice: Notice) -> bytes:
    """The JSON of a notice: no e-mail address and no token. ``text`` is what Slack and the like show."""
    title = TITLES[notice.event]
    account = notice.event.startswith(("account_", "sign_in_"))
    message = f"{notice.thing}: {notice.words}" if account else notice.words
    fields = {
        "event": notice.event,
        "title": title,
        "message": message,
        "text": f"{title}: {message}",
        "time": datetime.fromtimestamp(notice.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    if account:
        fields["account"] = notice.thing
    elif notice.thing:
        fields["model"] = notice.thing
    return msgspec.json.encode(fields)
