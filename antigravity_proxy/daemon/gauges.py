"""What metrics tell of the daemon's parts when they are asked for: looks at what is in memory, and never long ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.windows import family_of, used_up_at
from antigravity_proxy.daemon.health import Health
from antigravity_proxy.daemon.webhook import Webhook
from antigravity_proxy.relay.repairs import Repairs
from antigravity_proxy.replicas.store import Replicas
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.telemetry.access import AccessLog
from antigravity_proxy.telemetry.drift import Drift
from antigravity_proxy.telemetry.loop import LoopWatch
from antigravity_proxy.telemetry.metrics import Figure, Values, single
from antigravity_proxy.telemetry.record import Ledger
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.service import VolumeService
from antigravity_proxy.web.health import Condition, judge
from antigravity_proxy.web.site import GuardedSite

_STATUSES = ("healthy", "degraded", "unhealthy")


def of_traffic(ledger: Ledger, site: GuardedSite[Any], access: AccessLog, loop: LoopWatch) -> tuple[Figure, ...]:
    """What goes on at the API listener, and in the process."""
    return (
        _gauge("requests_open", "Requests under way.", lambda: ledger.open_count),
        _gauge("streams_open", "Streamed answers under way.", lambda: ledger.stream_count),
        _gauge("connections_open", "Clients' connections to the API listener.", lambda: len(site.channels)),
        _count("log_lines_left_out", "Refused requests that the log does not show.", lambda: access.left_out),
        _count("event_loop_blocked", "Times that the event loop was blocked for seconds.", lambda: loop.blocked),
    )


def of_accounts(pool: Pool) -> tuple[Figure, ...]:
    """The pool: what it can serve, and what it has done."""
    counters = pool.counters
    return (
        _gauge("leases_held", "Attempts that hold an account now.", lambda: counters.held),
        _count("leases", "Leases of accounts.", lambda: counters.leases),
        Figure(
            "antigravity_set_aside",
            "Accounts set aside after a failure, by cause.",
            lambda: [((reason,), count) for reason, count in counters.set_aside.items()],
            ("reason",),
            counts=True,
        ),
        Figure(
            "antigravity_token_renewals",
            "Access tokens asked for, by outcome.",
            lambda: [((outcome,), count) for outcome, count in counters.renewals.items()],
            ("outcome",),
            counts=True,
        ),
        Figure(
            "antigravity_model_accounts",
            "Accounts that can serve a model, and those that cool; of models that were asked for.",
            lambda: _standings(pool),
            ("model", "state"),
        ),
        Figure(
            "antigravity_model_free_in_seconds",
            "Seconds until an account can serve a model; 0: one can now; absent: waiting does not help.",
            lambda: _free_in(pool),
            ("model",),
        ),
    )


def of_windows(pool: Pool) -> tuple[Figure, ...]:
    """What upstream tells of the accounts' windows and credits, by family: few labels, however many accounts."""
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
    """What outlasts a restart, and notices to the operator."""
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


def of_repairs(clock: IReactorTime, repairs: Repairs) -> tuple[Figure, ...]:
    """Which fields are left out of requests, since a model refused them."""
    return (
        Figure(
            "antigravity_fields_left_out",
            "1 for a field that a model refused and that is left out of its requests for an hour.",
            lambda: [((model, quirk.value), 1.0) for model, quirk in repairs.all(clock.seconds())],
            ("model", "field"),
        ),
    )


def of_drift(drift: Drift) -> tuple[Figure, ...]:
    """What upstream sends that no table knows."""

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
    """What is shared with other replicas, where anything is."""
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


def of_health(clock: IReactorTime, health: Health) -> tuple[Figure, ...]:
    """What the health page says."""
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


def _standings(pool: Pool) -> Values:
    for model, ready, cooling in pool.standings():
        yield (model, "ready"), ready
        yield (model, "cooling"), cooling


def _free_in(pool: Pool) -> Values:
    for model, ready, _ in pool.standings():
        seconds = 0.0 if ready else pool.free_in(model)
        if seconds is not None:
            yield (model,), seconds


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
