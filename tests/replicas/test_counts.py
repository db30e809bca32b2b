"""Counts of clients' keys as they stand in Redis, before they are sealed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.deferreds import deferred
from twisted.internet.defer import succeed

from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.counts import Counts, SharedCounts, decode, encode
from antigravity_proxy.replicas.status import Status
from antigravity_proxy.replicas.vault import Vault
from antigravity_proxy.replicas.wire import Keys, RedisTime


def test_what_is_written_is_read_by_another_clock() -> None:
    ours, theirs = RedisTime(), RedisTime()
    ours.sample(100.0, 100.0, 5000.0)
    theirs.sample(7.0, 7.0, 5000.0)
    told = Counts({1: 10}, {2: 20}, ((99.5, 3),), 4, 50, 110.0, 6)
    assert decode(encode(told, ours), theirs) == Counts({1: 10}, {2: 20}, ((6.5, 3),), 4, 50, 17.0, 6)


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"\xc1",
        [],
        [{1: -1}, {}, [], 0, 0, 0, 0],
        [dict.fromkeys(range(9), 1), {}, [], 0, 0, 0, 0],
        [{}, {}, [[0, 1]] * 1001, 0, 0, 0, 0],
        [{}, {}, [], 1 << 60, 0, 0, 0],
        [{}, {}, [], 0, 0, 0.5, 0],
    ],
)
def test_nonsense_is_no_count(told: object) -> None:
    data = told if isinstance(told, bytes) else msgspec.msgpack.encode(told)
    assert decode(data, RedisTime()) is None


class Saying:
    """A link to a Redis that says this."""

    def __init__(self, *said: Any) -> None:
        self.said = said
        self.time = RedisTime()
        self.time.sample(50.0, 50.0, 5000.0)
        self.status = Status()
        self.status.up()

    def now(self) -> float:
        return 50.0

    def note(self, answers: Any) -> bool:
        return True

    def ask(self, commands: Any, seconds: float = 0.0) -> Any:
        if not self.said:
            raise Lost("away")
        return succeed([*[0] * (len(commands) - len(self.said)), *self.said])


VAULT = Vault(b"m" * 32)


def shared(*said: Any) -> SharedCounts:
    link: Any = Saying(*said)
    return SharedCounts(link, Keys(VAULT.namespace), VAULT)


@pytest.mark.parametrize("said", [(), (None, []), ({}, None), ([], []), ("x", 7)])
@deferred()
async def test_without_an_answer_nothing_is_known(said: tuple[Any, ...]) -> None:
    assert await shared(*said).exchange("key", "me", Counts()) is None


@deferred()
async def test_of_nonsense_nothing_is_taken_but_the_rest_is() -> None:
    name = shared().name("key")
    sealed = VAULT.seal(f"{name}/you", "u", encode(Counts(under_way=3), Saying().time))
    other = shared().claim("key", 49.9, "you", 1, 2, 3)
    mine = shared().claim("key", 50.0, "me", 1, 1, 0)
    odd = VAULT.seal(name, "w", b"\xc1")
    said = {b"you": sealed, b"me": b"\x00", b"x": 5, 7: b"", b"y": VAULT.seal(f"{name}/y", "u", b"\xc1")}
    known = await shared(said, [b"", odd, other.sealed, mine.sealed, other.sealed]).exchange(
        "key", "me", Counts(), mine
    )
    assert known is not None
    assert {origin: counts.under_way for origin, counts in known.counts.items()} == {"you": 3}
    assert [(each.origin, each.count, each.tokens) for each in known.ahead] == [("you", 2, 3)]
    assert known.stale == (b"", odd)
