"""What clients can do to the log: no line of theirs, no prompt, no flood."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.target import CHAT, GENERATE, MESSAGES, Upstream, body, post, target

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info |warn |error) ")
_FORGED = "x\r\n2026-01-01T00:00:00.000Z info  access: forged\x1b[31m\u2028"
_PROMPT = "what nobody but the model may read"


@pytest.mark.row("log lines")
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_is_forged_and_no_prompt_told(tmp_path: Path, upstream: Upstream, observe: Observe, form: str) -> None:
    with target(tmp_path, upstream.url, LOG_LEVEL="debug", LOG_FORMAT=form) as daemon:
        before = len(daemon.log)
        for path in (CHAT, MESSAGES, GENERATE):
            asked = body(path, text=_PROMPT) | {"user": _FORGED, "metadata": {"user_id": _FORGED}}
            daemon.ask("POST", path, asked)
            daemon.ask("POST", path, asked | {"model": _FORGED})
            daemon.ask("POST", path, asked, x_api_key="sk-\x1b[31mwrong")
            for name in ("User-Agent", "X-Request-Id", "traceparent", "X-Forwarded-For", "session-id"):
                value = _FORGED.encode("unicode_escape").decode() + "\x1b[31m"
                daemon.talk(post(path, json.dumps(asked).encode(), f"{name}: {value}"), patience=0.5)
        daemon.talk(b"GET /v1/models/x%0d%0a2026-01-01T00%3a forged HTTP/1.1\r\nHost: x\r\n\r\n", patience=0.5)
        daemon.talk(b"GET /\x1b[31m%0d%0aforged HTTP/1.1\r\nHost: x\r\n\r\n", patience=0.5)
        told = daemon.log[before:]
    lines = told.split("\n")[:-1]
    assert "\x1b" not in told
    assert "\r" not in told
    for line in lines:
        assert json.loads(line) if form == "json" else _LINE.match(line), line
        assert not line.startswith("2026-01-01")
    assert _PROMPT not in told
    observe(f"{form}: {len(lines)} lines, 0 forged")


@pytest.mark.row("log flood")
def test_refused_requests_take_little_of_the_log(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    kinds = [
        lambda: daemon.ask("POST", CHAT, body(CHAT), x_api_key="sk-wrong"),
        lambda: daemon.ask("POST", MESSAGES, b"{"),
        lambda: daemon.ask("GET", "/nowhere" * 200),
        lambda: daemon.ask("DELETE", CHAT),
        lambda: daemon.talk(b"nonsense\r\n\r\n", patience=0.01),
        lambda: daemon.talk(post(CHAT, b"{}", "X-A: " + "a" * 20_000), patience=0.01),
    ]
    with target(tmp_path, upstream.url, LOG_LEVEL="debug") as daemon:
        before, count = len(daemon.log), 0
        for _ in range(50):
            for kind in kinds:
                kind()
                count += 1
        size = len(daemon.log) - before
    observe(f"{size / count:.0f} B a request of {count}, 0 tracebacks")
    assert size <= 1000 * count
