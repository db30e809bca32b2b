"""Usage on the page: the last days, and who and what used most, as bars."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.web.template import Tag

from antigravity_proxy.admin.markup import legend, meter, number, short, tags
from antigravity_proxy.state.usage import UsageLedger
from antigravity_proxy.state.usage_report import Amount, Report
from antigravity_proxy.state.usage_table import day_name

#: days that are shown
DAYS = 30
#: seconds for which a report is shown before the next is made
FRESH = 10.0
#: rows of each list; the rest is one row
_MOST = 8
#: the height of the drawing of days, in its own units, and a day's width with the gap
_HEIGHT, _STEP, _BAR = 48, 10, 8


class DayUsed(Struct, frozen=True):
    """One day: its date, and what was used."""

    date: str
    amount: Amount


class Used(Struct, frozen=True):
    """A name, and what it used; of those that are not among the first, together."""

    name: str
    amount: Amount


class UsageShown(Struct, frozen=True):
    """All of it. ``lists``: a heading, and its rows, the largest first."""

    days: tuple[DayUsed, ...] = ()
    total: Amount = Amount()
    lists: tuple[tuple[str, tuple[Used, ...]], ...] = ()


class UsageView:
    """Looks at the usage ledger for the page, at most once in ``FRESH`` seconds.

    ``called``: what an account or credential is called on the page, by its id.
    """

    def __init__(self, ledger: UsageLedger, called: Callable[[str], str]) -> None:
        self._ledger = ledger
        self._called = {"account": called}
        self._shown = UsageShown()
        self._looked_at = float("-inf")

    async def look(self, now: float) -> UsageShown:
        """The data to show; ``now`` in monotonic seconds."""
        if now - self._looked_at >= FRESH:
            self._looked_at = now
            report = self._ledger.report
            days = await report(("day",), DAYS)
            lists = [
                (heading, _most(await report((column,), DAYS, _MOST + 1), self._called.get(column, _itself), empty))
                for heading, column, empty in (
                    ("By client key", "key", "the operator's key"),
                    ("By account or credential", "account", "none was tried"),
                    ("By model", "model", "no model"),
                )
            ]
            self._shown = UsageShown(_filled(days, self._ledger.today()), days.total, tuple(lists))
        return self._shown


def _filled(report: Report, today: int) -> tuple[DayUsed, ...]:
    """Every day, those without use too, the oldest first."""
    used = {row.names[0]: row.amount for row in report.rows}
    return tuple(DayUsed(name, used.get(name, Amount())) for name in map(day_name, range(today - DAYS + 1, today + 1)))


def _itself(name: str) -> str:
    return name


def _most(report: Report, called: Callable[[str], str], empty: str) -> tuple[Used, ...]:
    rows = [Used(called(row.names[0]) or empty, row.amount) for row in report.rows[:_MOST]]
    rest = Amount(*(all_ - sum(each) for all_, *each in zip(report.total, *(row.amount for row in rows), strict=True)))
    if rest.requests:
        rows.append(Used("all others", rest))
    return tuple(rows)


def section(shown: UsageShown) -> Tag:
    """The section of the page."""
    total = shown.total
    if not total.requests:
        return tags.section(
            tags.h2("Usage"), tags.p("None in the last 30 days.", class_="none"), id="usage", class_="wide"
        )
    said = f"{number(total.requests, 'request')}, {total.failures:,} of them failed; {total.tokens_in:,} tokens in "
    said += f"({total.cached:,} cached), {total.tokens_out:,} out ({total.thinking:,} thinking)."
    return tags.section(
        tags.h2(f"Usage, last {DAYS} days"),
        tags.p(said),
        _days(shown.days),
        tags.div(*(_list(heading, rows) for heading, rows in shown.lists if rows), class_="uses"),
        id="usage",
        class_="wide",
    )


def _days(days: tuple[DayUsed, ...]) -> Tag:
    """Tokens day by day: in below, out above."""
    top = max(1, *(day.amount.tokens for day in days))
    ins, outs, titles = [], [], []
    for index, day in enumerate(days):
        amount = day.amount
        x = index * _STEP
        foot = round(_HEIGHT * (1 - amount.tokens_in / top), 1)
        head = round(_HEIGHT * (1 - amount.tokens / top), 1)
        if amount.tokens:
            ins.append(f"M{x} {_HEIGHT}h{_BAR}V{foot:g}h-{_BAR}z")
            outs.append(f"M{x} {foot:g}h{_BAR}V{head:g}h-{_BAR}z")
        words = f"{day.date}: {short(amount.tokens)} tokens, {number(amount.requests, 'request')}"
        titles.append(
            tags.rect(tags.title(words), x=str(x), y="0", width=str(_STEP), height=str(_HEIGHT), class_="day")
        )
    label = f"Tokens a day over the last {len(days)} days, at most {short(top)} on one."
    drawing = tags.svg(
        tags.path(d="".join(ins) or "M0 0", class_="tokens"),
        tags.path(d="".join(outs) or "M0 0", class_="served out"),
        *titles,
        viewBox=f"0 0 {len(days) * _STEP} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        **{"aria-label": label},
    )
    return tags.figure(
        tags.figcaption("Tokens a day", tags.span(f"peak {short(top)}", class_="peak")),
        drawing,
        tags.div(tags.span(days[0].date), tags.span("today (UTC)"), class_="axis", **{"aria-hidden": "true"}),
        legend([("tokens", "in"), ("out", "out")]),
        class_="chart",
    )


def _list(heading: str, rows: tuple[Used, ...]) -> Tag:
    top = max(1, *(row.amount.tokens for row in rows))
    return tags.div(tags.h3(heading), tags.ul(*(_bar(row, top) for row in rows), class_="used"))


def _bar(row: Used, top: int) -> Tag:
    amount = row.amount
    words = f"{short(amount.tokens)} tokens"
    told = f"{number(amount.requests, 'request')}, {short(amount.tokens_in)} in, {short(amount.tokens_out)} out"
    if amount.failures:
        told += f", {amount.failures:,} failed"
    return tags.li(
        tags.span(row.name, class_="model", title=row.name),
        tags.span(words, class_="left"),
        meter(100 * amount.tokens / top, "served"),
        tags.span(told, class_="again"),
    )
