"""One account on the status page, with what may be done to it. Pure."""

from __future__ import annotations

from twisted.web.template import Tag

from antigravity_proxy.admin.accounts import Bar, Cooling, Shown
from antigravity_proxy.admin.markup import dot, number, since, tags, until

#: quotas that are shown at once; the others open
_BARS = 6
#: percent below which a quota is worth a look
_LOW, _SOME = 10, 35
_WORDS = {
    "ready": "Ready",
    "busy": "Busy",
    "limited": "Partly cooling",
    "cooling": "Cooling",
    "paused": "Paused",
    "out": "Out of use",
}


def card(shown: Shown, now: float, *, changeable: bool) -> Tag:
    """The account; ``now`` in epoch seconds. ``changeable``: with buttons, which belong to the page's form."""
    busy = tags.span(number(shown.in_flight, "request"), " under way", class_="flight") if shown.in_flight else ""
    return tags.li(
        tags.div(
            dot(shown.kind),
            tags.h3(shown.email or shown.id, class_="email"),
            tags.span(_WORDS[shown.kind], class_="kind"),
            tags.span(shown.name, class_="name") if shown.name else "",
            busy,
            class_="top",
        ),
        tags.p(tags.code(shown.id), class_="id"),
        tags.p(shown.why[:1].upper() + shown.why[1:], class_="why") if shown.why else "",
        tags.ul(*(_cooling(each, now) for each in shown.cooling), class_="waits") if shown.cooling else "",
        "" if shown.has_project else tags.p("It has no project of its own that upstream takes.", class_="last"),
        _trouble(shown, now),
        _link(shown),
        _quotas(shown.bars, now),
        _actions(shown) if changeable else "",
        id=f"a-{shown.id}",
        class_=f"account {shown.kind}",
        tabindex="-1",
    )


def _cooling(cooling: Cooling, now: float) -> Tag:
    return tags.li(cooling.model or "every model", ": free again in ", until(cooling.until, now))


def _trouble(shown: Shown, now: float) -> Tag | str:
    trouble = shown.trouble
    if trouble is None or trouble.reason == shown.why:
        return ""
    model = f" ({trouble.model})" if trouble.model else ""
    return tags.p("Last error: ", trouble.reason, model, ", ", since(trouble.at, now), " ago", class_="last")


def _link(shown: Shown) -> Tag | str:
    """To Google's own page, for whoever owns the account."""
    link = shown.trouble.link.reveal() if shown.trouble is not None else ""
    if not link:
        return ""
    away = {"href": link, "rel": "noreferrer noopener", "target": "_blank"}
    return tags.p(tags.a("Open Google's page for its owner", **away), class_="owner")


def _quotas(bars: tuple[Bar, ...], now: float) -> Tag | str:
    if not bars:
        return ""
    first = tags.ul(*(_bar(each, now) for each in bars[:_BARS]), class_="bars")
    rest = bars[_BARS:]
    if not rest:
        return first
    more = tags.ul(*(_bar(each, now) for each in rest), class_="bars")
    return tags.div(first, tags.details(tags.summary(f"{number(len(rest), 'more model')}"), more))


def _bar(bar: Bar, now: float) -> Tag:
    """The bar repeats what the words say, so that only the words are read aloud."""
    level = "low" if bar.percent < _LOW else "some" if bar.percent < _SOME else "much"
    drawing = tags.svg(
        tags.rect(width="100", height="6", rx="3", class_="track"),
        tags.rect(width=str(bar.percent), height="6", rx="3", class_=level) if bar.percent else "",
        viewBox="0 0 100 6",
        preserveAspectRatio="none",
        **{"aria-hidden": "true"},
    )
    again = tags.span(" renews in ", until(bar.resets_at, now), class_="again") if bar.resets_at is not None else ""
    return tags.li(tags.span(bar.model, class_="model"), tags.span(f"{bar.percent} %", class_="left"), drawing, again)


def _actions(shown: Shown) -> Tag:
    pausing = ("resume", "Resume") if shown.kind == "paused" else ("pause", "Pause")
    ways = [pausing]
    if shown.cooling or shown.kind == "out" or shown.trouble is not None:
        ways.append(("reset", "Reset"))
    ways.append(("remove", "Remove…"))
    return tags.p(
        *(
            tags.button(
                words,
                form="change",
                name=action,
                value=shown.id,
                **{"aria-label": f"{words.rstrip('…')} {shown.email or shown.id}", "id": f"{action}-{shown.id}"},
            )
            for action, words in ways
        ),
        class_="actions",
    )
