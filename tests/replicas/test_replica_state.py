"""What two replicas make of each other's messages, with nothing between them but those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from antigravity_proxy.accounts.replication import Listeners
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.replicas import state
from antigravity_proxy.replicas.cache import Cooling
from antigravity_proxy.replicas.facts import Bar, Group, Project, Quotas, Token
from antigravity_proxy.replicas.sessions import GENERATION
from antigravity_proxy.replicas.state import MAX_SECONDS, STALE, ReplicaState
from antigravity_proxy.replicas.vault import Vault
from antigravity_proxy.replicas.wire import RedisTime

EPOCH = 1_800_000_000.0


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.found: list[tuple[Any, ...]] = []

    def on_cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        self.found.append(("cooled", account, key, round(seconds, 3), marks))

    def on_renewed(self, account: str, grant: IssuedToken) -> None:
        self.found.append(("renewed", account, grant.access_token.reveal(), grant.expires_at))

    def on_barred(self, account: str, sign_in: str, reason: str) -> None:
        self.found.append(("barred", account, sign_in, reason))

    def on_grouped(self, account: str, sign_in: str, project: str) -> None:
        self.found.append(("grouped", account, sign_in, project))

    def on_forgiven(self, account: str) -> None:
        self.found.append(("forgiven", account))

    def on_observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        self.found.append(("observed", account, dict(figures)))

    def on_project(self, account: str, project: str) -> None:
        self.found.append(("project", account, project))

    def take(self) -> list[tuple[Any, ...]]:
        """What was told since."""
        found, self.found = self.found, []
        return found


class One:
    """A replica's knowledge; its monotonic clock stands at ``now``."""

    def __init__(self, name: str, now: float, master: bytes = b"m" * 32) -> None:
        self.now = now
        self.told = Told()
        self.time = RedisTime()
        self.time.sample(now, now, EPOCH)
        listeners = Listeners()
        listeners.add(self.told)
        listeners.add(self.told, "gemini")
        self.knows = ReplicaState(Vault(master), self.time, lambda: EPOCH, listeners, name)

    def says(self) -> list[tuple[Any, ...]]:
        """The commands of all that it has to tell."""
        found = []
        while self.knows.outbox:
            found += self.knows.commands(self.knows.outbox.take(), self.now)
        return found


def hear(said: list[tuple[Any, ...]], *listeners: One) -> None:
    for command in said:
        if command[0] == b"PUBLISH":
            for each in listeners:
                each.knows.hear(command[2], each.now)


@pytest.fixture
def pair() -> tuple[One, One]:
    one, two = One("one", 100.0), One("two", 90_000.0)
    for each in (one, two):
        assert each.knows.recall("a", each.now)
    return one, two


def test_what_one_learns_the_other_is_told(pair: tuple[One, One]) -> None:
    one, two = pair
    one.knows.cool("a", "m", 30.0, 1, one.now)
    one.knows.cool("a", "m", 5.0, 0, one.now)
    one.knows.learn("a", Token("ya29.new", EPOCH + 3600), one.now)
    one.knows.learn("a", Bar("sign-in", "reason"), one.now)
    one.knows.learn("a", Project("p"), one.now)
    one.knows.learn("a", Quotas({"m": (0.5, None)}), one.now)
    one.knows.learn("a", Project("p"), one.now)
    said = one.says()
    hear(said, one, two)
    assert two.told.take() == [
        ("cooled", "a", "m", 30.0, 1),
        ("renewed", "a", "ya29.new", EPOCH + 3600),
        ("barred", "a", "sign-in", "reason"),
        ("project", "a", "p"),
        ("observed", "a", {"m": ModelQuota(0.5)}),
    ]
    hear(said, two)
    assert two.told.take() == one.told.take() == []
    assert two.says() == []


def test_each_part_is_told_of_its_own_by_the_names_that_it_knows(pair: tuple[One, One]) -> None:
    one, two = pair
    for each in pair:
        each.knows.recall("gemini/a", each.now)
        each.knows.recall("vertex/a", each.now)
    one.knows.cool("gemini/a", "m", 30.0, 5, one.now)
    one.knows.learn("gemini/a", Group("sign-in", "projects/1"), one.now)
    one.knows.cool("vertex/a", "m", 40.0, 0, one.now)
    hear(one.says(), two)
    assert two.told.take() == [
        ("cooled", "a", "m", 30.0, 5),
        ("cooled", "vertex/a", "m", 40.0, 0),  # there is no such part here
        ("grouped", "a", "sign-in", "projects/1"),
    ]


def test_an_account_that_comes_later_is_told_what_was_heard_of_it() -> None:
    one, two = One("one", 0.0), One("two", 0.0)
    one.knows.recall("a", 0.0)
    one.knows.cool("a", "m", 30.0, 0, 0.0)
    one.knows.learn("a", Token("ya29.new", EPOCH + 3600), 0.0)
    hear(one.says(), two)
    assert two.knows.recall("a", 10.0)
    assert two.told.take() == [("cooled", "a", "m", 20.0, 0)]  # sealed facts are read when it joins
    assert not two.knows.recall("a", 40.0)
    assert two.told.take() == []


def test_a_changed_row_is_told_again_what_it_may_make_true(pair: tuple[One, One]) -> None:
    one, _ = pair
    for fact in (Token("ya29.new", EPOCH + 3600), Bar("s", "r"), Project("p"), Quotas({})):
        one.knows.learn("a", fact, one.now)
    assert not one.knows.recall("a", one.now)
    assert [told[0] for told in one.told.take()] == ["renewed", "barred"]


def test_no_project_is_a_fact_that_nobody_is_told(pair: tuple[One, One]) -> None:
    one, two = pair
    one.knows.learn("a", Project(""), one.now)
    hear(one.says(), two)
    assert two.told.take() == []
    assert two.knows.fact(two.knows.name("a"), "p", two.now) == Project("")
    assert two.knows.fact(two.knows.name("a"), "t", two.now) is None


def test_forgiving(pair: tuple[One, One]) -> None:
    one, two = pair
    one.knows.cool("a", "m", 30.0, 0, one.now)
    hear(one.says(), two)
    two.told.take()
    two.knows.forgive("a", two.now)
    two.knows.forgive("stranger", two.now)
    hear(two.says(), one)
    assert one.told.take() == [("forgiven", "a")]


def test_conversations(pair: tuple[One, One]) -> None:
    one, two = pair
    one.knows.bind(b"s", "a", one.now)
    one.knows.bind(b"t", "stranger", one.now)
    hear(one.says(), one, two)
    assert two.knows.account_of(b"s", two.now) == "a"
    assert two.knows.account_of(b"t", two.now) is None
    assert two.knows.account_of(b"never heard of", two.now) is None
    assert not two.knows.outbox
    assert two.knows.account_of(b"s", two.now + GENERATION) == "a"
    assert len(two.knows.outbox) == 1


def test_what_another_volume_says_and_what_is_nonsense_change_nothing(pair: tuple[One, One]) -> None:
    one, _ = pair
    other = One("other", 0.0, b"o" * 32)
    other.knows.recall("a", 0.0)
    other.knows.learn("a", Token("ya29.other", EPOCH + 3600), 0.0)
    hear(other.says(), one)
    one.knows.hear(b"nonsense", one.now)
    name = one.knows.name("a")
    sealed = Vault(b"m" * 32).seal("a", "t", b"no fact")
    one.knows.take_fact(name, "t", sealed, one.now)
    one.knows.take_fact(name, "t", b"no seal", one.now)
    one.knows.take_fact("nobody", "t", sealed, one.now)
    one.knows.take_cooling(Cooling("nobody", "m", one.now + 5, 0), one.now)
    assert one.told.take() == []


def test_a_fact_that_is_over_before_it_is_told_is_not_told(pair: tuple[One, One]) -> None:
    one, _ = pair
    one.knows.learn("a", Token("ya29.short", EPOCH + 5), one.now)
    one.knows.learn("stranger", Token("ya29.short", EPOCH + 3600), one.now)
    one.now += 10
    assert one.says() == []


def test_a_token_hides_itself_on_its_way() -> None:
    one = One("one", 0.0)
    one.knows.recall("a", 0.0)
    one.knows.learn("a", Token("ya29.secret", EPOCH + 3600), 0.0)
    assert b"ya29.secret" not in b"".join(part for command in one.says() for part in command if isinstance(part, bytes))


def published(teller: Any) -> list[bytes]:
    commands = teller.knows.commands(teller.knows.outbox.take(), teller.now)
    return [command[2] for command in commands if command[0] == b"PUBLISH"]


@pytest.mark.parametrize("seconds", [1e9, 1e300, float("inf")])
def test_no_cooldown_from_outside_lasts_for_ever(seconds: float) -> None:
    one = One("one", 0.0)
    one.knows.recall("a", one.now)
    for until in (one.now + seconds, float("nan"), -seconds):
        one.knows.take_cooling(Cooling(one.knows.name("a"), "m", until, False), one.now)
    (cooling,) = one.knows.cache.cooling_of(one.knows.name("a"), one.now)
    assert cooling.until == one.now + MAX_SECONDS


def test_a_message_counts_only_from_who_has_the_key_and_only_while_it_is_fresh() -> None:
    one, two = One("one", 0.0), One("two", 0.0)
    for each in (one, two):
        each.knows.recall("a", each.now)
    one.knows.cool("a", "m", 3600.0, 0, one.now)
    (message,) = published(one)
    for forged in (message[16:], bytes(16) + message[16:], message[:-1], b"", message + b"x"):
        two.knows.hear(forged, two.now)
    two.knows.hear(message, two.now + STALE + 1)
    assert not two.knows.cache.cooling_of(two.knows.name("a"), two.now)
    two.knows.hear(message, two.now)
    assert two.knows.cache.cooling_of(two.knows.name("a"), two.now)


def test_what_was_said_before_an_account_was_taken_back_counts_no_more() -> None:
    one, two = One("one", 0.0), One("two", 0.0)
    for each in (one, two):
        each.knows.recall("a", each.now)
    one.knows.learn("a", Bar("sign-in", "reason"), one.now)
    one.knows.cool("a", "m", 3600.0, 0, one.now)
    (message,) = published(one)
    two.knows.hear(message, two.now)
    two.knows.forgive("a", two.now + 1)
    two.knows.hear(message, two.now + 2)
    name = two.knows.name("a")
    assert not two.knows.cache.cooling_of(name, two.now + 2)
    assert two.knows.fact(name, "b", two.now + 2) is None


def test_what_was_forgiven_is_not_remembered_without_end(
    pair: tuple[One, One], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    monkeypatch.setattr(state, "MAX_COOLING", 0)
    one.knows.forgive("a", one.now)
    hear(one.says(), two)
    assert not two.knows._forgiven
