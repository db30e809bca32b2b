"""What no table knows is counted, and bounded."""

from __future__ import annotations

from antigravity_proxy.telemetry.drift import MOST, OTHERS, Drift


def test_it_is_counted_with_when() -> None:
    times = iter([10.0, 20.0, 30.0])
    drift = Drift(lambda: next(times))
    drift.saw("model", "gemini-9")
    drift.saw("reason", "NEW_REASON")
    drift.saw("model", "gemini-9")
    newest, older = drift.all()
    assert (newest.kind, newest.name, newest.first, newest.last, newest.count) == ("model", "gemini-9", 10.0, 30.0, 2)
    assert (older.kind, older.name, older.count) == ("reason", "NEW_REASON", 1)


def test_names_are_plain_and_bounded() -> None:
    drift = Drift(lambda: 0.0)
    for number in range(1000):
        drift.saw("reason", f"R{number}")
    for name in ("", "two words", "a" * 65, "é", "a\nb", "me@example.com"):
        drift.saw("field", name)
    found = drift.all()
    assert len(found) == MOST + 2
    assert {(each.kind, each.count) for each in found if each.name == OTHERS} == {("reason", 1000 - MOST), ("field", 6)}
