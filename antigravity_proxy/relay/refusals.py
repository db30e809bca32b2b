"""Refusals that are not an account's fault: of a request's text, and of this program (upstream.md 6.4).

A failure that may be one is doubted: the account is not set aside before another one has been asked. `Refusals` is what
an upstream's requests know of them together, `Doubts` what one request does.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence

from msgspec import Struct, field, structs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.verdict import Step, Verdict

log = Logger()

#: seconds for which a refused text is known after its last refusal, and in all: then it has to be refused twice again
KNOWN_FOR, KNOWN_AT_MOST = 600.0, 3600.0
#: seconds for which an account's known quota is trusted, and texts are remembered, after the first refusal
BELIEVED_FOR, BELIEVED_TEXTS = 600.0, 4
#: seconds after which a doubted account is set aside as its row says, if nothing has cleared it
DOUBTED_FOR = 10.0
#: before any account has served: this many different refused accounts speak for all
ALL_AT_START = 5
#: seconds for which a refusal of this program is reported after its last sign
TOLD_FOR = 3600.0
#: texts, and accounts by model, that are remembered; the oldest are forgotten first
MAX_KNOWN, MAX_RECORDS, MAX_TEXTS = 1024, 4096, 16


class _Known(Struct):
    since: float
    last: float


class _Record(Struct):
    """Of one account and model: when it last answered, and when it last refused which text.

    ``first`` and ``last``: the first and the last of refusals in a row, without an answer or a long pause between.
    """

    passed: float = float("-inf")
    texts: dict[bytes, float] = field(default_factory=dict)
    first: float = float("-inf")
    last: float = float("-inf")

    def is_row(self, now: float) -> bool:
        """Whether a refusal now would go on with the row."""
        return self.last > self.passed and now - self.last <= BELIEVED_FOR


class Refusals:
    """An upstream's recent refusals. Times in monotonic seconds. Texts are known by salted digests only."""

    __slots__ = ("_blamed", "_known", "_records", "_refusing", "_salt", "client_since", "client_until", "has_served")

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._records: OrderedDict[tuple[str, str], _Record] = OrderedDict()
        self._refusing: set[str] = set()  # accounts that spoke for all when this program was refused
        self._blamed: set[str] = set()  # of those, who go on refusing when others serve again
        self.has_served = False
        #: since when this program has been refused, and until when that is reported; ``until`` 0: it is not
        self.client_since = self.client_until = 0.0

    def digest(self, model: str, system: Sequence[str]) -> bytes:
        """The name of a request's system text for one model; empty: it has none."""
        if not any(system):
            return b""
        found = hashlib.blake2b(model.encode("utf-8", "replace"), key=self._salt, digest_size=16)
        for text in system:
            found.update(b"\0" + text.encode("utf-8", "replace"))
        return found.digest()

    @property
    def has_refused(self) -> bool:
        """Whether any request was refused: until then no text's digest is of use."""
        return bool(self._known or self._records)

    # of requests

    def knows(self, text: bytes, now: float) -> bool:
        """Whether the text was refused before; this is another sign of it."""
        known = self._known.get(text)
        if known is None:
            return False
        if now - known.last > KNOWN_FOR or now - known.since > KNOWN_AT_MOST:
            del self._known[text]
            return False
        known.last = now
        return True

    def prove(self, text: bytes, now: float) -> None:
        """The text was refused although quota was left."""
        if text:
            self._known[text] = _Known(now, now)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)

    def believes(self, account: str, model: str, text: bytes, now: float) -> bool:
        """Whether what is known of the account's quota still counts against a refusal of this text."""
        record = self._records.get((account, model))
        if record is None or not record.is_row(now):
            return True
        in_row = {each for each, at in record.texts.items() if at >= record.first}
        return now - record.first <= BELIEVED_FOR and len(in_row | {text}) <= BELIEVED_TEXTS

    def refused(self, account: str, model: str, text: bytes, now: float) -> bool:
        """Notes that a text was refused; says whether another one has passed since the time before."""
        record = self._records.setdefault((account, model), _Record())
        before = record.texts.pop(text, None)
        if not record.is_row(now):
            record.first = now
        record.texts[text] = record.last = now
        while len(record.texts) > MAX_TEXTS:
            del record.texts[next(iter(record.texts))]
        while len(self._records) > MAX_RECORDS:
            self._records.popitem(last=False)
        return bool(text) and before is not None and record.passed > before

    def answered(self, state: AccountState) -> None:
        """The account has answered a request."""
        state.has_served = self.has_served = True
        if self.client_until:
            self._blamed, self._refusing, self.client_until = self._refusing, set(), 0.0
            log.info("upstream accepts this program again")
        if self._blamed:
            self._blamed.discard(state.credential.id)

    def passed(self, account: str, model: str, text: bytes, now: float) -> None:
        """The account has answered a request with this text."""
        self._known.pop(text, None)
        record = self._records.get((account, model))
        if record is not None:
            record.passed = now
            record.texts.pop(text, None)

    # of this program

    def client_refused(self, accounts: Sequence[str], now: float) -> None:
        """This program is refused, these accounts show."""
        if not self.refuses_client(now):
            self.client_since = now
            self._refusing.clear()
            log.warn("upstream refuses this program, whichever account asks; /health says what can be done")
        self._refusing.update(accounts)
        self.client_until = now + TOLD_FOR

    def refuses_client(self, now: float) -> bool:
        """Whether this program is refused, as far as is known."""
        return now < self.client_until

    def is_blamed(self, account: str) -> bool:
        """Whether the account was refused when others served again: then it is the account's matter."""
        return account in self._blamed


class _Doubt(Struct, frozen=True):
    state: AccountState
    verdict: Verdict  # the row's own
    refusal: Verdict
    another_passed: bool = False


class Doubts:
    """The refusals that one request has met. ``clock`` gives monotonic seconds.

    ``system`` gives the request's system text, until the first byte has left: its digest is made where it is needed.
    """

    __slots__ = ("_clock", "_digest", "_doubts", "_model", "_pool", "_refusals", "_system", "_timer")

    def __init__(
        self,
        clock: IReactorTime,
        refusals: Refusals,
        pool: Pool,
        model: str,
        system: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self._clock = clock
        self._refusals = refusals
        self._pool = pool
        self._model = model
        self._system = system
        self._digest = refusals.digest(model, system()) if refusals.has_refused else None
        self._doubts: tuple[_Doubt, ...] = ()
        self._timer: IDelayedCall | None = None

    def judge(self, state: AccountState, verdict: Verdict) -> Verdict:
        """The meaning of an account's failure in the light of others: the verdict itself, if it is not a refusal.

        A refusal's step says whether another account is to be asked.
        """
        now = self._clock.seconds()
        if verdict.about_client:
            return self._client_refused((), verdict, now)
        if verdict.with_quota_left is not None:
            return self._of_request(state, verdict, verdict.with_quota_left, now)
        if verdict.from_all is not None:
            return self._of_client(state, verdict, verdict.from_all, now)
        return verdict

    def _of_request(self, state: AccountState, verdict: Verdict, refusal: Verdict, now: float) -> Verdict:
        refusals, account = self._refusals, state.credential.id
        has_quota = policy.has_quota(state, self._model, self._pool.rules, self._pool.now())
        believed = has_quota and refusals.believes(account, self._model, self._text, now)
        another_passed = refusals.refused(account, self._model, self._text, now) if has_quota else False
        if refusals.knows(self._text, now):
            return _final(refusal)
        if any(doubt.refusal is refusal for doubt in self._doubts):  # another account gets the same refusal
            refusals.prove(self._text, now)
            self._clear()
            if not believed:
                self._pool.penalise(state, self._model, verdict)
            return _final(refusal)
        if not believed:
            return verdict
        self._doubt(_Doubt(state, verdict, refusal, another_passed))
        self._pool.exhausted(state)  # its figures may be old: upstream is asked for them
        return refusal

    def _of_client(self, state: AccountState, verdict: Verdict, refusal: Verdict, now: float) -> Verdict:
        refusals = self._refusals
        if refusals.is_blamed(state.credential.id):
            return verdict
        alike = [doubt.state for doubt in self._doubts if doubt.refusal is refusal] + [state]
        if (
            refusals.refuses_client(now)
            or sum(each.has_served for each in alike) > 1
            or (not refusals.has_served and len(alike) >= ALL_AT_START)
        ):
            return self._client_refused(alike, refusal, now)
        self._doubt(_Doubt(state, verdict, refusal))
        return refusal

    def _client_refused(self, alike: Sequence[AccountState], refusal: Verdict, now: float) -> Verdict:
        self._refusals.client_refused([state.credential.id for state in alike], now)
        self._clear()
        return _final(refusal)

    def alone(self) -> Verdict:
        """There is no other account to ask: the final meaning of the last failure, with its step."""
        *others, last = self._doubts
        self._doubts, now = tuple(others), self._clock.seconds()
        alike = [doubt.state for doubt in (*others, last) if doubt.refusal is last.refusal]
        if last.verdict.from_all is not None and not self._refusals.has_served and len(alike) > 1:
            return self._client_refused(alike, last.refusal, now)
        self.settle()
        if last.another_passed:
            self._refusals.prove(self._text, now)
            return _final(last.refusal)
        return last.verdict

    def passed(self, state: AccountState) -> None:
        """An account has answered."""
        self._refusals.answered(state)
        if self._digest is not None:  # else nothing was refused when this request began
            self._refusals.passed(state.credential.id, self._model, self._digest, self._clock.seconds())

    @property
    def _text(self) -> bytes:
        if self._digest is None:
            self._digest = self._refusals.digest(self._model, self._system())
        return self._digest

    def settle(self) -> None:
        """Accounts that are still doubted are set aside as their row says: nothing has cleared them."""
        doubts = self._doubts
        if doubts or self._timer is not None:
            self._clear()
        for doubt in doubts:
            self._pool.penalise(doubt.state, self._model, doubt.verdict)

    def _doubt(self, doubt: _Doubt) -> None:
        self._doubts += (doubt,)
        if self._timer is None:
            self._timer = self._clock.callLater(DOUBTED_FOR, self._too_long)

    def _too_long(self) -> None:
        self._timer = None
        self.settle()

    def _clear(self) -> None:
        self._doubts = ()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _final(refusal: Verdict) -> Verdict:
    """Nobody else is asked."""
    return structs.replace(refusal, step=Step.STOP)
