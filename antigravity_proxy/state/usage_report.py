"""Usage: the columns that it is grouped by, what is counted, and a report of it. Pure (contract.md 11)."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

#: the columns that usage can be grouped by
COLUMNS = ("day", "key", "account", "upstream", "model")
#: the columns of what is counted, as the database names them, and as reports do
COUNTS = ("requests", "failures", "tokens_in", "cached", "thinking", "tokens_out")
NAMES = ("requests", "failures", "in", "cached", "thinking", "out")


class Cell(NamedTuple):
    """Of whom and when: ``day`` counts UTC days since 1970; ``key`` is a client's name, empty for the operator's key.

    ``account`` is empty where none was tried.
    """

    day: int
    key: str
    account: str
    upstream: str
    model: str


class Amount(NamedTuple):
    """``tokens_in`` include those ``cached``, ``tokens_out`` those of ``thinking``."""

    requests: int = 0
    failures: int = 0
    tokens_in: int = 0
    cached: int = 0
    thinking: int = 0
    tokens_out: int = 0

    @property
    def tokens(self) -> int:
        """The tokens that budgets count."""
        return self.tokens_in + self.tokens_out


class Row(Struct, frozen=True):
    """``names`` in the order of the report's ``by``."""

    names: tuple[str, ...]
    amount: Amount


class Report(Struct, frozen=True):
    """Usage from a day to another, both included. ``truncated``: there are more rows, smaller ones."""

    first: str
    last: str
    by: tuple[str, ...]
    rows: tuple[Row, ...]
    total: Amount
    truncated: bool = False


class BadColumns(ValueError):
    """Usage can't be grouped like this; the message says by which columns it can."""


def columns(text: str) -> tuple[str, ...]:
    """The columns of ``key,model`` and the like. Raises BadColumns."""
    found = tuple(dict.fromkeys(word for each in text.split(",") if (word := each.strip().lower())))
    unknown = [name for name in found if name not in COLUMNS]
    if unknown or not found:
        raise BadColumns(f"use any of {', '.join(COLUMNS)}, separated by commas")
    return found


def as_data(report: Report) -> dict[str, Any]:
    """The report as JSON has it."""
    return {
        "from": report.first,
        "to": report.last,
        "by": list(report.by),
        "rows": [dict(zip(report.by, row.names, strict=True)) | counts(row.amount) for row in report.rows],
        "total": counts(report.total),
        "truncated": report.truncated,
    }


def counts(amount: Amount) -> dict[str, int]:
    """The counts, by the names that reports have."""
    return dict(zip(NAMES, amount, strict=True))


def merged(reports: list[Report]) -> Report:
    """One report of several ledgers, over the same time and columns: each replica has its own."""
    first = reports[0]
    if len(reports) == 1:
        return first
    sums: dict[tuple[str, ...], list[int]] = {}
    for report in reports:
        for row in report.rows:
            found = sums.setdefault(row.names, [0] * len(COUNTS))
            for index, count in enumerate(row.amount):
                found[index] += count
    rows = [Row(names, Amount(*amount)) for names, amount in sums.items()]
    day = first.by.index("day") if "day" in first.by else None
    rows.sort(key=lambda row: ("" if day is None else row.names[day], -row.amount.tokens, -row.amount.requests))
    total = Amount(*(sum(each) for each in zip(*(report.total for report in reports), strict=True)))
    return Report(first.first, first.last, first.by, tuple(rows), total, any(each.truncated for each in reports))
