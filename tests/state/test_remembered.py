"""What sets accounts aside outlasts a restart: a real pool over a real directory, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.accounts import account
from support.judging import judge
from support.threaded_clock import Reactor

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.replication import LocalState
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Cause, Failure
from antigravity_proxy.codeassist.decision_table import WITHOUT_BODY
from antigravity_proxy.secret import Secret
from antigravity_proxy.state.remembered import Remembering
from antigravity_proxy.state.store import StateStore

NOW = 1_000_000.0


class Kept:
    """A pool of two accounts over a directory, and restarts of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.wall = NOW
        self.reactor = Reactor()
        self.start()

    def start(self, *, load: bool = True) -> None:
        self.store = StateStore(self.reactor, lambda: self.wall, self.directory)
        self.shared = Remembering(LocalState(), self.store, lambda: self.wall)
        self.pool = Pool(self.reactor, lambda: self.wall, lambda: 0.0, shared=self.shared)
        self.shared.find = self.pool.find
        if load:
            self.store.startService()
            self.join()

    def join(self, **fields: Any) -> None:
        self.pool.update([account("a", **fields), account("b")])

    def restart(self, seconds: float = 0.0) -> None:
        self.stop()
        self.wall += seconds
        self.reactor.advance(7)  # monotonic time has nothing to do with the last process's
        self.start()

    def stop(self) -> None:
        self.reactor.wait(self.store.stopService())

    def fail(self, failure: Failure | Cause, name: str = "a", model: str = "m") -> None:
        state = self.pool.find(name)
        assert state is not None
        verdict = judge(failure) if isinstance(failure, Failure) else WITHOUT_BODY[failure]
        self.pool.penalise(state, model, verdict)

    def free_in(self, model: str = "m") -> float | None:
        """Of account a: the other one is taken out of the way."""
        state = self.pool.find("b")
        assert state is not None
        state.bar("out of the way")
        return self.pool.free_in(model)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "state")
    yield made
    made.stop()


def test_a_cooldown_ends_when_upstream_said_whatever_is_restarted(kept: Kept) -> None:
    kept.fail(Failure(429, reason="QUOTA_EXHAUSTED", delay=3600))
    kept.restart(600)
    assert kept.free_in() == pytest.approx(3000)
    assert kept.free_in("another") == 0
    kept.restart(2999)
    assert kept.free_in() == pytest.approx(1)
    kept.restart(1)
    assert kept.free_in() == 0


def test_nobody_leases_what_is_known_to_be_limited(kept: Kept) -> None:
    for name in ("a", "b"):
        kept.fail(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=60), name)
    kept.restart(30)
    assert kept.pool.lease("m") is None
    assert kept.pool.shortage("m").free_in == pytest.approx(30)


def test_a_ladder_goes_on_where_it_was(kept: Kept) -> None:
    lengths = []
    for _ in range(3):
        kept.fail(Failure(503, reason="MODEL_CAPACITY_EXHAUSTED"))
        lengths.append(kept.free_in())
        kept.restart(lengths[-1] or 0.0)
    assert lengths == sorted(set(lengths))  # each longer than the one before


def test_a_bar_holds_for_its_sign_in_alone(kept: Kept) -> None:
    kept.fail(Failure(403, reason="TERMS_OF_SERVICE_VIOLATION", message="This account has been disabled"))
    state = kept.pool.find("a")
    assert state is not None
    barred = state.barred
    kept.restart(86_400)
    state = kept.pool.find("a")
    assert state is not None
    assert state.barred == barred
    kept.join(refresh_token="1//another", access_token=Secret("ya29.another"))
    assert kept.pool.find("a").barred == ""  # type: ignore[union-attr]
    kept.restart()
    kept.join(refresh_token="1//another", access_token=Secret("ya29.another"))
    assert kept.pool.find("a").barred == ""  # type: ignore[union-attr]


def test_used_up_quotas_are_known_and_come_back_at_their_reset(kept: Kept) -> None:
    kept.pool.observed_quota("a", {"m": ModelQuota(0.0, NOW + 1000), "n": ModelQuota(0.5, NOW + 500)})
    kept.restart(400)
    assert kept.free_in("m") == pytest.approx(600)
    assert kept.pool.find("a").quota["n"] == ModelQuota(0.5, NOW + 500)  # type: ignore[union-attr]
    kept.pool.observed_quota("a", {"m": ModelQuota(0.9, None), "n": ModelQuota(0.5, None)})
    kept.restart(1)
    assert kept.free_in("m") == 0


def test_who_is_forgiven_stays_forgiven(kept: Kept) -> None:
    kept.fail(Failure(429, reason="QUOTA_EXHAUSTED", delay=3600))
    assert kept.pool.forgive("a")
    kept.restart(1)
    assert kept.free_in() == 0


def test_another_replica_that_forgives_counts_for_the_next_start_too(kept: Kept) -> None:
    kept.fail(Failure(429, reason="QUOTA_EXHAUSTED", delay=3600))
    heard: list[Any] = []

    class Store(LocalState):
        def listen(self, listener: Any, part: str = "") -> None:
            heard.append(listener)

    shared = Remembering(Store(), kept.store, lambda: kept.wall)
    shared.listen(kept.pool.replica_events)
    shared._loaded()
    (listener,) = heard
    listener.on_forgiven("a")
    assert kept.free_in() == 0
    kept.restart(1)
    assert kept.free_in() == 0


def test_a_directory_that_comes_late_is_believed_then(kept: Kept) -> None:
    kept.fail(Failure(429, reason="QUOTA_EXHAUSTED", delay=3600))
    kept.stop()
    kept.start(load=False)
    kept.join()
    assert kept.free_in() == 0
    kept.store.startService()
    assert kept.free_in() == pytest.approx(3600)


def test_a_clock_that_was_set_back_keeps_nobody_out_for_ever(kept: Kept) -> None:
    kept.fail(Failure(429, reason="QUOTA_EXHAUSTED", delay=3600))
    kept.restart(-400 * 86_400)
    free_in = kept.free_in()
    assert free_in is not None
    assert free_in <= 8 * 86_400


def test_nonsense_in_the_directory_sets_nobody_aside(kept: Kept) -> None:
    for kind, name in (("cooled", "a\nm"), ("barred", "a"), ("quotas", "a")):
        for value in ("{", "[]", '["x"]', "{}", "null"):
            kept.store.put(kind, name, value)
            kept.restart()
            assert kept.free_in() == 0


def test_no_secret_reaches_the_directory(kept: Kept) -> None:
    kept.fail(Failure(429, reason="QUOTA_EXHAUSTED", delay=3600, message="canary words of upstream"))
    kept.fail(Failure(403, reason="TERMS_OF_SERVICE_VIOLATION", message="canary words of upstream"), "b")
    kept.fail(Cause.EMPTY)
    kept.restart()
    content = b"".join(path.read_bytes() for path in kept.directory.iterdir())
    for secret in (b"ya29.", b"1//", b"x@example.com", b"canary"):
        assert secret not in content
