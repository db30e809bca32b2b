"""The table of notices: each sentence, however it is cut, and answers that only look like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.verdict import Cause
from antigravity_proxy.codeassist.notices import LONGEST, SENTENCES, Sentence, find, may_become_one

OLD = [
    "This version of Antigravity is no longer supported. Please update to receive the latest features!",
    "This version of Antigravity (1.0.3) is no longer supported.",
    "Your version of Gemini Code Assist is no longer supported.",
    "Antigravity version 1.0.3 is no longer supported",
    "Please update Antigravity to go on.",
    "\nPlease upgrade to the latest version of Gemini CLI.\n",
]
WITHDRAWN = [
    "Gemini 3 Pro is no longer available. Please switch to Gemini 3.1 Pro in the latest version of Antigravity.",
    "gemini-3-pro-high has been retired.",
    "Claude Sonnet 4.5 (Thinking) is no longer supported.",
    "The model gpt-oss-120b has been discontinued.",
    "This model is no longer available.",
    "The requested model, gemini-x, has been deprecated",
]
ANSWERS = [
    "",
    "Hello.",
    "Yes: this version of Antigravity is no longer supported.",
    "This version of Python is no longer supported.",
    "This version of Antigravity is nice.",
    "The model is no longer available to the public, said the agency.",
    "Please update the table.",
    "Gemini is a constellation.",
    "Python 2 is no longer supported.",
    WITHDRAWN[0] + " " * 10 + "x" * LONGEST,
]


@pytest.mark.parametrize(
    ("text", "cause"), [(t, Cause.OLD_CLIENT) for t in OLD] + [(t, Cause.WITHDRAWN_MODEL) for t in WITHDRAWN]
)
def test_each_sentence_is_known_and_held_back_from_its_first_letter_on(text: str, cause: Cause) -> None:
    assert find(text) is cause
    assert all(may_become_one(text[:end]) for end in range(len(text) + 1))


@given(st.sampled_from(SENTENCES).flatmap(lambda each: st.tuples(st.just(each), st.from_regex(each.pattern))))
def test_whatever_a_pattern_matches_is_held_back(example: tuple[Sentence, str]) -> None:
    sentence, text = example
    assert (find(text) is not None and may_become_one(text)) or len(text.strip()) > LONGEST
    assert text[:2].lower() in {begin[:2] for begin in sentence.begins}


@given(st.sampled_from([begin for each in SENTENCES for begin in each.begins]), st.integers(0, 40), st.booleans())
def test_whatever_begins_as_a_sentence_is_held_back(begin: str, length: int, shouted: bool) -> None:
    begin = begin[:length]
    assert may_become_one("\n" + (begin.upper() if shouted else begin))


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_is_no_notice(text: str) -> None:
    assert find(text) is None


@pytest.mark.parametrize("text", ["Hello", "Yes: this", "x", "This is", "Gemma", "This version of \n", "a" * 999])
def test_an_answer_that_begins_otherwise_is_not_held_back(text: str) -> None:
    assert not may_become_one(text)


@pytest.mark.parametrize("begin", ["This version of ", "Gemini ", "Please update "])
def test_nothing_is_held_back_for_long(begin: str) -> None:
    assert not may_become_one(begin + "word " * 60)
