"""Small pieces of HTML and SVG, by ``twisted.web.template``, which escapes all text put into a tag. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from twisted.web.template import Comment, Tag, flattenString

from antigravity_proxy.coerce import dated

#: seconds in a minute, an hour, a day
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class _Tags:
    """Makes any element by its name; Twisted's own ``tags`` knows none that is newer than 2010."""

    def __getattr__(self, name: str) -> Tag:
        return Tag(name)


tags = _Tags()


def flat(tag: Tag) -> str:
    """The tag as text. Nothing in our tags waits for anything, so it is there at once."""
    done: list[bytes] = []
    failed: list[BaseException] = []
    flattenString(None, tag).addCallbacks(done.append, lambda failure: failed.append(failure.value))
    if failed:
        raise failed[0]
    return done[0].decode()


def hole(name: str) -> Comment:
    """A placeholder for HTML that is rendered separately; no text can forge one, since angle brackets are escaped."""
    return Comment(f"hole {name}")


def filled(html: str, parts: Mapping[str, str]) -> str:
    """The HTML with its holes filled; what is put into them is not looked at."""
    return re.sub("<!--hole ([a-z]+)-->", lambda found: parts[found[1]], html)


def until(epoch: float, now: float) -> Tag:
    """How long until a moment (epoch seconds), with the moment itself; the page's script counts it down."""
    epoch = dated(epoch)
    return _time(epoch, span(epoch - now), "until")


def since(epoch: float, now: float) -> Tag:
    """How long ago a moment was; the page's script counts it up."""
    epoch = dated(epoch)
    return _time(epoch, span(now - epoch), "since")


def span(seconds: float) -> str:
    """A length of time, in its two largest units."""
    whole = max(0, round(seconds))
    for unit, smaller, name, smaller_name in (
        (_DAY, _HOUR, "d", "h"),
        (_HOUR, _MINUTE, "h", "min"),
        (_MINUTE, 1, "min", "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name} {rest} {smaller_name}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def moment(epoch: float) -> str:
    """A moment as text, in UTC."""
    return datetime.fromtimestamp(dated(epoch), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def dot(kind: str) -> Tag:
    """A coloured mark beside words that say the same."""
    return tags.span(class_=f"dot {kind}", **{"aria-hidden": "true"})


def number(count: int, one: str, many: str = "") -> str:
    """``1 account``, ``2 accounts``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def short(count: int) -> str:
    """A large number in three digits: ``999``, ``1.23k``, ``45.6M``."""
    value, unit = float(count), ""
    for larger in ("k", "M", "G", "T", "P"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{count}" if not unit else f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}{unit}"


def _time(epoch: float, words: str, which: str) -> Tag:
    stamp = datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")
    return tags.time(words, datetime=stamp, title=moment(epoch), **{f"data-{which}": str(round(epoch))})


Cell = Tag | str | Sequence[Tag | str]


class Row(Struct, frozen=True):
    """A row of a table; ``id`` and ``kind`` are the element's id and class."""

    cells: Sequence[Cell]
    id: str = ""
    kind: str = ""


def table(label: str, heads: Sequence[str], rows: Sequence[Row], *, named: bool = False, stacks: bool = False) -> Tag:
    """A table that scrolls by itself where there is no room, with the keyboard too.

    ``named``: the first cell of a row is its name. ``stacks``: on a phone each row is a block, a line for each cell.
    """
    head = tags.tr(*(tags.th(words, scope="col") for words in heads))
    region = {"role": "region", "aria-label": label, "tabindex": "0"}
    body = tags.tbody(*(_row(heads, row, named=named) for row in rows))
    return tags.div(tags.table(tags.thead(head), body), class_="scroll stacks" if stacks else "scroll", **region)


def _row(heads: Sequence[str], row: Row, *, named: bool) -> Tag:
    cells = [
        tags.th(*_within(cell), scope="row")
        if named and not number
        else tags.td(tags.div(*_within(cell)), **{"data-is": head})
        for number, (head, cell) in enumerate(zip(heads, row.cells, strict=True))
    ]
    given = {name: value for name, value in (("id", row.id), ("class_", row.kind)) if value}
    return tags.tr(*cells, **given)


def _within(cell: Cell) -> Sequence[Tag | str]:
    return [cell] if isinstance(cell, Tag | str) else cell


def meter(percent: float, kind: str) -> Tag:
    """A bar that is filled so far. It repeats what words beside it say, so that only these are read aloud."""
    return tags.svg(
        tags.rect(width="100", height="6", class_="track"),
        tags.rect(width=f"{percent:.1f}", height="6", class_=kind),
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        class_="meter",
        **{"aria-hidden": "true"},
    )


#: the drawing's own units: a bar and the gap after it, and the height
_STEP, _BAR, _HEIGHT = 5, 4, 48


class Series(Struct, frozen=True):
    """One kind of bars: its class in the style, its name, a count for each minute, the oldest first."""

    kind: str
    name: str
    counts: tuple[int, ...]


def chart(title: str, series: Sequence[Series]) -> Tag:
    """Bars on top of each other, minute by minute, with a legend in figures. Read aloud it is one sentence."""
    totals = [sum(counts) for counts in zip(*(each.counts for each in series), strict=True)]
    top = max(1, *totals)
    words = f"{title}, over the last hour: {sum(totals):,} in all, at most {max(totals):,} in one minute."
    drawing = tags.svg(
        *_stacked(series, top),
        viewBox=f"0 0 {len(totals) * _STEP} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        **{"aria-label": words},
    )
    keys = legend((each.kind, f"{sum(each.counts):,} {each.name}") for each in series)
    return tags.figure(
        tags.figcaption(title, tags.span(f"peak {max(totals):,}", class_="peak")),
        drawing,
        tags.div(tags.span("an hour ago"), tags.span("now"), class_="axis", **{"aria-hidden": "true"}),
        keys,
        class_="chart",
    )


def legend(keys: Iterable[tuple[str, str]]) -> Tag:
    """A chart's legend: each series by its class in the style, with words."""
    return tags.ul(
        *(tags.li(tags.span(class_=f"key {kind}", **{"aria-hidden": "true"}), words) for kind, words in keys),
        class_="legend",
    )


def _stacked(series: Sequence[Series], top: int) -> list[Tag]:
    """One path for each series, above the ones before."""
    below = [0] * len(series[0].counts)
    paths = []
    for each in series:
        bars = []
        for i, count in enumerate(each.counts):
            if count:
                foot, head = (round(_HEIGHT * (1 - value / top), 1) for value in (below[i], below[i] + count))
                bars.append(f"M{i * _STEP} {foot:g}h{_BAR}V{head:g}h-{_BAR}z")
            below[i] += count
        paths.append(tags.path(d="".join(bars) or "M0 0", class_=each.kind))
    return paths
