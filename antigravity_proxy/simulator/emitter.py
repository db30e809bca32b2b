"""Sends a stream's events, one in a turn of the reactor, no faster than they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.received import Received

#: what to write and the seconds until the next step; what is returned is written last
Steps = Generator[tuple[bytes, float], None, bytes]


class Reset(Exception):
    """Raised by steps that end in a hard close of the connection."""


def scripted(payloads: list[bytes], fault: Fault, received: Received) -> Steps:
    """An answer of these payloads, with what goes wrong with it. Raises Reset."""
    if fault.raw is not None:
        size = fault.cut or len(fault.raw) or 1
        for start in range(0, len(fault.raw), size):
            yield fault.raw[start : start + size], fault.delay
        return b""
    begin, end = fault.framing
    for number, payload in enumerate([*payloads, b""]):
        if number == fault.after and fault.reset:
            yield b"", 0.0  # the head, if nothing was written yet
            yield b"", 0.0  # what was written has left by now
            raise Reset
        if number == fault.after and fault.error:
            return begin + fault.error + end
        if number < len(payloads):
            received.events_sent += 1
            yield begin + payload + end, fault.delay
    return b""


@implementer(IPushProducer)
class Emitter:
    """Takes the steps, until their end or a hang-up. It begins with the constructor's end."""

    def __init__(self, reactor: Any, request: Any, steps: Steps, counts: Counter[str], pause: float = 0.0) -> None:
        self._reactor = reactor
        self._request = request
        self._steps = steps
        self._counts = counts
        self._paused = False
        self._call: IDelayedCall | None = None
        request.setHeader(b"content-type", b"text/event-stream")
        request.notifyFinish().addErrback(self._lost)
        request.registerProducer(self, True)
        if pause:
            self._call = reactor.callLater(pause, self._advance)
        else:
            self._advance()

    def pauseProducing(self) -> None:
        """Nobody reads at the moment."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Somebody reads again."""
        self._paused = False
        if self._call is None:
            self._call = self._reactor.callLater(0, self._advance)

    def stopProducing(self) -> None:
        """The connection is gone; `_lost` sees to it."""

    def _advance(self) -> None:
        self._call = None
        if self._paused:
            return
        try:
            data, seconds = next(self._steps)
        except StopIteration as e:
            self._counts["events"] += bool(e.value)
            self._request.unregisterProducer()
            self._request.write(e.value)
            self._request.finish()
        except Reset:
            self._request.transport.abortConnection()
        else:
            self._counts["events"] += bool(data)
            self._request.write(data)
            self._call = self._reactor.callLater(seconds, self._advance)

    def _lost(self, _: object) -> None:
        self._counts["aborted"] += 1
        self._steps.close()
        if self._call is not None:
            self._call.cancel()
            self._call = None
