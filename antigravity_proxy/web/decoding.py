"""The work on request bodies: on small ones at once, on large ones in a thread, so that the reactor is not blocked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from twisted.application.service import Service

from antigravity_proxy.relay.context import Place
from antigravity_proxy.volume.threads import OwnThread
from antigravity_proxy.web.bodies import LARGE, check_shape
from antigravity_proxy.web.dialects import Incoming

T = TypeVar("T")

#: seconds that the end of the daemon waits for a body that is being decoded
_PATIENCE = 1.0


class Decoding(Service):
    """One thread, made when it is first needed: one large body is worked on at a time."""

    def __init__(self, reactor: Any) -> None:
        self._thread = OwnThread(reactor, "decoding")
        self._started = False

    def stopService(self) -> None:
        super().stopService()
        if self._started:
            self._thread.stop(_PATIENCE)

    async def decode(self, decoder: Callable[[Incoming], T], incoming: Incoming) -> T:
        """The decoder's result. Raises what that does, and BadRequest for too many values."""
        size = len(incoming.body)
        if size <= LARGE:
            return decoder(incoming)
        work = partial(_decode, decoder, incoming)
        del incoming
        running = self.run(size, work)
        del work  # a body that waits must have no other holder
        return await running

    def place(self, size: int) -> Place:
        """The place for further work on a request of ``size`` bytes."""
        return None if size <= LARGE else partial(self.run, size)

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """The result of the work on ``size`` bytes of JSON. Raises what it raises.

        Being cancelled (the client left) takes work that waits for the thread out of memory.
        """
        if size <= LARGE:
            return work()
        if not self._started:
            self._started = True
            self._thread.start()
        waiting = [work]
        del work
        try:
            made: T = await self._thread.run(lambda: waiting.pop()())
        finally:
            waiting.clear()
        return made


def _decode(decoder: Callable[[Incoming], T], incoming: Incoming) -> T:
    check_shape(incoming.body)
    return decoder(incoming)
