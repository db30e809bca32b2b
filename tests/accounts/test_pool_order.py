"""Whatever was leased for which models and given back, the pool leases the account that a look at all would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.accounts import account
from twisted.internet.task import Clock

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.replication import LocalState
from antigravity_proxy.accounts.rules import Rules

MODELS = st.sampled_from(["m", "n", "o"])
#: a lease for a model, with a session or without, or the end of the lease of this number
STEPS = st.lists(st.tuples(MODELS, st.sampled_from([b"", b"s", b"t"])) | st.integers(0, 20), max_size=60)


@given(steps=STEPS, limit=st.integers(0, 3), names=st.integers(1, 4))
def test_the_best_of_all_is_leased(steps: list[tuple[str, bytes] | int], limit: int, names: int) -> None:
    clock, rules, shared = Clock(), Rules(max_leases=limit), LocalState()
    pool = Pool(clock, lambda: 1_000_000.0 + clock.seconds(), lambda: 0.0, rules, shared)
    pool.update([account(str(n)) for n in range(names)])
    held: list[Lease] = []
    for step in steps:
        if isinstance(step, int):
            if step < len(held):
                held.pop(step).release()
            continue
        model, session = step
        bound = pool.find(shared.account_of(session, 0.0) or "") if session else None  # who is to serve it
        ranks = [(policy.eligibility(s, model, rules, pool.now()).rank, s.serial, s) for s in pool.states]
        best = min(((rank, serial, s) for rank, serial, s in ranks if rank is not None), default=None)
        if bound is not None and policy.eligibility(bound, model, rules, pool.now()).rank is not None:
            expected = bound
        else:
            expected = None if best is None else best[2]
        lease = pool.lease(model, (), session)
        assert (None if lease is None else lease.state) is expected
        held += [] if lease is None else [lease]
