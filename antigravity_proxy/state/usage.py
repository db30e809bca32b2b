"""The usage ledger: each request's outcome, added up in memory and written behind by the state directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import Deferred

from antigravity_proxy.state import schema, usage_table
from antigravity_proxy.state.database import Work
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.state.usage_report import COUNTS, Amount, Cell, Report
from antigravity_proxy.telemetry.record import Record, nothing_waits

#: seconds of a UTC day
DAY = 86_400
#: the name for everything beyond the bounds below
OTHER = "(other)"
#: combinations that are counted separately until the next write, and models that are counted separately on one day
MAX_CELLS, MAX_MODELS = 5_000, 1_000
#: characters of a name
_LONGEST = 128
#: rows of a report at most
MAX_ROWS = 10_000
#: days and months that are kept where there is no directory
DAYS_IN_MEMORY, _MONTHS_IN_MEMORY = 40, 3

_Totals = dict[Cell, list[int]]


class UsageLedger:
    """An observer of the ledger, and a part of what the state directory writes. ``epoch``: the wall clock in seconds.

    It ``settle``s with the ledger before what it counted is needed. A request counts for the day on which it ends.
    """

    def __init__(self, store: StateStore, epoch: Callable[[], float]) -> None:
        self._store = store
        self._epoch = epoch
        self._day = 0
        self._models: set[str] = set()  # that were counted separately on that day
        self._cells: dict[tuple[int, str, str, str, str], list[int]] = {}
        self._taken: _Totals = {}
        self.settle: Callable[[], None] = nothing_waits
        store.add(self)

    def __call__(self, record: Record) -> None:
        """Counts a request that was admitted and asked for something."""
        if record.refused or record.method != "POST":
            return
        attempts = record.attempts
        account = attempts[-1].account if attempts else ""
        cell = (int(record.ended // DAY), record.key, account, record.upstream, record.model)
        counts = self._cells.get(cell)
        if counts is None:
            counts = self._new(cell)
        counts[0] += 1
        if record.status >= 400 or record.error or record.client_left:
            counts[1] += 1
        counts[2] += record.tokens_in
        counts[3] += record.tokens_cached
        counts[4] += record.tokens_thinking
        counts[5] += record.tokens_out

    def _new(self, cell: tuple[int, str, str, str, str]) -> list[int]:
        day, key, account, upstream, model = cell
        if day != self._day:
            self._day = day
            self._models = set()
        if model not in self._models:
            if len(self._models) < MAX_MODELS:
                self._models.add(model)
            else:
                model = OTHER
        if len(self._cells) >= MAX_CELLS:
            account = upstream = model = OTHER
        return self._cells.setdefault((day, key, account, upstream, model), [0] * len(COUNTS))

    # a part of what is written

    def take(self) -> Work | None:
        """The amounts since the last write."""
        self.settle()
        if not self._cells:
            return None
        cells, self._cells = self._cells, {}
        self._taken = taken = {Cell(*cell): counts for cell, counts in cells.items()}
        days, months = usage_table.DAYS, usage_table.MONTHS
        if self._store.directory is None:
            days, months = DAYS_IN_MEMORY, _MONTHS_IN_MEMORY

        def work(connection: sqlite3.Connection) -> None:
            usage_table.add(connection, _amounts(taken))
            usage_table.prune(connection, days, months)

        return work

    def put_back(self) -> None:
        """It is not written: it is added up with what has come meanwhile."""
        for cell, counts in self._taken.items():
            found = self._cells.setdefault(
                (cell.day, cell.key, cell.account, cell.upstream, cell.model), [0] * len(COUNTS)
            )
            for index, count in enumerate(counts):
                found[index] += count
        self._taken = {}

    def written(self) -> None:
        """It is."""
        self._taken = {}

    # what is asked

    def today(self) -> int:
        """The present day, counted in UTC days since 1970."""
        return int(self._epoch() // DAY)

    def report(self, by: Sequence[str], days: int, most: int = MAX_ROWS) -> Deferred[Report]:
        """Usage of the last ``days``, today among them; while the directory is away, of what is not written yet."""
        self.settle()
        last = self.today()
        first = last - days + 1

        def read(connection: sqlite3.Connection) -> Report:
            return usage_table.read(connection, by, first, last, most)

        def ask(_: None) -> Deferred[Report]:
            unwritten = {Cell(*cell): list(counts) for cell, counts in self._cells.items()}
            return self._store.ask(read, lambda: _of_memory(unwritten, read))

        return self._store.flush().addCallback(ask)


def _amounts(totals: _Totals) -> Iterable[tuple[Cell, Amount]]:
    for cell, counts in totals.items():
        yield Cell(cell.day, *(text[:_LONGEST] for text in cell[1:])), Amount(*counts)


def _of_memory(totals: _Totals, read: Callable[[sqlite3.Connection], Report]) -> Report:
    """The report on amounts that are in no database."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        schema.migrate(connection)
        usage_table.add(connection, _amounts(totals))
        return read(connection)
    finally:
        connection.close()
