"""A word for an effort that nobody knows is the nearest that is known, in every dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from antigravity_proxy.canonical.call import Reasoning
from antigravity_proxy.dialect.anthropic import request as anthropic
from antigravity_proxy.dialect.effort import nearest_effort
from antigravity_proxy.dialect.gemini import request as gemini
from antigravity_proxy.dialect.openai import chat_request, responses_request

MESSAGES = [{"role": "user", "content": "q"}]


def chat(word: Any) -> Reasoning:
    body = {"model": "m", "messages": MESSAGES, "reasoning_effort": word}
    return chat_request.decode(json.dumps(body).encode()).call.reasoning


def openrouter(word: Any) -> Reasoning:
    body = {"model": "m", "messages": MESSAGES, "reasoning": {"effort": word}}
    return chat_request.decode(json.dumps(body).encode()).call.reasoning


def google(word: Any) -> Reasoning:
    extra = {"google": {"thinking_config": {"thinking_level": word}}}
    body = {"model": "m", "messages": MESSAGES, "extra_body": extra}
    return chat_request.decode(json.dumps(body).encode()).call.reasoning


def responses(word: Any) -> Reasoning:
    body = {"model": "m", "input": "q", "reasoning": {"effort": word}}
    return responses_request.decode(json.dumps(body).encode()).call.reasoning


def messages(word: Any) -> Reasoning:
    body = {"model": "m", "max_tokens": 9, "messages": MESSAGES, "output_config": {"effort": word}}
    return anthropic.decode(json.dumps(body).encode()).call.reasoning


def contents(word: Any) -> Reasoning:
    config = {"thinkingConfig": {"thinkingLevel": word}}
    body = {"contents": [{"role": "user", "parts": [{"text": "q"}]}], "generationConfig": config}
    return gemini.decode(json.dumps(body).encode(), "m", stream=False, alt=None).call.reasoning


@pytest.mark.parametrize("decode", [chat, openrouter, google, responses, messages, contents])
@pytest.mark.parametrize("word", ["ultra", "hgh", "X-HIGH", "banana", "x" * 10_000, "lowest "])
def test_any_word_is_an_effort(decode: Callable[[Any], Reasoning], word: str) -> None:
    found = decode(word)
    assert found.mode == "on"
    assert found.effort == nearest_effort(word)


@pytest.mark.parametrize(
    ("word", "effort"),
    [("ultra", "max"), ("hgh", "high"), ("X-HIGH", "xhigh"), ("banana", "medium"), ("lowest", "low"), ("off", "none")],
)
def test_the_nearest(word: str, effort: str) -> None:
    assert nearest_effort(word) == effort
