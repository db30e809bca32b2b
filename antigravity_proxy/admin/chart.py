"""Small charts of the last hour, as SVG that needs neither script nor style of its own. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from twisted.web.template import Tag

from antigravity_proxy.admin.markup import tags

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
    legend = [
        tags.li(tags.span(class_=f"key {each.kind}", **{"aria-hidden": "true"}), f"{sum(each.counts):,} {each.name}")
        for each in series
    ]
    return tags.figure(
        tags.figcaption(title, tags.span(f"peak {max(totals):,}", class_="peak")),
        drawing,
        tags.div(tags.span("an hour ago"), tags.span("now"), class_="axis", **{"aria-hidden": "true"}),
        tags.ul(*legend, class_="legend"),
        class_="chart",
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
