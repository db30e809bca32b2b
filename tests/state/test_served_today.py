"""What credentials have served today is remembered; yesterday's count, and a fact that is none, are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.accounts import account
from support.threaded_clock import Reactor

from antigravity_proxy.accounts.policy import DAY, served_today
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.state.served_today import ServedToday
from antigravity_proxy.state.store import StateStore

NOON = 20_000.5 * DAY


class Kept:
    """A pool of one credential with a limit, over a directory."""

    def __init__(self, directory: Path, wall: float = NOON) -> None:
        self.wall = wall
        self.reactor = Reactor()
        self.store = StateStore(self.reactor, lambda: self.wall, directory)
        self.pool = Pool(self.reactor, lambda: self.wall, lambda: 0.0)
        self.part = ServedToday(self.store, [self.pool])
        self.pool.update([account("a", max_per_day=100)])

    def start(self) -> Kept:
        self.store.startService()
        return self

    def stop(self) -> None:
        self.reactor.wait(self.store.stopService())

    def serve(self, times: int) -> None:
        for _ in range(times):
            lease = self.pool.lease("m")
            assert lease is not None
            lease.release()

    @property
    def count(self) -> int:
        [state] = self.pool.states
        return served_today(state, self.pool.now())


def before(directory: Path, times: int) -> None:
    kept = Kept(directory).start()
    kept.serve(times)
    kept.stop()


@pytest.mark.parametrize(("later", "count"), [(0.0, 3), (DAY / 2 - 1, 3), (DAY / 2, 0), (DAY, 0)])
def test_a_day_goes_on_after_a_restart_until_midnight_utc(tmp_path: Path, later: float, count: int) -> None:
    before(tmp_path, 3)
    kept = Kept(tmp_path, NOON + later).start()
    assert kept.count == count
    kept.serve(1)
    assert kept.count == count + 1
    kept.stop()


def test_a_credential_that_joins_later_is_remembered_too(tmp_path: Path) -> None:
    before(tmp_path, 3)
    kept = Kept(tmp_path)
    kept.pool.update([])
    kept.start()
    kept.pool.update([account("a", max_per_day=100)])
    assert kept.count == 3
    kept.stop()


def test_after_midnight_yesterdays_count_is_not_written_again_and_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path).start()
    kept.serve(3)
    kept.reactor.wait(kept.store.flush())
    assert kept.store.get("served", "a") == "[20000,3]"
    kept.wall += DAY
    kept.store.remove("served", "a")
    kept.part.take()
    assert kept.store.of("served") == {}
    kept.wall = NOON
    assert kept.store.get("served", "a") is None, "nothing was put"
    kept.stop()


def test_a_directory_that_comes_late_takes_nothing_back(tmp_path: Path) -> None:
    before(tmp_path, 3)
    kept = Kept(tmp_path)
    kept.serve(5)
    kept.start()
    assert kept.count == 5
    kept.stop()


@pytest.mark.parametrize("text", ["", "[1]", "[20000,4,5]", '["20000",4]', "[" * 500, "[19999,4]"])
def test_a_fact_that_is_none_counts_nothing(tmp_path: Path, text: str) -> None:
    kept = Kept(tmp_path).start()
    kept.store.put("served", "a", text)
    kept.pool.update([])
    kept.pool.update([account("a", max_per_day=100)])
    assert kept.count == 0
    kept.part.put_back()
    kept.part.written()
    kept.stop()
