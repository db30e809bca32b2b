"""Responses: golden files, each kind of item, and the rule that the document is the stream's last snapshot."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from openai import NOT_GIVEN
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response as SdkResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from antigravity_proxy.canonical.chunk import FILTERED, Candidate, Chunk, PromptFeedback, Usage
from antigravity_proxy.canonical.content import ABSENT, Blob, Content, FunctionCall, Part
from antigravity_proxy.canonical.wire import UpstreamErrorEvent
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai.responses_answer import ResponsesDocument, ResponsesStream, new_answer
from antigravity_proxy.dialect.openai.responses_request import decode
from antigravity_proxy.errors import BadRequest, RateLimited, UpstreamOverloaded
from antigravity_proxy.generatecontent.events import read_event
from antigravity_proxy.generatecontent.sse import SSEDecoder

MakeStamp = Callable[..., Stamp]
ReadChunks = Callable[[str], list[Chunk]]
Golden = Callable[[str], bytes]

SHOWN = {"reasoning": {"effort": "high", "summary": "auto"}}
SEARCH = {"tools": [{"type": "web_search"}]}
GROUNDING = Raw(
    b'{"webSearchQueries":["q1","q2"],"groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}},{}],'
    b'"groundingSupports":[{"segment":{"startIndex":3,"endIndex":6},"groundingChunkIndices":[0]}]}'
)
CITATION = {"type": "url_citation", "start_index": 2, "end_index": 5, "url": "https://a.example", "title": "A"}


def options(**fields: Any) -> Any:
    """The options that a request with these fields makes."""
    decoded = decode(json.dumps({"model": "gpt-5", "input": "hi", **fields}).encode())
    return decoded.new_answer(Stamp(0, lambda digits: ""))._options


def one(*parts: Part, finish: str = "", index: int = 0, usage: Usage | None = None, **more: Any) -> Chunk:
    candidate = Candidate(index=index, content=Content("model", parts), finish_reason=finish, **more)
    return Chunk(candidates=(candidate,), usage_metadata=usage)


def text(value: str, **more: Any) -> Chunk:
    return one(Part(text=value), **more)


def thought(value: str, signature: str = "") -> Part:
    return Part(text=value, thought=True, thought_signature=signature)


def call(name: str = "f", args: bytes = b"{}", signature: str = "", **more: Any) -> Part:
    return Part(function_call=FunctionCall(name, Raw(args), **more), thought_signature=signature)


def events(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of every event; fails if one isn't framed as it should be."""
    *framed, rest = stream.split(b"\n\n")
    assert rest == b""
    found = []
    for event in framed:
        head, data = event.split(b"\n")
        decoded = json.loads(data.removeprefix(b"data: "))
        assert head == b"event: " + decoded["type"].encode()
        found.append(decoded)
    return found


def streamed(chunks: list[Chunk], stamp: Stamp, **fields: Any) -> bytes:
    answer = ResponsesStream(options(**fields), stamp)
    return answer.feed(chunks) + answer.close()


def told(chunks: list[Chunk], stamp: Stamp, **fields: Any) -> list[dict[str, Any]]:
    return events(streamed(chunks, stamp, **fields))


def kinds(found: list[dict[str, Any]]) -> list[str]:
    """What is told between the beginning and the end."""
    return [event["type"].removeprefix("response.") for event in found[2:-1]]


def document(chunks: list[Chunk], stamp: Stamp, **fields: Any) -> dict[str, Any]:
    answer = ResponsesDocument(options(**fields), stamp)
    assert answer.feed(chunks) == b""
    decoded: dict[str, Any] = json.loads(answer.close())
    return decoded


def output(chunks: list[Chunk], stamp: Stamp, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(chunks, stamp, **fields)["output"]
    return found


# --- golden files -----------------------------------------------------------------------------------------------


def golden_stamp(stamp: MakeStamp) -> Stamp:
    """Its digits make the ids of the golden files, once those of items are cut short."""
    return msgspec.structs.replace(stamp("AAB"), now=lambda: 1790000002.7)


def short(answer: bytes) -> bytes:
    """Items are numbered by kind, as in the golden files."""
    numbers: dict[bytes, dict[bytes, int]] = {}

    def number(found: re.Match[bytes]) -> bytes:
        known = numbers.setdefault(found[1], {})
        return b'"%b_%d"' % (found[1], known.setdefault(found[2], len(known) + 1))

    return re.sub(rb'"(rs|msg|fc)_A{24}([0-9a-f]{4})"', number, answer)


GOLDEN = {"model": "gpt-5-codex", **SHOWN}


def test_the_golden_stream_byte_for_byte(stamp: MakeStamp, chunks: ReadChunks, golden: Golden) -> None:
    found = streamed(chunks("golden-a.upstream.sse"), golden_stamp(stamp), **GOLDEN)
    assert short(found) == golden("golden-a.openai-responses.sse")


def test_the_golden_document_byte_for_byte(stamp: MakeStamp, chunks: ReadChunks, golden: Golden) -> None:
    answer = new_answer(options(**GOLDEN), golden_stamp(stamp))
    answer.feed(chunks("golden-a.upstream.sse"))
    assert short(answer.close()) == msgspec.json.format(golden("golden-a.openai-responses.json"), indent=-1)


def test_every_event_leaves_with_the_chunk_that_brought_it(stamp: MakeStamp, chunks: ReadChunks) -> None:
    answer = ResponsesStream(options(**SHOWN), stamp())
    sent = [kinds([{}, {}, *events(answer.feed([chunk])), {}]) for chunk in chunks("golden-a.upstream.sse")]
    assert sent[0][-1] == "reasoning_summary_text.delta"
    assert sent[1][-2:] == ["output_text.delta", "output_text.delta"]
    assert sent[2][-1] == "output_item.done"
    assert sent[3] == []


# --- how responses begin and end --------------------------------------------------------------------------------


def test_the_first_event_is_created_even_of_an_answer_with_nothing_in_it(stamp: MakeStamp) -> None:
    found = told([], stamp())
    assert [event["type"] for event in found] == ["response.created", "response.in_progress", "response.completed"]
    assert [event["sequence_number"] for event in found] == [0, 1, 2]
    assert found[0]["response"] == found[1]["response"]
    assert (found[0]["response"]["status"], found[2]["response"]["output"]) == ("in_progress", [])


FINISHES = [
    ("STOP", False, "completed", None),
    ("", False, "completed", None),
    ("SOMETHING_NEW", False, "completed", None),
    ("MAX_TOKENS", False, "incomplete", "max_output_tokens"),
    ("MAX_TOKENS", True, "completed", None),
    ("SAFETY", True, "completed", None),
    *((reason, False, "incomplete", "content_filter") for reason in sorted(FILTERED)),
]


@pytest.mark.parametrize(("upstream", "calls", "status", "reason"), FINISHES)
def test_how_a_response_ends(stamp: MakeStamp, upstream: str, calls: bool, status: str, reason: str | None) -> None:
    said = [one(Part(text="x"), *([call()] if calls else []), finish=upstream)]
    last = told(said, stamp())[-1]
    assert last["type"] == f"response.{status}"
    response = last["response"]
    assert (response["status"], response["incomplete_details"]) == (status, {"reason": reason} if reason else None)
    assert response["output"][0]["status"] == status
    assert response["completed_at"] == (None if reason else 1790000000)
    assert response["error"] is None


def test_a_blocked_prompt_is_incomplete_not_an_error(stamp: MakeStamp) -> None:
    blocked = [Chunk(prompt_feedback=PromptFeedback("PROHIBITED_CONTENT"))]
    response = document(blocked, stamp())
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    assert response["output"] == []
    assert document([text("x"), Chunk(prompt_feedback=PromptFeedback())], stamp())["status"] == "completed"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamOverloaded("busy"), "server_error"),
        (RateLimited("slow down"), "rate_limit_exceeded"),
        (BadRequest("wrong"), "invalid_prompt"),
    ],
)
def test_a_stream_that_fails_ends_in_failed_and_nothing_else(stamp: MakeStamp, error: Any, code: str) -> None:
    answer = ResponsesStream(options(), stamp())
    begun = events(answer.feed([one(call("f"), Part(text="Checking "))]))
    (failed,) = events(answer.fail(error))
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", len(begun))
    response = failed["response"]
    assert (response["status"], response["error"]) == ("failed", {"code": code, "message": error.message})
    assert [item["type"] for item in response["output"]] == ["function_call"]  # the message never ended
    assert (response["usage"], response["completed_at"]) == (None, None)


def test_a_stream_that_fails_before_its_first_chunk_still_begins_with_created(stamp: MakeStamp) -> None:
    found = events(ResponsesStream(options(), stamp()).fail(UpstreamOverloaded("busy")))
    assert [event["type"] for event in found] == ["response.created", "response.in_progress", "response.failed"]


def test_the_golden_error_in_a_stream(stamp: MakeStamp, golden: Golden) -> None:
    decoder = SSEDecoder()
    first, second = [*decoder.feed(golden("error-in-stream.upstream.sse")), *decoder.close()]
    answer = ResponsesStream(options(), stamp())
    begun = events(answer.feed([read_event(first)]))
    with pytest.raises(UpstreamErrorEvent):
        read_event(second)
    ended = events(answer.fail(UpstreamOverloaded("The service is currently unavailable.")))
    deltas = [event["delta"] for event in begun if event["type"].endswith("text.delta")]
    assert deltas == ["Checking ", "the weather …"]
    assert ended[-1]["response"]["error"]["message"] == "The service is currently unavailable."
    assert not {"response.completed", "response.incomplete"} & {event["type"] for event in begun + ended}


def test_a_collected_response_can_be_told_of_an_error_too(stamp: MakeStamp) -> None:
    failed = json.loads(ResponsesDocument(options(), stamp()).fail(UpstreamOverloaded("busy")))
    assert failed["error"]["message"] == "busy"


def test_content_types_and_keepalives(stamp: MakeStamp) -> None:
    stream, whole = new_answer(options(stream=True), stamp()), new_answer(options(), stamp())
    assert (stream.content_type, stream.keepalive) == (b"text/event-stream; charset=utf-8", b": keepalive\n\n")
    assert (whole.content_type, whole.keepalive) == (b"application/json", b"")


def test_what_the_client_set_is_given_back(stamp: MakeStamp) -> None:
    given = {
        "instructions": "Be brief.",
        "max_output_tokens": 100,
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low", "summary": "concise"},
        "safety_identifier": "s",
        "temperature": 0.5,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "tool_choice": {"type": "function", "name": "f"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}, {"type": "mcp"}],
        "top_logprobs": 3,
        "top_p": 0.25,
        "user": "u",
        "metadata": {"a": "b"},
    }
    response = document([], stamp(), **given)
    assert {name: response[name] for name in given} == given
    fixed = {"store": False, "background": False, "service_tier": "default", "truncation": "disabled"}
    response = document([], stamp(), store=True, service_tier="flex", truncation="auto", text={"verbosity": "high"})
    assert {name: response[name] for name in fixed} == fixed
    assert response["text"] == {"verbosity": "high", "format": {"type": "text"}}


def test_what_is_given_back_stays_on_one_line(stamp: MakeStamp) -> None:
    body = b'{"model":"m","input":"hi","tools":[\n\n{"type":\n"x"}],\n"metadata":{\n}}'
    answer = ResponsesStream(decode(body).new_answer(stamp())._options, stamp())  # type: ignore[attr-defined]
    assert events(answer.close())[-1]["response"]["tools"] == [{"type": "x"}]


# --- items ------------------------------------------------------------------------------------------------------


def test_text_is_neither_trimmed_nor_changed(stamp: MakeStamp) -> None:
    odd = '  \n\t"\\ </script> \u2028 é 😀\x00 '
    found = told([text(odd), text(""), text(" ")], stamp())
    assert [event["delta"] for event in found if "delta" in event] == [odd, " "]
    assert found[-1]["response"]["output"][0]["content"][0]["text"] == odd + " "


def test_only_the_first_candidate_is_answered(stamp: MakeStamp) -> None:
    (item,) = output([text("a"), text("b", index=1)], stamp())
    assert item["content"][0]["text"] == "a"


def test_text_is_one_message_until_something_else_comes(stamp: MakeStamp) -> None:
    said = [text("a"), text("b"), one(call("f")), text("c")]
    assert [item["type"] for item in output(said, stamp())] == ["message", "function_call", "message"]


def test_a_run_of_thought_is_one_item_and_a_signature_ends_it(stamp: MakeStamp) -> None:
    said = [
        one(thought("a"), thought("b")),
        one(thought("", "U2ln"), thought("c"), Part(text="x")),
        one(thought("d", "VGll")),
        one(thought("", "YWxvbmU=")),
    ]
    for chunk_maker, letter in (("claude-sonnet-4-6", "c"), ("gemini-3-flash", "g"), ("", "g")):
        chunks = [msgspec.structs.replace(chunk, model_version=chunk_maker) for chunk in said]
        items = output(chunks, stamp(), **SHOWN)
        told_thoughts = [
            ("".join(piece["text"] for piece in item["summary"]), item["encrypted_content"])
            for item in items
            if item["type"] == "reasoning"
        ]
        assert told_thoughts == [
            ("ab", f"agp1.{letter}.t.U2ln"),
            ("c", f"agp1.{letter}.n."),
            ("d", f"agp1.{letter}.t.VGll"),
        ]


def test_thoughts_are_hidden_unless_asked_for(stamp: MakeStamp) -> None:
    said = [one(thought("hm", "U2ln"), Part(text="x"))]
    assert [item["type"] for item in output(said, stamp())] == ["message"]
    for fields in (SHOWN, {"include": ["reasoning.encrypted_content"]}):
        assert [item["type"] for item in output(said, stamp(), **fields)] == ["reasoning", "message"]


def test_a_calls_signature_goes_before_it(stamp: MakeStamp) -> None:
    found = told([one(call("f", b'{"a": 1}', "U2ln"), call("g", id="toolu_1"))], stamp())
    first, second, third = found[-1]["response"]["output"]
    assert (first["type"], first["summary"], first["encrypted_content"]) == ("reasoning", [], "agp1.g.f.U2ln")
    assert (second["name"], second["arguments"], second["call_id"][:5]) == ("f", '{"a":1}', "call_")
    assert (third["name"], third["arguments"], third["call_id"]) == ("g", "{}", "toolu_1")
    assert "namespace" not in second


TOOLS = {
    "tools": [
        {"type": "custom", "name": "apply_patch"},
        {"type": "local_shell"},
        {
            "type": "namespace",
            "name": "ns",
            "description": "",
            "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "free"}],
        },
    ]
}


def test_a_free_text_tool_is_called_with_text(stamp: MakeStamp) -> None:
    found = told([one(call("apply_patch", b'{"input":"*** Begin\\n"}'))], stamp(), **TOOLS)
    assert kinds(found) == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    assert (found[3]["delta"], found[4]["input"]) == ("*** Begin\n", "*** Begin\n")
    item = found[5]["item"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", "*** Begin\n")
    assert item["id"].startswith("ctc_")
    assert found[2]["item"] == item | {"input": ""}


@pytest.mark.parametrize(
    ("args", "action"),
    [
        (b'{"command":["ls"],"timeout_ms":5}', {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 5}),
        (b"", {"type": "exec", "command": [], "env": {}}),
    ],
)
def test_a_local_shell_gets_an_action(stamp: MakeStamp, args: bytes, action: dict[str, Any]) -> None:
    found = told([one(call("local_shell", args))], stamp(), **TOOLS)
    assert kinds(found) == ["output_item.added", "output_item.done"]
    item = found[3]["item"]
    assert (item["type"], item["action"], item["status"]) == ("local_shell_call", action, "completed")
    assert found[2]["item"]["status"] == "in_progress"


def test_a_namespaces_function_is_called_by_its_own_name(stamp: MakeStamp) -> None:
    first, second, third = output([one(call("ns__f"), call("ns__free"), call("f"))], stamp(), **TOOLS)
    assert (first["type"], first["name"], first["namespace"]) == ("function_call", "f", "ns")
    assert (second["type"], second["name"], second["namespace"]) == ("custom_tool_call", "free", "ns")
    assert (third["type"], third["name"], "namespace" in third) == ("function_call", "f", False)


def test_an_image_is_an_item(stamp: MakeStamp) -> None:
    draft = Part(thought=True, inline_data=Blob("image/png", "AAAA"))
    found = told([one(Part(text="Here:"), draft, Part(inline_data=Blob("image/png", "BBBB")))], stamp())
    assert kinds(found)[-5:] == [
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.completed",
        "output_item.done",
    ]
    item = found[-2]["item"]
    assert (item["type"], item["result"], item["output_format"]) == ("image_generation_call", "BBBB", "png")
    assert [each["type"] for each in found[-1]["response"]["output"]] == ["message", "image_generation_call"]


def test_code_that_the_model_ran_is_shown_as_markdown(stamp: MakeStamp) -> None:
    code = Part(executable_code=Raw(b'{"language":"PYTHON","code":"1+1"}'))
    nonsense = Part(code_execution_result=Raw(b'"nonsense"'))
    (item,) = output([one(code, nonsense, Part())], stamp())
    assert item["content"][0]["text"] == "\n```python\n1+1\n```\n"


def test_a_search_is_told_before_its_text_and_its_citations_after(stamp: MakeStamp) -> None:
    answer = ResponsesStream(options(**SEARCH, **SHOWN), stamp())
    early = events(answer.feed([one(thought("hm")), text("é "), text("abc", finish="STOP")]))
    assert [event["delta"] for event in early if "delta" in event] == ["hm"]
    late = events(answer.feed([one(grounding_metadata=GROUNDING)]) + answer.close())
    found = [event["type"].removeprefix("response.") for event in late]
    assert found[3:9] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
        "output_item.added",
    ]
    assert found[-5:-1] == ["output_text.annotation.added", "output_text.done", "content_part.done", "output_item.done"]
    assert (late[-5]["annotation"], late[-5]["annotation_index"]) == (CITATION, 0)
    _, search, message = late[-1]["response"]["output"]
    assert search["action"] == {
        "type": "search",
        "query": "q1",
        "queries": ["q1", "q2"],
        "sources": [{"type": "url", "url": "https://a.example"}],
    }
    assert message["content"][0]["annotations"] == [CITATION]


@pytest.mark.parametrize("grounding", [ABSENT, Raw(b"{}"), Raw(b'"nonsense"')])
def test_a_search_that_was_not_made_is_not_told(stamp: MakeStamp, grounding: Raw) -> None:
    (item,) = output([text("abc", grounding_metadata=grounding)], stamp(), **SEARCH)
    assert (item["type"], item["content"][0]["annotations"]) == ("message", [])


def test_a_search_without_a_word_of_its_query(stamp: MakeStamp) -> None:
    grounding = Raw(b'{"groundingChunks":[{"web":{"uri":"u"}}]}')
    search, _ = output([text("abc", grounding_metadata=grounding)], stamp(), **SEARCH)
    assert (search["action"]["query"], search["action"]["queries"]) == ("", [])


def test_log_probabilities_come_with_the_whole_text(stamp: MakeStamp) -> None:
    scores = Raw(b'{"chosenCandidates":[{"token":"x","logProbability":-0.5}]}')
    said = [text("x", logprobs_result=scores), text("x", logprobs_result=scores)]
    entry = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    found = told(said, stamp(), top_logprobs=1)
    assert found[-4]["logprobs"] == [entry, entry]
    assert found[-1]["response"]["output"][0]["content"][0]["logprobs"] == [entry, entry]


def test_json_that_was_asked_for_comes_without_a_code_fence(stamp: MakeStamp) -> None:
    fenced = [text("```json\n{}\n```")]
    wanted = {"text": {"format": {"type": "json_object"}}}
    assert output(fenced, stamp(), **wanted)[0]["content"][0]["text"] == "{}"
    assert output(fenced, stamp())[0]["content"][0]["text"] == "```json\n{}\n```"


# --- usage ------------------------------------------------------------------------------------------------------


def test_the_last_usage_counts_and_nothing_is_added_up(stamp: MakeStamp) -> None:
    said = [
        text("a", usage=Usage(prompt_token_count=10, candidates_token_count=1, total_token_count=11)),
        text("b", usage=Usage(prompt_token_count=10, candidates_token_count=5, total_token_count=15)),
        Chunk(usage_metadata=Usage()),
    ]
    usage = document(said, stamp())["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (10, 5, 15)


def test_usage_is_estimated_where_upstream_gave_none(stamp: MakeStamp) -> None:
    said = [one(thought("hm"), Part(text="ééé"), call(args=b'{"a":1}'))]  # 2 + 6 + 7 bytes
    usage = document(said, stamp(), input="x" * 28, **SHOWN)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (7, 4, 11)


# --- both forms agree, whatever comes ---------------------------------------------------------------------------

texts = st.sampled_from(["", " ", "a", "é…", "\n\n", '"\\', "\x00 data: x"])
signatures = st.sampled_from(["", "U2ln"])
names = st.sampled_from(["f", "apply_patch", "local_shell", "ns__f", "ns__free"])
arguments = st.sampled_from([b"", b"{}", b'{"input":"x"}', b'{"command":["ls"]}', b"[1]", b'{"a": "\\u00e9"}'])
random_parts = st.one_of(
    st.builds(Part, text=texts, thought=st.booleans(), thought_signature=signatures),
    st.builds(call, names, arguments, signatures),
    st.just(Part(inline_data=Blob("image/png", "AAAA"))),
    st.just(Part(executable_code=Raw(b'{"language":"PYTHON","code":"x"}'))),
    st.just(Part()),
)
random_candidates = st.builds(
    Candidate,
    index=st.sampled_from([0, 0, 0, 1]),
    content=st.builds(Content, st.just("model"), st.lists(random_parts, max_size=4).map(tuple)),
    finish_reason=st.sampled_from(["", "", "STOP", "MAX_TOKENS", "SAFETY"]),
    grounding_metadata=st.sampled_from([ABSENT, ABSENT, GROUNDING]),
    logprobs_result=st.sampled_from([ABSENT, Raw(b'{"chosenCandidates":[{"token":"x"}]}')]),
)
random_chunks = st.lists(
    st.builds(
        Chunk,
        candidates=st.lists(random_candidates, max_size=2).map(tuple),
        usage_metadata=st.sampled_from([None, Usage(prompt_token_count=3, candidates_token_count=2)]),
        prompt_feedback=st.sampled_from([None, None, PromptFeedback("SAFETY")]),
        model_version=st.sampled_from(["", "gemini-3-flash", "claude-sonnet-4-6"]),
    ),
    max_size=6,
)
requests = st.sampled_from([{}, SHOWN, TOOLS, TOOLS | SHOWN, SEARCH, SEARCH | SHOWN])
#: the kinds of delta, and where the whole stands that they add up to
WHOLES = {
    "response.output_text": "text",
    "response.reasoning_summary_text": "text",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
}


def counter() -> Stamp:
    numbers = iter(range(10**9))
    return Stamp(1790000000, lambda digits: f"{next(numbers):0{digits}d}", now=lambda: 1790000005)


@given(random_chunks, requests)
def test_whatever_comes_both_forms_agree_and_events_add_up(said: list[Chunk], fields: dict[str, Any]) -> None:
    found = told(said, counter(), **fields)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert found[-1]["response"] == document(said, counter(), **fields)
    ends = {"response.completed", "response.incomplete", "response.failed"}
    assert [event["type"] in ends for event in found] == [False] * (len(found) - 1) + [True]
    check_events(found)


def check_events(found: list[dict[str, Any]]) -> None:
    """Each item is added, written and done before the next; deltas add up; the response holds what was done."""
    done: list[Any] = []
    current, written = "", ""
    for event in found[2:-1]:
        kind = event["type"]
        assert event["output_index"] == len(done)
        if kind == "response.output_item.added":
            assert current == ""
            current, written = event["item"]["id"], ""
        elif kind == "response.output_item.done":
            assert event["item"]["id"] == current
            done.append(event["item"])
            current = ""
        else:
            assert event["item_id"] == current
            name, _, end = kind.rpartition(".")
            if end == "delta":
                written += event["delta"]
            elif name in WHOLES:
                assert event[WHOLES[name]] == written
    assert (current, found[-1]["response"]["output"]) == ("", done)


@given(random_chunks, requests, st.integers(0, 6))
def test_it_does_not_matter_how_chunks_are_grouped(said: list[Chunk], fields: dict[str, Any], cut: int) -> None:
    answer = ResponsesStream(options(**fields), counter())
    pieces = answer.feed(said[:cut]) + answer.feed(said[cut:]) + answer.close()
    assert pieces == streamed(said, counter(), **fields)


# --- as the official package reads it ---------------------------------------------------------------------------

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


@given(random_chunks, requests)
def test_the_official_package_takes_every_event(said: list[Chunk], fields: dict[str, Any]) -> None:
    state = ResponseStreamState(input_tools=NOT_GIVEN, text_format=NOT_GIVEN)  # type: ignore[arg-type, var-annotated]
    found = told(said, counter(), **fields)
    for event in found:
        state.handle_event(EVENT.validate_python(event))
    SdkResponse.model_validate(found[-1]["response"])
