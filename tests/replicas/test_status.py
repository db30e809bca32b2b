"""How it stands, in words: one for each change, and none for what goes on."""

from __future__ import annotations

import pytest

from antigravity_proxy.replicas.status import BACK_OFF, LASTING, NOT_YET, STEADY, Status, meaning, pause


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "Redis is full"),
        ("WRONGPASS invalid username-password pair or user is disabled.", "Redis refuses the user or the password"),
        ("NOPERM User x has no permissions to run the 'set' command", "the Redis user lacks a permission"),
        ("ERR unknown command 'HELLO', with args beginning with:", "this Redis is too old: version 6.2 is needed"),
        ("ERR max number of clients reached", "Redis takes no more clients"),
        ("WRONGTYPE Operation against a key", "Redis refuses a command: WRONGTYPE"),
        ("?! someone@example.com", "Redis refuses a command"),
    ],
)
def test_errors_in_words(error: str, words: str) -> None:
    assert meaning(error) == words


def test_each_change_is_news_once() -> None:
    status = Status()
    assert (status.trouble, status.well) == (NOT_YET, False)
    assert status.up()
    assert status.well
    assert not status.up()
    assert status.down("refused")
    assert not status.down("refused")
    assert status.down("mute")
    assert status.up()
    assert status.changes == 3


def test_a_trouble_is_over_only_when_redis_answers_steadily() -> None:
    status = Status()
    status.up()
    assert not status.answered()
    assert status.answered("Redis is slow")
    for _ in range(STEADY - 1):
        assert not status.answered()
    assert not status.answered("Redis is slow")
    for _ in range(STEADY - 1):
        assert not status.answered()
    assert status.answered()
    assert status.well


def test_a_trouble_that_comes_back_is_not_told_of_at_each_turn() -> None:
    status = Status()
    status.up()
    told = 0
    for _ in range(400):
        told += status.answered("" if status.trouble else "Redis is full")
        told += status.answered()
    assert told < 40
    for _ in range(2 * LASTING + 1):
        status.answered()
    assert status.well
    status.answered("Redis is slow")
    assert [status.answered() for _ in range(STEADY)] == [False, False, True]


def test_attempts_come_ever_later_and_not_in_step() -> None:
    assert [pause(failures, 0.0) for failures in (1, 2, 99)] == [0.25, 0.5, BACK_OFF[-1]]
    assert pause(99, 1.0) == BACK_OFF[-1] / 2
