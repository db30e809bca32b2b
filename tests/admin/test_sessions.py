"""What the admin pages remember."""

from __future__ import annotations

from antigravity_proxy.admin.sessions import WRONG_KEY_SECONDS, WRONG_KEYS, Attempt, Expiring, Login, Throttle


def test_a_value_is_there_until_its_time_is_over_and_is_taken_once() -> None:
    kept: Expiring[int] = Expiring(10.0)
    kept.put("a", 1, 0.0)
    kept.put("b", 2, 5.0)
    assert (kept.get("a", 9.9), kept.get("a", 9.9), kept.get("c", 0.0)) == (1, 1, None)
    assert (kept.take("a", 9.9), kept.take("a", 9.9)) == (1, None)
    assert (kept.get("b", 14.9), kept.get("b", 15.0), len(kept)) == (2, None, 0)


def test_a_value_put_again_lives_anew_and_hides_none_that_is_over() -> None:
    kept: Expiring[int] = Expiring(10.0)
    kept.put("a", 1, 0.0)
    kept.put("b", 2, 1.0)
    kept.put("a", 3, 5.0)
    assert (kept.get("b", 12.0), kept.get("a", 12.0)) == (None, 3)
    kept.clear()
    assert kept.get("a", 12.0) is None


def test_a_flood_pushes_out_the_oldest() -> None:
    kept: Expiring[int] = Expiring(10.0, most=3)
    for number in range(5):
        kept.put(str(number), number, 0.0)
    assert [kept.get(str(number), 0.0) for number in range(5)] == [None, None, 2, 3, 4]


def test_a_flood_of_one_holder_pushes_out_its_own_values_alone() -> None:
    kept: Expiring[int] = Expiring(10.0, most=4)
    kept.put("theirs", 1, 0.0, "operator")
    kept.put("also", 2, 0.0, "colleague")
    for number in range(50):
        kept.put(str(number), number, 1.0, "flood")
    assert (kept.get("theirs", 1.0), kept.get("also", 1.0), len(kept)) == (1, 2, 4)
    assert [kept.get(str(number), 1.0) for number in (47, 48, 49)] == [None, 48, 49]
    assert kept.take("theirs", 1.0) == 1
    assert kept.get("48", 11.0) is None
    assert (len(kept), kept._names) == (0, {})


def test_an_attempt_belongs_to_one_browser() -> None:
    attempt = Attempt("v", "cookie", Login("", 0, ""))
    assert attempt.is_of("cookie")
    assert not attempt.is_of("")
    assert not attempt.is_of("\u00e9")


def test_a_network_waits_after_too_many_wrong_keys_and_others_do_not() -> None:
    throttle = Throttle()
    for number in range(WRONG_KEYS):
        assert throttle.wait("a", float(number)) == 0.0
        throttle.wrong("a", float(number))
    assert throttle.wait("a", 9.0) == WRONG_KEY_SECONDS - 9.0
    assert throttle.wait("b", 9.0) == 0.0
    assert throttle.wait("a", WRONG_KEY_SECONDS) == 0.0
    throttle.wrong("a", WRONG_KEY_SECONDS)
    assert throttle.wait("a", WRONG_KEY_SECONDS) == 1.0
    assert throttle.wait("a", 3 * WRONG_KEY_SECONDS) == 0.0
