"""The process: how it starts, what signals do to it, and that it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support.target import CHAT, MESSAGES, STREAM, Target, Upstream, body, post, target, until

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]


@pytest.mark.row("start")
def test_a_start(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url) as daemon:
        first = daemon.process.started
        seconds = until(daemon.well, 5)
    observe(f"first answer after {first:.1f} s, serves {seconds:.1f} s later")
    assert first + seconds <= 3


def streams(daemon: Target) -> tuple[list[threading.Thread], dict[str, bytes]]:
    """A stream in each dialect under way; what they received when they end."""
    got: dict[str, bytes] = {}

    def read(path: str, s: socket.socket) -> None:
        with s, suppress(OSError):
            while piece := s.recv(65536):
                got[path] = got.get(path, b"") + piece

    threads = []
    for path in (CHAT, MESSAGES, STREAM):
        s = daemon.connect(60)
        s.sendall(post(path, json.dumps(body(path, stream=True)).encode(), "Connection: close"))
        threads.append(threading.Thread(target=read, args=(path, s)))
        threads[-1].start()
    until(lambda: len(got) == 3, 10)
    return threads, got


def whole(got: dict[str, bytes]) -> int:
    """How many streams came to their proper end."""
    ends = {CHAT: b"data: [DONE]", MESSAGES: b"message_stop", STREAM: b'"finishReason":"STOP"'}
    return sum(ends[path] in data and data.endswith(b"0\r\n\r\n") for path, data in got.items())


@pytest.mark.row("sigterm")
def test_term_lets_streams_finish_and_drops_the_idle(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    upstream.control(events=30, delay_ms=100)
    running = Target(tmp_path, upstream.url)
    try:
        idle = running.connect()
        threads, got = streams(running)
        os.kill(running.process.pid, signal.SIGTERM)
        for thread in threads:
            thread.join(30)
        seconds = until(lambda: running.process.status is not None, 5)
        assert idle.recv(1) == b""
        assert running.process.status == -signal.SIGTERM
        assert "Traceback" not in running.log
    finally:
        running.process.stop()
        upstream.control()
    observe(f"{whole(got)}/3 streams whole, idle closed, ended by the signal {seconds:.1f} s after the last byte")
    assert whole(got) == 3


@pytest.mark.row("sigterm")
def test_term_with_an_idle_connection_alone(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    running = Target(tmp_path, upstream.url)
    try:
        with running.connect():
            os.kill(running.process.pid, signal.SIGTERM)
            seconds = until(lambda: running.process.status is not None, 5)
    finally:
        running.process.stop()
    observe(f"idle: {seconds:.1f} s")


@pytest.mark.row("sigterm")
def test_term_with_a_stream_that_never_ends(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    upstream.control(events=100_000, delay_ms=500)
    running = Target(tmp_path, upstream.url, PROXY_DRAIN_SECONDS="5")
    try:
        threads, _ = streams(running)
        began = time.monotonic()
        os.kill(running.process.pid, signal.SIGTERM)
        until(lambda: running.process.status is not None, 10)
        seconds = time.monotonic() - began
        for thread in threads:
            thread.join(5)
    finally:
        running.process.stop()
        upstream.control()
    observe(f"stuck: cut after {seconds:.1f} s where 5 s are allowed")
    assert 4.5 <= seconds <= 8


@pytest.mark.row("other signals")
def test_other_signals_are_survived(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    upstream.control(events=20, delay_ms=100)
    try:
        with target(tmp_path, upstream.url) as daemon:
            threads, got = streams(daemon)
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
                os.kill(daemon.process.pid, number)
                time.sleep(0.3)
                assert daemon.process.status is None
            for thread in threads:
                thread.join(30)
    finally:
        upstream.control()
    observe(f"alive, {whole(got)}/3 streams whole")
    assert whole(got) == 3
