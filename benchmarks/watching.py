"""Measures what the status page costs while somebody looks at it: CPU milliseconds in all, and of the longest turn.

python benchmarks/watching.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Coroutine
from typing import Any

from choosing import pool_of
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.admin.client_keys import KeysShown
from antigravity_proxy.admin.history import History
from antigravity_proxy.admin.http import BaseUrl
from antigravity_proxy.admin.overview import Overview, Selection, Sources
from antigravity_proxy.admin.page import FragmentCache, Layout
from antigravity_proxy.admin.usage import UsageShown
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.settings.resolve import Resolver
from antigravity_proxy.telemetry.record import Ledger
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.web.health import Condition

#: milliseconds that one turn may take
GOAL = 10.0


class Turns(Clock):
    """A clock that takes the time of every turn."""

    def __init__(self) -> None:
        super().__init__()
        self.took: list[float] = []

    def drive(self, work: Coroutine[Deferred[Any], Any, Any]) -> Any:
        """Runs the work to its end; ``took`` then holds its turns, in seconds."""
        done: list[Any] = []
        began = time.process_time()
        Deferred.fromCoroutine(work).addCallback(done.append)
        self.took = [time.process_time() - began]
        while not done:
            call = self.calls.pop(0)
            call.called = 1
            began = time.process_time()
            call.func(*call.args, **call.kw)
            self.took.append(time.process_time() - began)
        return done[0]

    def told(self) -> str:
        """All turns together, and the longest, in milliseconds."""
        return f"{sum(self.took) * 1e3:.1f} (longest turn {max(self.took) * 1e3:.1f})"


async def _no_usage(now: float) -> UsageShown:
    return UsageShown()


def measure(accounts: int) -> tuple[str, str, str, float]:
    """A look, a whole page, a look at which nothing has changed; and the longest turn of all, in milliseconds."""
    clock, pool = Turns(), pool_of(accounts, 0.5)
    for state in pool.states:
        state.quota = dict.fromkeys(BUNDLED.accounts, ModelQuota(0.5, 4e9))
    settings = Resolver({}, {}, lambda path: "").all({})
    sources = Sources(
        settings=lambda: settings,
        models=lambda: BUNDLED,
        pool=pool,
        official={},
        state=lambda: VolumeState(read_at=1.0),
        condition=lambda: Condition(1e9, "connected", True, accounts, accounts, False, False),
        ledger=Ledger(time.monotonic),
        history=History(time.monotonic, time.monotonic),
        usage=_no_usage,
        client_keys=KeysShown,
        read_only=False,
    )
    overview, cache = Overview(sources, Slices(clock)), FragmentCache(clock)
    layout = Layout(BaseUrl.of(settings), changeable=True, addable=lambda: True)
    told, longest = [], 0.0
    for anew in (None, True, False):
        for _ in range(2):  # the first warms up
            status = clock.drive(overview.look(Selection()))
            if anew is not None:
                clock.drive(cache.texts(layout.fragments(status), anew=anew))
        told.append(clock.told())
        longest = max(longest, *clock.took)
    return told[0], told[1], told[2], longest * 1e3


def main() -> int:
    """Prints the figures; status 1 when the goal is missed."""
    print("| CPU-ms | a look | the whole page | the same again |\n|---|---|---|---|")
    longest = 0.0
    for accounts in (10, 1000, 10_000):
        *told, most = measure(accounts)
        print(f"| {accounts:,} accounts | {' | '.join(told)} |")
        longest = max(longest, most)
    return 1 if longest > GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
