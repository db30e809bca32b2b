"""One account on the status page: its values, with addresses masked, and the card that shows them. Does no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import groupby

from msgspec import Struct
from twisted.web.template import Tag

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.condition import Cooling, Kind, cooling, kind_of, why_out
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.reasons import why_not
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState, LastFailure
from antigravity_proxy.admin.markup import dot, meter, number, since, tags, until
from antigravity_proxy.canonical.windows import FIVE_HOURS, WEEK, used_up_at
from antigravity_proxy.coerce import dated
from antigravity_proxy.secret import masked


class QuotaBar(Struct, frozen=True):
    """One model's quota: the remaining percentage, and when it resets (epoch seconds, None: not known)."""

    model: str
    percent: int
    resets_at: int | None


class WindowBar(Struct, frozen=True):
    """The rest of a window of the account's quota for a ``group`` of models; ``ends_at``: used up at this rate.

    Times in epoch seconds; None: not known, or not before it resets.
    """

    group: str
    name: str
    percent: int
    resets_at: int | None
    ends_at: int | None


class Shown(Struct, frozen=True):
    """An account. ``why``: what keeps it out, in words. ``has_project``: false once upstream was asked in vain."""

    id: str
    email: str
    name: str
    kind: Kind
    why: str
    in_flight: int
    cooling: tuple[Cooling, ...]
    bars: tuple[QuotaBar, ...]
    trouble: LastFailure | None
    has_project: bool = True
    windows: tuple[WindowBar, ...] = ()
    subscription: str = ""


def shown(state: AccountState, rules: Rules, clients: Collection[str], now: Moment, *, held: bool = False) -> Shown:
    """The account's present state. ``clients``: the keys of the configured OAuth clients; ``held``: all are on hold."""
    account, kind = state.credential, kind_of(state, rules, now, held=held)
    email, name = masked(account.label.reveal()), masked(account.name.reveal())
    why = why_not(state, clients, now) if kind != "paused" else "paused: not used by this proxy"
    why = why_out(state, clients, now) if kind == "out" else why
    return Shown(
        id=account.id,
        email=email,
        name="" if name == email else name,
        kind=kind,
        why=why,
        in_flight=state.in_flight,
        cooling=cooling(state, now),
        bars=_bars(state, now),
        trouble=state.last_failure,
        windows=_windows(state, now),
        subscription=_subscription(state),
        has_project=bool(state.project) or state.project_asked == float("-inf"),
    )


def called(state: AccountState | None, identity: str) -> str:
    """The short name of the account with that id; None: there is no such account here."""
    if state is None:
        return identity
    return f"{masked(state.credential.label.reveal()) or identity} ({identity[:SHORT]})"


def _bars(state: AccountState, now: Moment) -> tuple[QuotaBar, ...]:
    """Every known quota, by model; one that has reset since is full."""
    bars = []
    for model, quota in sorted(state.quota.items()):
        left, _ = policy.remaining(state, model, now)
        ahead = quota.resets_at if quota.resets_at is not None and quota.resets_at > now.epoch else None
        bars.append(
            QuotaBar(model, round(100 * max(0.0, min(1.0, left))), None if ahead is None else round(dated(ahead)))
        )
    return tuple(bars)


#: what windows are called
_WINDOWS = {FIVE_HOURS: "5 hours", WEEK: "week"}


def _windows(state: AccountState, now: Moment) -> tuple[WindowBar, ...]:
    """Every window that upstream reports; one that has reset since is full."""
    bars = []
    for group, windows in sorted(state.standing.windows.items()):
        for name, window in windows.items():
            ahead = window.resets_at if window.resets_at is not None and window.resets_at > now.epoch else None
            left = window.remaining if ahead is not None or window.resets_at is None else 1.0
            end = used_up_at(window, name, now.epoch)
            bars.append(
                WindowBar(
                    group,
                    _WINDOWS.get(name, name),
                    round(100 * left),
                    None if ahead is None else round(dated(ahead)),
                    None if end is None or left <= 0 else round(dated(end)),
                )
            )
    return tuple(bars)


def _subscription(state: AccountState) -> str:
    standing = state.standing
    words = f", {standing.credits:,} credits left" if standing.credits is not None else ""
    return f"{standing.tier}{words}" if standing.tier else ""


#: characters of an id where there is little room
SHORT = 8
#: quotas that are shown at once; the others open
_BARS = 6
#: percent below which a quota is worth a look
_LOW, _SOME = 10, 35
WORDS: Mapping[Kind, str] = {
    "ready": "Ready",
    "busy": "Busy",
    "limited": "Partly cooling",
    "cooling": "Cooling",
    "held": "On hold",
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
            tags.span(WORDS[shown.kind], class_="kind"),
            tags.span(shown.name, class_="name") if shown.name else "",
            busy,
            class_="top",
        ),
        tags.p(tags.code(shown.id), class_="id"),
        tags.p(shown.why[:1].upper() + shown.why[1:], class_="why") if shown.why else "",
        tags.ul(*(_cooling_line(each, now) for each in shown.cooling), class_="waits") if shown.cooling else "",
        "" if shown.has_project else tags.p("It has no project that upstream accepts.", class_="last"),
        _trouble(shown, now),
        _link(shown),
        tags.p(shown.subscription, class_="last") if shown.subscription else "",
        *_windows_of_groups(shown.windows, now),
        _quotas(shown.bars, now),
        _actions(shown) if changeable else "",
        id=f"a-{shown.id}",
        class_=f"account {shown.kind}",
        tabindex="-1",
    )


def _cooling_line(cooling: Cooling, now: float) -> Tag:
    return tags.li(cooling.model or "every model", ": free again in ", until(cooling.until, now))


def _trouble(shown: Shown, now: float) -> Tag | str:
    trouble = shown.trouble
    if trouble is None or trouble.reason == shown.why:
        return ""
    model = f" ({trouble.model})" if trouble.model else ""
    return tags.p("Last error: ", trouble.reason, model, ", ", since(trouble.at, now), " ago", class_="last")


def _link(shown: Shown) -> Tag | str:
    """To Google's own page, for the owner of the account."""
    link = shown.trouble.link.reveal() if shown.trouble is not None else ""
    if not link:
        return ""
    away = {"href": link, "rel": "noreferrer noopener", "target": "_blank"}
    return tags.p(tags.a("Open Google's page for its owner", **away), class_="owner")


def _quotas(bars: tuple[QuotaBar, ...], now: float) -> Tag | str:
    if not bars:
        return ""
    first = tags.ul(*(_quota_bar(each, now) for each in bars[:_BARS]), class_="bars")
    rest = bars[_BARS:]
    if not rest:
        return first
    more = tags.ul(*(_quota_bar(each, now) for each in rest), class_="bars")
    return tags.div(first, tags.details(tags.summary(f"{number(len(rest), 'more model')}"), more))


def _quota_bar(bar: QuotaBar, now: float) -> Tag:
    again = tags.span(" renews in ", until(bar.resets_at, now), class_="again") if bar.resets_at is not None else ""
    return tags.li(*_left(bar.model, bar.percent), again)


def _windows_of_groups(bars: tuple[WindowBar, ...], now: float) -> list[Tag]:
    """Each group of models with its windows."""
    return [
        tags.div(
            tags.h4(group or "all models"), tags.ul(*(_window_bar(each, now) for each in within), class_="bars"),
            class_="windows",
        )
        for group, within in groupby(bars, key=lambda bar: bar.group)
    ]  # fmt: skip


def _window_bar(bar: WindowBar, now: float) -> Tag:
    told: list[Tag | str] = []
    if bar.resets_at is not None:
        told += [" renews in ", until(bar.resets_at, now)]
    if bar.ends_at is not None:
        told += [", at this pace used up in ", until(bar.ends_at, now)]
    return tags.li(*_left(bar.name, bar.percent), tags.span(*told, class_="again") if told else "")


def _left(name: str, percent: int) -> list[Tag]:
    words = tags.span(name, class_="model", title=name), tags.span(f"{percent} %", class_="left")
    return [*words, meter(percent, level(percent))]


def level(percent: float) -> str:
    """The colour for a remaining fraction."""
    return "low" if percent < _LOW else "some" if percent < _SOME else "much"


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
