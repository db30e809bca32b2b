"""What a body says of its conversation: a hint is taken or not, and never wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.dialect.openai import chat_request
from antigravity_proxy.dialect.session import MAX_NAME, session_name

JSON_ID = '{"device_id":"d","account_uuid":"","session_id":"s"}'


@pytest.mark.parametrize(
    ("hints", "name"),
    [
        ((), ""),
        ((None, "", 5, ["x"], {}, "user"), "user"),
        (("key", "user"), "key"),
        (({"user_id": "m"}, "user"), "m"),
        (({"user_id": 5}, "user"), "user"),
        (({"user_id": JSON_ID},), "s"),
        ((JSON_ID,), "s"),
        (('{"session_id":""}',), '{"session_id":""}'),
        (('{"session_id":5}',), '{"session_id":5}'),
        (("{no json",), "{no json"),
        (("x" * (MAX_NAME + 1), "user"), "user"),
        (("x" * MAX_NAME, "user"), "x" * MAX_NAME),
    ],
)
def test_the_first_name_counts(hints: tuple[Any, ...], name: str) -> None:
    assert session_name(*hints) == name


@given(st.lists(st.none() | st.text() | st.integers() | st.dictionaries(st.just("user_id"), st.text())))
def test_nothing_in_a_hint_is_wrong(hints: list[Any]) -> None:
    assert len(session_name(*hints)) <= MAX_NAME


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (b"", ""),
        (b',"user":"u"', "u"),
        (b',"user":"u","metadata":{"user_id":"m"}', "m"),
        (b',"user":"u","metadata":{"user_id":"m"},"prompt_cache_key":"k"', "k"),
        (b',"user":5,"metadata":[],"prompt_cache_key":{}', ""),
    ],
)
def test_a_chat_request_names_its_conversation(fields: bytes, name: str) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]' + fields + b"}"
    assert chat_request.decode(body).call.session == name
