"""How an account looks on the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from support.accounts import account
from support.judging import judge
from twisted.internet.task import Clock

from antigravity_proxy.accounts.condition import Cooling, kind_of
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.admin.account import QuotaBar, card, shown
from antigravity_proxy.admin.markup import flat
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.secret import Secret

NOW = Moment(100.0, 1_000_100.0)


def in_pool(called: str = "X", **fields: object) -> tuple[Pool, AccountState]:
    clock = Clock()
    clock.advance(NOW.monotonic)
    pool = Pool(clock, lambda: 1_000_000.0 + clock.seconds(), lambda: 0.0)
    pool.update([replace(account("a", **fields), name=Secret(called))])
    (state,) = pool.states
    return pool, state


def penalised(*failures: Failure) -> AccountState:
    pool, state = in_pool()
    for failure in failures:
        pool.penalise(state, "m", judge(failure))
    return state


def with_quota(left: float, resets_at: float | None) -> AccountState:
    return in_pool(quota={"m": ModelQuota(left, resets_at)})[1]


def busy() -> AccountState:
    state = in_pool()[1]
    state.in_flight = 2
    return state


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: in_pool()[1], "ready"),
        (lambda: with_quota(0.5, 1_000_200.0), "ready"),
        (lambda: with_quota(0.0, 1_000_200.0), "limited"),
        (lambda: with_quota(0.0, 1_000_000.0), "ready"),
        (lambda: with_quota(0.0, None), "ready"),
        (lambda: penalised(Failure(429, delay=60.0)), "limited"),
        (lambda: penalised(Failure(401)), "cooling"),
        (lambda: penalised(Failure(403, reason="VALIDATION_REQUIRED")), "out"),
        (lambda: penalised(Failure(403, appeal=True)), "out"),
        (lambda: in_pool(status="expired")[1], "out"),
        (lambda: in_pool(disabled="another provider")[1], "out"),
        (lambda: in_pool(expires_at=0.0, refresh_token="")[1], "out"),
        (lambda: in_pool(paused=True, status="expired")[1], "paused"),
        (busy, "busy"),
    ],
)
def test_the_kinds(make: Callable[[], AccountState], kind: str) -> None:
    assert kind_of(make(), Rules(max_leases=2), NOW) == kind


def test_everything_about_it_is_there_and_its_address_is_not() -> None:
    quota = {"n": ModelQuota(0.254, 1_000_400.0), "m": ModelQuota(0.0, 1_000_000.0), "o": ModelQuota(1.0, None)}
    pool, state = in_pool(quota=quota, label=Secret("alice@example.com"), called="Alice")
    pool.penalise(state, "m", judge(Failure(429, reason="QUOTA_EXHAUSTED", delay=60.0)))
    found = shown(state, Rules(), {""}, NOW)
    assert (found.email, found.name, found.kind, found.why) == ("a***@example.com", "Alice", "limited", "")
    assert found.cooling == (Cooling("m", 1_000_160),)
    assert found.bars == (QuotaBar("m", 100, None), QuotaBar("n", 25, 1_000_400), QuotaBar("o", 100, None))
    html = flat(card(found, NOW.epoch, changeable=True))
    assert "its quota is used up (m), " in html
    assert "alice" not in html
    assert "ya29" not in html
    for words in ("Pause a***@example.com", "Reset a***@example.com", "Remove a***@example.com"):
        assert f'aria-label="{words}"' in html
    assert "<button" not in flat(card(found, NOW.epoch, changeable=False))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: in_pool(paused=True)[1], "Paused: not used by this proxy"),
        (lambda: penalised(Failure(403, appeal=True)), "Google has barred it from this service"),
        (lambda: penalised(Failure(403, reason="VALIDATION_REQUIRED")), "Google asks its owner to verify it"),
        (lambda: in_pool(status="expired")[1], "The desktop app has marked it as expired: sign in again"),
    ],
)
def test_why_it_is_out_of_use(make: Callable[[], AccountState], words: str) -> None:
    assert words in flat(card(shown(make(), Rules(), {""}, NOW), NOW.epoch, changeable=True))


def test_a_name_that_is_the_address_is_masked_and_shown_once() -> None:
    state = in_pool("alice@example.com", label=Secret("alice@example.com"))[1]
    assert shown(state, Rules(), {""}, NOW).name == ""


@pytest.mark.row("page attacks")
@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "a\0b"])
def test_a_name_is_text_whatever_it_is(name: str) -> None:
    state = in_pool(name, label=Secret(f"{name}@example.com"), quota={name: ModelQuota(0.5)})[1]
    html = flat(card(shown(state, Rules(), {""}, NOW), NOW.epoch, changeable=True))
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>" not in html


def test_of_many_models_the_further_ones_open() -> None:
    state = in_pool(quota={f"m{number}": ModelQuota(0.5) for number in range(9)})[1]
    html = flat(card(shown(state, Rules(), {""}, NOW), NOW.epoch, changeable=False))
    assert "3 more models" in html
    assert html.count("<svg") == 9


@pytest.mark.parametrize("link", ["https://accounts.google.com/verify?a=1&b=2", "javascript:alert(1)", ""])
def test_googles_page_for_the_owner_is_linked_where_there_is_one(link: str) -> None:
    state = penalised(Failure(403, reason="VALIDATION_REQUIRED", link=link))
    html = flat(card(shown(state, Rules(), {""}, NOW), NOW.epoch, changeable=False))
    assert ('<a href="https://accounts.google.com/verify?a=1&amp;b=2"' in html) == link.startswith("https://")
    assert "javascript" not in html


@pytest.mark.parametrize(
    ("project", "asked", "told"), [("p", 5.0, False), (None, float("-inf"), False), (None, 5.0, True), ("", 5.0, True)]
)
def test_an_account_without_a_project_is_shown_as_such_once_upstream_was_asked(
    project: str | None, asked: float, told: bool
) -> None:
    state = in_pool()[1]
    state.project, state.project_asked = project, asked
    html = flat(card(shown(state, Rules(), {""}, NOW), NOW.epoch, changeable=False))
    assert ("no project that upstream accepts" in html) == told
