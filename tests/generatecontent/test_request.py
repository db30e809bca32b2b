"""Whole requests: the examples, every target's rules, and whatever calls may come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from support.models import MODELS

from antigravity_proxy.canonical.call import Call, FunctionDeclaration, OutputFormat, Reasoning, Sampling, ToolChoice
from antigravity_proxy.canonical.content import Blob, Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Quirk
from antigravity_proxy.codeassist.wire import envelope as enveloped
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.request import count_tokens_body, prepare, quirk_for
from antigravity_proxy.generatecontent.turns import DUMMY_SIGNATURE
from antigravity_proxy.simulator.validate import Refused, check_count, check_generate

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
GEMINI, GEMINI_2, CLAUDE = MODELS["gemini-3-flash"], MODELS["gemini-2.5-flash"], MODELS["claude-sonnet-4-6"]
OPUS, IMAGE, GPT = MODELS["claude-opus-4-6-thinking"], MODELS["gemini-3-pro-image"], MODELS["gpt-oss-120b-medium"]
HELLO = Call("m", (Content("user", (Part(text="Hello"),)),))
TOOL = FunctionDeclaration("f", "F", {"type": "object", "properties": {"a": {"type": "string"}}})


def asking(*contents: Content, **fields: Any) -> Call:
    return Call("m", contents or HELLO.contents, **fields)


def envelope(call: Call, model: Model = GEMINI, *quirks: Quirk) -> Any:
    """The whole body, which upstream would accept."""
    body = json.loads(enveloped(prepare(call, model, frozenset(quirks)), "p", "agent-1", "tests"))
    check_generate(body)
    return body


def request(call: Call, model: Model = GEMINI, *quirks: Quirk) -> Any:
    return envelope(call, model, *quirks)["request"]


def config(call: Call, model: Model = GEMINI, *quirks: Quirk) -> Any:
    return request(call, model, *quirks).get("generationConfig", {})


# -- the examples


def second_turn(reasoning: Reasoning) -> Call:
    asked = json.loads((GOLDEN / "turn2.openai-chat.request.json").read_bytes())
    function = asked["tools"][0]["function"]

    def call(city: str, letter: str, signature: str = "") -> Part:
        args = Raw(json.dumps({"city": city}, ensure_ascii=False).encode())
        return Part(function_call=FunctionCall("get_weather", args, f"call_{letter * 24}"), thought_signature=signature)

    def result(output: str, letter: str) -> Part:
        response = Raw(msgspec.json.encode({"output": output}))
        return Part(function_response=FunctionResponse("get_weather", response, f"call_{letter * 24}"))

    return Call(
        "gemini-3-flash",
        (
            Content("user", (Part(text="Weather in Oslo and Tromsø?"),)),
            Content("model", (Part(text="Need both cities.", thought=True),)),
            Content("model", (call("Oslo", "A", "U2lnRXhhbXBsZUE="), call("Tromsø", "B"))),
            Content("user", (result("-3 C", "B"),)),
            Content("user", (result("4 C", "A"),)),
        ),
        system=("Be brief.",),
        tools=(FunctionDeclaration("get_weather", function["description"], function["parameters"]),),
        sampling=Sampling(max_output_tokens=2000, stop_sequences=("END",)),
        reasoning=reasoning,
        stream=True,
    )


@pytest.mark.parametrize(
    ("example", "reasoning"),
    [
        ("turn2.upstream.from-openai-chat.json", Reasoning()),
        ("turn2.upstream.from-anthropic.json", Reasoning("on", 1024)),
    ],
)
def test_the_second_turn_is_sent_as_the_example_says(example: str, reasoning: Reasoning) -> None:
    expected = json.loads((GOLDEN / example).read_bytes())
    prepared = prepare(second_turn(reasoning), GEMINI)
    found = json.loads(enveloped(prepared, expected["project"], expected["requestId"], "antigravity-proxy"))
    for body in (expected, found):
        assert int(body["request"].pop("sessionId")) < 0
    assert found == expected


# -- the envelope


def test_every_attempt_has_its_own_envelope_around_the_same_request() -> None:
    prepared = prepare(HELLO, GEMINI)
    first, second = (json.loads(enveloped(prepared, *about)) for about in (("p", "1", "u"), (None, "2", "u")))
    assert first["request"] == second["request"]
    assert (first["project"], first["requestId"], second["requestId"]) == ("p", "1", "2")
    assert "project" not in second
    assert (first["model"], first["userAgent"], first["requestType"]) == ("gemini-3-flash", "u", "agent")
    assert (prepared.model, prepared.is_picture, prepared.searches) == (GEMINI, False, False)


def test_the_same_call_gives_the_same_bytes() -> None:
    call = second_turn(Reasoning())
    assert enveloped(prepare(call, GEMINI), "p", "1", "u") == enveloped(
        prepare(second_turn(Reasoning()), GEMINI), "p", "1", "u"
    )


def test_a_session_lasts_as_long_as_its_opening() -> None:
    longer = asking(*HELLO.contents, Content("model", (Part(text="Hi"),)), Content("user", (Part(text="More"),)))
    other = asking(Content("user", (Part(text="Other"),)))
    sessions = [request(call)["sessionId"] for call in (HELLO, longer, other, replace(HELLO, system=("Be brief.",)))]
    assert sessions[0] == sessions[1]
    assert len(set(sessions)) == 3
    assert all(-(2**63) <= int(session) < 0 for session in sessions)


def test_a_name_and_an_opening_make_a_session() -> None:
    named, another = (asking(Content("user", (Part(text=t),)), session="s1") for t in ("a", "b"))
    other = replace(named, session="s2")
    longer = replace(named, contents=(*named.contents, Content("model", (Part(text="Hi"),)), *named.contents))
    sessions = [request(call)["sessionId"] for call in (named, longer, another, other, replace(named, session=""))]
    assert sessions[0] == sessions[1]
    assert len(set(sessions)) == 4


def test_system_texts_stay_apart_and_empty_ones_go() -> None:
    assert request(asking(system=("a", "", "b")))["systemInstruction"] == {
        "role": "user",
        "parts": [{"text": "a"}, {"text": "b"}],
    }
    assert "systemInstruction" not in request(asking(system=("",)))


def test_nothing_is_added_that_nobody_asked_for() -> None:
    sent = request(asking(reasoning=Reasoning("off")), CLAUDE)
    assert sent.keys() == {"contents", "sessionId"}


# -- tools


def test_fields_of_official_upstreams_are_googles_own_models() -> None:
    call = asking(official={"serviceTier": Raw(b'"flex"')})
    for model, expected in ((MODELS["gemini-3-flash"], "flex"), (CLAUDE, None)):
        body = prepare(call, model, official=True).body
        assert json.loads(body).get("serviceTier") == expected


def test_declarations_are_one_element_and_search_gives_way_to_them() -> None:
    sent = envelope(asking(tools=(TOOL,), web_search=True, builtin_tools=(Raw(b'{"codeExecution":{}}'),)))
    assert [list(tool) for tool in sent["request"]["tools"]] == [["functionDeclarations"]]
    assert "toolConfig" not in sent["request"]
    assert sent["requestType"] == "agent"


def test_search_alone_is_another_kind_of_request() -> None:
    sent = envelope(asking(web_search=True))
    assert (sent["request"]["tools"], sent["requestType"]) == ([{"googleSearch": {}}], "web_search")
    mine = Raw(b'{"googleSearch":{"excludeDomains":["a.example"]}}')
    sent = envelope(asking(web_search=True, builtin_tools=(mine,)))
    assert (sent["request"]["tools"], sent["requestType"]) == ([json.loads(bytes(mine))], "web_search")
    sent = envelope(asking(web_search=True, builtin_tools=(Raw(b'{"urlContext":{}}'),)))
    assert (sent["request"]["tools"], sent["requestType"]) == ([{"googleSearch": {}}, {"urlContext": {}}], "agent")
    unwanted = envelope(asking(web_search=True, tool_choice=ToolChoice("none")))
    assert ("tools" in unwanted["request"], unwanted["requestType"]) == (False, "agent")


def test_other_tools_pass_if_alone() -> None:
    assert request(asking(builtin_tools=(Raw(b'{"codeExecution":{}}'),)))["tools"] == [{"codeExecution": {}}]


def test_the_choice_of_tools() -> None:
    call = asking(tools=(TOOL,), tool_choice=ToolChoice("any", ("f",)))
    expected = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}
    assert request(call)["toolConfig"] == expected
    assert request(asking(tools=(TOOL,)), CLAUDE)["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    with pytest.raises(BadRequest):
        prepare(asking(tool_choice=ToolChoice("any", ("f",))), GEMINI)
    many = tuple(FunctionDeclaration(f"f{i}") for i in range(600))
    with pytest.raises(BadRequest):
        prepare(asking(tools=many, tool_choice=ToolChoice("any", ("f599",))), GEMINI)


def test_names_are_restored_in_the_answer() -> None:
    prepared = prepare(asking(tools=(FunctionDeclaration("a b", "", {"type": "string"}),)), GEMINI)
    sent = json.loads(enveloped(prepared, None, "1", "u"))["request"]["tools"][0]["functionDeclarations"][0]
    assert (sent["name"], list(sent["parameters"]["properties"])) == ("a_b", ["input"])
    assert not prepare(asking(tools=(TOOL,)), GEMINI).restore.fresh()._wrapped
    assert prepared.restore._wrapped == {"a b"}
    assert prepare(asking(tools=(TOOL,), parallel_tool_calls=False), GEMINI).restore._only_first


# -- settings


def test_sampling_is_sent_as_it_is() -> None:
    sampling = Sampling(0.5, 0.9, 40, 100, ("a",), 7, 0.1, 0.2, True, 3)
    assert config(asking(sampling=sampling), GPT) == {
        "temperature": 0.5, "topP": 0.9, "topK": 40, "maxOutputTokens": 100, "stopSequences": ["a"], "seed": 7,
        "presencePenalty": 0.1, "frequencyPenalty": 0.2, "responseLogprobs": True, "logprobs": 3,
    }  # fmt: skip


def test_settings_out_of_range_are_brought_into_it() -> None:
    stops = tuple("abcdefg")
    sent = config(asking(sampling=Sampling(3.0, 1.5, 0, 10**9, stops)))
    assert (sent["temperature"], sent["topP"], sent["topK"], sent["maxOutputTokens"]) == (2, 1, 1, 65_536)
    assert sent["stopSequences"] == list("abcde")
    sent = config(asking(sampling=Sampling(-1.0, -1.0)))
    assert (sent["temperature"], sent["topP"]) == (0, 0)


@pytest.mark.parametrize(("top_p", "kept"), [(0.5, False), (0.95, True), (1.0, True), (7.0, True), (None, False)])
def test_claude_that_thinks_takes_no_temperature(top_p: float | None, kept: bool) -> None:
    call = asking(sampling=Sampling(0.5, top_p, 40), reasoning=Reasoning("on", 2000))
    sent = config(call, CLAUDE)
    assert sent["thinkingConfig"] == {"includeThoughts": True, "thinkingBudget": 2000}
    assert sent.keys() - {"thinkingConfig"} == ({"topP"} if kept else set())
    assert config(replace(call, reasoning=Reasoning()), CLAUDE)["temperature"] == 0.5


def test_claude_does_not_think_where_it_must_call_or_lacks_its_thoughts() -> None:
    thinks = asking(tools=(TOOL,), reasoning=Reasoning("on", 2000))
    assert "thinkingConfig" in config(thinks, OPUS)
    assert "thinkingConfig" not in config(replace(thinks, tool_choice=ToolChoice("any")), OPUS)
    assert "thinkingConfig" in config(replace(thinks, tool_choice=ToolChoice("any")), GEMINI)
    assert "thinkingConfig" not in config(thinks, OPUS, Quirk.LOST_SIGNATURES)
    called = Content("model", (Part(function_call=FunctionCall("f")),))
    unsigned = replace(thinks, contents=(*HELLO.contents, called))
    assert "thinkingConfig" not in config(unsigned, OPUS)
    assert "thinkingConfig" in config(unsigned, GEMINI)


def test_the_limit_makes_room_for_thoughts() -> None:
    sent = config(asking(sampling=Sampling(max_output_tokens=500), reasoning=Reasoning("on", 1024)))
    assert sent == {"maxOutputTokens": 1524, "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024}}


def test_what_only_gemini_can_say_is_added() -> None:
    call = asking(extra_config={"mediaResolution": Raw(b'"LOW"')}, safety_settings=(Raw(b'{"category":"C"}'),))
    assert config(call)["mediaResolution"] == "LOW"
    assert request(call)["safetySettings"] == [{"category": "C"}]


# -- structured output

SCHEMA = {"type": "object", "title": "T", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
JSON = "application/json"


def test_a_schema_for_the_answer() -> None:
    call = asking(output=OutputFormat("schema", SCHEMA))
    sent = config(call)
    assert (sent["responseMimeType"], sent["responseJsonSchema"]["properties"]["n"]["minimum"]) == (JSON, 1)
    assert "responseSchema" not in sent
    short = config(call, GEMINI, Quirk.SHORT_SCHEMA)
    assert (short["responseMimeType"], "minimum" in short["responseSchema"]["properties"]["n"]) == (JSON, False)
    assert "responseJsonSchema" not in short


@pytest.mark.parametrize("output", [OutputFormat("json"), OutputFormat("schema", True)])
def test_any_json_for_the_answer(output: OutputFormat) -> None:
    assert config(asking(output=output)) == {"responseMimeType": JSON, "thinkingConfig": {"includeThoughts": True}}


@pytest.mark.parametrize(("model", "tools"), [(CLAUDE, ()), (CLAUDE, (TOOL,)), (GEMINI_2, (TOOL,))])
def test_where_upstream_can_not_be_told_the_model_is(model: Model, tools: Any) -> None:
    for output, words in (
        (OutputFormat("schema", SCHEMA), "no code fence:\n" + msgspec.json.encode(SCHEMA).decode()),
        (OutputFormat("json"), "Answer with one JSON value only, no prose, no code fence."),
    ):
        call = asking(output=output, tools=tools, system=("Be brief.",))
        sent = request(call, model)
        assert sent["systemInstruction"]["parts"][0] == {"text": "Be brief."}
        assert sent["systemInstruction"]["parts"][1]["text"].endswith(words)
        assert "responseMimeType" not in sent.get("generationConfig", {})
        assert call.system == ("Be brief.",)


def test_gemini_3_takes_tools_and_a_schema_together() -> None:
    sent = request(asking(output=OutputFormat("schema", SCHEMA), tools=(TOOL,)))
    assert "responseJsonSchema" in sent["generationConfig"]
    assert "systemInstruction" not in sent


# -- image models


def test_an_image_model_gets_contents_and_the_pictures_form_alone() -> None:
    call = asking(
        system=("Paint in oil.",), tools=(TOOL,), web_search=True, sampling=Sampling(1.0, max_output_tokens=5),
        output=OutputFormat("json"), reasoning=Reasoning("on", 5000),
        extra_config={"imageConfig": Raw(b'{"aspectRatio":"16:9"}'), "responseModalities": Raw(b'["IMAGE"]')},
    )  # fmt: skip
    sent = envelope(call, IMAGE)
    assert sent["requestType"] == "image_gen"
    assert sent["request"] == {
        "contents": [{"role": "user", "parts": [{"text": "Paint in oil."}, {"text": "Hello"}]}],
        "generationConfig": {"candidateCount": 1, "imageConfig": {"aspectRatio": "16:9"}},
    }
    assert request(HELLO, IMAGE)["generationConfig"] == {"candidateCount": 1}


@pytest.mark.parametrize(
    ("name", "given", "quirks", "expected"),
    [
        ("gemini-3-pro-image-16x9-4k", None, (), {"aspectRatio": "16:9", "imageSize": "4K"}),
        ("gemini-3-pro-image-16x9-4k", b'{"aspectRatio":"1:1"}', (), {"aspectRatio": "1:1"}),
        ("gemini-3-pro-image-4k", None, (Quirk.SMALLER_PICTURE,), {"imageSize": "2K"}),
        (
            "m",
            b'{"aspectRatio":"1:1","imageSize":"2K"}',
            (Quirk.SMALLER_PICTURE,),
            {"aspectRatio": "1:1", "imageSize": "1K"},
        ),
        ("m", b'{"imageSize":"1K"}', (Quirk.SMALLER_PICTURE,), None),
        ("m", None, (Quirk.SMALLER_PICTURE,), None),
    ],
)
def test_the_pictures_form_is_the_clients_or_the_names(
    name: str, given: bytes | None, quirks: tuple[Quirk, ...], expected: Any
) -> None:
    call = replace(asking(), model=name, extra_config={} if given is None else {"imageConfig": Raw(given)})
    assert request(call, IMAGE, *quirks)["generationConfig"].get("imageConfig") == expected


def test_a_form_that_is_none_is_left_to_upstream() -> None:
    call = asking(extra_config={"imageConfig": Raw(b"5")})
    body = enveloped(prepare(call, IMAGE, frozenset({Quirk.SMALLER_PICTURE})), None, "id", "agent")
    assert json.loads(body)["request"]["generationConfig"]["imageConfig"] == 5


# -- what upstream refused before


@pytest.mark.parametrize(
    ("message", "model", "quirk"),
    [
        ("Unknown name \"stopSequences\" at 'request.generation_config'", GEMINI, Quirk.NO_STOP_SEQUENCES),
        ("generation_config.stop_sequences is not supported", GEMINI, Quirk.NO_STOP_SEQUENCES),
        ("Invalid value at 'generation_config.image_config.image_size'", IMAGE, Quirk.SMALLER_PICTURE),
        ("Image size 4K is not supported", IMAGE, Quirk.SMALLER_PICTURE),
        ("Image size 4K is not supported", GEMINI, None),
        ("service_tier flex is not supported for this model", GEMINI, Quirk.NO_SERVICE_TIER),
        ("Invalid value at 'service_tier' (TYPE_ENUM), \"gold\"", GEMINI, None),
        ("presence_penalty", GEMINI, Quirk.NO_PRESENCE_PENALTY),
        ("frequencyPenalty", GEMINI, Quirk.NO_FREQUENCY_PENALTY),
        ("Logprobs is not enabled for this model", GEMINI, Quirk.NO_LOGPROBS),
        ("The thinking_budget is invalid", GEMINI, Quirk.PLAIN_THINKING),
        ("thinkingLevel", CLAUDE, Quirk.PLAIN_THINKING),
        ("thinkingLevel", GPT, None),
        ("response_json_schema.properties", GEMINI, Quirk.SHORT_SCHEMA),
        ("responseSchema", GPT, Quirk.SHORT_SCHEMA),
        ("responseSchema", CLAUDE, None),
        ("This model does not support assistant message prefill.", GEMINI, Quirk.NO_PREFILL),
        ("The conversation must end with a user message.", GEMINI, Quirk.NO_PREFILL),
        ("This model does not support assistant message prefill.", CLAUDE, None),
        ("Function call is missing a thought_signature", GEMINI, Quirk.LOST_SIGNATURES),
        ("Invalid `signature` in `thinking` block", CLAUDE, Quirk.LOST_SIGNATURES),
        ("Expected `thinking`, must be 'thinking'", CLAUDE, Quirk.LOST_SIGNATURES),
        ("the function's signatures differ", GEMINI, None),
        ("schema is wrong", GEMINI, None),
        ("", GEMINI, None),
    ],
)
def test_a_refusal_names_its_cure(message: str, model: Model, quirk: Quirk | None) -> None:
    assert quirk_for(model, message) is quirk


FULL = asking(
    *HELLO.contents,
    Content("model", (Part(text="Once", thought_signature="c2ln"),)),
    sampling=Sampling(
        stop_sequences=("a",), presence_penalty=1.0, frequency_penalty=1.0, response_logprobs=True, logprobs=1
    ),
    output=OutputFormat("schema", SCHEMA),
    reasoning=Reasoning("on", 1000),
)


@pytest.mark.parametrize(
    ("quirk", "gone"),
    [
        (Quirk.NO_STOP_SEQUENCES, {"stopSequences"}),
        (Quirk.NO_PRESENCE_PENALTY, {"presencePenalty"}),
        (Quirk.NO_FREQUENCY_PENALTY, {"frequencyPenalty"}),
        (Quirk.NO_LOGPROBS, {"responseLogprobs", "logprobs"}),
        (Quirk.SHORT_SCHEMA, {"responseJsonSchema"}),
        (Quirk.PLAIN_THINKING, set()),
        (Quirk.NO_PREFILL, set()),
        (Quirk.LOST_SIGNATURES, set()),
    ],
)
def test_a_quirk_leaves_out_what_it_says_and_nothing_else(quirk: Quirk, gone: set[str]) -> None:
    whole, less = request(FULL), request(FULL, GEMINI, quirk)
    before, after = whole["generationConfig"], less["generationConfig"]
    assert before.keys() - after.keys() == gone
    thinking = {"includeThoughts": True} | ({} if quirk is Quirk.PLAIN_THINKING else {"thinkingBudget": 1000})
    assert after["thinkingConfig"] == thinking
    assert len(less["contents"]) == (3 if quirk is Quirk.NO_PREFILL else 2)
    signed = "thoughtSignature" in less["contents"][1]["parts"][0]
    assert signed is (quirk is not Quirk.LOST_SIGNATURES)


# -- counting


def test_a_count_has_contents_alone_and_thoughts_are_text() -> None:
    contents = (
        *HELLO.contents,
        Content(
            "model", (Part(text="hm", thought=True, thought_signature="c2ln"), Part(function_call=FunctionCall("f")))
        ),
    )
    body = json.loads(count_tokens_body(asking(*contents, system=("s",), tools=(TOOL,)), GEMINI))
    check_count(body)
    assert body["request"]["model"] == "models/gemini-3-flash"
    assert body["request"].keys() == {"model", "contents"}
    assert body["request"]["contents"][1]["parts"] == [{"text": "hm"}, {"functionCall": {"name": "f", "args": {}}}]


def test_a_thought_without_text_is_counted_as_something() -> None:
    said = Content("model", (Part(text="", thought=True, thought_signature="c2ln"),))
    body = json.loads(count_tokens_body(asking(*HELLO.contents, said, *HELLO.contents), CLAUDE))
    check_count(body)
    assert [len(turn["parts"]) for turn in body["request"]["contents"]] == [1, 1, 1]
    body = json.loads(count_tokens_body(asking(*HELLO.contents, said), CLAUDE))
    check_count(body)
    assert body["request"]["contents"][1]["parts"] == [{"text": "."}]


# -- whatever comes


def test_a_request_that_is_too_deep_is_the_clients_fault() -> None:
    schema: Any = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(BadRequest, match="too deeply"):
        prepare(asking(tools=(FunctionDeclaration("f", "", schema),)), GEMINI)


def test_a_large_file_is_not_copied_more_than_needed() -> None:
    data = "A" * 1_000_000
    body = enveloped(
        prepare(asking(Content("user", (Part(inline_data=Blob("image/png", data)),))), GEMINI), None, "1", "u"
    )
    assert len(body) < len(data) + 500


texts = st.sampled_from(["", " ", "a", "é…", "\u0000", '"\\'])
identities = st.sampled_from(["", "1", "2", "call.x y"])
function_names = st.sampled_from(["f", "g", "a b", "a_b", "", "x" * 80])
base64s = st.sampled_from(["", "c2ln", "claude:c2ln", "gemini:c2ln", DUMMY_SIGNATURE])
inline = st.just(Part(inline_data=Blob("image/png", "AAAA")))
parts = (
    st.builds(Part, text=texts, thought=st.booleans(), thought_signature=base64s)
    | st.builds(
        lambda name, identity, signature: Part(
            function_call=FunctionCall(name, Raw(b'{"a":1}'), identity), thought_signature=signature
        ),
        function_names,
        identities,
        base64s,
    )
    | st.builds(
        lambda name, identity, more: Part(function_response=FunctionResponse(name, Raw(b"{}"), identity, tuple(more))),
        function_names,
        identities,
        st.lists(inline, max_size=1),
    )
    | inline
)
contents = st.lists(
    st.builds(Content, st.sampled_from(["user", "model", "model", ""]), st.lists(parts, max_size=4).map(tuple)),
    max_size=7,
)
schemas = st.sampled_from([None, {}, {"type": "array"}, {"$ref": "#"}, True, SCHEMA])
tools = st.lists(st.builds(FunctionDeclaration, function_names, texts, schemas), max_size=4)
calls = st.builds(
    Call,
    st.just("m"),
    contents.map(tuple),
    system=st.lists(texts, max_size=2).map(tuple),
    tools=tools.map(tuple),
    web_search=st.booleans(),
    tool_choice=st.builds(ToolChoice, st.sampled_from(["auto", "none", "any", "validated"])),
    parallel_tool_calls=st.booleans(),
    sampling=st.builds(
        Sampling,
        temperature=st.none() | st.floats(-1, 3),
        top_p=st.none() | st.floats(-1, 3),
        top_k=st.none() | st.integers(0, 3),
        max_output_tokens=st.none() | st.integers(1, 10**6),
    ),
    output=st.sampled_from([OutputFormat(), OutputFormat("json"), OutputFormat("schema", SCHEMA)]),
    reasoning=st.builds(
        Reasoning, st.sampled_from(["default", "off", "on", "auto"]), st.none() | st.integers(-1, 10**5)
    ),
)


def without_dummies(call: Call) -> Call:
    """Nobody but Gemini's clients sends the dummy; to Claude it would be a lost cause."""
    cleaned = [
        Content(
            c.role,
            tuple(replace(p, thought_signature=p.thought_signature.replace(DUMMY_SIGNATURE, "")) for p in c.parts),
        )
        for c in call.contents
    ]
    return replace(call, contents=tuple(cleaned))


@given(calls, st.sampled_from(list(MODELS.values())), st.frozensets(st.sampled_from(list(Quirk)), max_size=2))
def test_upstream_takes_every_call_for_every_model(call: Call, model: Model, quirks: frozenset[Quirk]) -> None:
    call = without_dummies(call) if model.family == "claude" else call
    prepared = prepare(call, model, quirks)
    body = enveloped(prepared, "p", "1", "u")
    try:
        check_generate(json.loads(body))
        check_count(json.loads(count_tokens_body(call, model)))
    except Refused as e:
        raise AssertionError(f"{e}: {body.decode()}") from e
    assert enveloped(prepare(call, model, quirks), "p", "1", "u") == body
