"""The ranks of the accounts when a request chose among them, for later questions why it took that one.

A request only notes which board it looked at; the board is filled a moment later, off its way, and serves all requests
of the next second.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from msgspec import Struct, field
from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState

#: seconds for which a board counts
FRESH = 1.0
#: accounts that a board is filled from, and lines of it: those that could serve, and those that could not
_LOOKED_AT, _ABLE, _UNABLE = 200, 8, 8
#: bytes of a full board, about
MOST_BYTES = 5000
#: models with a board at a time
_MOST = 64


class Line(Struct, frozen=True):
    """One account: ``place`` among those that could serve, from 1, 0: it could not; ``why``: what spoke for or against.

    ``until``: when that ends (epoch seconds); None: not by time alone, or not known.
    """

    account: str
    place: int
    why: str
    until: float | None = None


class Board(Struct):
    """How those of an ``upstream`` stood for a model, empty: it has none.

    ``accounts``: how many there were; ``looked_at``: how many of them were looked at.
    """

    model: str
    at: float
    upstream: str = ""
    accounts: int = 0
    looked_at: int = 0
    able: int = 0
    lines: tuple[Line, ...] = field(default_factory=tuple)
    told: bool = False  # somebody remembers it already


class Boards:
    """The present board of each model and pool."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._boards: dict[tuple[int, str, bool], Board] = {}

    def of(self, pool: Pool, model: str) -> Board:
        """The board at this moment."""
        now, key = self._clock.seconds(), (id(pool), model, bool(pool.terms_rest.account))
        board = self._boards.get(key)
        if board is None or now - board.at >= FRESH:
            if len(self._boards) >= _MOST:
                self._boards.clear()
            board = self._boards[key] = Board(model, now)
            self._clock.callLater(0, fill, board, pool)
        return board


def fill(board: Board, pool: Pool) -> None:
    """Looks at the pool's accounts as they are now."""
    states = list(islice(pool.states, _LOOKED_AT))
    board.accounts, board.looked_at = len(pool.states), len(states)
    board.upstream = states[0].credential.upstream if states else ""
    if against := _against_all(pool, board.model):
        board.able, board.lines = 0, tuple(Line(state.credential.id, 0, *against) for state in states[:_UNABLE])
    else:
        board.able, board.lines = lines(states, board.model, pool.rules, pool.now())


def _against_all(pool: Pool, model: str) -> tuple[str, float | None] | None:
    """The common reason why none of them can serve the model, and until when; None: there is no such reason."""
    if pool.terms_rest:
        return "all accounts are on hold: Google has barred one of them for its terms", None
    now = pool.now()
    rest = pool.resting_models.of(model, now.monotonic)
    if rest is None:
        return None
    return "upstream can't serve the model to anybody for a while", now.epoch + rest.until - now.monotonic


def lines(states: Iterable[AccountState], model: str, rules: Rules, now: Moment) -> tuple[int, tuple[Line, ...]]:
    """How many of these could serve, and their ranks: the first by rank, and some of those that could not."""
    able: list[tuple[policy.Rank, int, AccountState]] = []
    unable: list[Line] = []
    for state in states:
        found = policy.eligibility(state, model, rules, now)
        if found.rank is not None:
            able.append((found.rank, state.serial, state))
        elif len(unable) < _UNABLE:
            unable.append(Line(state.credential.id, 0, *_against(state, model, rules, now, busy=found.busy)))
    able.sort(key=lambda each: each[:2])
    first = [
        Line(state.credential.id, place, _for(state, rank, model, now))
        for place, (rank, _, state) in enumerate(able[:_ABLE], 1)
    ]
    return len(able), (*first, *unable)


def _for(state: AccountState, rank: policy.Rank, model: str, now: Moment) -> str:
    tier, priority = rank[0], -rank[1]
    found = [
        words
        for bit, words in (
            (policy.UNOFFERED, "upstream does not list the model for it"),
            (policy.TROUBLED, "it failed a moment ago"),
            (policy.TOKENLESS, "it has to renew its token first"),
            (policy.MARKED, "the desktop app has marked it as rate limited"),
        )
        if tier & bit
    ]
    if priority:
        found.append(f"priority {priority}" if abs(priority) < policy.PREFERRED else "the preferred account")
    left, _ = policy.remaining(state, model, now)
    found.append(f"{100 * left:.0f} % of its quota left")
    found.append(f"{state.in_flight} under way")
    return ", ".join(found)


def _against(state: AccountState, model: str, rules: Rules, now: Moment, *, busy: bool) -> tuple[str, float | None]:
    if busy:
        return f"it is busy: {state.in_flight} under way", None
    if (out := policy.out_of_use(state, now)) is not None:
        return f"out of use: {out.value}", None
    credential = state.credential
    if not credential.may_use(model):
        return "it may not use the model", None
    cooldown = policy.cooling(state, model, now)
    if cooldown is not None:
        why = "it needs its owner" if cooldown.flagged else "it cools"
        if state.last_failure is not None:
            why += f": {state.last_failure.reason}"
        return why, now.epoch + cooldown.until - now.monotonic
    left, resets_at = policy.remaining(state, model, now)
    if left <= rules.reserve and resets_at != float("inf"):
        why = "its quota is used up" if left <= 0 else "its quota is down to the reserve"
        return why, now.epoch + resets_at - now.monotonic
    week = policy.week_reserved(state, model, rules, now) if rules.week_reserve else 0.0
    if week:
        return "its weekly quota is down to the reserve", now.epoch + week - now.monotonic
    over = policy.day_is_over(state, now) if credential.max_per_day else 0.0
    if over:
        return "it is at its daily limit of requests", now.epoch + over - now.monotonic
    return "it can't serve now", None
