"""Chat requests as a whole: the golden second turn, and bodies that are wrong in every possible way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mutations import WRONG, Path, as_param, at, attempt, is_harmless, of_another_type, paths, replaced

from antigravity_proxy.canonical.call import Call, ToolChoice
from antigravity_proxy.canonical.chunk import Candidate, Chunk
from antigravity_proxy.canonical.content import Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai.chat_request import ChatRequest, decode
from antigravity_proxy.errors import BadRequest

STAMP = Stamp(1, lambda digits: "0" * digits)
USER = {"role": "user", "content": "hi"}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [USER], **fields}).encode()


def call(**fields: Any) -> Call:
    return decode(body(**fields)).call


def answer(**fields: Any) -> Answer:
    return decode(body(**fields)).new_answer(STAMP)


def refused(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        decode(body(**fields))
    return caught.value


def test_the_golden_second_turn(golden: Callable[[str], bytes]) -> None:
    decoded = decode(golden("turn2.openai-chat.request.json")).call
    oslo = FunctionCall("get_weather", msgspec.Raw(b'{"city":"Oslo"}'), "call_" + "A" * 24)
    tromso = FunctionCall("get_weather", msgspec.Raw('{"city":"Tromsø"}'.encode()), "call_" + "B" * 24)
    warm = FunctionResponse("get_weather", msgspec.Raw(b'{"output":"4 C"}'), oslo.id)
    cold = FunctionResponse("get_weather", msgspec.Raw(b'{"output":"-3 C"}'), tromso.id)
    assert decoded.contents == (
        Content("user", (Part(text="Weather in Oslo and Tromsø?"),)),
        Content(
            "model",
            (Part(function_call=oslo, thought_signature="U2lnRXhhbXBsZUE="), Part(function_call=tromso)),
        ),
        Content("user", (Part(function_response=cold),)),
        Content("user", (Part(function_response=warm),)),
    )
    assert decoded.model == "gemini-3-flash"
    assert decoded.system == ("Be brief.",)
    assert decoded.sampling.max_output_tokens == 2000
    assert decoded.sampling.stop_sequences == ("END",)
    assert (decoded.tool_choice, decoded.parallel_tool_calls, decoded.stream) == (ToolChoice(), True, True)
    schema = json.loads(golden("turn2.openai-chat.request.json"))["tools"][0]["function"]["parameters"]
    assert (decoded.tools[0].name, decoded.tools[0].parameters) == ("get_weather", schema)


def test_the_smallest_request_says_nothing_more() -> None:
    assert call() == Call("m", (Content("user", (Part(text="hi"),)),))


def test_null_is_absent_and_unknown_fields_are_ignored() -> None:
    ignored = {"user": 5, "store": True, "metadata": {"a": 1}, "logit_bias": {}, "verbosity": "low"}
    nulls = {name: None for name in ChatRequest.__struct_fields__ if name not in ("model", "messages", *ignored)}
    assert call(**ignored, **nulls) == call()


def test_the_answer_is_of_the_form_that_was_asked_for() -> None:
    assert answer().content_type == b"application/json"
    assert answer(stream=False).content_type == b"application/json"
    assert answer(stream=True).content_type == b"text/event-stream; charset=utf-8"


def test_usage_in_a_stream_is_sent_if_asked_for() -> None:
    assert b'"usage":{' in answer(stream=True, stream_options={"include_usage": True}).close()
    for options in (None, {}, {"include_usage": False}):
        assert b"usage" not in answer(stream=True, stream_options=options).close()


def test_usage_can_be_estimated_from_the_request() -> None:
    usage = json.loads(answer(messages=[{"role": "user", "content": "x" * 4000}]).close())["usage"]
    assert usage["prompt_tokens"] == 1000


def test_hidden_reasoning_is_not_answered() -> None:
    thought = Chunk(candidates=(Candidate(content=Content("model", (Part(text="hm", thought=True),))),))
    for fields, shown in (({}, True), ({"reasoning": {"exclude": True}}, False), ({"reasoning_effort": "none"}, False)):
        made = answer(**fields)
        made.feed([thought])
        assert ("reasoning_content" in json.loads(made.close())["choices"][0]["message"]) is shown


def test_json_that_was_asked_for_comes_without_a_code_fence() -> None:
    fenced = Chunk(candidates=(Candidate(content=Content("model", (Part(text="```json\n{}\n```"),))),))
    for fields, content in (({"response_format": {"type": "json_object"}}, "{}"), ({}, "```json\n{}\n```")):
        made = answer(**fields)
        made.feed([fenced])
        assert json.loads(made.close())["choices"][0]["message"]["content"] == content


def test_legacy_functions_get_a_legacy_answer_with_one_call_only() -> None:
    functions = [{"name": "f", "parameters": {"type": "object"}}]
    assert call(functions=functions).parallel_tool_calls is False
    called = Chunk(candidates=(Candidate(content=Content("model", (Part(function_call=FunctionCall("f")),))),))
    for fields, reason in (
        ({"functions": functions}, "function_call"),
        ({"functions": functions, "tools": []}, "tool_calls"),
    ):
        made = answer(**fields)
        made.feed([called])
        assert json.loads(made.close())["choices"][0]["finish_reason"] == reason


def test_web_search_is_asked_for_by_its_options() -> None:
    assert call(web_search_options={}).web_search
    assert call(web_search_options={"search_context_size": "low"}).web_search
    function = {"type": "function", "function": {"name": "web_search"}}
    assert not call(tools=[function]).web_search


def test_parallel_calls_can_be_refused() -> None:
    assert call(parallel_tool_calls=False).parallel_tool_calls is False
    assert call(parallel_tool_calls=True).parallel_tool_calls is True


def test_spoken_answers_are_refused() -> None:
    assert refused(modalities=["text", "audio"]).param == "modalities"
    assert refused(modalities=["smell"]).param == "modalities[0]"
    assert call(modalities=["text"]) == call()


# --- what is wrong ----------------------------------------------------------------------------------------------

IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
RICH: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "developer", "content": "Really."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "Look"},
                IMAGE,
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "No."}],
            "refusal": "no",
            "images": [IMAGE],
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": 1}'},
                    "extra_content": {"google": {"thought_signature": "c2ln"}},
                },
                {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "x"}, "thought_signature": "c"},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "1"}, IMAGE]},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
        {"role": "assistant", "content": None, "function_call": {"name": "g", "arguments": "{}"}},
        {"role": "function", "name": "g", "content": "ok"},
        {"role": "user", "name": "bob", "content": "go on"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {
            "type": "custom",
            "custom": {
                "name": "patch",
                "description": "d",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}},
            },
        },
    ],
    "functions": [{"name": "g", "description": "d", "parameters": {"type": "object"}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "function_call": {"name": "g"},
    "parallel_tool_calls": True,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    "reasoning_effort": "low",
    "reasoning": {"effort": "low", "max_tokens": 100, "exclude": False},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "google": {"thinking_config": {"thinking_budget": 10, "include_thoughts": True, "thinking_level": "low"}},
    "extra_body": {"google": {"thinking_config": {"thinking_budget": 10}}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 40,
    "max_tokens": 100,
    "max_completion_tokens": 100,
    "stop": ["END"],
    "seed": 7,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "logprobs": True,
    "top_logprobs": 3,
    "n": 2,
    "modalities": ["text"],
    "web_search_options": {"search_context_size": "low"},
}

PATHS = list(paths(RICH))
#: where JSON of any kind is data
FREE = ("parameters", "schema", "web_search_options", "arguments")


@pytest.mark.parametrize("path", PATHS, ids=as_param)
def test_a_wrong_value_anywhere_is_a_400_or_harmless(path: Path) -> None:
    for wrong in WRONG:
        assert is_harmless(attempt(decode, replaced(RICH, path, wrong)))


def is_read(path: Path) -> bool:
    """Whether the decoder looks at this place, and takes not just anything there."""
    *way, last = path
    if set(FREE) & set(way) or last in ("arguments", "syntax", "detail"):
        return False
    if last == "type":  # of a tool, a call, a grammar and an image of ours, the other fields say what it is
        return not {"tools", "tool_calls", "images"} & set(way)
    return path[-2:] != ("json_schema", "name")


@pytest.mark.parametrize("path", [path for path in PATHS if is_read(path)], ids=as_param)
def test_a_wrong_type_is_refused_and_its_place_named(path: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        decode(json.dumps(replaced(RICH, path, of_another_type(at(RICH, path)))).encode())
    assert caught.value.param == as_param(path)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "owner", "content": "x"}]}, "messages[0].role"),
        ({"messages": [USER, {"role": "user", "content": [{"type": "video_url"}]}]}, "messages[1].content[0].type"),
        ({"reasoning_effort": 5}, "reasoning_effort"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "python"}}, "response_format.type"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        ({"function_call": "always"}, "function_call"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": "2"}, "n"),
        ({"seed": "7"}, "seed"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_what_must_be_there_is_named(missing: str) -> None:
    request = json.loads(body())
    del request[missing]
    with pytest.raises(BadRequest, match=f"missing required field `{missing}`"):
        decode(json.dumps(request).encode())


@given(st.data())
def test_several_wrong_values_at_once_do_no_harm_either(data: st.DataObject) -> None:
    request = RICH
    for _ in range(data.draw(st.integers(1, 3))):
        request = replaced(request, data.draw(st.sampled_from(list(paths(request)))), data.draw(st.sampled_from(WRONG)))
    assert is_harmless(attempt(decode, request))


def test_deep_schemas_are_taken_or_refused() -> None:
    request = body(tools=[{"type": "function", "function": {"name": "f", "parameters": {"enum": "DEEP"}}}])
    taken, depths = [], [*range(1, 1000), 3000, 100_000]
    for depth in depths:
        try:
            decode(request.replace(b'"DEEP"', b"[" * depth + b"]" * depth))
        except BadRequest as e:
            if e.message != "The body is nested too deeply.":
                raise
        else:
            taken.append(depth)
    assert taken == depths[: len(taken)]  # how many depends on the version of Python
    assert 200 < len(taken) < len(depths)


@pytest.mark.parametrize("raw", [b"\xff", b"\\u12", b"\x01"])
def test_text_that_is_no_text_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body(messages=[{"role": "user", "content": "RAW"}]).replace(b"RAW", raw))


def test_a_large_image_costs_little() -> None:
    request = body(messages=[{"role": "user", "content": [IMAGE]}]).replace(b"AAAA", b"A" * 4_000_000)
    begun = time.process_time()
    decoded = decode(request)
    assert time.process_time() - begun < 0.5  # some 20 ms; a pass in Python code would take seconds
    blob = decoded.call.contents[0].parts[0].inline_data
    assert blob is not None
    assert len(blob.data) == 4_000_000


#: fields of which most requests say nothing, each with values that do
RARE: dict[str, list[Any]] = {
    "temperature": [0, 1.5],
    "top_p": [0.5],
    "top_k": [3],
    "max_tokens": [5],
    "max_completion_tokens": [7],
    "stop": ["a", [], ["a", "b"]],
    "seed": [1],
    "presence_penalty": [1],
    "frequency_penalty": [-1],
    "top_logprobs": [0, 2],
    "tools": [[{"type": "function", "function": {"name": "f"}}]],
    "tool_choice": ["auto", "required"],
    "function_call": ["none"],
    "response_format": [{"type": "json_object"}],
    "reasoning_effort": ["low", "none"],
    "reasoning": [{"exclude": True}],
    "thinking": [{"type": "disabled"}],
    "google": [{"thinking_config": {"thinking_budget": 0}}],
    "extra_body": [{"google": {"thinking_config": {"include_thoughts": False}}}],
    "service_tier": ["flex"],
    "prompt_cache_key": ["key"],
    "metadata": [{"user_id": "somebody"}],
    "user": ["somebody"],
    "stream": [True],
}


@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in RARE.items()}))
def test_a_request_that_says_little_is_read_as_one_that_says_it_all(fields: dict[str, Any]) -> None:
    assert call(**fields) == call(**fields, n=1, logprobs=False)


@pytest.mark.parametrize("name", RARE)
def test_each_field_alone_is_heard(name: str) -> None:
    assert call(**{name: RARE[name][-1]}) != call() or name == "top_logprobs"  # which means nothing by itself
