"""The status page: its fragments, their order, and a cache of their HTML; a fragment is drawn when it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web.template import Tag

from antigravity_proxy.accounts.condition import KINDS
from antigravity_proxy.admin import client_keys, credentials, usage
from antigravity_proxy.admin.account import SHORT, card
from antigravity_proxy.admin.credentials import CredentialsShown
from antigravity_proxy.admin.headline import Headline
from antigravity_proxy.admin.history import RecentError
from antigravity_proxy.admin.http import BaseUrl
from antigravity_proxy.admin.markup import (
    Row,
    Series,
    chart,
    dot,
    filled,
    flat,
    hole,
    moment,
    number,
    since,
    table,
    tags,
)
from antigravity_proxy.admin.overview import Listed, Selection, Status, Traffic, VolumeShown
from antigravity_proxy.admin.settings_shown import Line
from antigravity_proxy.admin.why import search
from antigravity_proxy.web.health import NO_VOLUME

#: the id of the list that contains the accounts
LIST = "accounts"
#: what a kind of accounts is called
_CALLED = {
    "ready": "ready",
    "busy": "busy",
    "limited": "partly cooling",
    "cooling": "cooling",
    "held": "on hold",
    "paused": "paused",
    "out": "out of use",
}


_REFUSED = (
    "Upstream refuses what these clients send, mostly for their system prompt, although quota is left. Another client "
    "or model helps, or an official credential; no account is set aside for it."
)


class Fragment(NamedTuple):
    """A part of the page: the element's id, what it shows (equal: it looks the same), and how it is drawn.

    ``parts``: the ids of further fragments that belong into it, in the placeholder of that name.
    """

    id: str
    shows: Any
    draw: Callable[[], Tag]
    parts: tuple[str, ...] = ()


class Layout:
    """Draws the page. ``changeable``: accounts may be changed here; ``addable``: and added."""

    def __init__(self, base_url: BaseUrl, *, changeable: bool, addable: Callable[[], bool]) -> None:
        self._base_url = base_url
        self._changeable = changeable
        self._addable = addable

    def fragments(self, status: Status) -> Iterator[Fragment]:
        """Every part; the list of accounts after the accounts in it."""
        now, listed = status.now, status.listed
        yield Fragment("headline", status.headline, lambda: _headline(status.headline))
        yield Fragment(
            "figures",
            (listed.counts, status.official.counts, status.traffic),
            lambda: _figures(listed, status.official, status.traffic),
        )
        yield Fragment("traffic", status.traffic.minutes, lambda: _traffic(status.traffic))
        yield Fragment("tabs", (listed.counts, listed.selection, listed.pages), lambda: self._tabs(listed))
        cards = self._cards(status)
        ids = tuple(each.id for each in cards)
        yield from cards
        yield Fragment(LIST, ids, lambda: self._list(is_empty=not ids), ids)
        yield Fragment("official", status.official, lambda: credentials.section(status.official, now))
        yield Fragment("refused", status.refused, lambda: _refused(status.refused))
        yield Fragment("faults", status.faults, lambda: _faults(status.faults, now, self._base_url.path("/why")))
        yield Fragment("usage", status.usage, lambda: usage.section(status.usage))
        keys = status.client_keys
        yield Fragment("clients", keys, lambda: client_keys.section(keys))
        yield Fragment("volume", status.volume, lambda: _volume(status.volume, now))
        yield Fragment("settings", status.settings, lambda: _settings(status.settings))

    def page(self) -> Tag:
        """The whole of it, with a hole for each fragment but the accounts."""
        return tags.main(
            hole("headline"),
            hole("figures"),
            tags.section(tags.h2("Accounts"), hole("tabs"), hole(LIST), class_="wide"),
            hole("official"),
            hole("traffic"),
            hole("refused"),
            hole("usage"),
            hole("clients"),
            hole("faults"),
            hole("volume"),
            hole("settings"),
            class_="board",
        )

    def _cards(self, status: Status) -> list[Fragment]:
        return [
            Fragment(
                f"a-{shown.id}",
                shown,
                lambda shown=shown: card(shown, status.now, changeable=self._changeable),  # type: ignore[misc]
            )
            for shown in status.listed.accounts
        ]

    def _list(self, *, is_empty: bool) -> Tag:
        within = tags.li(self._empty(), class_="empty") if is_empty else hole("parts")
        return tags.ul(within, id=LIST, class_="accounts")

    def _empty(self) -> Tag:
        if self._addable():
            way = tags.a("Sign in with a Google account", href=self._base_url.path("/auth/start"))
            return tags.p("No account here. ", way, ", or add one in the desktop app.")
        return tags.p("No account here.")

    def _tabs(self, listed: Listed) -> Tag:
        """Which accounts are shown, and the way to others."""
        selection, total = listed.selection, sum(listed.counts.values())
        ways = [self._tab(Selection(), f"All {total:,}", selection.kind is None)]
        ways += [
            self._tab(Selection(kind), f"{_CALLED[kind].capitalize()} {listed.counts[kind]:,}", selection.kind == kind)
            for kind in KINDS
            if listed.counts[kind]
        ]
        pages: list[Tag | str] = []
        if listed.pages > 1:
            for step, words in ((-1, "Previous"), (1, "Next")):
                if 1 <= selection.page + step <= listed.pages:
                    href = self._to(Selection(selection.kind, selection.page + step))
                    pages.append(tags.a(words, href=href))
            pages.insert(1 if selection.page > 1 else 0, f"Page {selection.page:,} of {listed.pages:,}")
        return tags.nav(
            tags.ul(*ways, class_="kinds"),
            tags.p(*pages, class_="pages") if pages else "",
            id="tabs",
            **{"aria-label": "Which accounts are shown"},
        )

    def _tab(self, selection: Selection, words: str, is_here: bool) -> Tag:
        here = {"aria-current": "true"} if is_here else {}
        mark = dot(selection.kind) if selection.kind else ""
        return tags.li(tags.a(mark, words, href=self._to(selection), **here))

    def _to(self, selection: Selection) -> str:
        return f"{self._base_url.path('/')}{query_of(selection)}"


def query_of(selection: Selection) -> str:
    """The selection as a link has it; empty for the first page of all."""
    fields = {"state": selection.kind, "page": selection.page if selection.page > 1 else None}
    given = {name: value for name, value in fields.items() if value}
    return f"?{urlencode(given)}" if given else ""


def _headline(shown: Headline) -> Tag:
    reasons = tags.ul(*(tags.li(reason) for reason in shown.reasons)) if shown.reasons else ""
    return tags.section(
        tags.div(class_="sign", **{"aria-hidden": "true"}),
        # the verdict alone is read aloud when it changes: the figures below change with every request
        tags.div(tags.div(tags.h1(shown.title), role="status"), tags.p(shown.said), reasons, _resume(shown)),
        id="headline",
        class_=f"headline {shown.level}",
    )


def _resume(shown: Headline) -> Tag | str:
    """The button that ends the rest of all accounts, in read-only mode too: nothing in the volume changes."""
    if not shown.resting:
        return ""
    button = tags.button("Resume all accounts", form="change", name="resume-all", value="all", id="resume-all")
    return tags.p(button, class_="actions")


def _refused(refused: tuple[tuple[str, int], ...]) -> Tag:
    """Requests that upstream refused for their prompt, by client; nothing where there was none."""
    if not refused:
        return tags.section(id="refused", hidden="")
    lines = (tags.li(tags.b(client), f": {number(count, 'request')}") for client, count in refused)
    return tags.section(
        tags.h2("Refused for its prompt, by client"),
        tags.ul(*lines),
        tags.p(_REFUSED, class_="none"),
        id="refused",
        class_="wide",
    )


def _figures(listed: Listed, official: CredentialsShown, traffic: Traffic) -> Tag:
    counts, minutes = listed.counts, traffic.minutes
    requests = sum(minute.requests for minute in minutes)
    failed = sum(minute.failed + minute.limited for minute in minutes)
    ready, resting = counts["ready"] + counts["busy"], counts["cooling"] + counts["limited"]
    figures = [
        ("ready", ready, "accounts ready"),
        ("cooling", resting, "cooling, some or all models"),
        ("paused", counts["paused"], "paused"),
        *([("cooling", counts["held"], "on hold")] if counts["held"] else []),
        ("out", counts["out"], "out of use"),
    ]
    if official.all:
        able = ("ready", official.serving, f"of {number(official.all, 'official credential')} can serve")
        figures = [*(figures if sum(counts.values()) else []), able]
    figures += [
        ("", traffic.under_way, f"requests under way, {number(traffic.streams, 'stream')}"),
        ("", requests, "requests in the last hour"),
        ("out", failed, "of them failed"),
    ]
    return tags.dl(
        *(
            tags.div(tags.dt(words), tags.dd(f"{count:,}"), class_=f"figure {kind if count else ''}")
            for kind, count, words in figures
        ),
        id="figures",
    )


def _traffic(traffic: Traffic) -> Tag:
    minutes = traffic.minutes
    requests = [
        Series("served", "served", tuple(minute.served for minute in minutes)),
        Series("refused", "refused", tuple(minute.refused for minute in minutes)),
        Series("limited", "rate limited", tuple(minute.limited for minute in minutes)),
        Series("failed", "failed", tuple(minute.failed for minute in minutes)),
        Series("left", "left by the client", tuple(minute.left for minute in minutes)),
    ]
    streams = [Series("streams", "streams", tuple(minute.streams for minute in minutes))]
    tokens = [Series("tokens", "tokens", tuple(minute.tokens for minute in minutes))]
    return tags.section(
        tags.h2("The last hour"),
        tags.div(
            chart("Requests a minute", requests),
            chart("Streams a minute", streams),
            chart("Tokens a minute", tokens),
            class_="charts",
        ),
        id="traffic",
        class_="wide",
    )


def _faults(faults: tuple[RecentError, ...], now: float, why: str) -> Tag:
    if not faults:
        return tags.section(
            tags.h2("Recent errors"), tags.p("None since the start.", class_="none"), search(why), id="faults"
        )
    rows = [
        Row(
            (
                [since(fault.at, now), " ago"],
                [tags.b("in stream" if fault.in_stream else str(fault.status)), " ", tags.code(fault.code)],
                fault.model or "\N{EN DASH}",
                [number(fault.attempts, "attempt"), *_last(fault.account)],
                tags.a("why", href=f"{why}?{urlencode({'id': fault.id})}") if fault.id else "",
            )
        )
        for fault in faults
    ]
    shown = table("Recent errors", ("When", "What", "Model", "Tried", "Details"), rows)
    return tags.section(tags.h2("Recent errors"), shown, search(why), id="faults")


def _last(account: str) -> list[Tag | str]:
    """The last account: enough of its id to find it among the accounts."""
    return [", last by ", tags.code(account[:SHORT], title=account)] if account else []


def _volume(volume: VolumeShown, now: float) -> Tag:
    well = volume.database in ("connected", NO_VOLUME)
    state = {"connected": "read, and watched", NO_VOLUME: "there is none, and none is needed"}.get(
        volume.database, volume.database
    )
    if volume.stale_since is not None:
        when: list[Tag | str] = ["last confirmed ", since(volume.stale_since, now), " ago"]
    else:
        when = ["confirmed within the last seconds"] if volume.read_at is not None else ["never read"]
    lines: list[tuple[str, Any]] = [
        ("State", [dot("ready" if well else "out"), state]),
        ("Snapshot", [*when, f", {max(1, volume.size // 1024):,} KB" if volume.size else ""]),
        ("Last change", moment(volume.read_at) if volume.read_at is not None else "never read"),
        ("Mode", "read-only: nothing is written" if volume.read_only else "writable"),
        ("Keys", number(volume.keys, "key")),
    ]
    if volume.leaving:
        lines.append(("Leaving", f"{number(volume.leaving, 'account')}, until a second read confirms it"))
    findings = tags.ul(*(tags.li(words) for words in volume.findings), class_="findings") if volume.findings else ""
    bad = [tags.li(tags.b(row.email or row.id), f" {row.reason}") for row in volume.bad]
    if volume.more_bad:
        bad.append(tags.li(f"and {volume.more_bad:,} more: 'antigravity-proxy accounts list' names them"))
    return tags.section(
        tags.h2("Volume"),
        tags.dl(*(tags.div(tags.dt(name), tags.dd(value)) for name, value in lines), class_="lines"),
        findings,
        tags.div(tags.h3("Rows that can't be used"), tags.ul(*bad), class_="bad") if bad else "",
        id="volume",
    )


def _settings(lines: tuple[Line, ...]) -> Tag:
    rows = [
        Row(
            (
                tags.code(line.name, title=line.help),
                line.value,
                tags.span(line.source, class_="source given" if line.source != "default" else "source"),
            )
        )
        for line in lines
    ]
    shown = table("Settings", ("Setting", "Value in effect", "From"), rows, named=True)
    return tags.section(
        tags.details(tags.summary(tags.h2("Settings in effect")), shown),
        id="settings",
        class_="wide",
    )


#: fragments that are drawn in one turn: some two milliseconds
AT_ONCE = 2
#: fragments whose text is kept; more than the pages that may be watched show in ordinary times
MOST = 1000


class FragmentCache:
    """Remembers what it has drawn."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._drawn: dict[str, tuple[Any, str]] = {}

    async def texts(self, fragments: Iterable[Fragment], *, anew: bool = False) -> dict[str, str]:
        """The fragments' HTML by their ids; a fragment that belongs into another comes before that.

        ``anew``: rendered now, for a page without a script to update its times; else as it was rendered when it
        last changed.
        """
        texts: dict[str, str] = {}
        count = 0
        for fragment in fragments:
            drawn = self._drawn.get(fragment.id)
            if anew or drawn is None or drawn[0] != fragment.shows:
                if count and count % AT_ONCE == 0:
                    await deferLater(self._clock, 0)
                count += 1
                drawn = self._drawn[fragment.id] = (fragment.shows, flat(fragment.draw()))
            texts[fragment.id] = drawn[1]
            if fragment.parts:
                texts[fragment.id] = filled(drawn[1], {"parts": "".join(texts[part] for part in fragment.parts)})
        if len(self._drawn) > MOST:
            self._drawn.clear()
        return texts
