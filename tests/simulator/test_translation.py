"""Whatever conversation, tools and settings a client comes up with: what we make of it, the strict service takes."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from support.models import MODELS

from antigravity_proxy.canonical.call import (
    Call,
    FunctionDeclaration,
    OutputFormat,
    Reasoning,
    Sampling,
    ToolChoice,
)
from antigravity_proxy.canonical.content import Blob, Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Quirk
from antigravity_proxy.codeassist.wire import envelope as enveloped
from antigravity_proxy.generatecontent.request import count_tokens_body, prepare
from antigravity_proxy.simulator.validate import check_count, check_generate

OBJECT = Raw(b'{"x":1}')
PICTURE = Part(inline_data=Blob("image/png", "QUJD"))

NAMES = st.sampled_from(["a", "b", "get time", "9x", "a.b"])
IDS = st.sampled_from(["", "c1", "c2", "c:3"])
SIGNATURES = st.sampled_from(["", "QUJD"])

TEXTS = st.builds(Part, text=st.sampled_from(["", "hi", " \n"]))
SAID = st.builds(Part, text=st.sampled_from(["", "hi", " "]), thought=st.booleans(), thought_signature=SIGNATURES)
CALLS = st.builds(
    Part, function_call=st.builds(FunctionCall, NAMES, st.just(OBJECT), IDS), thought_signature=SIGNATURES
)
RESULTS = st.builds(
    Part,
    function_response=st.builds(FunctionResponse, NAMES, st.just(OBJECT), IDS, st.sampled_from([(), (PICTURE,)])),
)
TURNS = st.one_of(
    st.builds(Content, st.just("user"), st.lists(TEXTS | RESULTS | st.just(PICTURE), max_size=4).map(tuple)),
    st.builds(Content, st.just("model"), st.lists(SAID | CALLS, max_size=4).map(tuple)),
)
TOOLS = st.builds(
    FunctionDeclaration,
    NAMES,
    st.just("d"),
    st.sampled_from(
        [None, {}, {"type": "object"}, {"properties": {"q": {"type": ["string", "null"]}}}, {"type": "string"}]
    ),
)
CHOICES = st.sampled_from(
    [
        ToolChoice(),
        ToolChoice("any"),
        ToolChoice("none"),
        ToolChoice("validated"),
    ]
)
SAMPLING = st.builds(
    Sampling,
    temperature=st.sampled_from([None, 0.0, 2.0]),
    top_p=st.sampled_from([None, 0.5, 0.96]),
    top_k=st.sampled_from([None, 5]),
    max_output_tokens=st.sampled_from([None, 1, 500, 10_000_000]),
    stop_sequences=st.sampled_from([(), ("a",) * 7]),
)
REASONING = st.builds(
    Reasoning,
    st.sampled_from(["default", "off", "on", "auto"]),
    st.sampled_from([None, 0, -1, 100, 5000, 10**6]),
    st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    st.booleans(),
)
SCHEMA = {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "title": "T"}
OUTPUT = st.sampled_from([OutputFormat(), OutputFormat("json"), OutputFormat("schema", SCHEMA)])
ASKED = st.builds(
    Call,
    model=st.just("any"),
    contents=st.lists(TURNS, min_size=1, max_size=6).map(tuple),
    system=st.sampled_from([(), ("Be brief.",), ("",), (" ",)]),
    tools=st.lists(TOOLS, max_size=3).map(tuple),
    web_search=st.booleans(),
    tool_choice=CHOICES,
    sampling=SAMPLING,
    output=OUTPUT,
    reasoning=REASONING,
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(ASKED, st.sampled_from(list(MODELS.values())), st.sets(st.sampled_from(Quirk), max_size=1))
def test_any_call_to_any_model_is_taken(call: Call, model: Model, quirks: set[Quirk]) -> None:
    envelope = enveloped(prepare(call, model, frozenset(quirks)), "some-project", "agent-1", "antigravity-proxy")
    check_generate(json.loads(envelope))
    check_count(json.loads(count_tokens_body(call, model)))
