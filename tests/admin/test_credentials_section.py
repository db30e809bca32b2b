"""The official credentials as the page draws them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.task import Clock

from antigravity_proxy.accounts.condition import KINDS, Cooling, kind_of, of_credential
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState, Cooldown, LastFailure
from antigravity_proxy.admin.credentials import FREE_TIER, MOST, look, section
from antigravity_proxy.admin.markup import flat
from antigravity_proxy.canonical.grant import Metadata
from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.credentials.file import of_key
from antigravity_proxy.geminiapi.wire import GeminiApi
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.gemini_keys import NamedKey

KEY = "AIzaCanary-" + "c" * 28
#: noon, an hour before which the clock began
EPOCH, NOON = 1_000_000.0 - 1_000_000.0 % 86_400, 43_200.0


def pool_of(*names: str, **fields: Any) -> Pool:
    """A pool of keys at noon of a UTC day."""
    clock = Clock()
    clock.advance(NOON)
    pool = Pool(clock, lambda: EPOCH + clock.seconds(), lambda: 0.0)
    pool.update(replace(of_key(NamedKey(name, Secret(KEY))), **fields) for name in names)
    return pool


def drawn(pool: Pool) -> str:
    """The section as HTML."""
    kinds: dict[Any, list[AccountState]] = {kind: [] for kind in KINDS}
    for state in pool.states:
        kinds[kind_of(state, pool.rules, pool.now())].append(state)
    return flat(section(look({"gemini": pool}, [kinds]), pool.now().epoch))


def test_without_credentials_there_is_nothing() -> None:
    assert drawn(pool_of()) == '<section id="official" hidden=""></section>'


def test_one_line_tells_all_and_no_key() -> None:
    pool = pool_of("work", tier="free", group="shared", max_per_day=4, project="acme")
    for _ in range(2):
        lease = pool.lease("gemini-3.8-flash")
        assert lease is not None
        lease.release()
    (state,) = pool.states
    pool.penalise(state, "gemini-3.8-flash", GeminiApi().judge(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=90.0)))
    html = drawn(pool)
    for words in (
        ">work<", "Gemini API, API key", "acme", ">free<", ">shared<", "Partly cooling", "gemini-3.8-flash: again in ",
        "1 min 30 s", "2 of 4", 'width="50.0"', FREE_TIER, 'data-is="Requests today"',
    ):  # fmt: skip
        assert words in html, words
    assert KEY not in html
    assert FREE_TIER not in drawn(pool_of("work", tier="paid"))


def test_its_day_is_over_until_midnight_and_then_begins_again() -> None:
    pool = pool_of("work", max_per_day=1)
    (state,) = pool.states
    lease = pool.lease("m")
    assert lease is not None
    lease.release()
    found = of_credential(state, pool.rules, pool.now())
    assert (found.state, found.used_today, found.cooling) == ("cooling", 1, (Cooling("", int(EPOCH) + 86_400),))
    pool._clock.advance(NOON + 1)  # type: ignore[attr-defined]
    found = of_credential(state, pool.rules, pool.now())
    assert (found.state, found.used_today, found.cooling) == ("ready", 0, ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.bar("the key was leaked"), "the key was leaked"),
        (lambda state: setattr(state, "expires_at", 0.0), "its access token has expired, and could not be renewed"),
    ],
)
def test_what_keeps_one_out_is_said(change: Any, words: str) -> None:
    metadata = {"kind": "vertex-metadata", "grant": Metadata("metadata.google.internal"), "expires_at": 2e9}
    pool = pool_of("machine", **metadata)
    (credential,) = pool.states
    credential.refresh_after = 1e9
    change(credential)
    credential.last_failure = LastFailure(EPOCH, "the metadata server does not answer")
    found = of_credential(credential, pool.rules, pool.now())
    assert (found.state, found.why) == ("out", words)


def test_places_and_models_that_rest_are_named() -> None:
    pool = pool_of("work", locations=("us-east5",))
    (state,) = pool.states
    state.cooldowns["claude-sonnet-5@us-east5"] = Cooldown(NOON + 60)
    pool.resting_models.rest("gemini-3.8-flash", Cooldown(NOON + 120))
    html = drawn(pool)
    assert "claude-sonnet-5 at us-east5: again in " in html
    assert "gemini-3.8-flash at Gemini API: left alone, asked again in " in html


def test_of_very_many_those_in_need_come_first_and_the_others_are_counted() -> None:
    pool = pool_of(*(f"key-{number}" for number in range(MOST + 3)))
    last = list(pool.states)[-1]
    last.bar("it was revoked")
    html = drawn(pool)
    assert html.count("<tr") == MOST + 1
    assert html.index(f"c-{last.credential.id}") < html.index("c-key-0")
    assert "and 3 more: " in html
