"""The watch over a volume, with its real thread and a clock of the test's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.threaded_clock import Reactor
from support.volumes import reader_of

from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.schedule import POLL, RETRY
from antigravity_proxy.volume.service import VolumeService


class Reader:
    """A reader whose volume is a number."""

    def __init__(self) -> None:
        self.signed = 1
        self.state = VolumeState(revision=1)
        self.reads = 0
        self.threads: set[str] = set()
        self.fault: Exception | None = None
        self.failures: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def signature(self) -> object:
        self.gate.wait(5)
        if self.fault is not None:
            raise self.fault
        return self.signed

    def read(self) -> VolumeState:
        self.reads += 1
        self.threads.add(threading.current_thread().name)
        return self.state

    def failed(self, error: str) -> VolumeState:
        self.failures.append(error)
        return VolumeState(error=error, revision=self.state.revision + len(self.failures))


class Watch:
    """A service over that reader, and what it told."""

    def __init__(self, reader: Any) -> None:
        self.reactor = Reactor()
        self.reader = reader
        self.told: list[VolumeState] = []
        self.service = VolumeService(self.reactor, reader)
        self.service.observe(self.told.append)

    def look(self, after: float = POLL) -> None:
        self.reactor.advance(after)
        self.reactor.from_thread()


@pytest.fixture
def watch() -> Iterator[Watch]:
    found = Watch(Reader())
    found.service.startService()
    yield found
    found.reader.gate.set()
    if found.service.running:
        found.service.stopService()


def test_the_start_reads_in_a_thread_of_its_own(watch: Watch) -> None:
    assert watch.told == []
    watch.reactor.from_thread()
    assert watch.told == [watch.reader.state]
    assert all("volume" in name for name in watch.reader.threads)


def test_looks_go_on_and_only_a_change_is_read_and_told(watch: Watch) -> None:
    watch.reactor.from_thread()
    for _ in range(3):
        watch.look()
    assert watch.reader.reads == 1
    watch.reader.signed = 2
    watch.reader.state = VolumeState(revision=2)
    watch.look()
    assert [state.revision for state in watch.told] == [1, 2]


def test_a_read_that_brings_nothing_new_is_not_told(watch: Watch) -> None:
    watch.reactor.from_thread()
    watch.reader.signed = 2
    watch.look()
    assert watch.reader.reads == 2
    assert len(watch.told) == 1


def test_the_settling_read_comes_without_any_sign(watch: Watch) -> None:
    watch.reactor.from_thread()
    watch.reader.state = VolumeState(revision=2)
    for _ in range(12):
        watch.look()
    assert watch.reader.reads == 2
    assert len(watch.told) == 2


def test_the_next_look_waits_for_this_one_and_a_hung_one_shows(watch: Watch) -> None:
    watch.reactor.from_thread()
    assert watch.service.busy_since is None
    watch.reader.gate.clear()
    watch.reactor.advance(POLL)
    assert watch.service.busy_since == POLL
    watch.reactor.advance(60.0)
    assert watch.service.busy_since == POLL
    watch.reader.gate.set()
    watch.reactor.from_thread()
    assert watch.service.busy_since is None


def test_a_forced_read_reads_though_nothing_changed(watch: Watch) -> None:
    watch.reactor.from_thread()
    watch.reader.state = VolumeState(revision=5)
    got: list[VolumeState] = []
    watch.service.read().addCallback(got.append)
    watch.reactor.from_thread()
    assert got == [watch.reader.state]
    assert watch.told[-1] is watch.reader.state


def test_a_forced_read_follows_a_look_that_is_under_way(watch: Watch) -> None:
    watch.reader.gate.clear()
    got: list[VolumeState] = []
    watch.reactor.advance(1.0)
    watch.service.read().addCallback(got.append)
    assert watch.service.busy_since == 0.0
    watch.reader.gate.set()
    watch.reactor.from_thread()
    assert (watch.service.busy_since, got) == (1.0, [])
    watch.reactor.from_thread()
    assert (watch.service.busy_since, len(got)) == (None, 1)
    assert len(watch.told) == 1


def test_a_fault_shows_in_health_is_logged_once_and_the_looking_goes_on(watch: Watch, no_leaks: list[Any]) -> None:
    watch.reactor.from_thread()
    seen_at = watch.service.seen_at
    watch.reader.fault = ZeroDivisionError("a fault")
    watch.reactor.advance(POLL)
    watch.reactor.from_thread()  # the log's line
    watch.reactor.from_thread()
    assert watch.told[-1].error == "the data directory can't be read: ZeroDivisionError"
    for _ in range(3):
        watch.look(RETRY)
    assert [failure.type for failure in no_leaks] == [ZeroDivisionError]
    assert (watch.service.failed_reads, watch.service.seen_at) == (4, seen_at)
    no_leaks.clear()
    watch.reader.fault = None
    watch.reader.state = VolumeState(revision=9)
    watch.look(RETRY)  # it reads, though the files look as they did before
    assert watch.told[-1] == watch.reader.state


def test_a_fault_in_the_use_of_a_state_does_not_end_the_looking(watch: Watch, no_leaks: list[Any]) -> None:
    def fail(state: VolumeState) -> None:
        raise ZeroDivisionError

    watch.service._observers[0] = fail
    watch.reactor.from_thread()
    assert [failure.type for failure in no_leaks] == [ZeroDivisionError]
    no_leaks.clear()
    watch.service._observers[0] = watch.told.append
    watch.reader.signed, watch.reader.state = 2, VolumeState(revision=2)
    watch.look()
    assert [state.revision for state in watch.told] == [2]


def test_the_stop_ends_the_looking_and_the_thread(watch: Watch) -> None:
    watch.reactor.from_thread()
    watch.service.stopService()
    assert watch.reactor.getDelayedCalls() == []
    assert not any(thread.is_alive() for thread in watch.service._thread._threads.threads)


def test_a_read_that_hangs_holds_up_neither_the_stop_nor_the_end_of_the_process(watch: Watch) -> None:
    watch.reactor.from_thread()
    watch.reader.gate.clear()
    watch.reactor.advance(POLL)
    begun = time.monotonic()
    watch.service.stopService()
    assert time.monotonic() - begun < 2.0
    assert all(thread.daemon for thread in watch.service._thread._threads.threads)
    watch.reader.signed = 2
    watch.reader.gate.set()
    watch.reactor.from_thread()
    assert len(watch.told) == 1
    assert watch.reactor.getDelayedCalls() == []


def test_a_real_volume_is_followed(tmp_path: Path) -> None:
    """An added account within one look, a removed one within seven."""
    volume = write_volume(tmp_path / "volume", accounts=1)
    watch = Watch(None)
    watch.service._reader = reader_of(volume.directory, watch.reactor)
    watch.service.startService()
    watch.reactor.from_thread()
    volume.add(1)
    watch.look()
    assert [len(state.accounts) for state in watch.told] == [1, 2]
    volume.remove(0)
    looks = 0
    while len(watch.told[-1].accounts) == 2:
        watch.look()
        looks += 1
    assert looks * POLL <= 2.0
    assert [len(state.accounts) for state in watch.told] == [1, 2, 2, 1]
    watch.service.stopService()
