"""The status page's changes, sent once a second as server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity_proxy.admin.overview import Overview, Selection
from antigravity_proxy.admin.page import Fragment, FragmentCache, Layout
from antigravity_proxy.ticker import Ticker

log = Logger()

#: pages that are looked at, at a time
MOST = 20
#: seconds without a change after which a comment shows that the connection is alive
KEEPALIVE = 15.0
#: accounts that may be looked at every second; of more, the page is slower in proportion
_EACH_SECOND = 2000


@implementer(IPushProducer)
class Watcher:
    """One page that is looked at. ``may_stay`` says whether its session still holds."""

    def __init__(self, request: Any, selection: Selection, may_stay: Callable[[], bool]) -> None:
        self.request = request
        self.selection = selection
        self.may_stay = may_stay
        self.done: Deferred[None] = Deferred()
        self.shows: dict[str, Any] = {}  # what the page shows, by fragment
        self.silent_since = 0.0
        self.is_stalled = False

    def pauseProducing(self) -> None:
        self.is_stalled = True

    def resumeProducing(self) -> None:
        self.is_stalled = False

    def stopProducing(self) -> None:
        self.is_stalled = True


class EventStream:
    """Sends to all watchers. Without watchers it does nothing."""

    def __init__(self, ticker: Ticker, overview: Overview, board: Layout, drawing: FragmentCache, boot: str) -> None:
        self._ticker = ticker
        self._overview = overview
        self._layout = board
        self._cache = drawing
        self._boot = boot
        self.watchers: list[Watcher] = []
        self._looking: Deferred[None] | None = None
        self._looked_at = 0.0

    @property
    def is_full(self) -> bool:
        """Whether no further page can watch."""
        return len(self.watchers) >= MOST

    def watch(self, request: Any, selection: Selection, may_stay: Callable[[], bool]) -> Deferred[None]:
        """Sends what the page shows, and from then on what changes; fires when the answer is to end."""
        watcher = Watcher(request, selection, may_stay)
        watcher.silent_since = self._ticker.clock.seconds()
        self.watchers.append(watcher)
        request.notifyFinish().addBoth(self._left, watcher)
        request.registerProducer(watcher, True)
        # a restarted daemon has another name: then the whole page is out of date
        hello = f"retry: 2000\nevent: boot\ndata: {self._boot} {self._overview.epoch():.1f}\n\n"
        request.write(hello.encode())
        self._ticker.watch(self)
        self._looked_at = 0.0
        self.tick(self._ticker.clock.seconds())
        return watcher.done

    def stop(self) -> None:
        """Ends all."""
        if self._looking is not None:
            self._looking.cancel()
        for watcher in tuple(self.watchers):
            self._end(watcher)

    def tick(self, now: float) -> None:
        """Looks, unless a look is running, or it is too early for this number of accounts."""
        if self._looking is not None or now - self._looked_at < self._overview.size / _EACH_SECOND - 0.5:
            return
        self._looked_at = now
        looking = self._looking = Deferred.fromCoroutine(self._look(now))
        looking.addBoth(self._looked)

    async def _look(self, now: float) -> None:
        for watcher in tuple(self.watchers):
            if watcher not in self.watchers or watcher.is_stalled:
                continue
            if not watcher.may_stay():
                self._end(watcher)
                continue
            status = await self._overview.look(watcher.selection)
            if watcher in self.watchers:
                changed = await self._changed(watcher, list(self._layout.fragments(status)))
                self._send(watcher, changed, now)

    def _looked(self, outcome: Any) -> None:
        self._looking = None
        if isinstance(outcome, Failure) and not outcome.check(CancelledError):
            log.failure("the status page could not be kept up to date", outcome)

    async def _changed(self, watcher: Watcher, fragments: list[Fragment]) -> list[tuple[str, str]]:
        """The fragments to replace, as id and HTML; a list that is replaced includes its parts."""
        changed = {each.id: each for each in fragments if watcher.shows.get(each.id) != each.shows}
        brought = {part for each in changed.values() for part in each.parts}
        texts = await self._cache.texts(each for each in fragments if each.id in changed or each.id in brought)
        watcher.shows = {each.id: each.shows for each in fragments}
        return [(each, texts[each]) for each in changed if each not in brought]

    def _send(self, watcher: Watcher, changed: list[tuple[str, str]], now: float) -> None:
        if watcher not in self.watchers:
            return
        if changed:
            watcher.request.write(b"data: %s\n\n" % msgspec.json.encode(changed))
            watcher.silent_since = now
        elif now - watcher.silent_since >= KEEPALIVE:
            watcher.request.write(b":\n\n")
            watcher.silent_since = now

    def _end(self, watcher: Watcher) -> None:
        self.watchers.remove(watcher)
        watcher.request.unregisterProducer()
        watcher.done.callback(None)

    def _left(self, _: object, watcher: Watcher) -> None:
        if watcher in self.watchers:
            self.watchers.remove(watcher)
        if not self.watchers:
            self._ticker.leave(self)
