"""Decodes request bodies: small ones at once, large ones in a thread, so that other requests don't wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.application.service import Service

from antigravity_proxy.volume.threads import OwnThread
from antigravity_proxy.web.bodies import LARGE, check_shape
from antigravity_proxy.web.dialects import Incoming

T = TypeVar("T")

#: seconds that the end of the daemon waits for a body that is being decoded
_PATIENCE = 1.0


class Decoding(Service):
    """One thread, made when it is first needed: one large body is decoded at a time."""

    def __init__(self, reactor: Any) -> None:
        self._thread = OwnThread(reactor, "decoding")
        self._started = False

    def stopService(self) -> None:
        super().stopService()
        if self._started:
            self._thread.stop(_PATIENCE)

    async def decode(self, decoder: Callable[[Incoming], T], incoming: Incoming) -> T:
        """What the decoder makes of the request. Raises what it raises, and BadRequest for a body of too many values.

        Being cancelled (the client left) takes a body that waits for the thread out of memory.
        """
        if len(incoming.body) <= LARGE:
            return decoder(incoming)
        waiting = [incoming]
        del incoming

        def work() -> T:
            taken = waiting.pop()
            check_shape(taken.body)
            return decoder(taken)

        try:
            return await self.run(LARGE + 1, work)
        finally:
            waiting.clear()

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """What the work makes of ``size`` bytes of JSON. Raises what it raises."""
        if size <= LARGE:
            return work()
        if not self._started:
            self._started = True
            self._thread.start()
        made: T = await self._thread.run(work)
        return made
