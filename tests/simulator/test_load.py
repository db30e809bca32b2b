"""Constant answers: as many events as wanted, made once, with the moment of sending in them if wanted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from support.stack import free_port

from antigravity_proxy.simulator.load import Knobs, Load, knobs


def played(load: Load) -> tuple[list[bytes], list[float]]:
    """What a stream writes, and the seconds between."""
    written, waits, steps = [], [], load.steps()
    while True:
        try:
            data, seconds = next(steps)
        except StopIteration as e:
            return [*written, e.value], waits
        written.append(data)
        waits.append(seconds)


def texts(written: list[bytes]) -> list[str]:
    events = [json.loads(data.removeprefix(b"data: ")) for data in written if data]
    return [event["response"]["candidates"][0]["content"]["parts"][0]["text"] for event in events]


def test_events_and_pauses_are_as_set() -> None:
    written, waits = played(Load(Knobs(events=3, bytes=30, delay_ms=50, first_ms=200)))
    assert waits == [0.2, 0.05, 0.05]
    assert written[0] == b""
    assert texts(written) == ["lorem ipsum lorem ipsum lorem "] * 3
    assert [b'"finishReason":"STOP"' in data for data in written] == [False, False, False, True]


def test_events_are_the_same_bytes_each_time() -> None:
    load = Load(Knobs(events=3))
    first, second = played(load)[0], played(load)[0]
    assert first[0] is first[1] is second[0]


def test_a_stamped_event_tells_when_it_was_sent() -> None:
    load = Load(Knobs(events=2, bytes=5, stamp=1))
    before = time.monotonic_ns()
    for text in texts(played(load)[0]):
        assert text[0] == text[19] == "@"
        assert before <= int(text[1:19]) <= time.monotonic_ns()
        assert text[20:] == "lorem"


def test_knobs_are_read_from_a_query() -> None:
    assert knobs([("events", "5"), ("stamp", "1")]) == Knobs(events=5, stamp=1)
    for wrong in ([("events", "x")], [("unknown", "1")]):
        with pytest.raises(ValueError, match=r"unknown|Expected"):
            knobs(wrong)


def test_it_runs_as_a_process_of_its_own() -> None:
    port = str(free_port())
    argv = [sys.executable, "-m", "antigravity_proxy.simulator", "--port", port, "--events", "4", "--bytes", "3"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(Path.cwd())})
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url == f"http://127.0.0.1:{port}"
        asked = urllib.request.Request(f"{url}/v1internal:streamGenerateContent?alt=sse", b"{}")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.read().count(b'"text":"lor"') == 4
    finally:
        process.terminate()
        process.communicate()
