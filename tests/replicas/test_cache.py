"""What is known of accounts: the longest cooldown counts, facts end, tokens only get newer."""

from __future__ import annotations

import pytest

from antigravity_proxy.replicas import cache, facts
from antigravity_proxy.replicas.cache import Cache, Cooling, Held
from antigravity_proxy.replicas.facts import Bar, Project, Quotas, Token


def cooling(account: str = "a", model: str = "m", until: float = 10.0, marks: int = 0) -> Cooling:
    return Cooling(account, model, until, marks)


def test_the_longest_cooldown_counts() -> None:
    known = Cache()
    assert known.cool(cooling(until=10), 0.0)
    assert not known.cool(cooling(until=5), 0.0)
    assert not known.cool(cooling(until=10), 0.0)
    assert known.cool(cooling(until=20, marks=1), 0.0)
    assert not known.cool(cooling(model="over", until=1.0), 2.0)
    assert list(known.cooling(19.0)) == known.cooling_of("a", 19.0) == [cooling(until=20, marks=1)]
    assert list(known.cooling(20.0)) == known.cooling_of("a", 20.0) == known.cooling_of("b", 0.0) == []
    assert known.cool(cooling(until=25), 21.0)


def test_a_forgiven_account_is_as_if_nothing_had_been() -> None:
    known = Cache()
    known.cool(cooling(), 0.0)
    known.cool(cooling(model="n"), 0.0)
    known.cool(cooling("b"), 0.0)
    known.hold("a", Bar("s", "r"), 10.0, 0.0)
    assert sorted(each.model for each in known.forgive("a")) == ["m", "n"]
    assert known.forgive("a") == []
    assert known.facts_of("a", 0.0) == []
    assert list(known.cooling(0.0)) == [cooling("b")]
    assert known.cool(cooling(until=1.0), 0.0)


def test_facts_end() -> None:
    known = Cache()
    assert known.hold("a", Project("p"), 10.0, 0.0)
    assert known.held("a", "p", 9.0) == Held(Project("p"), 10.0)
    assert known.held("a", "p", 10.0) is None
    assert not known.hold("a", Project("late"), 5.0, 5.0)
    assert known.facts_of("a", 9.0) == [Project("p")]


def test_what_is_known_already_is_no_news_unless_it_holds_for_longer() -> None:
    known = Cache()
    known.hold("a", Bar("s", "r"), 10.0, 0.0)
    assert not known.hold("a", Bar("s", "r"), 10.0, 0.0)
    assert known.hold("a", Bar("s", "r"), 20.0, 0.0)
    assert known.hold("a", Bar("another", "r"), 15.0, 0.0)


def test_tokens_only_get_newer() -> None:
    known = Cache()
    assert known.hold("a", Token("new", 1000.0), 10.0, 0.0)
    assert not known.hold("a", Token("older", 900.0), 20.0, 0.0)
    assert known.hold("a", Token("newest", 2000.0), 20.0, 0.0)
    assert known.facts_of("a", 0.0) == [Token("newest", 2000.0)]


def test_there_is_an_end_to_cooldowns_of_accounts_that_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_COOLING", 10)
    known = Cache()
    for number in range(10):
        known.cool(cooling(f"past {number}", until=1.0), 0.0)
    assert known.cool(cooling("a", until=10.0), 2.0)
    assert [each.account for each in known.cooling(0.0)] == ["a"]
    for number in range(20):
        known.cool(cooling(f"{number}", until=10.0), 2.0)
    assert len(list(known.cooling(2.0))) <= 10
    assert known.cooling_of("19", 2.0) == [cooling("19")]


@pytest.mark.parametrize(
    ("fact", "seconds"),
    [
        (Token("x", 1500.0), 500.0),
        (Bar("s", "r"), facts.BAR_SECONDS),
        (Project("p"), facts.PROJECT_SECONDS),
        (Project(""), facts.NO_PROJECT_SECONDS),
        (Quotas({"m": (0.5, None), "n": (0.1, 99.0)}), facts.QUOTA_SECONDS),
    ],
)
def test_facts_survive_their_bytes_and_know_their_life(fact: facts.Fact, seconds: float) -> None:
    assert facts.decode(facts.encode(fact)) == fact
    assert facts.life(fact, 1000.0) == seconds


@pytest.mark.parametrize("data", [b"", b"\xc1", b"nonsense", facts.encode([9, "new"]), facts.encode([1, 2, 3])])
def test_what_is_no_fact(data: bytes) -> None:
    assert facts.decode(data) is None


def test_a_token_hides_itself() -> None:
    assert "ya29" not in repr(Token("ya29.x", 1.0))
