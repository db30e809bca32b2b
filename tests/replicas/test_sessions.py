"""Bindings in generations: used ones live, unused ones are forgotten, and there is an end to their number."""

from __future__ import annotations

from antigravity_proxy.replicas.sessions import GENERATION, KEPT, Sessions


def test_a_binding_counts_for_an_hour_to_an_hour_and_a_half() -> None:
    sessions = Sessions()
    sessions.bind(b"early", "a", 0.0)
    sessions.bind(b"late", "b", GENERATION - 1)
    assert sessions.find(b"early", GENERATION - 1) == ("a", True)
    assert sessions.find(b"early", GENERATION) == ("a", False)
    assert sessions.find(b"late", GENERATION * KEPT - 1) == ("b", False)
    assert sessions.find(b"late", GENERATION * KEPT) is None
    assert sessions.find(b"never heard of", 0.0) is None


def test_what_is_bound_again_lives_on() -> None:
    sessions = Sessions()
    for turn in range(20):
        sessions.bind(b"s", "a", turn * GENERATION)
        assert sessions.find(b"s", turn * GENERATION) == ("a", True)
    assert sessions.find(b"s", 100 * GENERATION) is None
    assert len(sessions) == 0


def test_whoever_is_heard_last_is_right() -> None:
    sessions = Sessions()
    sessions.bind(b"s", "a", 0.0)
    sessions.merge([b"s", b"t"], ["b", "c"], 1.0)
    assert sessions.find(b"s", 1.0) == ("b", True)
    assert sessions.find(b"t", 1.0) == ("c", True)


def test_what_others_bound_earlier_is_as_old_here() -> None:
    sessions = Sessions()
    sessions.merge([b"old"], ["a"], 0.0, age=2)
    sessions.merge([b"older"], ["a"], 0.0, age=KEPT)
    assert sessions.find(b"old", 0.0) == ("a", False)
    assert sessions.find(b"older", 0.0) is None
    assert sessions.find(b"old", GENERATION) is None


def test_what_this_process_bound_is_known_as_its_own_with_what_others_made_of_it() -> None:
    sessions = Sessions()
    sessions.bind(b"mine", "a", 0.0)
    sessions.bind(b"forgotten", "a", 0.0)
    sessions.merge([b"theirs"], ["b"], 0.0)
    sessions.merge([b"mine"], ["c"], GENERATION)
    assert sorted(sessions.own()) == [(b"forgotten", "a"), (b"mine", "c")]
    assert sessions.find(b"mine", 3 * GENERATION) == ("c", False)
    assert list(sessions.own()) == []


def test_there_is_an_end_to_their_number() -> None:
    sessions = Sessions(at_most=300)
    for number in range(1000):
        sessions.bind(b"%d" % number, "a", 1.0)
    assert len(sessions) <= 300
    assert sessions.find(b"999", 1.0) is not None
    assert sessions.find(b"0", 1.0) is None
