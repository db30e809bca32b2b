"""Gemini requests in both spellings become calls; anything else is a 400 that names its field."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.models import MODELS

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, ToolChoice
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.gemini.answer import GeminiArrayStream, GeminiDocument, GeminiStream
from antigravity_proxy.dialect.gemini.request import decode, decode_count
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.request import prepare

USER = [{"role": "user", "parts": [{"text": "Hello"}]}]


def call(body: Any, **fields: Any) -> Call:
    whole = {"contents": USER} | body | fields
    return decode(json.dumps(whole).encode(), "m", stream=False, alt=None).call


def plain(value: Any) -> Any:
    """A canonical value as JSON data."""
    return json.loads(msgspec.json.encode(value))


RICH = {
    "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}, {"text": ""}]},
    "contents": [
        {"parts": [{"text": "Look"}, {"inlineData": {"mimeType": "image/jpg", "data": "-_-_"}}]},
        {
            "role": "model",
            "parts": [
                {"text": "Hm", "thought": True, "thoughtSignature": "-_8"},
                {"functionCall": {"name": "f", "args": {"snake_key": {"inner_key": 1}}, "id": "c1"}},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            ],
        },
        {
            "role": "function",
            "parts": [
                {
                    "functionResponse": {
                        "name": "f",
                        "id": "c1",
                        "response": {"out_put": 1},
                        "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
                    }
                },
                {"fileData": {"fileUri": "gs://x", "mimeType": "text/plain"}},
            ],
        },
    ],
    "tools": [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parameters": {
                    "type": "OBJECT", "propertyOrdering": ["snake_name"], "properties": {
                        "snake_name": {"type": "ARRAY", "minItems": 1, "items": {"anyOf": [{"type": "STRING"}]}}}}},
                {"name": "g", "parametersJsonSchema": {
                    "type": "object", "properties": {"min_items": {"enum": ["a_b"]}}}},
            ]
        },
        {"googleSearch": {}},
        {"codeExecution": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    "generationConfig": {
        "temperature": 1, "topP": 0.5, "topK": 40.0, "candidateCount": 2, "maxOutputTokens": 99.0, "seed": -1,
        "stopSequences": ["END", ""], "presencePenalty": 0.1, "frequencyPenalty": 0.2, "responseLogprobs": True,
        "logprobs": 3, "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "minItems": 1},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 512}, "mediaResolution": "LOW", "junk": 1,
    },
    "cachedContent": "x", "labels": {"a_b": "c"},
}  # fmt: skip


def snake(value: Any) -> Any:
    """The same in snake_case, but for what is the client's own."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    own = {"args", "response", "properties", "labels"}
    out = {}
    for key, item in value.items():
        name = "".join("_" + c.lower() if c.isupper() else c for c in key)
        if key in own:
            inner = {k: snake(v) for k, v in item.items()} if key == "properties" else item
            out[key] = inner
        else:
            out[name] = item if key == "parametersJsonSchema" else snake(item)
    return out


def test_everything_known_arrives() -> None:
    found = call(RICH)
    assert found.system == ("Be brief.",)
    assert [c.role for c in found.contents] == ["user", "model", "user"]
    parts = [plain(part) for content in found.contents for part in content.parts]
    assert parts[1] == {"inlineData": {"mimeType": "image/jpeg", "data": "+/+/"}}
    assert parts[2] == {"text": "Hm", "thought": True, "thoughtSignature": "+/8="}
    assert parts[3]["functionCall"] == {"name": "f", "args": {"snake_key": {"inner_key": 1}}, "id": "c1"}
    assert parts[6]["functionResponse"]["response"] == {"out_put": 1}
    assert parts[6]["functionResponse"]["parts"][0]["inlineData"]["data"] == "AAAA"
    assert parts[7] == {"fileData": {"fileUri": "gs://x", "mimeType": "text/plain"}}
    assert [t.name for t in found.tools] == ["f", "g"]
    assert found.tools[1].parameters["properties"] == {"min_items": {"enum": ["a_b"]}}
    assert found.web_search
    assert [bytes(b) for b in found.builtin_tools] == [b'{"googleSearch":{}}', b'{"codeExecution":{}}']
    assert found.tool_choice == ToolChoice("any", ("f",))
    assert found.output == OutputFormat("schema", {"type": "OBJECT", "minItems": 1})
    assert found.reasoning == Reasoning("on", 512, show=True)
    assert (found.choices, found.sampling.top_k, found.sampling.max_output_tokens) == (2, 40, 99)
    assert (found.sampling.seed, found.sampling.stop_sequences) == (0x7FFFFFFF, ("END",))
    assert set(found.extra_config) == {"mediaResolution"}
    assert len(found.safety_settings) == 1


def test_both_spellings_say_the_same() -> None:
    assert plain(call(snake(RICH))) == plain(call(RICH))


def test_where_both_spellings_stand_the_camel_one_wins() -> None:
    assert call({"generationConfig": {"topK": 1, "top_k": 2}}).sampling.top_k == 1
    schema = {"type": "OBJECT", "minItems": 1, "min_items": 2, "anyOf": [[{"x": 1}]], "properties": 7}
    assert call({"generationConfig": {"responseSchema": schema}}).output.schema["minItems"] == 1
    assert call({"generationConfig": {"responseSchema": [schema, True]}}).output == OutputFormat()
    assert call({"_private": 1}).contents


@pytest.mark.parametrize("contents", ["Hello", USER[0], [{"parts": [{"text": "Hello"}]}]])
def test_contents_may_be_short(contents: Any) -> None:
    found = call({}, contents=contents)
    assert (found.contents[0].role, found.contents[0].parts[0].text) == ("user", "Hello")


@pytest.mark.parametrize(
    ("config", "reasoning"),
    [
        (None, Reasoning(show=False)),
        ({}, Reasoning(show=False)),
        ({"includeThoughts": True}, Reasoning("auto", show=True)),
        ({"thinkingBudget": 0}, Reasoning("off", show=False)),
        ({"thinkingBudget": -1}, Reasoning("auto", show=False)),
        ({"thinkingLevel": "HIGH", "includeThoughts": True}, Reasoning("on", effort="high", show=True)),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, Reasoning(show=False)),
    ],
)
def test_thinking(config: Any, reasoning: Reasoning) -> None:
    assert call({"generationConfig": {"thinkingConfig": config}}).reasoning == reasoning


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        (None, ToolChoice()),
        ({"functionCallingConfig": {}}, ToolChoice()),
        ({"functionCallingConfig": {"mode": "AUTO"}}, ToolChoice()),
        ({"functionCallingConfig": {"mode": "none"}}, ToolChoice("none")),
        ({"functionCallingConfig": {"mode": "VALIDATED"}}, ToolChoice("validated")),
    ],
)
def test_tool_config(config: Any, choice: ToolChoice) -> None:
    assert call({"toolConfig": config}).tool_choice == choice


def test_other_outputs_and_system_texts() -> None:
    assert call({"generationConfig": {"responseMimeType": "application/json"}}).output == OutputFormat("json")
    assert call({"systemInstruction": "Brief."}).system == ("Brief.",)
    assert call({"systemInstruction": ""}).system == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"contents": []}, "contents"),
        ({"contents": None}, "contents"),
        ({"contents": [{"role": "model", "parts": [{"text": "x"}]}]}, "contents"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 7}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"inlineData": {"data": "!"}}]}]}, "contents[0].parts[0].inlineData.data"),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"candidateCount": 9}}, "generationConfig.candidateCount"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}}, "toolConfig.functionCallingConfig.mode"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(body: Any, param: str) -> None:
    with pytest.raises(BadRequest) as e:
        call(body)
    assert e.value.param == param


def test_nesting_that_no_parser_takes_is_a_400() -> None:
    for body in (b'{"contents":' + b"[" * 100_000, b'{"x":' + b"[" * 900 + b"]" * 900 + b"}"):
        with pytest.raises(BadRequest):
            decode(body, "m", stream=False, alt=None)


def test_the_form_of_the_answer_follows_alt() -> None:
    stamp = Stamp(0, lambda count: "0" * count)
    body = json.dumps({"contents": USER}).encode()
    forms = [
        (False, None, GeminiDocument),
        (True, "sse", GeminiStream),
        (True, None, GeminiArrayStream),
        (True, "json", GeminiArrayStream),
    ]
    for stream, alt, form in forms:
        assert isinstance(decode(body, "m", stream=stream, alt=alt).new_answer(stamp), form)
    with pytest.raises(BadRequest, match="alt must be"):
        decode(body, "m", stream=True, alt="media")


def test_counts_have_two_forms() -> None:
    inner = {"contents": USER, "systemInstruction": "x"}
    for body in (inner, {"generateContentRequest": inner}, {"generate_content_request": inner}):
        found = decode_count(json.dumps(body).encode(), "m")
        assert (found.system, found.contents[0].parts[0].text) == (("x",), "Hello")


keys = st.sampled_from([*RICH, *RICH["generationConfig"], "parts", "text", "role", "inlineData", "functionCall"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(keys, values, max_size=4))
def test_no_json_raises_anything_but_a_400(body: Any) -> None:
    with suppress(BadRequest):
        assert call({}, **body).contents


def test_one_value_stands_for_a_list_of_one() -> None:
    """As in Google's own curl examples: proto JSON takes it wherever a list is declared."""
    found = call(
        {
            "system_instruction": {"parts": {"text": "s"}},
            "contents": {"parts": {"text": "q"}},
            "tools": {
                "function_declarations": {
                    "name": "f",
                    "parameters": {"type": "OBJECT", "properties": {}, "required": "a"},
                }
            },
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": "f"}},
            "generationConfig": {"stopSequences": "END", "responseModalities": "TEXT"},
            "safetySettings": {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"},
        }
    )
    assert [part.text for content in found.contents for part in content.parts] == ["q"]
    assert found.system == ("s",)
    assert [(tool.name, tool.parameters["required"]) for tool in found.tools] == [("f", ["a"])]
    assert found.tool_choice.names == ("f",)
    assert found.sampling.stop_sequences == ("END",)
    assert bytes(found.extra_config["responseModalities"]) == b'["TEXT"]'
    assert len(found.safety_settings) == 1


def test_what_only_gemini_reads_of_a_part_is_passed_to_gemini() -> None:
    part = {
        "fileData": {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"},
        "videoMetadata": {"startOffset": "1s", "fps": 2},
        "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
    }
    found = call({"contents": [{"role": "user", "parts": [part]}]})
    for name, kept in (("gemini-3-flash", True), ("claude-sonnet-4-6", False)):
        sent = json.loads(prepare(found, MODELS[name]).body)["contents"][0]["parts"][0]
        assert (sent.keys() == part.keys()) is kept
        assert sent["fileData"] == part["fileData"]


def test_tools_of_googles_come_as_they_are_with_their_settings() -> None:
    tools = [{"googleSearch": {"excludeDomains": ["a.example"]}}, {"urlContext": {}}]
    retrieval = {"latLng": {"latitude": 1.5, "longitude": 2}, "languageCode": "de"}
    found = call({"contents": USER, "tools": tools, "toolConfig": {"retrievalConfig": retrieval}})
    sent = json.loads(prepare(found, MODELS["gemini-3-flash"]).body)
    assert sent["tools"] == tools
    assert sent["toolConfig"] == {"retrievalConfig": retrieval}
    assert "toolConfig" not in json.loads(prepare(found, MODELS["gpt-oss-120b-medium"]).body)


def test_one_of_some_texts_as_the_answer() -> None:
    config = {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a", "b"]}}
    found = call({"contents": USER, "generationConfig": config})
    sent = json.loads(prepare(found, MODELS["gemini-3-flash"]).body)["generationConfig"]
    assert sent["responseMimeType"] == "text/x.enum"
    assert sent["responseSchema"] == {"type": "string", "enum": ["a", "b"]}
    words = json.loads(prepare(found, MODELS["claude-sonnet-4-6"]).body)["systemInstruction"]["parts"][0]["text"]
    assert words.endswith('nothing else: ["a","b"]')
    for schema in ({}, {"responseSchema": {"type": "STRING"}}):
        with pytest.raises(BadRequest, match="needs a schema"):
            call({"contents": USER, "generationConfig": {"responseMimeType": "text/x.enum", **schema}})


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "http://a.example/x", "/etc/passwd", "data:,x", ""])
def test_a_file_that_google_is_not_to_read_is_refused(uri: str) -> None:
    with pytest.raises(BadRequest, match="gs:// or https://") as refused:
        call({"contents": [{"parts": [{"fileData": {"fileUri": uri}}]}]})
    assert refused.value.param == "contents[0].parts[0].fileData.fileUri"


def test_a_part_holds_one_kind_of_data() -> None:
    with pytest.raises(BadRequest, match="one kind of data"):
        call({"contents": [{"parts": [{"text": "a", "functionCall": {"name": "f"}}]}]})


def test_the_older_search_is_a_search() -> None:
    found = call({"tools": [{"googleSearchRetrieval": {"dynamicRetrievalConfig": {}}}]})
    assert found.web_search
    assert [bytes(tool) for tool in found.builtin_tools] == [b'{"googleSearch":{}}']
