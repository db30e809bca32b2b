"""Measures what choosing an account costs: CPU microseconds for each lease with its release, by number of accounts.

    PYTHONPATH=tests python benchmarks/choosing.py

Four situations: all free; most cooling; every request with a session; and none free, where the client is told when.
The slowest of 2,000 shows that no single choice pays for all.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from support.accounts import account
from twisted.internet.task import Clock

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.replication import session_key
from antigravity_proxy.accounts.state import Cooldown

#: accounts → CPU microseconds that a choice may take
GOALS = {100: 50, 1_000: 50, 10_000: 200}
ROUNDS = 2_000
IN_FLIGHT = 64


def pool_of(count: int, cooling: float) -> Pool:
    """A pool; this share of its accounts cools."""
    clock = Clock()
    pool = Pool(clock, lambda: 1e6 + clock.seconds(), random.random)
    pool.update(account(f"account-{n}") for n in range(count))
    while clock.getDelayedCalls():  # they are taken in slices
        clock.advance(0)
    assert len(pool.states) == count
    for n, state in enumerate(pool.states):
        if n < count * cooling:
            state.cooldowns["m"] = Cooldown(1e5 + n)
    pool.lease("other")
    pool.free_in("m")  # the order is made when a model is first asked for
    return pool


def leasing(pool: Pool, sessions: bool) -> Callable[[int], None]:
    """One lease, and the release of another."""
    held: list[Lease] = []

    def go(n: int) -> None:
        lease = pool.lease("m", (), session_key(str(n % 500), "m") if sessions else b"")
        assert lease is not None
        held.append(lease)
        if len(held) > IN_FLIGHT:
            held.pop(random.randrange(IN_FLIGHT)).release()

    return go


def measure(go: Callable[[int], object]) -> tuple[float, float]:
    """CPU microseconds: the mean, and the slowest."""
    times = []
    for n in range(ROUNDS):
        began = time.process_time_ns()
        go(n)
        times.append((time.process_time_ns() - began) / 1000)
    return sum(times) / len(times), max(times)


def main() -> int:
    """Prints the table; status 1 if a mean is over its goal."""
    over = False
    print("| accounts | all free | 99 % cooling | with sessions | none free | goal |\n|---|---|---|---|---|---|")
    for count, goal in GOALS.items():
        free, few, none = pool_of(count, 0.0), pool_of(count, 0.99), pool_of(count, 1.0)
        found = [
            measure(leasing(free, False)),
            measure(leasing(few, False)),
            measure(leasing(free, True)),
            measure(lambda n, pool=none: (pool.lease("m"), pool.shortage("m"))),
        ]
        over = over or any(mean > goal for mean, _ in found)
        shown = " | ".join(f"{mean:.1f} (slowest {slowest:.0f})" for mean, slowest in found)
        print(f"| {count:,} | {shown} | ≤ {goal} µs |")
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
