"""What the real service refuses is refused here: one rule of upstream.md 4 and 8 each, and what we send is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from antigravity_proxy.simulator.validate import check_count, check_generate, check_onboard
from antigravity_proxy.simulator.wire import Refused

GOLDEN = Path(__file__).parents[1] / "data/golden"
SIGNED = {"thoughtSignature": "QUJD"}
OBJECT = {"type": "object", "properties": {"q": {"type": "string"}}}
CLAUDE = "claude-sonnet-4-6"
SEARCH: dict[str, Any] = {"googleSearch": {}}
PNG = {"mimeType": "image/png", "data": "QUJD"}

Part = dict[str, Any]


def user(*parts: Part) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts) or [{"text": "Hello"}]}


def model(*parts: Part) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts) or [{"text": "Hi"}]}


def call(name: str = "a", **fields: Any) -> Part:
    return {"functionCall": {"name": name, "args": {}} | fields}


def result(name: str = "a", **fields: Any) -> Part:
    return {"functionResponse": {"name": name, "response": {"output": "1"}} | fields}


def tools(*functions: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"functionDeclarations": list(functions) or [{"name": "a", "parameters": OBJECT}]}]


def choice(mode: str, *names: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode} | ({"allowedFunctionNames": list(names)} if names else {})}


def envelope(*contents: dict[str, Any], model: str = "gemini-3-flash", **request: Any) -> dict[str, Any]:
    config = request.pop("config", None)
    if config is not None:
        request["generationConfig"] = config
    return {"model": model, "request": {"contents": list(contents) or [user()]} | request}


def refused(body: Any, told: str) -> None:
    with pytest.raises(Refused) as found:
        check_generate(body)
    assert told in str(found.value)


@pytest.mark.parametrize("name", ["turn2.upstream.from-anthropic.json", "turn2.upstream.from-openai-chat.json"])
def test_the_examples_are_taken(name: str) -> None:
    check_generate(json.loads((GOLDEN / name).read_text()))


@pytest.mark.parametrize(
    "body",
    [
        envelope(),
        envelope(user(), model()),  # a prefill
        envelope(user({"inlineData": {"mimeType": "image/png", "data": "QUJD"}}, {"text": "?"})),
        envelope(user({"fileData": {"fileUri": "gs://bucket/file"}})),
        envelope(user(), model(call() | SIGNED, call()), user(result(), result(), {"text": "go on"})),
        envelope(user(), model({"thought": True, "text": "Hm."}, {"text": "Hi", **SIGNED}), user()),
        envelope(user(), model({"text": "", "thought": True, **SIGNED}), user()),
        envelope(user(), model(call()), user(result()), model="gemini-2.5-flash"),
        envelope(user(), model(call() | SIGNED), user(result(parts=[{"inlineData": PNG}]))),
        envelope(user(), model(call(id="toolu_1")), user(result(id="toolu_1")), model=CLAUDE),
        envelope(tools=tools(), toolConfig=choice("ANY", "a")),
        envelope(tools=tools({"name": "a"}), toolConfig=choice("NONE")),
        envelope(tools=[SEARCH, {"urlContext": {}}]),
        envelope(systemInstruction={"role": "user", "parts": [{"text": "Be brief."}]}),
        envelope(safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}], labels={"a": "b"}),
        envelope(config={"temperature": 2, "topP": 0, "topK": 1, "stopSequences": ["x"], "maxOutputTokens": 65_536}),
        envelope(config={"thinkingConfig": {"includeThoughts": True, "thinkingBudget": -1}}),
        envelope(config={"thinkingConfig": {"thinkingBudget": 1024}, "topP": 0.95}, model=CLAUDE),
        envelope(config={"responseMimeType": "application/json"}),
        envelope(config={"responseMimeType": "application/json", "responseJsonSchema": OBJECT}, tools=tools()),
        envelope(config={"responseMimeType": "application/json"}, tools=[SEARCH], model="gemini-2.5-pro"),
        envelope(model="gemini-3-pro-image", config={"imageConfig": {"aspectRatio": "1:1", "imageSize": "2K"}})
        | {"requestType": "image_gen"},
        envelope()
        | {"project": "some-project-1", "requestType": "web_search", "enabledCreditTypes": ["GOOGLE_ONE_AI"]},
    ],
)
def test_what_is_right_is_taken(body: dict[str, Any]) -> None:
    check_generate(body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "model is not specified"),
        (envelope() | {"model": ""}, "model is not specified"),
        (envelope() | {"project": ""}, "Invalid project resource name"),
        (envelope() | {"project": "projects/a"}, "Invalid project resource name"),
        ({"model": "gemini-3-flash"}, "contents is not specified"),
        ({"model": "gemini-3-flash", "request": {"contents": []}}, "contents is not specified"),
        (envelope(systemInstruction={"parts": []}), "only parts with text"),
        (envelope(systemInstruction={"parts": [{"text": ""}]}), "only parts with text"),
        (envelope(systemInstruction={"role": "system", "parts": [{"text": "a"}]}), "valid role"),
        (envelope(systemInstruction={"parts": [{"inlineData": {"data": "QUJD"}}]}), "only parts with text"),
    ],
)
def test_the_envelopes_rules(body: Any, told: str) -> None:
    refused(body, told)


def test_a_model_that_is_not_offered_is_not_found() -> None:
    for name in ("gemini-9", "models/gemini-3-flash"):
        with pytest.raises(Refused) as found:
            check_generate(envelope(model=name))
        assert found.value.status == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (envelope({"parts": [{"text": "a"}]}), "Please use a valid role"),
        (envelope({"role": "assistant", "parts": [{"text": "a"}]}), "Please use a valid role"),
        (envelope(model(), user()), "roles must alternate"),
        (envelope(user(), user()), "roles must alternate"),
        (envelope({"role": "user"}), "at least one parts field"),
        (envelope({"role": "user", "parts": []}), "at least one parts field"),
        (envelope(user({"text": ""})), "required oneof field 'data'"),
        (envelope(user({})), "required oneof field 'data'"),
        (envelope(user({"text": "a", "inlineData": PNG})), "required oneof field 'data'"),
        (envelope(user(), model({"text": "", "thought": True}), user()), "required oneof field 'data'"),
        (envelope(user({"inlineData": {"data": "QUJD"}})), "mime type and data"),
        (envelope(user({"inlineData": {"mimeType": "image/png"}})), "mime type and data"),
        (envelope(user({"fileData": {"mimeType": "image/png"}})), "uri is missing"),
        (envelope(user(call())), "are the model's"),
        (envelope(user({"text": "a", "thought": True})), "are the model's"),
        (envelope(user(), model(result()), user()), "are the user's"),
        (envelope(user(), model({"executableCode": {}, "thought": True}), user()), "only text can be a thought"),
        (envelope(user(), model({"functionCall": {}} | SIGNED), user()), "REQUIRED_FIELD_MISSING"),
        (envelope(user(), model(call() | SIGNED), user({"functionResponse": {"name": "a"}})), "response: missing"),
    ],
)
def test_the_rules_on_turns_and_parts(body: Any, told: str) -> None:
    refused(body, told)


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        ((user(), model(call() | SIGNED), user()), "number of function response parts"),
        ((user(), model(call() | SIGNED, call("b")), user(result())), "number of function response parts"),
        ((user(), model(call() | SIGNED), user(result(), result())), "number of function response parts"),
        ((user(result()),), "number of function response parts"),
        ((user(), model(call() | SIGNED, call("b")), user(result("b"), result())), "matches no function call"),
        ((user(), model(call(id="1") | SIGNED), user(result(id="2"))), "matches no function call"),
        ((user(), model(call() | SIGNED)), "comes immediately after"),
        ((user(), model(call()), user(result())), "missing a thought_signature"),
        ((user(), model(call(), call() | SIGNED), user(result(), result())), "missing a thought_signature"),
    ],
)
def test_each_call_has_its_result_and_the_first_is_signed(contents: tuple[Any, ...], told: str) -> None:
    refused(envelope(*contents), told)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (envelope(user(), model(), model=CLAUDE), "prefill"),
        (envelope(user(), model(), model="gemini-3.6-flash-high"), "prefill"),
        (envelope(user(), model(call()), user(result()), model=CLAUDE), "tool_use.id"),
        (envelope(user(), model(call(id="a:b")), user(result(id="a:b")), model=CLAUDE), "tool_use.id"),
        (envelope(user(), model({"text": "Hm.", "thought": True}), user(), model=CLAUDE), "Invalid `signature`"),
        (
            envelope(
                user(),
                model(call(id="a") | {"thoughtSignature": "skip_thought_signature_validator"}),
                user(result(id="a")),
                model=CLAUDE,
            ),
            "Invalid `signature`",
        ),
        (
            envelope(
                user(),
                model(call(id="a")),
                user(result(id="a")),
                model=CLAUDE,
                config={"thinkingConfig": {"thinkingBudget": 1024}},
            ),
            "must be 'thinking'",
        ),
        (
            envelope(user(), model(call()), user(result(parts=[{"inlineData": PNG}])), model="gemini-2.5-flash"),
            "Multimodal function responses",
        ),
    ],
)
def test_the_rules_of_single_models(body: Any, told: str) -> None:
    refused(body, told)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"temperature": 2.1}, "temperature is out of range"),
        ({"topP": -0.1}, "topP is out of range"),
        ({"topK": 0}, "topK is out of range"),
        ({"maxOutputTokens": 65_537}, "maxOutputTokens must be from 1 to 65536"),
        ({"maxOutputTokens": 0}, "maxOutputTokens"),
        ({"stopSequences": list("abcdef")}, "stop_sequences"),
        ({"stopSequences": [""]}, "stop_sequences"),
        ({"logprobs": 3}, "response_logprobs"),
        ({"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "low"}}, "only set one of"),
        ({"thinkingConfig": {"thinkingBudget": 127}}, "thinking budget 127 is invalid"),
        ({"thinkingConfig": {"thinkingBudget": 32_769}}, "thinking budget 32769 is invalid"),
        ({"thinkingConfig": {"thinkingBudget": 1000}, "maxOutputTokens": 1000}, "must be greater than"),
        ({"responseSchema": OBJECT}, "responseSchema needs the response mime type"),
        ({"responseJsonSchema": OBJECT, "responseMimeType": "text/plain"}, "needs the response mime type"),
        (
            {"responseMimeType": "application/json", "responseSchema": OBJECT, "responseJsonSchema": OBJECT},
            "Only one of",
        ),
        ({"responseMimeType": "application/json", "responseSchema": {"anyOf": [OBJECT]}}, 'Unknown name "anyOf"'),
    ],
)
def test_the_rules_on_settings(config: dict[str, Any], told: str) -> None:
    refused(envelope(config=config), told)


@pytest.mark.parametrize(
    ("name", "config", "request_", "told"),
    [
        (CLAUDE, {"thinkingConfig": {"thinkingBudget": -1}}, {}, "thinking budget -1"),
        (CLAUDE, {"thinkingConfig": {}, "temperature": 0.5}, {}, "`temperature` may only be set to 1"),
        (CLAUDE, {"thinkingConfig": {}, "topK": 5}, {}, "`temperature` may only"),
        (CLAUDE, {"thinkingConfig": {}, "topP": 0.9}, {}, "`top_p`"),
        (CLAUDE, {"thinkingConfig": {}}, {"tools": tools(), "toolConfig": choice("ANY")}, "forces tool use"),
        (CLAUDE, {"candidateCount": 2}, {}, "Multiple candidates"),
        (CLAUDE, {"maxOutputTokens": 64_001}, {}, "from 1 to 64000"),
        ("gpt-oss-120b-medium", {"thinkingConfig": {"includeThoughts": True}}, {}, "not supported by this model"),
        ("gemini-2.5-pro", {"responseMimeType": "application/json"}, {"tools": tools()}, "is unsupported"),
    ],
)
def test_the_settings_of_single_models(name: str, config: Any, request_: dict[str, Any], told: str) -> None:
    refused(envelope(model=name, config=config, **request_), told)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"tools": [*tools(), SEARCH]}, "Multiple tools are supported only when"),
        ({"tools": [tools()[0] | SEARCH]}, "Multiple tools are supported only when"),
        ({"tools": [*tools(), *tools()]}, "Multiple tools are supported only when"),
        ({"tools": [{}]}, "Multiple tools are supported only when"),
        ({"tools": [{"functionDeclarations": []}]}, "From 1 to 512"),
        ({"tools": tools(*({"name": f"f{i}"} for i in range(513)))}, "From 1 to 512"),
        ({"tools": tools({"name": "a"}, {"name": "a"})}, "Duplicate function declaration"),
        ({"tools": tools({"name": "a b"})}, "Invalid function name"),
        ({"tools": tools({"name": "1a"})}, "Invalid function name"),
        ({"tools": tools({"name": "a" * 65})}, "Invalid function name"),
        ({"tools": tools({"description": "nameless"})}, "Invalid function name"),
        ({"tools": tools({"name": "a", "parameters": {"type": "string"}})}, "should be of type OBJECT"),
        ({"tools": tools({"name": "a", "parameters": {}})}, "should be of type OBJECT"),
        ({"tools": tools({"name": "a", "parameters": OBJECT | {"title": "A"}})}, 'Unknown name "title"'),
        ({"toolConfig": choice("AUTO")}, "without function_declarations"),
        ({"toolConfig": choice("NONE"), "tools": [SEARCH]}, "without function_declarations"),
        ({"toolConfig": choice("AUTO", "a"), "tools": tools()}, "only for the modes ANY and VALIDATED"),
        ({"toolConfig": choice("ANY", "b"), "tools": tools()}, "b is not declared"),
    ],
)
def test_the_rules_on_tools(request_: dict[str, Any], told: str) -> None:
    refused(envelope(**request_), told)


def test_claude_wants_a_schema_for_each_function_it_may_call() -> None:
    body = envelope(tools=tools({"name": "a"}), toolConfig=choice("VALIDATED"), model=CLAUDE)
    refused(body, "input_schema: Field required")
    ordered = OBJECT | {"propertyOrdering": ["q"]}
    check_generate(envelope(tools=tools({"name": "a", "parameters": ordered})))
    refused(
        envelope(tools=tools({"name": "a", "parameters": ordered}), model=CLAUDE), 'Unknown name "propertyOrdering"'
    )


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "request type image_gen"),
        ({"requestType": "image_gen", "systemInstruction": {"parts": [{"text": "a"}]}}, "systemInstruction"),
        ({"requestType": "image_gen", "tools": tools()}, "tools"),
        ({"requestType": "image_gen", "config": {"thinkingConfig": {}}}, "thinkingConfig"),
        ({"requestType": "image_gen", "config": {"responseModalities": ["IMAGE"]}}, "responseModalities"),
    ],
)
def test_image_models_take_little(more: dict[str, Any], told: str) -> None:
    kind = {key: more.pop(key) for key in ("requestType",) if key in more}
    refused(envelope(model="gemini-3-pro-image", **more) | kind, told)


def test_tokens_are_counted_of_contents_alone() -> None:
    request: dict[str, Any] = {"model": "models/gemini-3-flash", "contents": [user()]}
    check_count({"request": request})
    check_count({"request": request | {"tools": tools(), "systemInstruction": {"parts": [{"text": "a"}]}}})
    # a signature is not asked for here
    check_count({"request": request | {"contents": [user(), model(call()), user(result())]}})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda body: body | {"model": "gemini-3-flash"}, 'Unknown name "model"'),
        (lambda body: body | {"project": "p"}, 'Unknown name "project"'),
        (lambda body: {"request": body["request"] | {"generationConfig": {}}}, 'Unknown name "generationConfig"'),
        (lambda body: {"request": body["request"] | {"sessionId": "-1"}}, 'Unknown name "sessionId"'),
        (lambda body: {"request": body["request"] | {"safetySettings": []}}, 'Unknown name "safetySettings"'),
        (lambda body: {"request": body["request"] | {"model": "gemini-3-flash"}}, "begins with models/"),
        (lambda body: {"request": body["request"] | {"model": "models/nothing"}}, "was not found"),
        (lambda body: {"request": body["request"] | {"contents": []}}, "contents is not specified"),
        (
            lambda body: {
                "request": body["request"] | {"contents": [user(), model({"text": "a", "thought": True}), user()]}
            },
            "Thoughts can't be counted",
        ),
        (lambda _: {}, "begins with models/"),
    ],
)
def test_a_count_of_more_is_refused(change: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(Refused) as found:
        check_count(change({"request": {"model": "models/gemini-3-flash", "contents": [user()]}}))
    assert told in str(found.value)


def test_a_free_user_is_onboarded_without_a_project() -> None:
    check_onboard({"tierId": "free-tier", "metadata": {"ideType": "ANTIGRAVITY"}})
    check_onboard({"tierId": "standard-tier", "cloudaicompanionProject": "mine"})
    with pytest.raises(Refused, match="Precondition Failed"):
        check_onboard({"tierId": "free-tier", "cloudaicompanionProject": "mine"})
