"""The kept order is the one that a fresh look at every account would find, whatever happened and in which order."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.accounts import account

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.ranking import Ranking
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, Cooldown
from antigravity_proxy.canonical.offers import ModelQuota

COUNT = 6
WHICH = st.integers(0, COUNT - 1)
SECONDS = st.sampled_from([0.5, 1.0, 5.0, 60.0])
RULES = Rules(max_leases=2)


class AnyHistory(RuleBasedStateMachine):
    """Accounts change as pool and token keeper change them; the order is compared with a scan."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Moment(100.0, 1_000_000.0)
        self.states = [AccountState(account(str(n)), n) for n in range(COUNT)]
        self.order = Ranking("m", self.states, RULES, self.now)

    @rule(which=WHICH)
    def lease(self, which: int) -> None:
        state = self.states[which]
        state.in_flight += 1
        state.virtual_time += 1

    @rule(which=WHICH)
    def release(self, which: int) -> None:
        state = self.states[which]
        if state.in_flight:
            state.in_flight -= 1
            self.order.released(state, self.now)

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.now = Moment(self.now.monotonic + seconds, self.now.epoch + seconds)

    @rule(which=WHICH, seconds=SECONDS, key=st.sampled_from([ALL_MODELS, "m", "other"]), flagged=st.booleans())
    def cool(self, which: int, seconds: float, key: str, flagged: bool) -> None:
        state = self.states[which]
        state.cooldowns[key] = Cooldown(self.now.monotonic + seconds, flagged and key == ALL_MODELS)
        self.order.touch(state, self.now)

    @rule(which=WHICH)
    def trouble(self, which: int) -> None:
        self.states[which].last_until = self.now.monotonic + policy.LAST_FOR
        self.order.touch(self.states[which], self.now)

    @rule(which=WHICH)
    def token_refused(self, which: int) -> None:
        self.states[which].expires_at = 0.0

    @rule(which=WHICH, seconds=SECONDS)
    def refresh_failed(self, which: int, seconds: float) -> None:
        self.states[which].refresh_after = self.now.monotonic + seconds

    @rule(which=WHICH, life=SECONDS)
    def renewed(self, which: int, life: float) -> None:
        self.states[which].expires_at = self.now.epoch + policy.TOKEN_MARGIN + life
        self.order.touch(self.states[which], self.now)

    @rule(which=WHICH)
    def barred(self, which: int) -> None:
        self.states[which].barred = "why"

    @rule(which=WHICH, left=st.sampled_from([0.0, 0.5, 1.0]), seconds=st.none() | SECONDS, status=st.booleans())
    def new_row(self, which: int, left: float, seconds: float | None, status: bool) -> None:
        state = self.states[which]
        quota = ModelQuota(left, None if seconds is None else self.now.epoch + seconds)
        state.barred = ""
        state.credential = account(str(which), quota={"m": quota}, status="rate_limited" if status else "active")
        self.order.touch(state, self.now)

    @rule(which=WHICH)
    def leaves_and_comes_back(self, which: int) -> None:
        self.order.leave(self.states[which])
        self.states[which] = AccountState(account(str(which)), self.states[which].serial)
        self.order.touch(self.states[which], self.now)

    def ranks(self, tried: Any = ()) -> list[tuple[policy.Rank, int]]:
        found = [(policy.eligibility(s, "m", RULES, self.now).rank, s.serial) for s in self.states if s not in tried]
        return sorted((rank, serial) for rank, serial in found if rank is not None)

    @rule(tried=st.sets(WHICH))
    def the_first_untried_is_the_best(self, tried: set[int]) -> None:
        passed_over = {self.states[which] for which in tried}
        first = self.order.first(self.now, passed_over)
        best = self.ranks(passed_over)
        assert (first.serial if first else None) == (best[0][1] if best else None)

    @rule()
    def the_first_free_is_the_earliest(self) -> None:
        cools = [policy.eligibility(s, "m", RULES, self.now).cools for s in self.states]
        assert self.order.first_free(self.now) == min(filter(None, cools), default=None)

    @invariant()
    def who_is_full_is_known(self) -> None:
        self.order.first(self.now)
        full = {s for s in self.states if policy.eligibility(s, "m", RULES, self.now).busy}
        assert self.order.busy >= full or self.ranks()


TestAnyHistory = AnyHistory.TestCase


def test_thousands_that_cool_to_the_same_second_come_back_a_few_at_a_time() -> None:
    states = [AccountState(account(str(n)), n) for n in range(100)]
    for state in states:
        state.cooldowns["m"] = Cooldown(10.0)
    order = Ranking("m", states, RULES, Moment(0.0, 0.0))
    now = Moment(10.0, 10.0)
    assert order.first(now) is states[0]
    assert len(order._ready.entries) == 8
    assert order.first(now, states[:20]) is states[20]
    assert order.first(now, states) is None


def test_one_that_cools_but_lost_its_token_meanwhile_is_not_the_first_free() -> None:
    states = [
        AccountState(account("0", expires_at=50.0, refresh_token="")),
        AccountState(account("1"), 1),
    ]
    for state, until in zip(states, (10.0, 20.0), strict=True):
        state.cooldowns["m"] = Cooldown(until)
    order = Ranking("m", states, RULES, Moment(0.0, 0.0))
    assert order.first_free(Moment(1.0, 1.0)) == 10.0
    assert order.first_free(Moment(1.0, 49.0)) == 20.0
