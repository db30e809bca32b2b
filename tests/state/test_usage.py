"""The usage ledger, over real SQLite, with a wall clock of the test's."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.killed import kill
from support.threaded_clock import Reactor

from antigravity_proxy.settings.limits import STATE_FLUSH
from antigravity_proxy.state import place, schema, usage_table
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.state.usage import DAY, OTHER, UsageLedger
from antigravity_proxy.state.usage_report import COLUMNS, Amount, BadColumns, Cell, Report, columns, merged
from antigravity_proxy.telemetry.record import Attempt, Ledger, Record

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()


class Kept:
    """A ledger over a directory, and restarts of it."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.wall = NOON
        self.reactor = Reactor()
        self.start()

    def start(self) -> None:
        self.store = StateStore(self.reactor, lambda: self.wall, self.directory)
        self.ledger = UsageLedger(self.store, lambda: self.wall)
        self.requests = Ledger(lambda: 0.0, lambda: self.wall)
        self.ledger.settle = self.requests.observe_later(self.ledger)
        self.store.startService()

    def ended(self, record: Record) -> None:
        """The request ends now."""
        self.requests.close(record)

    def report(self, by: str = "day", days: int = 30) -> dict[tuple[str, ...], Amount]:
        made: Report = self.reactor.wait(self.ledger.report(columns(by), days))
        return {row.names: row.amount for row in made.rows}

    def total(self, days: int = 30) -> Amount:
        made: Report = self.reactor.wait(self.ledger.report(("day",), days))
        return made.total

    def stop(self) -> None:
        self.reactor.wait(self.store.stopService())

    def kill(self) -> None:
        kill(self.store)


@pytest.fixture(params=["directory", "memory"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "state" if request.param == "directory" else None)
    yield made
    made.stop()


def record(key: str = "ann", account: str = "a1", model: str = "gemini-3-flash", **fields: Any) -> Record:
    attempts = [Attempt(account, 0.0, reason="")] if account else []
    given = {"method": "POST", "status": 200, "tokens_in": 10, "tokens_out": 5, "upstream": "accounts"} | fields
    return Record(id="r", began=0.0, key=key, model=model, attempts=attempts, **given)


def test_who_what_and_when_are_told_apart_in_every_combination(kept: Kept) -> None:
    cells = [(key, account, model) for key in ("ann", "bob") for account in ("a1", "a2") for model in ("m1", "m2")]
    for weight, (key, account, model) in enumerate(cells, 1):
        kept.ended(record(key, account, model, tokens_in=weight, tokens_out=1, tokens_cached=1, tokens_thinking=1))
    for number in range(1, 1 << len(COLUMNS)):
        by = [name for bit, name in enumerate(COLUMNS) if number >> bit & 1]
        wanted: dict[tuple[str, ...], int] = {}
        for weight, (key, account, model) in enumerate(cells, 1):
            named = {"day": "2026-11-28", "key": key, "account": account, "upstream": "accounts", "model": model}
            names = tuple(named[name] for name in by)
            wanted[names] = wanted.get(names, 0) + weight
        found = kept.report(",".join(by))
        assert {names: amount.tokens_in for names, amount in found.items()} == wanted
        assert sum(amount.requests for amount in found.values()) == len(cells)
    assert kept.total() == Amount(8, 0, 36, 8, 8, 8)


@pytest.mark.parametrize(
    ("fields", "failed"),
    [({}, 0), ({"status": 429}, 1), ({"error": "upstream_broken"}, 1), ({"client_left": True, "status": 499}, 1)],
)
def test_a_failure_is_an_error_status_or_what_broke_off(kept: Kept, fields: dict[str, Any], failed: int) -> None:
    kept.ended(record(**fields))
    assert kept.total()[:2] == (1, failed)


@pytest.mark.parametrize("fields", [{"refused": True, "status": 429}, {"method": "GET"}])
def test_what_was_not_admitted_or_asked_nothing_is_not_counted(kept: Kept, fields: dict[str, Any]) -> None:
    kept.ended(record(**fields))
    assert kept.total() == Amount()


def test_midnight_utc_divides_days_and_nothing_counts_twice(kept: Kept) -> None:
    kept.wall = datetime(2026, 11, 28, 23, 59, 59, 999_000, tzinfo=UTC).timestamp()
    kept.ended(record())
    kept.wall += 0.001
    kept.ended(record())
    kept.wall += DAY
    kept.ended(record())
    found = {names[0]: amount.requests for names, amount in kept.report().items()}
    assert found == {"2026-11-28": 1, "2026-11-29": 1, "2026-11-30": 1}
    assert kept.total() == Amount(3, 0, 30, 0, 0, 15)
    assert kept.total(days=2) == Amount(2, 0, 20, 0, 0, 10)


@pytest.mark.parametrize("jump", [-400 * DAY, -DAY, -1, 1, DAY, 30 * 366 * DAY])
def test_a_clock_that_jumps_loses_and_doubles_nothing(kept: Kept, jump: float) -> None:
    kept.ended(record())
    kept.total()
    kept.wall += jump
    kept.ended(record())
    kept.total()
    kept.wall = NOON
    kept.ended(record())
    kept.wall = max(NOON, NOON + jump)
    assert kept.total(days=40_000) == Amount(3, 0, 30, 0, 0, 15)


def test_a_kill_loses_what_came_within_ten_seconds_and_no_more(tmp_path: Path) -> None:
    assert STATE_FLUSH <= 10
    kept = Kept(tmp_path / "state")
    for _ in range(3):
        kept.ended(record())
    kept.reactor.advance(STATE_FLUSH)
    kept.reactor.from_thread()
    kept.ended(record())
    kept.kill()
    kept.start()
    assert kept.total().requests == 3
    kept.stop()
    kept.start()
    assert kept.total().requests == 3
    kept.stop()


def test_an_ordinary_end_loses_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "state")
    kept.ended(record())
    kept.stop()
    kept.start()
    assert kept.total().requests == 1
    kept.stop()


def test_while_the_directory_is_away_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    kept = Kept(tmp_path / "mount" / "state")
    kept.ended(record())
    assert kept.total().requests == 1
    (tmp_path / "mount").rename(tmp_path / "away")
    kept.ended(record())
    kept.ended(record("bob"))
    kept.reactor.wait(kept.store.flush())
    assert kept.store.trouble
    assert {names[0]: amount.requests for names, amount in kept.report("key").items()} == {"ann": 1, "bob": 1}
    kept.ended(record())
    kept.reactor.wait(kept.store.flush())
    (tmp_path / "away").rename(tmp_path / "mount")
    kept.reactor.wait(kept.store.flush())
    assert {names[0]: amount.requests for names, amount in kept.report("key").items()} == {"ann": 3, "bob": 1}
    kept.stop()


def test_memory_stays_bounded_whatever_names_come(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antigravity_proxy.state.usage.MAX_MODELS", 3)
    for number in range(50):
        kept.ended(record(model=f"made-up-{number}"))
    assert len(kept.report("model")) == 4
    assert kept.report("model")[(OTHER,)].requests == 47
    monkeypatch.setattr("antigravity_proxy.state.usage.MAX_CELLS", 5)
    for number in range(50):
        kept.ended(record(account=f"account-{number}"))
    assert kept.total().requests == 100
    assert kept.report("account")[(OTHER,)].requests == 45
    kept.ended(record(key="x" * 1000))
    assert all(len(names[0]) <= 128 for names in kept.report("key"))


def test_without_a_directory_old_days_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antigravity_proxy.state.usage.DAYS_IN_MEMORY", 3)
    kept = Kept(None)
    for _ in range(10):
        kept.ended(record())
        kept.total()
        kept.wall += DAY
    kept.wall -= DAY
    assert len(kept.report(days=30)) <= 4
    kept.stop()


def test_a_report_names_its_days_and_bad_columns_are_refused() -> None:
    kept = Kept(None)
    kept.ended(record())
    made: Report = kept.reactor.wait(kept.ledger.report(("key",), 2, 1))
    assert (made.first, made.last, made.truncated) == ("2026-11-27", "2026-11-28", False)
    kept.ended(record("bob"))
    kept.ended(record("bob"))
    made = kept.reactor.wait(kept.ledger.report(("key",), 2, 1))
    assert (made.rows[0].names, made.truncated, made.total.requests) == (("bob",), True, 3)
    kept.stop()
    for text in ("", "password", "key,nonsense", ","):
        with pytest.raises(BadColumns):
            columns(text)
    assert columns("key, MODEL,key") == ("key", "model")


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    return connection


def test_whole_months_and_days_add_up_to_the_same_for_every_range() -> None:
    """A generated ledger, and each range by days alone."""
    chance = random.Random(1)
    first = (datetime(2025, 11, 20, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    amounts = [
        (
            Cell(first + chance.randrange(140), chance.choice("ab"), chance.choice("xyz"), "accounts", "m"),
            Amount(1, 0, chance.randrange(100), 0, 0, chance.randrange(100)),
        )
        for _ in range(3000)
    ]
    with closing(database()) as connection:
        usage_table.add(connection, amounts)
        for _ in range(150):
            begin = first - 20 + chance.randrange(160)
            end = begin + chance.randrange(160)
            wanted = sum(amount.tokens for cell, amount in amounts if begin <= cell.day <= end)
            for by in (("key",), ("account", "upstream"), ("day", "key"), ("key", "account", "model")):
                found = usage_table.read(connection, by, begin, end, 10_000)
                assert found.total.tokens == wanted
                assert sum(row.amount.tokens for row in found.rows) == wanted


def test_days_are_kept_for_long_and_months_for_longer() -> None:
    first = (datetime(2026, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    with closing(database()) as connection:
        for day in range(120):
            usage_table.add(connection, [(Cell(first + day, "k", "a", "accounts", "m"), Amount(1))])
            usage_table.prune(connection, days=40, months=3)
        last = first + 119  # 30 April
        days = usage_table.read(connection, ("day",), last - 39, last, 1000)
        assert days.rows[0].names[0] == "2026-03-22"
        assert days.total.requests == 40
        older = usage_table.read(connection, ("key",), first, last, 1000)
        assert older.total.requests == 28 + 31 + 30  # January is gone, of March the whole month is known
        named = usage_table.read(connection, ("day",), first, last, 1000)
        assert [row.names[0] for row in named.rows][:3] == ["2026-02", "2026-03", "2026-04-01"]
        assert named.total == older.total


def test_several_ledgers_make_one_report() -> None:
    with closing(database()) as one, closing(database()) as other:
        usage_table.add(one, [(Cell(20_000, "ann", "a", "accounts", "m"), Amount(1, 0, 10))])
        usage_table.add(other, [(Cell(20_000, "ann", "b", "accounts", "m"), Amount(2, 1, 5))])
        usage_table.add(other, [(Cell(20_000, "bob", "b", "accounts", "m"), Amount(1, 0, 100))])
        reports = [usage_table.read(each, ("key",), 19_999, 20_001, 10) for each in (one, other)]
    found = merged(reports)
    assert [(row.names, row.amount[:3]) for row in found.rows] == [(("bob",), (1, 0, 100)), (("ann",), (3, 1, 15))]
    assert found.total[:3] == (4, 1, 115)


def test_nothing_but_numbers_ids_and_names_reaches_the_files(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "state")
    canaries = {
        "asked": "canary-asked",
        "client": "canary-client",
        "error": "canary-error",
    }
    kept.ended(record(**canaries))
    kept.stop()
    content = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert b"gemini-3-flash" in content
    assert b"canary" not in content


@pytest.mark.hostile
def test_ten_million_rows_are_answered_in_a_second(tmp_path: Path) -> None:
    """400 days of 25,000 rows each: 50 keys, 100 accounts, 5 models; and every shape that follows from them."""
    path = tmp_path / place.DATABASE
    last = (datetime(2026, 11, 28, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        schema.migrate(connection)
        connection.executemany("INSERT INTO word VALUES (?, ?)", [(n, f"name-{n}") for n in range(1, 200)])
        numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 400)"
        connection.execute(f"CREATE TEMP TABLE n AS {numbers} SELECT i FROM n")
        for shape in range(1, 8):
            names = {
                "key": "k.i + 1" if shape & usage_table.KEY else "0",
                "account": "a.i + 51" if shape & usage_table.ACCOUNT else "0",
                "model": "m.i + 151" if shape & usage_table.MODEL else "0",
            }
            tables = {"key": ("k", 50), "account": ("a", 100), "model": ("m", 5)}
            joined = [tables[name] for name, value in names.items() if value != "0"]
            source = ", ".join(f"n AS {alias}" for alias, _ in joined)
            bounds = " AND ".join(f"{alias}.i < {count}" for alias, count in joined)
            for table, begin, end in (
                ("usage_day", last - 399, last),
                ("usage_month", usage_table.month_of(last - 399), usage_table.month_of(last)),
            ):
                connection.execute(
                    f"INSERT INTO {table} SELECT {shape}, d.i + {begin}, {names['key']}, {names['account']},"
                    f" {'1' if shape & usage_table.ACCOUNT else '0'}, {names['model']}, 1, 0, 10, 1, 1, 5"
                    f" FROM n AS d, {source} WHERE d.i <= {end - begin} AND {bounds} ORDER BY 1, 2, 3, 4, 5, 6"
                )
        (rows,) = connection.execute("SELECT count(*) FROM usage_day WHERE shape = 7").fetchone()
        assert rows == 10_000_000
        took = {}
        for days in (1, 30, 400):
            for by in ("day", "key", "account", "model", "key,model", "key,account", "day,key", "account,model"):
                began = time.process_time()
                usage_table.read(connection, columns(by), last - days + 1, last, 10_000)
                took[by, days] = time.process_time() - began
    slowest = max(took, key=lambda each: took[each])
    print(f"slowest: {slowest}, {took[slowest]:.2f} s")
    assert took[slowest] < 1.0


def test_days_that_are_none_have_no_usage(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    with closing(sqlite3.connect(tmp_path / place.DATABASE)) as connection:
        assert usage_table.read(connection, ("key",), 10, 5, 10).rows == ()
    kept.store.stopService()
