"""Counts of clients' keys as they stand in Redis, before they are sealed."""

from __future__ import annotations

import msgspec
import pytest

from antigravity_proxy.replicas.counts import Counts, decode, encode
from antigravity_proxy.replicas.wire import RedisTime


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
