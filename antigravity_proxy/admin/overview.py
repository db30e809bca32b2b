"""A snapshot of everything that the status page shows, gathered from the daemon's parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from antigravity_proxy.accounts.condition import KINDS, Kind, kind_of
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.waiting import SingleFlight
from antigravity_proxy.admin import credentials, settings_shown
from antigravity_proxy.admin.account import Shown, shown
from antigravity_proxy.admin.client_keys import KeysShown
from antigravity_proxy.admin.credentials import CredentialsShown
from antigravity_proxy.admin.headline import Headline, headline
from antigravity_proxy.admin.history import History, Minute, RecentError
from antigravity_proxy.admin.usage import UsageShown
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.secret import masked
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.telemetry.record import Ledger
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.web.health import Condition

#: accounts that are looked at in one turn of the reactor: about a millisecond
_AT_ONCE = 250


class Counted(Struct, frozen=True):
    """All of a pool's accounts in its order, and by kind."""

    accounts: Sequence[AccountState] = ()
    kinds: Mapping[Kind, Sequence[AccountState]] = {}


class Census:
    """Counts the accounts of some pools by how they are doing."""

    def __init__(self, pools: Sequence[Pool], slices: Slices) -> None:
        self._pools = pools
        self._slices = slices
        self._flights: SingleFlight[None] = SingleFlight()
        self._counted: tuple[Counted, ...] = ()

    async def now(self) -> tuple[Counted, ...]:
        """Each pool's accounts as they are now; who asks while a count is under way gets its outcome."""
        await self._flights.do(self, lambda: self._slices.run(self._counting()))
        return self._counted

    def stop(self) -> None:
        """Gives up what is under way."""
        self._flights.cancel()

    def _counting(self) -> Iterator[None]:
        found = []
        for pool in self._pools:
            kinds: dict[Kind, list[AccountState]] = {kind: [] for kind in KINDS}
            rules, now, states, held = pool.rules, pool.now(), tuple(pool.states), bool(pool.terms_rest)
            for number, state in enumerate(states, 1):
                kinds[kind_of(state, rules, now, held=held)].append(state)
                if number % _AT_ONCE == 0:
                    yield
            found.append(Counted(states, kinds))
        self._counted = tuple(found)


#: accounts on one page
PAGE = 50
#: rows that can't be used, shown at most
_PROBLEMS = 20
#: seconds from which the age of the snapshot is worth a word: the volume is looked at more often than that
_STALE = 10.0


class Selection(Struct, frozen=True):
    """Which accounts somebody looks at: of one kind or of all, and which page of them, from 1."""

    kind: Kind | None = None
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Selection:
        """The selection in a page's query; the first page of all accounts if it is invalid."""
        kind = next((kind for kind in KINDS if kind == query.get("state")), None)
        page = query.get("page", "")
        return cls(kind, max(1, int(page)) if page.isascii() and page.isdecimal() and len(page) < 9 else 1)


class BadRow(Struct, frozen=True):
    """A row that gives no account."""

    id: str
    email: str
    reason: str


class VolumeShown(Struct, frozen=True):
    """The volume: ``connected`` or why not, when its state was last confirmed (epoch seconds; None: just now)."""

    database: str
    read_only: bool
    read_at: float | None
    stale_since: float | None
    keys: int
    findings: tuple[str, ...]
    bad: tuple[BadRow, ...]
    more_bad: int
    leaving: int
    size: int


class Traffic(Struct, frozen=True):
    """Requests that are under way, those of them that stream; and the last hour."""

    under_way: int
    streams: int
    minutes: tuple[Minute, ...]


class Listed(Struct, frozen=True):
    """The accounts that somebody looks at, and how many there are of each kind."""

    selection: Selection
    pages: int
    counts: Mapping[Kind, int]
    accounts: tuple[Shown, ...]


class Status(Struct, frozen=True):
    """All of it. ``now`` in epoch seconds."""

    now: float
    headline: Headline
    listed: Listed
    official: CredentialsShown
    traffic: Traffic
    faults: tuple[RecentError, ...]
    refused: tuple[tuple[str, int], ...]
    usage: UsageShown
    client_keys: KeysShown
    volume: VolumeShown
    settings: tuple[settings_shown.Line, ...]


class Sources(Struct, frozen=True):
    """The daemon's parts that are looked at. ``official``: the pools of official credentials, by upstream."""

    settings: Callable[[], Settings]
    models: Callable[[], ModelTable]
    pool: Pool
    official: Mapping[str, Pool]
    state: Callable[[], VolumeState]
    condition: Callable[[], Condition]
    ledger: Ledger
    history: History
    usage: Callable[[float], Awaitable[UsageShown]]
    client_keys: Callable[[], KeysShown]
    read_only: bool


class Overview:
    """Looks at the daemon for the page."""

    def __init__(self, sources: Sources, slices: Slices) -> None:
        self._sources = sources
        self._census = Census((sources.pool, *sources.official.values()), slices)

    @property
    def size(self) -> int:
        """How many accounts and credentials there are to look at."""
        return sum(len(pool.states) for pool in (self._sources.pool, *self._sources.official.values()))

    def epoch(self) -> float:
        """The wall clock that all times on the page refer to, in seconds."""
        return self._sources.pool.now().epoch

    def stop(self) -> None:
        """Gives up what is under way."""
        self._census.stop()

    async def look(self, selection: Selection) -> Status:
        """How everything is now."""
        sources = self._sources
        counted, *others = await self._census.now()
        counts = {kind: len(states) for kind, states in counted.kinds.items()}
        usage = await sources.usage(sources.pool.now().monotonic)
        condition, minutes, pool = sources.condition(), sources.history.minutes(), sources.pool
        ledger = sources.ledger
        settings = sources.settings()
        states = counted.accounts if selection.kind is None else counted.kinds[selection.kind]
        pages = max(1, -(-len(states) // PAGE))
        selection = Selection(selection.kind, min(selection.page, pages))
        now, first = pool.now(), PAGE * (selection.page - 1)
        held = bool(pool.terms_rest)
        listed = tuple(
            shown(state, pool.rules, settings.clients, now, held=held) for state in states[first : first + PAGE]
        )
        official = credentials.look(sources.official, [each.kinds for each in others])
        return Status(
            now=now.epoch,
            headline=headline(condition, counts, minutes, official.counts, _short(pool)),
            listed=Listed(selection, pages, counts, listed),
            official=official,
            traffic=Traffic(ledger.open_count, ledger.stream_count, minutes),
            faults=sources.history.faults(),
            refused=sources.history.refused(),
            usage=usage,
            client_keys=sources.client_keys(),
            volume=_volume(sources.state(), condition),
            settings=settings_shown.lines(settings, sources.models(), read_only=sources.read_only),
        )


def _bad_rows(state: VolumeState) -> Iterator[BadRow]:
    """The first of them; of an account that stays in use the list of accounts has a line too."""
    served = {account.id for account in state.accounts} if state.kept else frozenset[str]()
    for problem in state.problems[:_PROBLEMS]:
        kept = "; it stays in use with the sign-in that it had" if problem.id in served else ""
        yield BadRow(problem.id, masked(problem.email.reveal()), problem.reason + kept)


def _short(pool: Pool) -> tuple[tuple[str, float], ...]:
    """The models that were asked for and that every account cools for, with when the first is free again."""
    found = ((model, pool.free_in(model)) for model, ready, cooling in pool.standings() if cooling and not ready)
    epoch = pool.now().epoch
    return tuple((model, float(round(epoch + seconds))) for model, seconds in found if seconds is not None)


def _volume(state: VolumeState, condition: Condition) -> VolumeShown:
    age = condition.volume.age
    return VolumeShown(
        database=condition.database,
        read_only=condition.read_only,
        read_at=state.read_at,
        stale_since=None if age is None or (age < _STALE and not state.error) else condition.epoch - age,
        keys=state.key_count,
        findings=tuple(finding.message for finding in state.key_findings),
        bad=tuple(_bad_rows(state)),
        more_bad=max(0, len(state.problems) - _PROBLEMS),
        leaving=state.unconfirmed,
        size=state.size,
    )
