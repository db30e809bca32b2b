"""What one client does keeps no other waiting: pipelines that nobody reads, large bodies of any shape."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from processes import free_port
from support.others import Others
from support.stack import KEY
from support.target import CHAT, GENERATE, MESSAGES, MIB, Peak, Target, Upstream, target

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
ADMIN = "admin"
_CONNECTIONS, _EACH = 20, 64 << 10


@pytest.fixture(scope="module")
def with_pages(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Target]:
    """A daemon with an admin listener, and an origin that may ask."""
    ports = {"OAUTH_LISTEN_PORT": str(free_port()), "PROXY_CORS_ORIGINS": "https://a.example"}
    with target(tmp_path_factory.mktemp("pages"), upstream.url, **ports) as running:
        yield running


@pytest.mark.row("pipelines")
@pytest.mark.parametrize(
    ("listener", "request_"),
    [
        ("api", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("api", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("api", b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("api", b"GET /v1/models HTTP/1.1\r\nHost: x\r\nx-api-key: " + KEY.encode() + b"\r\n\r\n"),
        (
            "api",
            b"OPTIONS /v1/messages HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n"
            b"Access-Control-Request-Method: POST\r\n\r\n",
        ),
        (ADMIN, b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n"),
        (ADMIN, b"GET /static/page.css HTTP/1.1\r\nHost: x\r\n\r\n"),
    ],
)
def test_pipelines_that_nobody_reads(with_pages: Target, listener: str, request_: bytes, observe: Observe) -> None:
    """20 connections, 64 KiB of requests each, sent at once; nothing is read."""
    port = int(with_pages.environment["OAUTH_LISTEN_PORT"]) if listener == ADMIN else with_pages.port
    sent = request_ * (_EACH // len(request_))
    with_pages.ask("GET", "/metrics")
    with ExitStack() as stack, Peak(with_pages.process) as peak, Others(with_pages) as others:
        for _ in range(_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.send(sent)
        time.sleep(3)
    observe(f"others wait <= {others.worst:.2f} s, memory +{peak.grown:.0f} MiB")
    assert others.worst <= 0.1
    assert peak.grown <= 30


def _calls(count: int) -> dict[str, Any]:
    calls = [{"id": f"c{i}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in range(count)]
    results = [{"role": "tool", "tool_call_id": f"c{i}", "content": "x"} for i in range(count)]
    opening = {"role": "user", "content": "x"}
    return {"messages": [opening, {"role": "assistant", "tool_calls": calls}, *results]}


def _uses(count: int) -> dict[str, Any]:
    uses = [{"type": "tool_use", "id": f"c{i}", "name": "f", "input": {}} for i in range(count)]
    results = [{"type": "tool_result", "tool_use_id": f"c{i}", "content": "x"} for i in range(count)]
    return {
        "max_tokens": 10,
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": uses},
            {"role": "user", "content": results},
        ],
    }


_SHAPES: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "one text": (CHAT, lambda: {"messages": [{"role": "user", "content": "x" * (31 * MIB)}]}),
    "short messages": (CHAT, lambda: {"messages": [{"role": "user", "content": "x"}] * 90_000}),
    "too many messages": (CHAT, lambda: {"messages": [{"role": "user", "content": "x"}] * 800_000}),
    "calls and results": (CHAT, lambda: _calls(20_000)),
    "uses and results": (MESSAGES, lambda: _uses(20_000)),
    "parts": (GENERATE, lambda: {"contents": [{"role": "user", "parts": [{"text": "x"}] * 190_000}]}),
    "too many parts": (GENERATE, lambda: {"contents": [{"role": "user", "parts": [{"text": "x"}] * 1_500_000}]}),
    "texts": (CHAT, lambda: {"messages": [{"role": "user", "content": "x"}], "stop": ["x"] * 450_000}),
    "numbers": (CHAT, lambda: {"messages": [{"role": "user", "content": "x"}], "stop": [1] * 3_500_000}),
}


@pytest.mark.row("large bodies")
@pytest.mark.parametrize("shape", _SHAPES)
def test_a_large_body_keeps_nobody_waiting(daemon: Target, shape: str, observe: Observe, tmp_path: Path) -> None:
    path, make = _SHAPES[shape]
    content = json.dumps({"model": "gemini-3-flash"} | make(), separators=(",", ":")).encode()
    with Others(daemon) as others:
        answer = daemon.ask("POST", path, content, timeout=120)
    observe(f"{shape}, {len(content) / MIB:.0f} MiB: {answer.status}, others wait <= {others.worst:.2f} s")
    assert answer.status < 500
    assert others.worst <= 0.1
