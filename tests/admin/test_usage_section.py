"""Usage as the page draws it."""

from __future__ import annotations

from antigravity_proxy.admin.markup import flat, short
from antigravity_proxy.admin.usage import DAYS, DayUsed, UsageShown, Used, section
from antigravity_proxy.state.usage_report import Amount


def test_numbers_are_short_and_never_wrong_by_more_than_a_percent() -> None:
    told = {n: short(n) for n in (0, 1, 999, 1000, 1234, 12_345, 99_950, 999_499, 999_500, 1_234_567, 10**15, 10**17)}
    assert told[999] == "999"
    assert told[1234] == "1.23k"
    assert told[12_345] == "12.3k"
    assert told[999_499] == "999k"
    assert told[999_500] == "1.00M"
    units = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
    for count, words in told.items():
        value = float(words[:-1]) * units[words[-1]] if words[-1] in units else float(words)
        assert abs(value - count) <= 0.01 * count


def test_the_bars_are_as_long_as_their_numbers_and_names_are_escaped() -> None:
    amount = Amount(4, 1, 100, 10, 5, 50)
    days = tuple(DayUsed(f"2026-11-{day:02}", amount if day == 3 else Amount()) for day in range(1, DAYS + 1))
    rows = (Used("<b>ann</b>", amount), Used("bob", Amount(1, 0, 30, 0, 0, 0)))
    html = flat(section(UsageShown(days, amount, (("By client key", rows),))))
    assert "&lt;b&gt;ann" in html
    assert "<b>ann" not in html
    assert 'width="100.0"' in html
    assert 'width="20.0"' in html
    assert "4 requests, 100 in, 50 out, 1 failed" in html
    assert html.count('class="day"') == DAYS
    assert 'aria-label="Tokens a day over the last 30 days, at most 150 on one."' in html


def test_days_without_tokens_divide_by_nothing() -> None:
    days = tuple(DayUsed("2026-11-01", Amount(1, 1)) for _ in range(DAYS))
    html = flat(section(UsageShown(days, Amount(1, 1), (("By model", (Used("none", Amount(1, 1)),)),))))
    assert 'width="0.0"' in html
