"""What it costs to keep a response: little time, and no copy of what was asked."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

from twisted.internet.task import Clock

from antigravity_proxy.canonical.chunk import Candidate, Chunk
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.web.bodies import LARGE
from antigravity_proxy.web.decoding import Decoding
from antigravity_proxy.web.responses import Asking, Responses

MEGABYTE = 1 << 20
ME = Asking(b"sk-test")
ANSWER = (Chunk(candidates=(Candidate(content=Content("model", (Part(text="ok"),)), finish_reason="STOP"),)),)


def responses(limit: int = 64 * MEGABYTE) -> Responses:
    clock = Clock()
    return Responses(Ticker(clock), Decoding(clock), limit, 32 * MEGABYTE)


def now(coroutine: Any) -> Any:
    """What a coroutine that waits for nothing returns."""
    try:
        coroutine.send(None)
    except StopIteration as e:
        return e.value
    raise AssertionError("it waits")


def serve(kept: Responses, body: bytes, digits: str) -> None:
    """One request from its body to the end of its answer."""
    decoded, end = now(kept.understand(body, ME))
    answer = decoded.new_answer(Stamp(1, lambda count: digits.zfill(count)[-count:]))
    answer.feed(ANSWER)
    answer.close()
    end()


def body(store: bool, text: str = "x" * 20_000) -> bytes:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return json.dumps({"model": "m", "input": [item], "store": store, "stream": True}).encode()


def cost(store: bool) -> float:
    """Seconds of CPU for a request, at best."""
    best = float("inf")
    for attempt in range(30):
        kept = responses()
        given = [body(store, f"{n}{'x' * 20_000}") for n in range(20)]
        began = time.process_time()
        for n, each in enumerate(given):
            serve(kept, each, f"{attempt:04x}{n:04x}")
        best = min(best, (time.process_time() - began) / len(given))
        assert len(kept.store) == (20 if store else 0)
    return best


def test_keeping_costs_little() -> None:
    """20 µs where nothing else runs; more leeway here, and the best of three, since other processes share the cores."""
    least = min(cost(True) - cost(False) for _ in range(3))
    print(f"keeping takes {least * 1e6:.1f} us")
    assert least < 60e-6


def test_what_was_asked_is_not_copied() -> None:
    kept = responses()
    serve(kept, body(True), "1")
    large = body(True, "y" * (LARGE - 1000))
    tracemalloc.start()
    decoded, end = now(kept.understand(large, ME))
    used, _ = tracemalloc.get_traced_memory()
    del decoded
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 1.2 * LARGE  # the call's own text, which is there without keeping too
    assert held < 0.1 * LARGE
    assert kept.store.size > LARGE - 1000
    end()


def test_tools_are_not_held_by_what_is_asked() -> None:
    kept = responses()
    tool = {"type": "function", "name": "f", "description": "d" * 50_000}
    request = {"model": "m", "input": "Hello", "tools": [tool]}
    last = ""
    for n in range(10):
        given = json.dumps(request | ({"previous_response_id": last} if last else {})).encode()
        serve(kept, given, f"{n:024x}")
        last = f"resp_{n:024x}"
    assert kept.store.size < 60_000 + 10 * 5_000  # the declarations once
