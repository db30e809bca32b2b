"""Metrics of the daemon's parts, computed when asked for: they read what is in memory, and no long lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.accounts.condition import KINDS, cooling, kind_of
from antigravity_proxy.accounts.policy import Moment, out_of_use, served_today
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.windows import family_of, used_up_at
from antigravity_proxy.daemon.health import OWN_EGRESS_FAILED, Health
from antigravity_proxy.daemon.webhook import Webhook
from antigravity_proxy.relay.repairs import Repairs
from antigravity_proxy.replicas.store import Replicas
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.telemetry.access import AccessLog
from antigravity_proxy.telemetry.drift import Drift
from antigravity_proxy.telemetry.loop import LoopWatch
from antigravity_proxy.telemetry.metrics import MAX_CREDENTIALS, Figure, Values, single
from antigravity_proxy.telemetry.record import Ledger
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.service import VolumeService
from antigravity_proxy.web.health import Condition, judge
from antigravity_proxy.web.site import GuardedSite

_STATUSES = ("healthy", "degraded", "unhealthy")


def of_traffic(ledger: Ledger, site: GuardedSite[Any], access: AccessLog, loop: LoopWatch) -> tuple[Figure, ...]:
    """The API listener and the process."""
    return (
        _gauge("requests_open", "Requests under way.", lambda: ledger.open_count),
        _gauge("streams_open", "Streamed answers under way.", lambda: ledger.stream_count),
        _gauge("connections_open", "Clients' connections to the API listener.", lambda: len(site.channels)),
        _count("log_lines_left_out", "Refused requests that the log does not show.", lambda: access.left_out),
        _count("event_loop_blocked", "Times that the event loop was blocked for seconds.", lambda: loop.blocked),
    )


def of_pools(pools: Mapping[str, Pool]) -> tuple[Figure, ...]:
    """The pools by upstream: what they can serve, and what they have done."""
    return (
        Figure(
            "antigravity_leases_held",
            "Attempts that hold an account now.",
            lambda: [((upstream,), pool.counters.held) for upstream, pool in pools.items()],
            ("upstream",),
        ),
        Figure(
            "antigravity_leases",
            "Leases of accounts.",
            lambda: [((upstream,), pool.counters.leases) for upstream, pool in pools.items()],
            ("upstream",),
            counts=True,
        ),
        Figure(
            "antigravity_set_aside",
            "Accounts set aside after a failure, by cause.",
            lambda: _of_each(pools, lambda pool: pool.counters.set_aside.items()),
            ("upstream", "reason"),
            counts=True,
        ),
        Figure(
            "antigravity_token_renewals",
            "Access tokens asked for, by outcome.",
            lambda: _of_each(pools, lambda pool: pool.counters.renewals.items()),
            ("upstream", "outcome"),
            counts=True,
        ),
        Figure(
            "antigravity_model_accounts",
            "Accounts that can serve a model, and those that cool; of models that were asked for.",
            lambda: _standings(pools),
            ("upstream", "model", "state"),
        ),
        Figure(
            "antigravity_model_free_in_seconds",
            "Seconds until an account can serve a model; 0: one can now; absent: waiting does not help.",
            lambda: _of_each(pools, _free_in),
            ("upstream", "model"),
        ),
    )


def of_credentials(pools: Mapping[str, Pool]) -> tuple[Figure, ...]:
    """The official credentials by upstream, and the first of them by the operator's names."""
    return (
        Figure(
            "antigravity_credentials",
            "Official credentials, by state.",
            lambda: _by_state(pools),
            ("upstream", "state"),
        ),
        Figure(
            "antigravity_credential_usable",
            "1 for an official credential that can serve, cooling or not.",
            lambda: _of_first(pools, lambda state, now: float(out_of_use(state, now) is None)),
            ("upstream", "credential"),
        ),
        Figure(
            "antigravity_credential_cooling_seconds",
            "Seconds until nothing of an official credential cools any more; 0: nothing does.",
            lambda: _of_first(pools, _cooling_seconds),
            ("upstream", "credential"),
        ),
        Figure(
            "antigravity_credential_token_seconds",
            "Seconds for which the access token of an official credential is still good; absent for keys.",
            lambda: _of_first(pools, _token_seconds),
            ("upstream", "credential"),
        ),
        Figure(
            "antigravity_credential_day_used_ratio",
            "Share of its max_per_day that an official credential has served of this UTC day; absent without one.",
            lambda: _of_first(pools, _day_used),
            ("upstream", "credential"),
        ),
    )


def of_windows(pool: Pool) -> tuple[Figure, ...]:
    """The accounts' windows and credits as upstream reports them, by family: few labels, however many accounts."""
    return (
        Figure(
            "antigravity_quota_window_remaining",
            "Average remaining fraction of the accounts' quota window, 0 to 1.",
            lambda: [(labels, sum(each) / len(each)) for labels, each in _windows(pool).items()],
            ("family", "window"),
        ),
        Figure(
            "antigravity_quota_window_short",
            "Accounts that at their present rate use up a quota window before it resets.",
            lambda: _short(pool),
            ("family", "window"),
        ),
        _gauge("credits", "Credits that are left of the accounts' subscriptions, in all.", lambda: _credits(pool)),
    )


def of_remembered(store: StateStore, webhook: Webhook | None) -> tuple[Figure, ...]:
    """The state directory, and notices to the operator."""
    return (
        Figure(
            "antigravity_state_up",
            "1 while the state directory can be written; only where there is one.",
            single(lambda: None if store.directory is None else float(not store.trouble)),
        ),
        Figure(
            "antigravity_notices",
            "Notices to the operator's webhook, by outcome.",
            lambda: [((outcome,), getattr(webhook, outcome, 0)) for outcome in ("sent", "failed", "left_out")],
            ("outcome",),
            counts=True,
        ),
    )


def of_repairs(clock: IReactorTime, repairs: Sequence[Repairs]) -> tuple[Figure, ...]:
    """Which fields are left out of requests, since a model refused them."""
    return (
        Figure(
            "antigravity_fields_left_out",
            "1 for a field that a model refused and that is left out of its requests for an hour.",
            lambda: [(of, 1.0) for each in repairs for of in each.all(clock.seconds())],
            ("model", "field"),
        ),
    )


def of_drift(drift: Drift) -> tuple[Figure, ...]:
    """Unknown values that upstream sends."""

    def counted() -> Values:
        kinds: Counter[str] = Counter()
        for each in drift.all():
            kinds[each.kind] += each.count
        return [((kind,), float(count)) for kind, count in kinds.items()]

    return (Figure("antigravity_drift", "Unknown values that upstream sent.", counted, ("kind",), counts=True),)


def of_volume(clock: IReactorTime, volume: VolumeService, state: Callable[[], VolumeState]) -> tuple[Figure, ...]:
    """The credential volume: how fresh what is served is, and what of it opens."""
    return (
        _gauge("volume_up", "1 while the credential volume can be read.", lambda: _is_up(state())),
        Figure(
            "antigravity_volume_age_seconds",
            "Seconds since the served state of the volume was last confirmed.",
            single(lambda: None if volume.seen_at is None else clock.seconds() - volume.seen_at),
        ),
        _count("volume_reads", "Reads of the whole volume.", lambda: volume.reads),
        _count("volume_reads_failed", "Failed reads of the volume.", lambda: volume.failed_reads),
        _gauge("volume_bytes", "Size of the account database.", lambda: state().size),
        Figure("antigravity_volume_rows", "Account rows, by state.", lambda: _rows(state()), ("state",)),
        _gauge("accounts_paused", "Accounts that somebody has paused for this proxy.", lambda: state().paused),
    )


def of_replicas(replicas: Replicas | None) -> tuple[Figure, ...]:
    """The state that is shared with other replicas, if any is."""
    if replicas is None:
        return ()
    return (
        _gauge("redis_up", "1 while replicas share their state.", lambda: not replicas.sharing.trouble),
        _gauge("replicas", "Replicas that are alive, this one among them.", lambda: replicas.sharing.replicas),
        _count(
            "redis_changes", "Times that sharing through Redis broke or recovered.", lambda: replicas.sharing.changes
        ),
        _gauge("redis_untold", "Changes that are not yet in Redis.", lambda: replicas.sharing.untold),
    )


def of_egresses(clock: IReactorTime, egresses: Egresses) -> tuple[Figure, ...]:
    """The ways out to upstream."""

    def failing() -> Values:
        yield ("configured",), bool(egresses.trouble())
        yield ("account",), egresses.own_troubles(clock.seconds() - OWN_EGRESS_FAILED)

    words = "Egress proxies that failed when they were last tried: the configured one, and those of accounts."
    return (Figure("antigravity_egress_proxies_failing", words, failing, ("proxy",)),)


def of_health(clock: IReactorTime, health: Health) -> tuple[Figure, ...]:
    """The content of the health page."""
    lately = _Lately(clock, health)
    return (
        Figure("antigravity_health", "1 for the status that /health has.", lambda: _statuses(lately()), ("status",)),
        _gauge("accounts_usable", "Accounts that can serve, those in cooldown included.", lambda: lately().usable),
        _gauge(
            "accounts_resting",
            "1 while all accounts are on hold because Google has barred one for its terms.",
            lambda: lately().resting,
        ),
        _gauge("warnings", "Warnings that /health shows.", lambda: len(lately().warnings)),
        _gauge("draining", "1 while the daemon is draining.", lambda: lately().draining),
    )


class _Lately:
    """The daemon's condition, at most a second old: to look at very many accounts takes milliseconds."""

    def __init__(self, clock: IReactorTime, health: Health) -> None:
        self._clock = clock
        self._health = health
        self._seen = float("-inf")
        self._last: Condition | None = None

    def __call__(self) -> Condition:
        now = self._clock.seconds()
        if self._last is None or now - self._seen > 1.0:
            self._last, self._seen = self._health.now(), now
        return self._last


def _gauge(name: str, help_: str, read: Callable[[], float]) -> Figure:
    return Figure(f"antigravity_{name}", help_, single(read))


def _count(name: str, help_: str, read: Callable[[], float]) -> Figure:
    return Figure(f"antigravity_{name}", help_, single(read), counts=True)


def _is_up(state: VolumeState) -> bool:
    return state.read_at is not None and not state.error


def _of_each(pools: Mapping[str, Pool], read: Callable[[Pool], Iterable[tuple[str, float]]]) -> Values:
    """Values of every pool, by upstream and one label more."""
    return [((upstream, label), value) for upstream, pool in pools.items() for label, value in read(pool)]


def _standings(pools: Mapping[str, Pool]) -> Values:
    for upstream, pool in pools.items():
        for model, ready, rest in pool.standings():
            yield (upstream, model, "ready"), ready
            yield (upstream, model, "cooling"), rest


def _free_in(pool: Pool) -> Iterator[tuple[str, float]]:
    for model, ready, _ in pool.standings():
        seconds = 0.0 if ready else pool.free_in(model)
        if seconds is not None:
            yield model, seconds


def _by_state(pools: Mapping[str, Pool]) -> Values:
    for upstream, pool in pools.items():
        if pool.states:
            now = pool.now()
            counts = Counter(kind_of(state, pool.rules, now) for state in islice(pool.states, _LOOKED_AT))
            yield from (((upstream, kind), counts[kind]) for kind in KINDS)


def _of_first(pools: Mapping[str, Pool], read: Callable[[AccountState, Moment], float | None]) -> Values:
    """Values of the first credentials of each pool, as many as have labels of their own; None: there is none."""
    for upstream, pool in pools.items():
        now = pool.now()
        for state in islice(pool.states, MAX_CREDENTIALS):
            value = read(state, now)
            if value is not None:
                yield (upstream, state.credential.id), value


def _cooling_seconds(state: AccountState, now: Moment) -> float:
    return max((each.until - now.epoch for each in cooling(state, now)), default=0.0)


def _token_seconds(state: AccountState, now: Moment) -> float | None:
    left = state.expires_at - now.epoch if state.grant.is_renewable and state.expires_at else None
    return None if left is None else max(0.0, left)


def _day_used(state: AccountState, now: Moment) -> float | None:
    most = state.credential.max_per_day
    return served_today(state, now) / most if most else None


def _rows(state: VolumeState) -> Values:
    sealed = state.sealed_rows
    yield ("open",), len(state.accounts) - state.unconfirmed - state.kept
    yield ("leaving",), state.unconfirmed
    yield ("sealed",), sealed
    yield ("broken",), len(state.problems) - sealed


def _statuses(condition: Condition) -> Values:
    found = judge(condition).status
    return [((status,), float(status == found)) for status in _STATUSES]


#: accounts whose windows are looked at for one reading of the metrics
_LOOKED_AT = 2000


def _known(pool: Pool) -> Iterator[AccountState]:
    return (state for state in islice(pool.states, _LOOKED_AT) if state.standing.windows or state.standing.tier)


def _windows(pool: Pool) -> dict[tuple[str, ...], list[float]]:
    found: dict[tuple[str, ...], list[float]] = {}
    for state in _known(pool):
        for group, windows in state.standing.windows.items():
            for name, window in windows.items():
                found.setdefault((family_of(group), name), []).append(window.remaining)
    return found


def _short(pool: Pool) -> Values:
    now, found = pool.now().epoch, dict[tuple[str, ...], float]()
    for state in _known(pool):
        for group, windows in state.standing.windows.items():
            for name, window in windows.items():
                labels = (family_of(group), name)
                found[labels] = found.get(labels, 0.0) + (used_up_at(window, name, now) is not None)
    return found.items()


def _credits(pool: Pool) -> float:
    return float(sum(state.standing.credits or 0 for state in _known(pool)))
