"""The simulated model: deterministic answers that do what the request asks for."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import pytest

from antigravity_proxy.simulator import answers
from antigravity_proxy.simulator.schemas import JSON_KEYWORDS, check_schema
from antigravity_proxy.simulator.validate import check_generate

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
THINKING = {"thinkingConfig": {"includeThoughts": True}}
FUNCTIONS = [{"functionDeclarations": [{"name": "weather", "parameters": CITY}, {"name": "time"}]}]


def envelope(*texts: str, model: str = "gemini-3-flash", kind: str = "agent", **request: Any) -> dict[str, Any]:
    """A conversation of a user, and the model every other time."""
    contents = [{"role": ("user", "model")[i % 2], "parts": [{"text": text}]} for i, text in enumerate(texts)]
    body = {"model": model, "requestType": kind, "request": {"contents": contents} | request}
    check_generate(body)
    return body


def parts(events: list[answers.Event]) -> list[dict[str, Any]]:
    return [part for event in events for part in event["response"]["candidates"][0]["content"]["parts"]]


def text(events: list[answers.Event]) -> str:
    return "".join(part["text"] for part in parts(events) if "text" in part and not part.get("thought"))


def calls(events: list[answers.Event]) -> list[tuple[str, Any]]:
    return [
        (part["functionCall"]["name"], part["functionCall"]["args"]) for part in parts(events) if "text" not in part
    ]


def test_a_text_comes_in_several_events_as_upstream_sends_them() -> None:
    events = answers.events(envelope("Good morning to you"), 7)
    assert len(events) > 3
    assert text(events) == "Hello from the simulated model. You said: Good morning to you"
    for event in events:
        assert (event["response"]["responseId"], event["traceId"]) == ("resp-7", "trace-7")
        assert event["response"]["modelVersion"] == "gemini-3-flash"
    assert ["finishReason" in event["response"]["candidates"][0] for event in events] == [False] * (len(events) - 1) + [
        True
    ]
    usage = events[-1]["response"]["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert answers.events(envelope("Good morning to you"), 7) == events


@pytest.mark.parametrize(
    ("form", "width", "height"),
    [({}, 10, 10), ({"aspectRatio": "16:9", "imageSize": "4K"}, 40, 22), ({"aspectRatio": "9:16"}, 5, 10)],
)
def test_an_image_model_makes_a_picture_of_the_form_that_is_asked_for(
    form: dict[str, str], width: int, height: int
) -> None:
    body = envelope("A cat", model="gemini-3-pro-image", generationConfig={"imageConfig": form}, kind="image_gen")
    (answer,) = answers.events(body, 1)[:-1]
    said, made = parts([answer])
    assert said["text"].endswith("You said: A cat")
    png = base64.b64decode(made["inlineData"]["data"])
    assert (png[:8], struct.unpack_from(">II", png, 16)) == (b"\x89PNG\r\n\x1a\n", (width, height))
    start = png.index(b"IDAT")
    (size,) = struct.unpack_from(">I", png, start - 4)
    assert len(zlib.decompress(png[start + 4 : start + 4 + size])) == height * (1 + 3 * width)


def test_the_input_is_counted_by_what_it_is() -> None:
    body = envelope("Hello")
    for kind, data in (("image/png", b"x"), ("audio/wav", bytes(32_000)), ("audio/wav", b"x")):
        blob = {"mimeType": kind, "data": base64.b64encode(data).decode()}
        body["request"]["contents"][0]["parts"].append({"inlineData": blob})
    usage = answers.events(body, 1)[-1]["response"]["usageMetadata"]
    assert usage["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 2},
        {"modality": "IMAGE", "tokenCount": 258},
        {"modality": "AUDIO", "tokenCount": 128},
    ]
    assert usage["promptTokenCount"] == 2 + 258 + 128


def test_the_system_text_and_media_are_seen() -> None:
    body = envelope("Hello", systemInstruction={"parts": [{"text": "Be brief."}]})
    body["request"]["contents"][0]["parts"].append({"inlineData": {"mimeType": "image/png", "data": "QUJD"}})
    said = text(answers.events(body, 1))
    assert said.endswith("Hello (told to: Be brief.) I see a file of type image/png with 3 bytes.")


def test_a_long_text_comes_back_whole_in_a_bounded_number_of_events() -> None:
    long = "word " * 5000 + "end"
    events = answers.events(envelope(long), 1)
    assert text(events).endswith(long)
    assert len(events) <= 201


@pytest.mark.parametrize(
    ("model", "thoughts"),
    [
        ("gemini-3-flash", [{"thought": True, "text": "Considering the request."}]),
        (
            "claude-sonnet-4-6",
            [
                {"thought": True, "text": "Considering the request."},
                {"thought": True, "text": "", "thoughtSignature": answers.SIGNATURE},
            ],
        ),
    ],
)
def test_thoughts_come_first_when_asked_for(model: str, thoughts: list[Any]) -> None:
    events = answers.events(envelope("Hello", model=model, generationConfig=THINKING), 1)
    assert parts(events)[: len(thoughts)] == thoughts
    assert events[-1]["response"]["usageMetadata"]["thoughtsTokenCount"] > 0
    assert not any(part.get("thought") for part in parts(answers.events(envelope("Hello", model=model), 1)))


@pytest.mark.parametrize(
    ("said", "config", "expected"),
    [
        ("please call weather now", None, [("weather", {"city": "value", "days": 1})]),
        ("call time and weather", None, [("time", {}), ("weather", {"city": "value", "days": 1})]),
        ('call time with {"zone": {"a": "b}"}} please', None, [("time", {"zone": {"a": "b}"}})]),
        ("call time with {zone}", None, [("time", {})]),
        ("call time {}", None, [("time", {})]),
        ("call nothing", None, []),
        ("recall weather", None, []),
        ("Hello", None, []),
        ("Hello", {"mode": "ANY"}, [("weather", {"city": "value", "days": 1})]),
        ("Hello", {"mode": "ANY", "allowedFunctionNames": ["time"]}, [("time", {})]),
        ("call weather", {"mode": "ANY", "allowedFunctionNames": ["time"]}, []),
        ("call weather", {"mode": "NONE"}, []),
        ("call weather", {"mode": "VALIDATED"}, [("weather", {"city": "value", "days": 1})]),
    ],
)
def test_functions_are_called_on_a_cue_or_when_one_must_be(said: str, config: Any, expected: Any) -> None:
    choice = {"toolConfig": {"functionCallingConfig": config}} if config else {}
    events = answers.events(envelope(said, tools=FUNCTIONS, **choice), 1)
    assert calls(events) == expected
    assert bool(text(events)) is not bool(expected)


def test_of_geminis_parallel_calls_the_first_is_signed() -> None:
    found = parts(answers.events(envelope("call time and weather", tools=FUNCTIONS), 1))
    assert [part.get("thoughtSignature") for part in found[:2]] == [answers.SIGNATURE, None]
    assert not any("id" in part["functionCall"] for part in found[:2])


def test_claudes_calls_have_ids_that_no_earlier_call_has() -> None:
    body = envelope("call time and time", tools=FUNCTIONS, model="claude-sonnet-4-6")
    first = [part for part in parts(answers.events(body, 1)) if "functionCall" in part]
    assert [part["functionCall"]["id"] for part in first] == ["toolu_vrtx_00", "toolu_vrtx_01"]
    results = [{"functionResponse": {"name": "time", "id": p["functionCall"]["id"], "response": {}}} for p in first]
    body["request"]["contents"] += [
        {"role": "model", "parts": first},
        {"role": "user", "parts": results},
        {"role": "model", "parts": [{"text": "Well."}]},
        {"role": "user", "parts": [{"text": "call time"}]},
    ]
    check_generate(body)
    again = [part for part in parts(answers.events(body, 2)) if "functionCall" in part]
    assert [part["functionCall"]["id"] for part in again] == ["toolu_vrtx_02"]
    assert not any("thoughtSignature" in part for part in first + again)


def test_results_are_quoted_and_call_for_no_more() -> None:
    body = envelope("call weather", tools=FUNCTIONS)
    call = {"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": "QUJD"}
    picture = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}
    result = {"functionResponse": {"name": "weather", "response": {"output": "4 C"}, "parts": [picture]}}
    body["request"]["contents"] += [
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [result, {"text": "call time"}]},
    ]
    check_generate(body)
    events = answers.events(body, 1)
    assert not calls(events)
    told = 'The tools answered: weather says {"output":"4 C"}. I see a file of type image/png with 3 bytes.'
    assert text(events) == told


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (None, {}),
        (CITY, {"city": "value", "days": 1}),
        ({"type": "array", "items": {"type": "BOOLEAN"}, "minItems": 2}, [True, True]),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, 1.5),
        ({"type": "string", "enum": ["red", "green"]}, "red"),
        ({"type": "integer", "minimum": 2}, 2),
        ({"type": "number", "maximum": -4}, -4),
    ],
)
def test_structured_output_matches_its_schema(schema: Any, value: Any) -> None:
    if schema is not None:
        check_schema(schema, "p", JSON_KEYWORDS)
    config = {"responseMimeType": "application/json"} | ({"responseJsonSchema": schema} if schema else {})
    assert json.loads(text(answers.events(envelope("Hello", generationConfig=config), 1))) == value


def test_a_value_is_made_for_a_schema_that_says_nothing() -> None:
    assert answers.example(None) == "value"
    assert answers.example({"properties": {"a": {}}}) == {"a": "value"}


def test_one_document_holds_the_same_as_the_events() -> None:
    events = answers.events(envelope("call time", generationConfig=THINKING, tools=FUNCTIONS), 1)
    whole = answers.whole(events)
    assert whole["response"]["candidates"][0]["content"]["parts"] == parts(events)[:-1]
    assert whole["response"]["candidates"][0]["finishReason"] == "STOP"
    assert whole["response"]["usageMetadata"] == events[-1]["response"]["usageMetadata"]
