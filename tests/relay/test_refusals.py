"""Refusals that are no account's fault, on a clock: who is asked, who is set aside, and how all that ends again."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import account
from support.relayed import EPOCH, Request, Surroundings

from antigravity_proxy import errors
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.relay import refusals
from antigravity_proxy.relay.refusals import (
    ALL_AT_START,
    BELIEVED_FOR,
    BELIEVED_TEXTS,
    DOUBTED_FOR,
    KNOWN_AT_MOST,
    KNOWN_FOR,
    TOLD_FOR,
    Refusals,
)

BARE = Failure(429, status="RESOURCE_EXHAUSTED", message="Resource has been exhausted (e.g. check quota).")
DENIED = Failure(403, status="PERMISSION_DENIED", message="The caller does not have permission")
QUOTA = Failure(429, reason="QUOTA_EXHAUSTED", delay=3600.0)
LEFT = ModelQuota(0.8, EPOCH + 1e6)
USED_UP = ModelQuota(0.0)
AGENT, OTHER = "You are an agent.", "You are a poet."


def pool_of(*names: str, quota: ModelQuota | None = LEFT) -> Surroundings:
    return Surroundings(*(account(name, quota=None if quota is None else {"m": quota}) for name in names))


def refused(around: Surroundings, system: str = AGENT, answer: Failure = BARE) -> Request:
    """A request that is refused as long as it is tried."""
    request = Request(around, system=system)
    while not request.done and request.attempting:
        request.end(answer)
    return request


def served(around: Surroundings, system: str = OTHER) -> Request:
    return Request(around, system=system).end()


def cooling(around: Surroundings) -> list[str]:
    now = around.clock.seconds()
    return [
        state.credential.id
        for state in around.pool.states
        if any(each.until > now for each in state.cooldowns.values())
    ]


def told(request: Request) -> type[Any]:
    assert len(request.done) == 1
    return type(request.done[0])


# of a request


def test_with_quota_left_one_other_account_is_asked_and_nobody_cools() -> None:
    around = pool_of("a", "b", "c", "d")
    request = refused(around)
    assert (told(request), request.accounts) == (errors.UpstreamRefusesRequest, ["a", "b"])
    assert "although quota is left" in request.done[0].message
    assert [attempt.reason for attempt in request.client.record.attempts] == ["refused_request"] * 2
    assert cooling(around) == []


def test_the_next_one_with_that_text_costs_one_attempt_until_it_passes() -> None:
    around = pool_of("a", "b", "c")
    refused(around)
    for _ in range(30):
        assert len(refused(around).accounts) == 1
        around.clock.advance(60)
        served(around)
    assert len(refused(around, OTHER).accounts) == 2  # its own text, its own proof
    assert cooling(around) == []
    assert served(around, AGENT).done == ["answered"]
    assert len(refused(around).accounts) == 2


@pytest.mark.parametrize(("pause", "attempts"), [(KNOWN_FOR - 1, 1), (KNOWN_FOR + 1, 2)])
def test_a_refused_text_is_forgotten_by_the_clock(pause: float, attempts: int) -> None:
    around = pool_of("a", "b", "c")
    refused(around)
    around.clock.advance(pause)
    served(around)
    assert len(refused(around).accounts) == attempts


def test_what_is_refused_again_and_again_has_to_be_proved_again() -> None:
    around = pool_of("a", "b", "c")
    began = around.clock.seconds()
    counts = []
    while around.clock.seconds() - began <= KNOWN_AT_MOST + 300:
        counts.append(len(refused(around).accounts))
        served(around)
        around.clock.advance(300)
    assert counts.count(2) == 2
    assert counts[0] == 2


@pytest.mark.parametrize("quota", [None, ModelQuota(0.8, EPOCH - 1)])
def test_without_a_known_quota_a_bare_limit_is_what_it_was(quota: ModelQuota | None) -> None:
    around = pool_of("a", "b", "c", quota=quota)
    request = refused(around)
    assert (told(request), request.accounts) == (errors.RateLimited, ["a", "b", "c"])
    assert cooling(around) == ["a", "b", "c"]


def test_the_reserve_is_no_quota_that_is_left() -> None:
    around = Surroundings(account("a", quota={"m": USED_UP}), account("b", quota={"m": USED_UP}))
    assert told(refused(around)) is errors.RateLimited
    assert cooling(around) == ["a", "b"]


def test_where_the_other_account_answers_the_first_is_set_aside() -> None:
    around = pool_of("a", "b")
    request = Request(around, system=AGENT).end(BARE)
    assert cooling(around) == []
    request.end()
    assert request.done == ["answered"]
    assert cooling(around) == ["a"]


@pytest.mark.parametrize("end", [QUOTA, Failure(400), "leaves"])
def test_a_doubted_account_is_set_aside_however_its_request_ends(end: Any) -> None:
    around = pool_of("a", "b")
    request = Request(around, system=AGENT).end(BARE)
    if isinstance(end, Failure):
        request.end(end)
    else:
        request.cancel()
    assert "a" in cooling(around)


def test_nobody_is_doubted_for_long() -> None:
    around = pool_of("a", "b")
    request = Request(around, system=AGENT).end(BARE)
    around.clock.advance(DOUBTED_FOR - 0.1)
    assert cooling(around) == []
    around.clock.advance(0.2)
    assert cooling(around) == ["a"]
    request.end()
    assert not around.clock.getDelayedCalls()


def test_an_account_of_unknown_quota_that_says_the_same_is_set_aside() -> None:
    around = Surroundings(account("a", quota={"m": LEFT}), account("b"), account("c"))
    request = refused(around)
    assert (told(request), request.accounts) == (errors.UpstreamRefusesRequest, ["a", "b"])
    assert cooling(around) == ["b"]


def test_with_nobody_else_it_is_a_limit_until_another_text_has_passed() -> None:
    around = pool_of("a")
    assert told(refused(around)) is errors.RateLimited
    assert cooling(around) == ["a"]
    around.clock.advance(6)
    served(around)
    request = refused(around)
    assert (told(request), request.accounts) == (errors.UpstreamRefusesRequest, ["a"])
    assert cooling(around) == []
    assert told(refused(around)) is errors.UpstreamRefusesRequest
    served(around, AGENT)
    assert told(refused(around)) is errors.RateLimited


def test_without_a_system_text_nothing_is_remembered() -> None:
    around = pool_of("a", "b", "c")
    for _ in range(2):
        assert refused(around, "").accounts in (["a", "b"], ["c", "a"])
    alone = pool_of("a")
    for _ in range(3):
        assert told(refused(alone, "")) is errors.RateLimited
        alone.clock.advance(400)
        served(alone)


# upstream may be hostile, or confused


@pytest.mark.parametrize("text", ["", "the same", "{}"])
def test_a_used_up_account_does_not_stay_for_what_is_said_of_its_quota(text: str) -> None:
    """Upstream says that quota is left and answers nothing: after some minutes, or texts, it is a limit as ever."""
    around = pool_of("a", "b", "c")
    began, number = around.clock.seconds(), 0
    while not cooling(around):
        number += 1
        request = refused(around, text.format(number))
        assert len(request.accounts) <= 3
        around.clock.advance(30)
        assert around.clock.seconds() - began <= KNOWN_AT_MOST + BELIEVED_FOR + 120
        assert text != "{}" or number <= BELIEVED_TEXTS * 3
        assert text != "" or around.clock.seconds() - began <= BELIEVED_FOR + 120


def test_what_is_asked_of_an_account_between_two_answers_is_bounded() -> None:
    around = pool_of("a")
    for number in range(3):
        refused(around, f"text {number}")
        around.clock.advance(400)
        assert not around.pool.shortage("m").is_busy
    assert told(refused(around, "another")) is errors.RateLimited


def test_what_is_remembered_is_bounded() -> None:
    known = Refusals()
    for number in range(5000):
        text = known.digest("m", (f"text {number}",))
        known.refused(f"account {number}", "m", text, float(number))
        known.refused("one", "m", text, float(number))
        known.prove(text, float(number))
    assert len(known._known) == refusals.MAX_KNOWN
    assert len(known._records) == refusals.MAX_RECORDS
    assert all(len(record.texts) <= refusals.MAX_TEXTS for record in known._records.values())


def test_a_text_is_known_by_a_salted_digest() -> None:
    one, other = Refusals(), Refusals()
    assert one.digest("m", ("a", "b")) == one.digest("m", ("a", "b"))
    assert len({one.digest("m", ("ab",)), one.digest("n", ("ab",)), one.digest("m", ("a", "b")), b""}) == 4
    assert one.digest("m", ("a",)) != other.digest("m", ("a",))
    assert one.digest("m", ()) == one.digest("m", ("",)) == b""
    assert one.digest("m", ("\ud800",))


# of this program


def test_two_accounts_that_had_served_speak_for_all() -> None:
    around = pool_of("a", "b", "c")
    for _ in range(3):
        served(around)
    request = refused(around, answer=DENIED)
    assert (told(request), request.accounts) == (errors.UpstreamRefusesClient, ["a", "b"])
    assert (cooling(around), around.upstream.refusals.refuses_client(around.clock.seconds())) == ([], True)
    assert len(refused(around, answer=DENIED).accounts) == 1
    assert served(around).done == ["answered"]
    assert not around.upstream.refusals.refuses_client(around.clock.seconds())


@pytest.mark.parametrize("count", [2, ALL_AT_START, ALL_AT_START + 3])
def test_at_the_start_all_are_asked_or_enough_of_them(count: int) -> None:
    around = pool_of(*(f"a{number}" for number in range(count)))
    request = refused(around, answer=DENIED)
    assert (told(request), len(request.accounts)) == (errors.UpstreamRefusesClient, min(count, ALL_AT_START))
    assert cooling(around) == []


def test_one_account_alone_is_forbidden_as_ever() -> None:
    around = pool_of("a")
    assert told(refused(around, answer=DENIED)) is errors.Forbidden
    assert cooling(around) == ["a"]


def test_one_account_of_several_is_forbidden_as_ever() -> None:
    around = pool_of("a", "b", "c")
    for _ in range(3):
        served(around)
    request = Request(around).end(DENIED)
    assert cooling(around) == []
    request.end()
    assert (request.accounts, cooling(around)) == (["a", "b"], ["a"])


def test_accounts_that_never_served_are_forbidden_as_ever_once_somebody_has() -> None:
    around = pool_of("a", "b", "c")
    served(around)
    request = refused(around, answer=DENIED)
    assert (told(request), len(request.accounts)) == (errors.Forbidden, 3)
    assert cooling(around) == ["a", "b", "c"]


def test_who_is_still_refused_when_others_serve_is_set_aside() -> None:
    around = pool_of("a", "b", "c")
    for _ in range(3):
        served(around)
    refused(around, answer=DENIED)
    assert Request(around).end().accounts == ["c"]
    Request(around).end(DENIED).end(DENIED).end()
    assert cooling(around) == ["a", "b"]


def test_a_refusal_of_this_program_is_told_of_for_an_hour_after_its_last_sign() -> None:
    around = pool_of("a", "b")
    refused(around, answer=DENIED)
    known = around.upstream.refusals
    around.clock.advance(TOLD_FOR - 1)
    assert known.refuses_client(around.clock.seconds())
    around.clock.advance(2)
    assert not known.refuses_client(around.clock.seconds())


def test_while_nothing_is_refused_no_text_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Any] = []
    digest = Refusals.digest
    monkeypatch.setattr(
        Refusals, "digest", lambda self, model, system: hashed.append(system) or digest(self, model, system)
    )
    around = pool_of("a", "b")
    served(around)
    assert hashed == []
    refused(around)
    served(around)
    assert hashed == [(AGENT,), (OTHER,)]
