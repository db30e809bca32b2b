"""Citations: the text is cut at bytes, and none of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.dialect.anthropic.search import Page, pages, stretches
from antigravity_proxy.dialect.parts import Grounding, Segment, Source, Support, Web

A, B = Source(Web("https://a.example", "A")), Source(Web("https://b.example", "B"))


def found(*supports: tuple[int, int, list[int]], sources: list[Source] | None = None) -> Grounding:
    cited = [Support(Segment(start, end), indices) for start, end, indices in supports]
    return Grounding(["q"], [A, B] if sources is None else sources, cited)


def test_pages_are_those_of_the_web() -> None:
    assert pages(found(sources=[A, Source(), B])) == (Page("https://a.example", "A"), Page("https://b.example", "B"))


@pytest.mark.parametrize(
    ("supports", "expected"),
    [
        ([], [("aé😀b", "")]),
        ([(0, 8, [0])], [("aé😀b", "A")]),
        ([(1, 3, [0])], [("a", ""), ("é", "A"), ("😀b", "")]),
        ([(3, 7, [1]), (0, 1, [0])], [("a", "A"), ("é", ""), ("😀", "B"), ("b", "")]),
        ([(0, 3, [0]), (0, 3, [1, 0])], [("aé", "AB"), ("😀b", "")]),
        ([(0, 3, [0]), (1, 7, [1])], [("aé", "A"), ("😀b", "")]),
        # inside a character: from where it begins
        ([(2, 5, [0])], [("a", ""), ("é", "A"), ("😀b", "")]),
        ([(4, 99, [0])], [("aé", ""), ("😀b", "A")]),
        ([(-5, 1, [0])], [("a", "A"), ("é😀b", "")]),
        # nothing to cite
        ([(3, 3, [0]), (7, 1, [0]), (0, 1, []), (0, 1, [9, -1])], [("aé😀b", "")]),
    ],
)
def test_the_text_is_cut_where_citations_begin_and_end(
    supports: list[tuple[int, int, list[int]]], expected: list[tuple[str, str]]
) -> None:
    told = list(stretches(found(*supports), "aé😀b"))
    assert [(s.text, "".join(c.title for c in s.citations)) for s in told] == expected
    assert all(c.cited_text == s.text for s in told for c in s.citations)


def test_a_support_without_a_segment_cites_nothing() -> None:
    grounding = Grounding(["q"], [A], [Support(None, [0])])
    assert [s.citations for s in stretches(grounding, "a")] == [()]


def test_an_empty_text_has_no_stretches() -> None:
    assert list(stretches(found((0, 5, [0])), "")) == []


@given(
    st.text(st.sampled_from("aé😀\u0000"), max_size=8),
    st.lists(st.tuples(st.integers(-2, 20), st.integers(-2, 20), st.lists(st.integers(-1, 2), max_size=2)), max_size=5),
)
def test_nothing_of_the_text_is_lost(text: str, supports: list[tuple[int, int, list[int]]]) -> None:
    told = list(stretches(found(*supports), text))
    assert "".join(s.text for s in told) == text
    assert all(s.text for s in told)
