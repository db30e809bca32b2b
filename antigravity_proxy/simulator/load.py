"""Constant answers for benchmarks: bytes made once, so that they cost little."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.simulator.emitter import Steps

_STAMP = "@" + "0" * 18 + "@"


class Knobs(Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs, which can also be set while it runs.

    ``events`` of a stream, ``bytes`` of text in each; milliseconds between events and before the first. Every
    ``limit_every``-th request is answered 429 (0: none). With ``stamp`` each text begins with the moment it was sent:
    ``@``, 18 digits of CLOCK_MONOTONIC's nanoseconds, ``@``.
    """

    events: int = 20
    bytes: int = 200
    delay_ms: int = 0
    first_ms: int = 0
    limit_every: int = 0
    stamp: int = 0


class Load:
    """The answers of some knobs."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        text = (_STAMP if knobs.stamp else "") + ("lorem ipsum " * (knobs.bytes // 12 + 1))[: knobs.bytes]
        self._delay = knobs.delay_ms / 1000
        self._first = knobs.first_ms / 1000
        self._events = {bare: (_event(text, "", bare), _event(text, "STOP", bare)) for bare in (False, True)}

    def steps(self, *, bare: bool = False) -> Steps:
        """One stream; ``bare``: as official upstreams send it, without an envelope."""
        stamp = _stamped if self.knobs.stamp else bytes
        event, last = self._events[bare]
        if self._first:
            yield b"", self._first
        for _ in range(self.knobs.events - 1):
            yield stamp(event), self._delay
        return stamp(last)


def knobs(given: Iterable[tuple[str, str]]) -> Knobs:
    """Knobs from a query's names and values. Raises ValueError (msgspec.ValidationError)."""
    return msgspec.convert(dict(given), Knobs, strict=False)


def _stamped(event: bytes) -> bytes:
    begin, _, end = event.partition(_STAMP.encode())
    return b"%b@%018d@%b" % (begin, time.monotonic_ns(), end)


def _event(text: str, finish: str, bare: bool) -> bytes:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
    if finish:
        candidate["finishReason"] = finish
    response = {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 40, "totalTokenCount": 52},
        "modelVersion": "gemini-3-flash",
        "createTime": "2026-01-01T00:00:00.000000Z",
        "responseId": "abcdefghijklmnopqrst",
    }
    sent = response if bare else {"response": response, "traceId": "0123456789abcdef"}
    return b"data: " + msgspec.json.encode(sent) + b"\r\n\r\n"
