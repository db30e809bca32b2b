"""Tools of well-known kinds of MCP servers, in their style: whatever a model could say under a tool's own schema, it
can still say under the one that is sent (translation.md 2.4). The strict service takes every one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from support.models import MODELS
from support.schema_values import sayable, valid

from antigravity_proxy.codeassist.wire import envelope
from antigravity_proxy.dialect.anthropic import request as anthropic
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.gemini import request as gemini
from antigravity_proxy.dialect.openai import chat_request
from antigravity_proxy.generatecontent.request import prepare
from antigravity_proxy.generatecontent.schema import clean_response
from antigravity_proxy.simulator.schemas import JSON_KEYWORDS, RESPONSE_KEYWORDS, check_schema
from antigravity_proxy.simulator.validate import check_generate

MCP = Path(__file__).parents[1] / "data" / "mcp"
TOOLS = [
    pytest.param(tool["name"], tool["inputSchema"], id=f"{file.stem}-{tool['name']}")
    for file in sorted(MCP.glob("*.json"))
    for tool in json.loads(file.read_bytes())
]
#: a few values of each tool, the same at every run
FEW = settings(max_examples=25, suppress_health_check=list(HealthCheck))


def chat(name: str, schema: Any) -> Decoded:
    function = {"name": name, "parameters": schema}
    messages = [{"role": "user", "content": "q"}]
    return chat_request.decode(
        json.dumps({"model": "m", "messages": messages, "tools": [{"type": "function", "function": function}]}).encode()
    )


def messages(name: str, schema: Any) -> Decoded:
    tools = [{"name": name, "input_schema": schema}]
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "q"}], "tools": tools}
    return anthropic.decode(json.dumps(body).encode())


def contents(name: str, schema: Any, field: str = "parametersJsonSchema") -> Decoded:
    tools = [{"functionDeclarations": [{"name": name, field: schema}]}]
    body = {"contents": [{"role": "user", "parts": [{"text": "q"}]}], "tools": tools}
    return gemini.decode(json.dumps(body).encode(), "m", stream=False, alt=None)


def contents_by_the_short_list(name: str, schema: Any) -> Decoded:
    return contents(name, schema, "parameters")


def sent(decoded: Decoded, model: str) -> dict[str, Any]:
    """The declared parameters as they are sent, accepted by the strict service; empty where there are none."""
    body = json.loads(envelope(prepare(decoded.call, MODELS[model]), "p", "a", "antigravity-proxy"))
    check_generate(body)
    declared = body["request"]["tools"][0]["functionDeclarations"][0]
    return declared.get("parameters", {"type": "object"})  # type: ignore[no-any-return]


@pytest.mark.parametrize("model", ["gemini-3-flash", "claude-sonnet-4-6"])
@pytest.mark.parametrize("tell", [chat, messages, contents, contents_by_the_short_list])
@pytest.mark.parametrize(("name", "schema"), TOOLS)
def test_every_dialect_sends_the_same_tool(
    name: str, schema: Any, tell: Callable[[str, Any], Decoded], model: str
) -> None:
    assert sent(tell(name, schema), model) == sent(messages(name, schema), model)


@pytest.mark.parametrize(("name", "schema"), TOOLS)
def test_whatever_could_be_said_can_be_said(name: str, schema: Any) -> None:
    told = sent(messages(name, schema), "gemini-3-flash")

    @FEW
    @given(valid(schema, schema))
    def holds(value: Any) -> None:
        assert sayable(value, told), told

    holds()


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize(("name", "schema"), TOOLS)
def test_so_it_can_in_an_answer_of_that_form(name: str, schema: Any, short: bool) -> None:
    told = clean_response(schema, short=short)
    check_schema(told, name, RESPONSE_KEYWORDS if short else JSON_KEYWORDS)

    @FEW
    @given(valid(schema, schema))
    def holds(value: Any) -> None:
        assert sayable(value, told), told

    holds()
