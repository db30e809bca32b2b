"""``usage``: reads the ledgers of state directories, whether a daemon runs on them or not, and writes a report."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click
import msgspec

from antigravity_proxy.state import place, usage_table
from antigravity_proxy.state.usage import DAY
from antigravity_proxy.state.usage_report import NAMES, Report, as_data, counts, merged

#: rows that are written at most
_MOST = 1_000_000
#: seconds that a write of the daemon is waited for
_PATIENCE = 5.0


def read(directories: Sequence[Path], by: Sequence[str], days: int, epoch: float) -> Report:
    """Usage of the last ``days``, of all these ledgers together. ``epoch``: now, in seconds. Raises ClickException."""
    last = int(epoch // DAY)
    return merged([_read(directory, by, last - days + 1, last) for directory in directories])


def _read(directory: Path, by: Sequence[str], first: int, last: int) -> Report:
    path = directory / place.DATABASE
    try:
        if not path.is_file():
            raise click.ClickException(f"{directory} holds no {place.DATABASE}: is it a state directory?")
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")  # one moment for all that is read
            return usage_table.read(connection, by, first, last, _MOST)
    except (sqlite3.Error, OSError) as e:
        raise click.ClickException(f"{path} can't be read: {e}") from None


def as_json(report: Report) -> str:
    """The report as ``GET /usage`` gives it."""
    return msgspec.json.encode(as_data(report)).decode()


def as_csv(report: Report) -> str:
    """A line for each row, after one of names."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*report.by, *NAMES])
    writer.writerows([*(_safe(name) for name in row.names), *row.amount] for row in report.rows)
    return out.getvalue().rstrip("\n")


def _safe(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@") else name


def as_text(report: Report) -> str:
    """A table, with the total in its last line."""
    head = [*report.by, *NAMES]
    body = [[*(name or "-" for name in row.names), *(f"{count:,}" for count in row.amount)] for row in report.rows]
    total = ["total", *[""] * (len(report.by) - 1), *(f"{count:,}" for count in counts(report.total).values())]
    lines = [head, *body, total]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    names = len(report.by)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
