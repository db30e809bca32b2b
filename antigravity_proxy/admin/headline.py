"""The verdict in one line, and the reasons for it. An operator reads this first. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from antigravity_proxy.accounts.condition import Kind, serving
from antigravity_proxy.admin.history import Minute
from antigravity_proxy.admin.markup import moment, number
from antigravity_proxy.web.health import NO_VOLUME, Condition, judge

Level = Literal["well", "attention", "broken"]

#: minutes that a verdict looks back, and how many requests it takes to judge by
_RECENT, _ENOUGH = 10, 4
#: models that a shortage names
_MODELS = 3
_NONE: Mapping[Kind, int] = {}
_NOBODY = "There is neither an account that can be opened nor an official credential"


class Headline(Struct, frozen=True):
    """``title`` says how it is, ``reasons`` why, in words to act on; ``said`` is a line of figures.

    ``resting``: all accounts rest until somebody resumes them.
    """

    level: Level
    title: str
    said: str
    reasons: tuple[str, ...] = ()
    resting: bool = False


def headline(
    condition: Condition,
    counts: Mapping[Kind, int],
    minutes: Sequence[Minute],
    credentials: Mapping[Kind, int] = _NONE,
    short: Sequence[tuple[str, float]] = (),
) -> Headline:
    """The verdict over the daemon's present state: its accounts and official credentials, counted by state.

    ``short``: models that every account cools for, and when the first is free again (epoch seconds).
    """
    health, said = judge(condition), _said(counts, credentials, minutes)
    trouble = list(condition.warnings)
    if condition.database not in ("connected", NO_VOLUME):
        known = "the last good state stays in use" if condition.ever_read else "it was never read"
        trouble.insert(0, f"The volume can't be read: {condition.database}; {known}")
    if counts["out"] and not trouble:  # else the warnings say more about them
        trouble.append(f"{number(counts['out'], 'account')} out of use: see below why")
    if any(minute.limited for minute in minutes[-_RECENT:]):
        words = "Every account is cooling for {}: clients get 429 until {}"
        trouble += (words.format(model, moment(free)) for model, free in short[:_MODELS])
    if (failing := _failing(minutes)) is not None:
        trouble.append(failing)
    reasons = tuple(trouble)
    if condition.draining:
        return Headline("attention", "Shutting down", said, reasons)
    if condition.resting:
        title = "All accounts are on hold: Google has barred one of them"
        title += "; the official credentials go on" if serving(credentials) else ""
        return Headline("broken", title, said, reasons, resting=True)
    if health.status == "unhealthy":
        return Headline("broken", "Can't serve requests", said, reasons or (_NOBODY,))
    able, cooling = serving(counts) + serving(credentials), counts["cooling"] + credentials.get("cooling", 0)
    if not condition.usable or not able + cooling + counts["held"]:
        all_paused = counts["paused"] and not counts["out"] and not sum(credentials.values())
        title = "Every account is paused" if all_paused else f"No {_members(counts, credentials)} can serve"
        return Headline("broken", title, said, reasons)
    if not able and cooling:
        told = "Clients are told to come back (429) until the first one is free again"
        title = f"Every {_members(counts, credentials)} is cooling"
        return Headline("attention", title, said, (told, *reasons))
    if reasons:
        return Headline("attention", "Serving, but needs attention", said, reasons)
    return Headline("well", "All is well", said)


def _members(counts: Mapping[Kind, int], credentials: Mapping[Kind, int]) -> str:
    """The kinds of credentials, none of which can serve."""
    both = ("account" * bool(sum(counts.values())), "credential" * bool(sum(credentials.values())))
    return " or ".join(filter(None, both)) or "account"


def _said(counts: Mapping[Kind, int], credentials: Mapping[Kind, int], minutes: Sequence[Minute]) -> str:
    requests = sum(minute.requests for minute in minutes)
    failed = sum(minute.failed + minute.limited for minute in minutes)
    ended = f", {failed:,} of them failed" if failed else ""
    asked = f"{number(requests, 'request')} in the last hour{ended}." if requests else "No request in the last hour."
    found = ((counts, "account"), (credentials, "official credential"))
    some = [(each, one) for each, one in found if sum(each.values())] or found[:1]
    able = " and ".join(f"{serving(each):,} of {number(sum(each.values()), one)}" for each, one in some)
    return f"{able} can serve now. {asked}"


def _failing(minutes: Sequence[Minute]) -> str | None:
    """Whether most of the latest requests failed."""
    recent = minutes[-_RECENT:]
    requests = sum(minute.requests for minute in recent)
    failed = sum(minute.failed for minute in recent)
    if requests < _ENOUGH or failed * 2 < requests:
        return None
    return f"{failed:,} of {number(requests, 'request')} failed in the last {_RECENT} minutes: see the errors below"
