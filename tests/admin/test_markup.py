"""Small pieces of pages."""

from __future__ import annotations

import pytest

from antigravity_proxy.admin.markup import Series, chart, flat, moment, number, since, span, tags, until


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5.0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60.0, "1 min"),
        (61.0, "1 min 1 s"),
        (3600.0, "1 h"),
        (3725.0, "1 h 2 min"),
        (86_400.0 * 3 + 3600 * 4, "3 d 4 h"),
    ],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert span(seconds) == words
    assert words in flat(until(1000.0 + seconds, 1000.0))


def test_a_moment_is_there_for_programs_and_for_the_script() -> None:
    html = flat(since(1000.4, 1060.0))
    assert 'datetime="1970-01-01T00:16:40+00:00"' in html
    assert 'data-since="1000"' in html
    assert html.endswith(">1 min</time>")


def test_numbers() -> None:
    assert [number(count, "key") for count in (0, 1, 2000)] == ["0 keys", "1 key", "2,000 keys"]
    assert number(2, "child", "children") == "2 children"


def test_what_does_not_fit_into_a_page_is_an_error() -> None:
    with pytest.raises(Exception, match="object"):
        flat(tags.p(object()))


def test_a_chart_has_bars_words_and_a_legend() -> None:
    html = flat(chart("Requests", [Series("good", "served", (0, 3, 1)), Series("bad", "failed", (0, 1, 0))]))
    assert 'aria-label="Requests, over the last hour: 5 in all, at most 4 in one minute."' in html
    assert "4 served" in html
    assert "1 failed" in html
    assert '<path d="M5 48h4V12h-4zM10 48h4V36h-4z" class="good">' in html
    assert '<path d="M5 12h4V0h-4z" class="bad">' in html


def test_an_empty_chart_is_flat() -> None:
    html = flat(chart("Requests", [Series("good", "served", (0, 0))]))
    assert 'd="M0 0"' in html
    assert "peak 0" in html


@pytest.mark.parametrize("epoch", [float("inf"), float("-inf"), float("nan"), 1e308, -1e308, 1e12, -1.0])
def test_moments_that_are_no_date_are_shown_as_the_nearest_that_is(epoch: float) -> None:
    for shown in (flat(until(epoch, 1e9)), flat(since(epoch, 1e9)), moment(epoch)):
        assert "1970-01-01" in shown or "9999-12-31" in shown
