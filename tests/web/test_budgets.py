"""Budgets of clients' keys, with a wall clock of the test's and a real store."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.threaded_clock import Reactor

from antigravity_proxy.errors import ClientLimited
from antigravity_proxy.replicas.counts import Counts
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.web.budgets import Budgets
from antigravity_proxy.web.client_keys import ClientKey

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3600, 86_400


def key(day: int | None = None, month: int | None = None, name: str = "ann") -> ClientKey:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return ClientKey(name, "0" * 64, created, tokens_per_day=day, tokens_per_month=month)


class Kept:
    """Budgets over a directory, and restarts."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.wall = NOON
        self.reactor = Reactor()
        self.start()

    def start(self) -> None:
        self.store = StateStore(self.reactor, lambda: self.wall, self.directory)
        self.budgets = Budgets(self.store, lambda: self.wall)
        self.store.startService()

    def flush(self) -> None:
        self.reactor.wait(self.store.flush())

    def stop(self) -> None:
        self.reactor.wait(self.store.stopService())

    def begin(self, which: ClientKey, estimate: int) -> Record:
        record = Record(id="r", began=0.0, key=which.name)
        self.budgets.check(which, estimate)
        self.budgets.reserve(which, record, estimate)
        return record

    def end(self, record: Record, tokens_in: int, tokens_out: int) -> None:
        record.tokens_in, record.tokens_out = tokens_in, tokens_out
        self.budgets(record)

    def spend(self, which: ClientKey, tokens: int) -> None:
        self.end(self.begin(which, 0), tokens, 0)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "state")
    yield made
    made.stop()


def test_at_the_limit_it_ends_until_the_true_second(kept: Kept) -> None:
    limited = key(day=100)
    kept.end(kept.begin(limited, 50), 60, 40)
    kept.wall += 0.5
    with pytest.raises(ClientLimited) as refused:
        kept.begin(limited, 1)
    assert refused.value.retry_after == 12 * HOUR  # 43,199.5, in whole seconds
    kept.wall += refused.value.retry_after - 1
    with pytest.raises(ClientLimited):
        kept.begin(limited, 1)
    kept.wall += 1
    kept.begin(limited, 100)


def test_a_month_ends_with_the_calendar_whatever_its_length(kept: Kept) -> None:
    limited = key(day=1000, month=100)
    for month, rest in ((2, 28), (4, 30), (11, 30), (12, 31)):
        kept.wall = datetime(2026, month, 1, tzinfo=UTC).timestamp()
        kept.spend(limited, 100)
        with pytest.raises(ClientLimited, match="a month") as refused:
            kept.begin(limited, 1)
        assert refused.value.retry_after == rest * DAY


def test_what_is_under_way_is_reserved_and_given_back(kept: Kept) -> None:
    limited = key(day=100)
    first, second = kept.begin(limited, 60), kept.begin(limited, 40)
    with pytest.raises(ClientLimited, match="under way") as refused:
        kept.begin(limited, 1)
    assert refused.value.retry_after == 2
    kept.end(first, 10, 0)
    third = kept.begin(limited, 50)
    kept.end(second, 0, 0)
    kept.end(third, 90, 0)
    with pytest.raises(ClientLimited, match="has used 100"):
        kept.begin(limited, 1)


def test_it_is_overshot_by_what_was_under_way_and_no_more(kept: Kept) -> None:
    """Any order of beginnings and ends: what is admitted fits by its estimate."""
    chance, limited = random.Random(2), key(day=10_000)
    open_: list[tuple[Record, int]] = []
    used = 0
    for _ in range(3000):
        if open_ and chance.random() < 0.5:
            record, estimate = open_.pop(chance.randrange(len(open_)))
            kept.end(record, estimate, extra := chance.randrange(20))
            used += estimate + extra
        else:
            estimate = chance.randrange(200)
            reserved = sum(each for _, each in open_)
            try:
                open_.append((kept.begin(limited, estimate), estimate))
            except ClientLimited:
                assert used + reserved + estimate > 10_000 or used >= 10_000
            else:
                assert used + reserved + estimate <= 10_000
    assert kept.budgets.used("ann")[0] == used


def test_a_key_without_budgets_is_counted_and_never_refused(kept: Kept) -> None:
    kept.spend(key(), 10**9)
    assert kept.budgets.used("ann") == (10**9, 10**9)
    assert kept.budgets.left(key()) is None
    with pytest.raises(ClientLimited):
        kept.begin(key(day=10), 0)


def test_restarts_and_kills_forget_nothing_that_was_written(kept: Kept) -> None:
    limited = key(day=100, month=1000)
    kept.spend(limited, 70)
    kept.stop()
    kept.start()
    assert kept.budgets.used("ann") == (70, 70)
    kept.spend(limited, 20)
    kept.stop()
    kept.start()
    assert kept.budgets.used("ann") == (90, 90)
    kept.wall += DAY
    assert kept.budgets.used("ann") == (0, 90)


def test_a_directory_that_comes_late_adds_what_was_used_before(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    kept = Kept(tmp_path / "mount" / "state")
    kept.spend(key(), 70)
    kept.stop()
    (tmp_path / "mount").rename(tmp_path / "away")
    kept.start()
    kept.spend(key(), 5)
    assert kept.budgets.used("ann")[0] == 5
    kept.budgets.merge("bob", {"you": Counts({1: 1}, {1: 1})})
    (tmp_path / "away").rename(tmp_path / "mount")
    kept.flush()
    assert kept.budgets.used("ann")[0] == 75
    kept.stop()
    kept.start()
    assert kept.budgets.used("ann")[0] == 75
    kept.stop()


def test_what_others_have_counted_is_added_once_and_forgotten_in_time(kept: Kept) -> None:
    kept.spend(key(), 10)
    day = int(kept.wall // DAY)
    month = 2026 * 12 + 10
    for tokens in (5, 7, 7, 6):
        kept.budgets.merge("ann", {"you": Counts({day: tokens}, {month: tokens}), "idle": Counts()})
    assert kept.budgets.used("ann") == (17, 17)
    for later in range(1, 9):
        kept.budgets.merge("ann", {"you": Counts({day + later: 1}, {month: 7 + later})})
    assert kept.budgets.used("ann") == (10, 25)
    assert list(kept.budgets.spent("ann")["you"].days) == [day + later for later in (5, 6, 7, 8)]
    kept.wall += 92 * DAY
    assert kept.budgets.spent("ann").keys() == {kept.budgets.origin}
    kept.wall -= 92 * DAY
    kept.stop()
    kept.start()
    assert kept.budgets.used("ann") == (10, 10), "the directory keeps what was counted there"


@pytest.mark.parametrize("jump", [-40 * DAY, -DAY, -HOUR, HOUR, DAY, 40 * DAY])
def test_a_clock_that_jumps_and_comes_back_finds_what_was_used(kept: Kept, jump: float) -> None:
    kept.spend(key(), 70)
    kept.wall += jump
    kept.spend(key(), 1)
    kept.wall -= jump
    assert kept.budgets.used("ann")[0] in (70, 71)
    kept.spend(key(), 5)
    assert kept.budgets.used("ann")[0] in (75, 76)


def test_the_tightest_budget_is_told(kept: Kept) -> None:
    limited = key(day=100, month=90)
    kept.begin(limited, 30)
    left = kept.budgets.left(limited)
    assert left is not None
    assert (left.limit, left.remaining) == (90, 60)
    kept.spend(key(name="bob"), 5)
    assert kept.budgets.left(limited) == left


def test_nonsense_in_the_directory_is_passed_over() -> None:
    kept = Kept(None)
    kept.stop()
    store = StateStore(kept.reactor, lambda: NOON, None)
    for name, value in (("a", "{"), ("b", "[1]"), ("c", '{"days": {"20000": "x"}}'), ("d", '{"days": {"1": 2}}')):
        store.put("budget", name, value)
    budgets = Budgets(store, lambda: NOON)
    store.startService()
    assert budgets.used("a") == (0, 0)
    kept.store = store
    kept.stop()
