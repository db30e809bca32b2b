"""The official credentials on the page: a table with a line for each, and what their upstreams can't serve now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from twisted.web.template import Tag

from antigravity_proxy.accounts.condition import KINDS, Cooling, CredentialCondition, Kind, of_credential, serving
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.admin.account import WORDS, level
from antigravity_proxy.admin.markup import Cell, Row, dot, meter, number, since, table, tags, until
from antigravity_proxy.canonical.credential import FREE, GEMINI, VERTEX
from antigravity_proxy.coerce import dated

#: credentials that are shown; of more, those that can't serve come first
MOST = 50
#: what upstreams and kinds are called
_UPSTREAMS = {GEMINI: "Gemini API", VERTEX: "Vertex AI"}
_KINDS = {
    "gemini-key": "API key",
    "vertex-key": "express key",
    "vertex-service-account": "service account",
    "vertex-adc": "application default credentials",
    "vertex-metadata": "metadata server",
}
_HEADS = ("Name", "What", "Project and place", "Tier", "Quota group", "Standing", "Requests today", "Last error")
#: what Google says of its free tier (official-upstreams.md 1)
FREE_TIER = (
    "Free tier: Google uses prompts and answers to improve its products, and people may read them. Send nothing "
    "confidential by these credentials, or have their projects billed."
)


class Rest(Struct, frozen=True):
    """A model that an upstream can't serve for a while, until a moment in epoch seconds."""

    upstream: str
    model: str
    until: int


class CredentialsShown(Struct, frozen=True):
    """All of it. ``counts``: how many are of each kind; ``more``: how many are not among the ``lines``."""

    counts: Mapping[Kind, int] = {}
    lines: tuple[CredentialCondition, ...] = ()
    more: int = 0
    resting: tuple[Rest, ...] = ()
    is_any_free: bool = False

    @property
    def all(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def serving(self) -> int:
        """How many can serve now."""
        return serving(self.counts)


def look(pools: Mapping[str, Pool], counted: Sequence[Mapping[Kind, Sequence[AccountState]]]) -> CredentialsShown:
    """The contents of the upstreams' pools, as they were ``counted``."""
    counts = {kind: sum(len(each[kind]) for each in counted) for kind in KINDS}
    states = [state for pool in pools.values() for state in pool.states]
    if len(states) > MOST:
        states = [state for kind in reversed(KINDS) for each in counted for state in each[kind]]
    lines = []
    for state in states[:MOST]:
        pool = pools[state.credential.upstream]
        lines.append(of_credential(state, pool.rules, pool.now()))
    resting = tuple(
        Rest(name, model, round(dated(end - pool.now().monotonic + pool.now().epoch)))
        for name, pool in pools.items()
        for model, end in pool.resting_models.all(pool.now().monotonic)
    )
    is_any_free = any(state.tier == FREE for state in states)
    return CredentialsShown(counts, tuple(lines), len(states) - len(lines), resting, is_any_free)


def section(shown: CredentialsShown, now: float) -> Tag:
    """The section of the page; ``now`` in epoch seconds. Nothing where there is no credential."""
    if not shown.all:
        return tags.section(id="official", hidden="")
    rests = [
        tags.li(f"{each.model} at {_UPSTREAMS[each.upstream]}: left alone, asked again in ", until(each.until, now))
        for each in shown.resting
    ]
    more = f"and {shown.more:,} more: 'antigravity-proxy credentials list' names them, /capacity tells of them."
    return tags.section(
        tags.h2("Official credentials"),
        table("Official credentials", _HEADS, [_row(line, now) for line in shown.lines], named=True, stacks=True),
        tags.p(more, class_="none") if shown.more else "",
        tags.ul(*rests, class_="waits") if rests else "",
        tags.p(FREE_TIER, class_="findings") if shown.is_any_free else "",
        id="official",
        class_="wide",
    )


def _row(line: CredentialCondition, now: float) -> Row:
    places = f"at {', '.join(line.locations)}" if line.locations else ""
    cells: tuple[Cell, ...] = (
        line.name,
        f"{_UPSTREAMS[line.upstream]}, {_KINDS[line.kind]}",
        ", ".join(filter(None, (line.project, places))) or "its key's own",
        tags.b("free", class_="free") if line.tier == FREE else line.tier or "not known",
        line.group or "its own",
        _standing(line, now),
        _today(line),
        _trouble(line, now),
    )
    return Row(cells, f"c-{line.name}", line.state)


def _standing(line: CredentialCondition, now: float) -> list[Tag | str]:
    found: list[Tag | str] = [dot(line.state), tags.span(WORDS[line.state], class_="kind")]
    if line.in_flight:
        found.append(f", {number(line.in_flight, 'request')} under way")
    if line.why:
        found.append(tags.p(line.why[:1].upper() + line.why[1:], class_="why"))
    if line.cooling:
        found.append(tags.ul(*(_cooling(each, now) for each in line.cooling), class_="waits"))
    return found


def _cooling(cooling: Cooling, now: float) -> Tag:
    model, _, place = cooling.model.partition("@")
    where = f" at {place}" if place else ""
    return tags.li(f"{model or 'every model'}{where}: again in ", until(cooling.until, now))


def _today(line: CredentialCondition) -> Cell:
    if not line.max_per_day:
        return f"{line.used_today:,}"
    used = 100 * min(1.0, line.used_today / line.max_per_day)
    return [tags.span(f"{line.used_today:,} of {line.max_per_day:,}"), meter(used, level(100 - used))]


def _trouble(line: CredentialCondition, now: float) -> Cell:
    trouble = line.trouble
    if trouble is None:
        return "none"
    model = f" ({trouble.model})" if trouble.model else ""
    reason = "as it stands" if trouble.reason == line.why else trouble.reason
    return [reason, model, ", ", since(trouble.at, now), " ago"]
