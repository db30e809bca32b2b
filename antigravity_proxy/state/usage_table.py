"""Usage in the database: days and months, each in several shapes, so that every question reads few rows.

A shape is the set of columns that are grouped by; the others are summed up. Each amount is written in all shapes, by
day and by month: a question is answered from the shape that has just its columns, and whole months are read as such.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from antigravity_proxy.state.usage_report import COUNTS, Amount, Cell, Report, Row

#: columns by which usage is grouped, besides the day; an account is an upstream's
KEY, ACCOUNT, MODEL = 1, 2, 4
_SHAPES = tuple(range(1, 8))
_NEEDS = {"key": KEY, "account": ACCOUNT, "upstream": ACCOUNT, "model": MODEL, "day": 0}
#: days with any use that are kept, and months
DAYS, MONTHS = 400, 120
#: days from 1 January of the year 1 to that of 1970
_EPOCH_DAY = date(1970, 1, 1).toordinal()

SCHEMA = (
    "CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    *(
        f"CREATE TABLE {table} (shape INTEGER, span INTEGER, key INTEGER, account INTEGER, upstream INTEGER,"
        " model INTEGER, requests INTEGER NOT NULL, failures INTEGER NOT NULL, tokens_in INTEGER NOT NULL,"
        " cached INTEGER NOT NULL, thinking INTEGER NOT NULL, tokens_out INTEGER NOT NULL,"
        " PRIMARY KEY (shape, span, key, account, upstream, model)) WITHOUT ROWID"
        for table in ("usage_day", "usage_month")
    ),
)
_SUMS = ", ".join(f"SUM({name})" for name in COUNTS)
_HOLES = ", ".join("?" * (6 + len(COUNTS)))
_ADDED = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTS)


def month_of(day: int) -> int:
    """The month of a day (both counted from their beginnings): the year times twelve, and the months before it."""
    found = date.fromordinal(day + _EPOCH_DAY)
    return found.year * 12 + found.month - 1


def first_day(month: int) -> int:
    """The first day of a month."""
    return date(month // 12, month % 12 + 1, 1).toordinal() - _EPOCH_DAY


def day_name(day: int) -> str:
    """A day as people write it."""
    return date.fromordinal(day + _EPOCH_DAY).isoformat()


def add(connection: sqlite3.Connection, amounts: Iterable[tuple[Cell, Amount]]) -> None:
    """Adds these amounts. Raises sqlite3.Error; the caller has a transaction open."""
    words: dict[str, int] = {}
    days: dict[tuple[int, ...], list[int]] = defaultdict(lambda: [0] * len(COUNTS))
    months: dict[tuple[int, ...], list[int]] = defaultdict(lambda: [0] * len(COUNTS))
    for cell, amount in amounts:
        key, account, upstream, model = (
            _word(connection, words, text) for text in (cell.key, cell.account, cell.upstream, cell.model)
        )
        month = month_of(cell.day)
        for shape in _SHAPES:
            columns = (
                key if shape & KEY else 0,
                account if shape & ACCOUNT else 0,
                upstream if shape & ACCOUNT else 0,
                model if shape & MODEL else 0,
            )
            for totals, span in ((days, cell.day), (months, month)):
                found = totals[(shape, span, *columns)]
                for index, count in enumerate(amount):
                    found[index] += count
    for table, totals in (("usage_day", days), ("usage_month", months)):
        connection.executemany(
            f"INSERT INTO {table} VALUES ({_HOLES}) ON CONFLICT DO UPDATE SET {_ADDED}",  # noqa: S608 - names of ours
            [(*columns, *counts) for columns, counts in totals.items()],
        )


def _word(connection: sqlite3.Connection, known: dict[str, int], text: str) -> int:
    """The number of a text."""
    found = known.get(text)
    if found is None:
        connection.execute("INSERT OR IGNORE INTO word (text) VALUES (?)", (text,))
        (found,) = connection.execute("SELECT id FROM word WHERE text = ?", (text,)).fetchone()
        known[text] = found
    return int(found)


def prune(connection: sqlite3.Connection, days: int = DAYS, months: int = MONTHS) -> None:
    """Removes the oldest day and month beyond what is kept, one each.

    Days are counted by those that have any use, so that a clock that jumps ahead makes nothing old.
    """
    for table, kept in (("usage_day", days), ("usage_month", months)):
        spans = connection.execute(
            f"SELECT DISTINCT span FROM {table} WHERE shape = ? ORDER BY span DESC LIMIT -1 OFFSET ?",  # noqa: S608 - names of ours
            (MODEL, kept),
        ).fetchall()
        if spans:
            oldest = spans[-1][0]
            connection.executemany(
                f"DELETE FROM {table} WHERE shape = ? AND span = ?",  # noqa: S608 - names of ours
                [(shape, oldest) for shape in _SHAPES],
            )


def read(connection: sqlite3.Connection, by: Sequence[str], first: int, last: int, most: int) -> Report:
    """Usage from the ``first`` day to the ``last``, grouped by the columns ``by``, the largest first, by day.

    At most ``most`` rows. Days older than those that are kept count by their months. Raises sqlite3.Error.
    """
    columns = [name for name in by if name != "day"]
    shape = 0
    for name in by:
        shape |= _NEEDS[name]
    parts = list(_parts(connection, first, last, whole_months="day" not in by))
    sums = _sums(connection, shape or MODEL, columns, parts, by_day="day" in by, most=most + 1)
    (total,) = _sums(connection, MODEL, [], parts, by_day=False, most=1)
    words = {number: _text(connection, number) for each in sums for number in each.columns}
    rows = []
    for each in sums[:most]:
        named = dict(zip(columns, (words[number] for number in each.columns), strict=True), day=each.time)
        rows.append(Row(tuple(named[name] for name in by), each.amount))
    return Report(day_name(first), day_name(last), tuple(by), tuple(rows), total.amount, truncated=len(sums) > most)


def _text(connection: sqlite3.Connection, number: int) -> str:
    (text,) = connection.execute("SELECT text FROM word WHERE id = ?", (number,)).fetchone()
    return str(text)


class _Sum(NamedTuple):
    """A row: the day or month it is of (empty: of all), the numbers of its columns' words, and what was used."""

    time: str
    columns: tuple[int, ...]
    amount: Amount


#: a table with the first and last span that is read of it
_Part = tuple[str, int, int]


def _parts(connection: sqlite3.Connection, first: int, last: int, *, whole_months: bool) -> Iterable[_Part]:
    """The spans to read: whole months as such, the days before and after them, and months whose days are gone."""
    (oldest,) = connection.execute("SELECT MIN(span) FROM usage_day WHERE shape = ?", (MODEL,)).fetchone()
    oldest = last + 1 if oldest is None else oldest
    gone = month_of(oldest)  # its days may be there in part
    if first < oldest:
        begins = month_of(first)
        if oldest > first_day(gone) and _has_older(connection, gone, oldest):
            yield "usage_month", begins, min(gone, month_of(last))
            first = first_day(gone + 1)
        else:
            yield "usage_month", begins, min(gone - 1, month_of(last))
            first = max(first, first_day(gone))
    if first > last:
        return
    start, end = month_of(first), month_of(last + 1) - 1  # whole months from the one to the other
    if first > first_day(start):
        start += 1
    if not whole_months or end < start:
        yield "usage_day", first, last
        return
    yield "usage_day", first, first_day(start) - 1
    yield "usage_month", start, end
    yield "usage_day", first_day(end + 1), last


def _has_older(connection: sqlite3.Connection, month: int, oldest: int) -> bool:
    """Whether the month holds more than its days from the ``oldest`` on."""
    of_month = connection.execute(
        "SELECT SUM(requests) FROM usage_month WHERE shape = ? AND span = ?", (MODEL, month)
    ).fetchone()
    of_days = connection.execute(
        "SELECT SUM(requests) FROM usage_day WHERE shape = ? AND span BETWEEN ? AND ?",
        (MODEL, oldest, first_day(month + 1) - 1),
    ).fetchone()
    return bool((of_month[0] or 0) > (of_days[0] or 0))


def _sums(
    connection: sqlite3.Connection,
    shape: int,
    columns: Sequence[str],
    parts: Sequence[_Part],
    *,
    by_day: bool,
    most: int,
) -> list[_Sum]:
    """The rows, the largest first, by time; without columns and days one of all."""
    names = "".join(f", {name}" for name in columns)
    selects, values = [], []
    for table, begin, end in parts:
        kind = 1 if table == "usage_month" else 0
        selects.append(
            f"SELECT {kind} AS monthly, {'span' if by_day else '0 AS span'}{names}, {', '.join(COUNTS)}"  # noqa: S608 - names of ours
            f" FROM {table} WHERE shape = ? AND span BETWEEN ? AND ?"
        )
        values += [shape, begin, end]
    if not selects:
        return [] if columns or by_day else [_Sum("", (), Amount())]
    grouped = f" GROUP BY monthly, span{names}" if by_day else f" GROUP BY {names[2:]}" if names else ""
    query = (
        f"SELECT {'monthly' if by_day else '0'}, {'span' if by_day else '0'}{names}, {_SUMS}"  # noqa: S608 - names of ours
        f" FROM ({' UNION ALL '.join(selects)}){grouped}"
        f" ORDER BY {'1 DESC, 2, ' if by_day else ''}SUM(tokens_in) + SUM(tokens_out) DESC, SUM(requests) DESC{names}"
        " LIMIT ?"
    )
    found = []
    for monthly, span, *rest in connection.execute(query, (*values, most)):
        time = "" if not by_day else _month_name(span) if monthly else day_name(span)
        numbers, counts = rest[: len(columns)], rest[len(columns) :]
        found.append(_Sum(time, tuple(numbers), Amount(*(count or 0 for count in counts))))
    return found


def _month_name(month: int) -> str:
    return f"{month // 12:04}-{month % 12 + 1:02}"
