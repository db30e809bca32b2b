"""Clients' own keys: what stands in their file, what each may do, and when."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.task import Clock

from antigravity_proxy import followed
from antigravity_proxy.errors import ClientLimited, Unauthorized
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.web.client_keys import ClientKey, ClientKeysError, digest, parse, render
from antigravity_proxy.web.client_keys_file import ClientKeysFile
from antigravity_proxy.web.rate_limits import RateLimits

CREATED = datetime(2026, 11, 25, tzinfo=UTC)


def key(name: str = "laptop", plain: str = "sk-ag-1", **fields: Any) -> ClientKey:
    return ClientKey(name=name, sha256=digest(plain.encode()).decode(), created=CREATED, **fields)


def content(**changes: Any) -> bytes:
    entry = json.loads(render((key(),)))["keys"][0]
    return json.dumps({"version": 1, "keys": [entry | changes]}).encode()


def test_what_is_written_is_read_back_and_holds_no_key() -> None:
    keys = (key(), key("ci", "sk-ag-2", expires=CREATED, requests_per_minute=5, concurrent=2, models=("gemini-*",)))
    assert parse(render(keys)) == keys
    assert b"sk-ag" not in render(keys)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"version":1,"keys":' + b"[" * 100_000, "object"),
        (b"[]", "object"),
        (b'{"version": 2, "keys": []}', "version"),
        (b'{"version": 1}', "keys"),
        (content(request_per_minute=5), "request_per_minute"),
        (content(requests_per_minute=0), "requests_per_minute"),
        (content(concurrent="2"), "concurrent"),
        (content(sha256="sk-ag-1"), "sha256"),
        (content(name="two words"), "name"),
        (content(expires="2027-01-01T00:00:00"), "expires"),
        (content(models=[""]), "models"),
        (content(models="gemini-*"), "models"),
        (render((key(), key(plain="other"))), "same name"),
        (render((key(), key("other"))), "same sha256"),
    ],
)
def test_a_file_that_is_not_wholly_understood_is_refused(broken: bytes, why: str) -> None:
    with pytest.raises(ClientKeysError, match=why):
        parse(broken)


def test_models_by_pattern() -> None:
    assert key().may_use("anything")
    limited = key(models=("gemini-3-*", "claude-sonnet-4-6"))
    assert [
        limited.may_use(model) for model in ("gemini-3-flash", "claude-sonnet-4-6", "claude-opus-4-6", "xgemini-3-")
    ] == [
        True,
        True,
        False,
        False,
    ]


class Counting:
    """RateLimits on a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.rate_limits = RateLimits(self.clock.seconds, lambda: CREATED.timestamp() + self.clock.seconds())

    def take(self, key: ClientKey, *, asks_model: bool = True) -> Record:
        record = Record(id="req_1", began=0.0, key=key.name)
        self.rate_limits.take(key, record, asks_model=asks_model)
        return record


def test_the_end_of_what_was_never_counted_changes_nothing() -> None:
    counting = Counting()
    counting.rate_limits(Record(id="req_1", began=0.0, key="never seen"))
    assert counting.rate_limits.under_way("never seen") == 0


def test_requests_within_any_minute_are_counted_and_refusals_are_not() -> None:
    counting, limited = Counting(), key(requests_per_minute=2)
    counting.take(limited)
    counting.clock.advance(20)
    counting.take(limited)
    for _ in range(3):
        with pytest.raises(ClientLimited) as refusal:
            counting.take(limited)
        assert refusal.value.retry_after == 40
    counting.take(limited, asks_model=False)
    counting.take(key("other", requests_per_minute=2))
    counting.clock.advance(40)
    counting.take(limited)
    with pytest.raises(ClientLimited) as refusal:
        counting.take(key(requests_per_minute=1))
    assert refusal.value.retry_after == 60


def test_requests_under_way_are_counted_until_their_records_close() -> None:
    counting, limited = Counting(), key(concurrent=2)
    first, second = counting.take(limited), counting.take(limited)
    with pytest.raises(ClientLimited) as refusal:
        counting.take(limited)
    assert refusal.value.retry_after == 2
    for record in (first, Record(id="req_1", began=0.0, key="laptop"), Record(id="x", began=0.0)):
        counting.rate_limits(record)
    counting.take(limited)
    with pytest.raises(ClientLimited):
        counting.take(limited)
    counting.rate_limits(second)
    counting.take(limited)


def test_a_refused_rate_holds_no_place() -> None:
    counting, limited = Counting(), key(concurrent=1, requests_per_minute=1)
    counting.rate_limits(counting.take(limited))
    with pytest.raises(ClientLimited, match="a minute"):
        counting.take(limited)
    counting.clock.advance(60)
    counting.take(limited)


def test_a_key_whose_time_is_over_is_refused() -> None:
    counting = Counting()
    lasting = key(expires=datetime(2026, 11, 25, 1, tzinfo=UTC))
    counting.take(lasting)
    counting.clock.advance(3600)
    with pytest.raises(Unauthorized, match="expired"):
        counting.take(lasting, asks_model=False)


class Followed:
    """A key file that is looked at on a clock, in this thread."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.taken: list[tuple[str, ...]] = []
        monkeypatch.setattr(followed, "OwnThread", lambda reactor, name: self)
        self.file = ClientKeysFile(self.clock, path)
        self.file.observe(lambda keys: self.taken.append(tuple(each.name for each in keys)))
        self.file.startService()

    def start(self) -> None:
        """As a thread."""

    def run(self, work: Any) -> Any:
        return defer.execute(work)

    def stop(self, patience: float) -> None:
        """As a thread."""


def test_the_file_is_followed_and_a_broken_one_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    following = Followed(path, monkeypatch)
    assert following.file.trouble == "it isn't there"
    path.write_bytes(render((key(),)))
    following.clock.advance(1)
    assert (following.taken, following.file.trouble) == ([("laptop",)], "")
    for broken in (b"", b"{", content(wrong=1)):
        path.write_bytes(broken)
        following.clock.advance(1)
        assert following.file.trouble
    path.unlink()
    following.clock.advance(1)
    assert [each.name for each in following.file.keys] == ["laptop"]
    path.mkdir()
    following.clock.advance(1)
    assert "can't be read" in following.file.trouble
    path.rmdir()
    path.write_bytes(render(()))
    following.clock.advance(1)
    assert following.taken == [("laptop",), ()]
    following.file.stopService()
    assert not following.clock.getDelayedCalls()


def test_a_fault_in_the_use_of_the_keys_is_logged_and_the_looking_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_leaks: list[Any]
) -> None:
    path = tmp_path / "keys.json"
    following = Followed(path, monkeypatch)
    following.taken = None  # type: ignore[assignment]
    path.write_bytes(render((key(),)))
    following.clock.advance(1)
    assert len(no_leaks) == 1
    no_leaks.clear()
    assert following.clock.getDelayedCalls()
    following.file.stopService()


def test_what_a_request_causes_counts_too() -> None:
    counting, limited = Counting(), key(requests_per_minute=5, concurrent=4)
    record = counting.take(limited)
    counting.rate_limits.add(limited, record, 3)
    with pytest.raises(ClientLimited):
        counting.take(limited)  # four are under way
    counting.rate_limits(record)
    counting.take(limited)
    with pytest.raises(ClientLimited) as caught:
        counting.rate_limits.check(limited, 1)  # the sixth of this minute
    assert 1 <= caught.value.retry_after <= 60
    counting.clock.advance(60)
    counting.take(limited)


def test_more_at_once_than_ever_may_wait_for_the_whole_minute() -> None:
    counting, limited = Counting(), key(requests_per_minute=2)
    counting.take(limited)
    counting.clock.advance(10)
    with pytest.raises(ClientLimited) as refusal:
        counting.rate_limits.check(limited, 3)
    assert refusal.value.retry_after == 50


def test_a_key_without_a_limit_is_counted_for_a_minute_in_bounded_space() -> None:
    counting, free = Counting(), key()
    counting.take(free)
    counting.clock.advance(61)
    for _ in range(3000):
        counting.take(free)
        counting.clock.advance(0.01)
    times = counting.rate_limits.times("laptop")
    assert sum(count for _, count in times) == 3000
    assert len(times) < 500
    assert counting.rate_limits.left(key(requests_per_minute=4000)).remaining == 1000  # type: ignore[union-attr]
