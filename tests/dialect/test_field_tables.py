"""The tables of fields in the reference name every field that the vendors' own packages know, and tell the truth."""

from __future__ import annotations

import json
import re
import typing
from typing import Any

import pytest
from anthropic.types import content_block_param, message_create_params, tool_union_param
from google.genai import types as genai
from openai.types import (
    chat,
    completion_create_params,
    embedding_create_params,
    image_edit_params,
    image_generate_params,
)
from openai.types.audio import speech_create_params, transcription_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params
from support.field_tables import camel, official, tables
from support.models import MODELS

from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.wire import Quirk
from antigravity_proxy.dialect.gemini import request as gemini
from antigravity_proxy.dialect.openai import chat_request, completions_request, responses_request
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.request import prepare

FLASH = BUNDLED.official_model("gemini-3-flash-preview", "gemini")
KINDS = {"read", "passed", "answered", "left out", "refused"}


def fields(*kinds: Any) -> set[str]:
    return {name for kind in kinds for name in typing.get_type_hints(kind)}


def tags(union: Any) -> set[str]:
    """The values of ``type`` that a union's members have; one that needs none is ``custom``."""
    found = set()
    for member in typing.get_args(union):
        hint = typing.get_type_hints(member).get("type")
        found |= {value for value in typing.get_args(hint) if isinstance(value, str)} or {"custom"}
    return found


MESSAGES = [
    getattr(chat, f"ChatCompletion{role}MessageParam")
    for role in ("System", "Developer", "User", "Assistant", "Tool", "Function")
]
PARTS = [
    chat.ChatCompletionContentPartTextParam,
    chat.ChatCompletionContentPartImageParam,
    chat.ChatCompletionContentPartInputAudioParam,
    chat.ChatCompletionContentPartRefusalParam,
]
OPENAI = [
    fields(chat_create_params.CompletionCreateParamsNonStreaming),
    fields(*MESSAGES),
    fields(*PARTS),
    fields(completion_create_params.CompletionCreateParamsNonStreaming),
    fields(response_create_params.ResponseCreateParamsNonStreaming),
    fields(image_generate_params.ImageGenerateParamsNonStreaming, image_edit_params.ImageEditParamsNonStreaming),
    fields(transcription_create_params.TranscriptionCreateParamsNonStreaming),
    fields(embedding_create_params.EmbeddingCreateParams),
    fields(speech_create_params.SpeechCreateParams),
]


def test_openais_fields_have_their_rows() -> None:
    for (section, rows), known in zip(tables("openai").items(), OPENAI, strict=True):
        assert rows.keys() == known, section
        assert set(rows.values()) <= KINDS


def test_anthropics_fields_have_their_rows() -> None:
    body, _, blocks, tools = tables("anthropic").values()
    assert body.keys() == fields(message_create_params.MessageCreateParamsNonStreaming)
    assert blocks.keys() == tags(content_block_param.ContentBlockParam)
    kinds = {re.sub(r"(_toolset)?_(bm25_|regex_)?\d+$", "", kind) for kind in tags(tool_union_param.ToolUnionParam)}
    kinds = {re.sub(r"_(bm25|regex)$", "", kind) for kind in kinds}
    assert tools.keys() == kinds
    assert {row for rows in tables("anthropic").values() for row in rows.values()} <= KINDS


def test_geminis_fields_have_their_rows() -> None:
    for section, rows in tables("gemini").items():
        assert rows.keys() == getattr(genai, section.strip("`")).model_fields.keys(), section
        assert set(rows.values()) <= KINDS


def sent(body: dict[str, Any], *, is_official: bool = False) -> dict[str, Any]:
    model = FLASH if is_official else MODELS["gemini-3-flash"]
    whole = {"contents": [{"role": "user", "parts": [{"text": "q"}]}], **body}
    call = gemini.decode(json.dumps(whole).encode(), "m", stream=False, alt=None).call
    return json.loads(prepare(call, model, official=is_official).body)  # type: ignore[no-any-return]


def passed(section: str) -> list[str]:
    return [name for name, what in tables("gemini")[f"`{section}`"].items() if what == "passed"]


def value(name: str) -> Any:
    return {"file_data": {"fileUri": "gs://b/o"}}.get(name, {"x": 1})


#: the fields that official upstreams alone are sent: where each stands, and a value
ONLY_OFFICIAL: dict[str, Any] = {
    "`GenerateContentConfig`": lambda name, value: {name: value},
    "`Part`": lambda name, value: {"contents": [{"role": "user", "parts": [{"text": "q", name: value}]}]},
    "`Tool`": lambda name, value: {"tools": [{name: value}]},
}


@pytest.mark.parametrize(
    ("section", "name"), [(section, name) for section in ONLY_OFFICIAL for name in sorted(official("gemini", section))]
)
@pytest.mark.parametrize("spell", [str, camel])
def test_what_only_official_upstreams_read_goes_to_them_alone(section: str, name: str, spell: Any) -> None:
    build, value = ONLY_OFFICIAL[section], [{"x": 1}] if section == "`Tool`" else {"x": 1}
    asked = build(spell(name), value)
    plain = sent({key: [{"role": "user", "parts": [{"text": "q"}]}] for key in asked if key == "contents"})
    assert sent(asked) == plain
    bare = sent({key: plain[key] for key in asked if key == "contents"}, is_official=True)
    assert sent(asked, is_official=True) == bare | build(camel(name), value)


def test_vertex_ais_own_names_go_to_official_upstreams_alone() -> None:
    asked = {"outputConfig": {"x": 1}, "generationConfig": {"modelConfig": {"y": 1}}}
    assert sent(asked) == sent({})
    assert sent(asked, is_official=True) == sent({}, is_official=True) | {
        "outputConfig": {"x": 1},
        "generationConfig": sent({}, is_official=True).get("generationConfig", {}) | {"modelConfig": {"y": 1}},
    }


@pytest.mark.parametrize("name", passed("GenerationConfig"))
@pytest.mark.parametrize("spell", [str, camel])
def test_what_is_passed_of_the_configuration_arrives(name: str, spell: Any) -> None:
    found = sent({"generationConfig": {spell(name): [1]}})["generationConfig"]
    assert found[camel(name)] == [1]


@pytest.mark.parametrize("name", sorted({*passed("Part")} - official("gemini", "`Part`")))
@pytest.mark.parametrize("spell", [str, camel])
def test_what_is_passed_of_a_part_arrives(name: str, spell: Any) -> None:
    part = {spell(name): value(name)}
    if name not in ("file_data", "executable_code", "code_execution_result", "tool_call", "tool_response"):
        part["text"] = "q"
    found = sent({"contents": [{"role": "user", "parts": [part]}]})["contents"][0]["parts"][0]
    assert found[camel(name)] == value(name)


@pytest.mark.parametrize("name", sorted({*passed("Tool")} - official("gemini", "`Tool`")))
@pytest.mark.parametrize("spell", [str, camel])
def test_what_is_passed_of_a_tool_arrives(name: str, spell: Any) -> None:
    assert sent({"tools": [{spell(name): {"x": 1}}]})["tools"] == [{camel(name): {"x": 1}}]


@pytest.mark.parametrize("name", passed("ToolConfig"))
def test_what_is_passed_of_the_tools_configuration_arrives(name: str) -> None:
    given: Any = True if name.startswith("include") else {"languageCode": "de"}
    assert sent({"toolConfig": {name: given}})["toolConfig"] == {camel(name): given}


def test_what_is_passed_of_a_safety_setting_arrives() -> None:
    setting = dict.fromkeys(passed("SafetySetting"), "X")
    assert sent({"safetySettings": [setting]})["safetySettings"] == [setting]


def test_what_is_refused_is_named() -> None:
    body = {"model": "m", "prompt": "p", "suffix": "s"}
    with pytest.raises(BadRequest) as refused:
        completions_request.decode(json.dumps(body).encode())
    assert refused.value.param == "suffix"


@pytest.mark.parametrize("decode", [chat_request.decode, responses_request.decode])
def test_openais_tiers_go_to_official_upstreams_alone(decode: Any) -> None:
    def told(tier: Any, **prepared: Any) -> Any:
        asked = {"model": "m", "messages": [{"role": "user", "content": "q"}], "input": "q", "service_tier": tier}
        call = decode(json.dumps(asked).encode()).call
        return json.loads(prepare(call, FLASH, official=True, **prepared).body).get("serviceTier")

    assert [told(tier) for tier in ("flex", "priority")] == ["flex", "priority"]
    assert {told(tier) for tier in ("auto", "default", "scale", "", None, 7, ["flex"], {"flex": 1})} == {None}
    assert told("flex", quirks=frozenset({Quirk.NO_SERVICE_TIER})) is None
