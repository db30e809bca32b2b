"""The work on request bodies: on small ones at once, on large ones in a thread, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.application.service import Service

from antigravity_proxy.relay.context import Place, at_once
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

    def place(self, size: int) -> Place:
        """Where the work on a body of so many bytes is done."""
        return self._in_thread if size > LARGE else at_once

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Being cancelled (the client left) takes work that waits for the thread out of memory."""
        if not self._started:
            self._started = True
            self._thread.start()
        waiting = [work]
        del work
        try:
            done: T = await self._thread.run(lambda: waiting.pop()())
        finally:
            waiting.clear()
        return done


def decode(decoder: Callable[[Incoming], T], incoming: Incoming) -> T:
    """What the decoder makes of a request. Raises what that raises, and BadRequest for a body of too many values."""
    if len(incoming.body) > LARGE:
        check_shape(incoming.body)
    return decoder(incoming)
