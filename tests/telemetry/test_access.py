"""The access log: what a line holds, and what it never does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from antigravity_proxy.logs import Output
from antigravity_proxy.telemetry.access import WRITTEN_TOGETHER, AccessLog
from antigravity_proxy.telemetry.record import Attempt, Record
from antigravity_proxy.telemetry.trace import Trace


def record(**fields: Any) -> Record:
    usual: dict[str, Any] = {
        "id": "req_1",
        "began": 10.0,
        "method": "POST",
        "dialect": "openai",
        "operation": "chat",
        "client": "192.0.2.7",
        "key": "team",
        "asked": "gpt-5",
        "model": "gemini-3-flash",
        "attempts": [Attempt("one", 0.0, 0.1, "quota"), Attempt("two", 0.1, 0.2, reason="")],
        "streamed": True,
        "status": 200,
        "bytes_out": 400,
        "first_byte": 0.004,
        "duration": 0.0124,
        "tokens_in": 3,
        "tokens_out": 5,
        "upstream": "accounts",
    }
    return Record(**usual | fields)


def written(form: str, *records: Record, detailed: bool = False) -> list[str]:
    lines: list[str] = []
    out = Output(None)
    out.write = lines.append  # type: ignore[method-assign]
    log = AccessLog(out, form, lambda: 0.0, detailed=detailed)
    for each in records:
        log(each)
    assert all(line.endswith("\n") for line in lines)
    return "".join(lines).splitlines()


def test_lines_of_a_moment_are_written_together_before_whatever_else_is_logged_and_at_the_end(
    tmp_path: Path,
) -> None:
    clock, path = Clock(), tmp_path / "log"
    out = Output(str(path))
    log = AccessLog(out, "text", lambda: 0.0, clock=clock)
    log(record(id="req_1"))
    log(record(id="req_2"))
    assert path.read_text() == ""
    clock.advance(WRITTEN_TOGETHER)
    assert path.read_text().count("\n") == 2
    log(record(id="req_3"))
    out.write("an event\n")
    assert path.read_text().endswith("req_3\nan event\n")
    log(record(id="req_4"))
    log.stop()
    assert path.read_text().endswith("req_4\n")
    assert not clock.getDelayedCalls()
    log(record(id="req_5"))
    assert path.read_text().endswith("req_5\n")


def test_a_text_line() -> None:
    assert written("text", record()) == [
        "1970-01-01T00:00:00.000Z info  access: POST openai chat 200 12 ms first=4 bytes=400 tokens=3/5 "
        "asked=gpt-5 model=gemini-3-flash via=accounts account=two attempts=2 failed=quota stream client=192.0.2.7 "
        "key=team req_1"
    ]


def test_a_json_line() -> None:
    (line,) = written("json", record(first_byte=None, error="rate_limited", client_left=True))
    fields = json.loads(line)
    assert fields.pop("time") == "1970-01-01T00:00:00.000Z"
    assert fields == {
        "level": "info",
        "logger": "access",
        "message": "request",
        "id": "req_1",
        "method": "POST",
        "dialect": "openai",
        "operation": "chat",
        "status": 200,
        "error": "rate_limited",
        "ms": 12,
        "first_byte_ms": None,
        "bytes": 400,
        "tokens_in": 3,
        "tokens_out": 5,
        "asked": "gpt-5",
        "model": "gemini-3-flash",
        "via": "accounts",
        "account": "two",
        "attempts": 2,
        "failed": ["quota"],
        "stream": True,
        "left": True,
        "client": "192.0.2.7",
        "key": "team",
    }


@pytest.mark.parametrize(
    "asked",
    [
        "x\r\n2026 info access: forged",
        "x status=200 key=root",
        'x" key="root',
        "\x1b[2J",
        "x\u2028y",
        "ya29.secret-token",
        "someone@example.com",
        "m" * 100_000,
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.row("log lines")
def test_a_model_name_forges_nothing_and_shows_no_secret(form: str, asked: str) -> None:
    (line,) = written(form, record(asked=asked))
    assert line.isprintable()
    assert len(line) < 1000
    assert "ya29" not in line
    assert "@" not in line
    if form == "text":
        assert line.endswith(" key=team req_1")
        assert [word for word in line.split('"')[::2] if " key=root" in word or "status=200" in word] == []


def test_a_line_with_nothing_known_and_an_odd_name() -> None:
    bare = Record(id="req_2", began=0.0, status=401, error="invalid_api_key", client_left=True, asked="a b")
    (line,) = written("text", bare)
    assert (
        'first=- bytes=0 tokens=0/0 asked="a b" model=- via=- account=- attempts=0 error=invalid_api_key left' in line
    )


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.row("log flood")
def test_refused_requests_can_not_flood_it(form: str) -> None:
    refused = [record(attempts=[], status=401, began=float(i) / 1000) for i in range(2000)]
    lines = written(form, *refused, record(began=2.0))
    assert len(lines) < 100
    assert sum(map(len, lines)) < 60_000
    shown = "are not shown" if form == "text" else "not_shown"
    assert shown in lines[-1]


def test_served_requests_are_all_written() -> None:
    assert len(written("text", *[record() for _ in range(500)])) == 500


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_trace_is_told_where_there_is_one(form: str) -> None:
    (line,) = written(form, record(trace=Trace("a" * 32, "b" * 16, "c" * 16, True)))
    assert ("trace=" if form == "text" else '"trace":"') + "a" * 32 in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_upstreams_own_ids_are_told_at_debug(form: str) -> None:
    attempts = [Attempt("one", 0.0), Attempt("two", 0.0, reason="", upstream_trace='x" key=root\r\n')]
    assert "upstream" not in written(form, record(attempts=attempts))[0]
    (line,) = written(form, record(attempts=attempts), detailed=True)
    if form == "text":
        assert line.endswith(r' upstream="-,x\" key=root\\r\\n"')
    else:
        assert json.loads(line)["upstream"] == ["", 'x" key=root\\r\\n']


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_name_of_any_length_is_cut(form: str) -> None:
    (line,), (longer,) = written(form, record(asked="x" * 3000)), written(form, record(asked="x" * 1_000_000))
    assert line == longer
    assert len(line) < 800
