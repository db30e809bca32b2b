"""Chat answers: golden files, the finish reasons, and the rule that the document is the stream folded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from antigravity_proxy.canonical.chunk import FILTERED, Candidate, Chunk, PromptFeedback, Usage
from antigravity_proxy.canonical.content import Blob, Content, FunctionCall, Part
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai.chat_answer import ChatDocument, ChatStream
from antigravity_proxy.dialect.openai.chat_visitor import MOST_CHOICES, ChatOptions
from antigravity_proxy.errors import UpstreamOverloaded

MakeStamp = Callable[..., Stamp]
ReadChunks = Callable[[str], list[Chunk]]
Golden = Callable[[str], bytes]

STREAM = ChatOptions("gpt-5", stream=True)
DOCUMENT = ChatOptions("gpt-5")


def one(*parts: Part, finish: str = "", index: int = 0, usage: Usage | None = None, **more: Any) -> Chunk:
    candidate = Candidate(index=index, content=Content("model", parts), finish_reason=finish, **more)
    return Chunk(candidates=(candidate,), usage_metadata=usage)


def text(value: str, **more: Any) -> Chunk:
    return one(Part(text=value), **more)


def call(name: str = "f", args: bytes = b"{}", **more: Any) -> Part:
    return Part(function_call=FunctionCall(name, Raw(args), **more))


def events(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of every event; fails if one isn't framed as it should be."""
    *framed, rest = stream.split(b"\n\n")
    assert rest == b""
    assert all(event.startswith(b"data: ") for event in framed)
    return [json.loads(event[6:]) for event in framed if event != b"data: [DONE]"]


def streamed(chunks: list[Chunk], options: ChatOptions, stamp: Stamp) -> bytes:
    answer = ChatStream(options, stamp)
    return answer.feed(chunks) + answer.close()


def document(chunks: list[Chunk], options: ChatOptions, stamp: Stamp) -> dict[str, Any]:
    answer = ChatDocument(options, stamp)
    assert answer.feed(chunks) == b""
    decoded: dict[str, Any] = json.loads(answer.close())
    return decoded


def deltas(chunks: list[Chunk], options: ChatOptions, stamp: Stamp) -> list[dict[str, Any]]:
    return [event["choices"][0]["delta"] for event in events(streamed(chunks, options, stamp)) if event["choices"]]


# --- golden files -----------------------------------------------------------------------------------------------


def test_the_golden_stream_byte_for_byte(stamp: MakeStamp, chunks: ReadChunks, golden: Golden) -> None:
    options = ChatOptions("gpt-5", stream=True, include_usage=True)
    assert streamed(chunks("golden-a.upstream.sse"), options, stamp("AAB")) == golden("golden-a.openai-chat.sse")


def test_the_golden_document_byte_for_byte(stamp: MakeStamp, chunks: ReadChunks, golden: Golden) -> None:
    answer = ChatDocument(DOCUMENT, stamp("AAB"))
    answer.feed(chunks("golden-a.upstream.sse"))
    assert answer.close() == msgspec.json.format(golden("golden-a.openai-chat.json"), indent=-1)


def test_every_event_leaves_with_the_chunk_that_brought_it(stamp: MakeStamp, chunks: ReadChunks) -> None:
    answer = ChatStream(STREAM, stamp())
    sent = [answer.feed([chunk]) for chunk in chunks("golden-a.upstream.sse")]
    assert [len(events(data)) for data in sent] == [2, 2, 2, 0]  # the role comes with the first


def test_a_stream_that_fails_ends_in_an_error_and_nothing_else(stamp: MakeStamp) -> None:
    answer = ChatStream(STREAM, stamp())
    begun = events(answer.feed([text("Checking ")]))
    assert begun[-1]["choices"][0]["delta"] == {"content": "Checking "}
    failed = answer.fail(UpstreamOverloaded("The service is currently unavailable."))
    assert failed == (
        b'data: {"error":{"message":"The service is currently unavailable.","type":"server_error",'
        b'"param":null,"code":null}}\n\n'
    )


def test_a_collected_answer_can_be_told_of_an_error_too(stamp: MakeStamp) -> None:
    failed = json.loads(ChatDocument(DOCUMENT, stamp()).fail(UpstreamOverloaded("busy")))
    assert failed["error"]["message"] == "busy"


def test_content_types_and_keepalives(stamp: MakeStamp) -> None:
    stream, whole = ChatStream(STREAM, stamp()), ChatDocument(DOCUMENT, stamp())
    assert (stream.content_type, stream.keepalive) == (b"text/event-stream; charset=utf-8", b": keepalive\n\n")
    assert (whole.content_type, whole.keepalive) == (b"application/json", b"")


# --- how answers end --------------------------------------------------------------------------------------------

FINISHES = [
    ("STOP", False, "stop"),
    ("", False, "stop"),
    ("OTHER", False, "stop"),
    ("SOMETHING_NEW", False, "stop"),
    ("MAX_TOKENS", False, "length"),
    ("MAX_TOKENS", True, "tool_calls"),
    ("STOP", True, "tool_calls"),
    ("SAFETY", True, "tool_calls"),
    *((reason, False, "content_filter") for reason in sorted(FILTERED)),
]


@pytest.mark.parametrize(("upstream", "calls", "expected"), FINISHES)
def test_finish_reasons(stamp: MakeStamp, upstream: str, calls: bool, expected: str) -> None:
    told = [one(Part(text="x"), *([call()] if calls else []), finish=upstream)]
    assert document(told, DOCUMENT, stamp())["choices"][0]["finish_reason"] == expected
    finished = [event["choices"][0]["finish_reason"] for event in events(streamed(told, STREAM, stamp()))]
    assert finished == [None] * (len(finished) - 1) + [expected]


def test_a_blocked_prompt_is_content_filter_not_an_error(stamp: MakeStamp) -> None:
    blocked = [Chunk(prompt_feedback=PromptFeedback("PROHIBITED_CONTENT"))]
    choice = document(blocked, DOCUMENT, stamp())["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", "")
    got = events(streamed(blocked, STREAM, stamp()))
    assert [event["choices"][0]["finish_reason"] for event in got] == [None, "content_filter"]


def test_a_prompt_feedback_without_a_reason_blocks_nothing(stamp: MakeStamp) -> None:
    told = [text("x", finish="STOP"), Chunk(prompt_feedback=PromptFeedback())]
    assert document(told, DOCUMENT, stamp())["choices"][0]["finish_reason"] == "stop"


def test_an_answer_with_nothing_in_it_still_has_its_one_choice(stamp: MakeStamp) -> None:
    choice = document([], DOCUMENT, stamp())["choices"][0]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "", "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert len(events(streamed([], STREAM, stamp()))) == 2


def test_content_is_null_when_there_are_only_calls(stamp: MakeStamp) -> None:
    assert document([one(call())], DOCUMENT, stamp())["choices"][0]["message"]["content"] is None


def test_every_choice_ends_once(stamp: MakeStamp) -> None:
    told = [text("a"), text("b", index=1), text("c", index=1, finish="STOP"), text("d", finish="MAX_TOKENS")]
    got = events(streamed(told, STREAM, stamp()))
    ends = [(c["index"], c["finish_reason"]) for e in got for c in e["choices"] if c["finish_reason"]]
    assert sorted(ends) == [(0, "length"), (1, "stop")]
    whole = document(told, DOCUMENT, stamp())["choices"]
    assert [(c["index"], c["message"]["content"]) for c in whole] == [(0, "ad"), (1, "bc")]


# --- what is in them --------------------------------------------------------------------------------------------


def test_text_is_neither_trimmed_nor_changed(stamp: MakeStamp) -> None:
    odd = '  \n\t"\\ </script> \u2028 é 😀\x00 '
    assert deltas([text(odd), text(""), text(" ")], STREAM, stamp())[1:-1] == [{"content": odd}, {"content": " "}]


def test_thoughts_are_shown_apart_or_not_at_all(stamp: MakeStamp) -> None:
    told = [one(Part(text="hm", thought=True), Part(text="", thought=True, thought_signature="c2ln"), Part(text="x"))]
    assert deltas(told, STREAM, stamp())[1:-1] == [{"reasoning_content": "hm"}, {"content": "x"}]
    hidden = ChatOptions("gpt-5", stream=True, show_thoughts=False)
    assert deltas(told, hidden, stamp())[1:-1] == [{"content": "x"}]


def test_images_within_thoughts_are_not_the_answer(stamp: MakeStamp) -> None:
    draft = Part(thought=True, inline_data=Blob("image/png", "AAAA"))
    final = Part(inline_data=Blob("image/png", "BBBB"))
    message = document([one(draft, final)], DOCUMENT, stamp())["choices"][0]["message"]
    expected = {"type": "image_url", "index": 0, "image_url": {"url": "data:image/png;base64,BBBB"}}
    assert (message["images"], message["content"]) == ([expected], "")


def test_calls_are_counted_within_their_choice(stamp: MakeStamp) -> None:
    told = [one(call("a"), call("b")), one(call("c"), index=1), one(call("d"))]
    got = [
        (c["index"], c["delta"]["tool_calls"][0]["index"], c["delta"]["tool_calls"][0]["function"]["name"])
        for e in events(streamed(told, STREAM, stamp()))
        for c in e["choices"]
        if "tool_calls" in c["delta"]
    ]
    assert got == [(0, 0, "a"), (0, 1, "b"), (1, 0, "c"), (0, 2, "d")]


def test_legacy_functions_are_answered_in_kind(stamp: MakeStamp) -> None:
    told = [one(call("f", b'{"a": 1}'), finish="STOP")]
    wanted = {"name": "f", "arguments": '{"a":1}'}
    choice = document(told, ChatOptions("m", legacy_functions=True), stamp())["choices"][0]
    assert (choice["message"]["function_call"], choice["finish_reason"]) == (wanted, "function_call")
    assert "tool_calls" not in choice["message"]
    stream = ChatOptions("m", stream=True, legacy_functions=True)
    assert deltas(told, stream, stamp())[1:-1] == [{"function_call": wanted}]


def test_code_that_the_model_ran_is_shown_as_markdown(stamp: MakeStamp) -> None:
    told = [
        one(
            Part(executable_code=Raw(b'{"language":"PYTHON","code":"1+1"}')),
            Part(code_execution_result=Raw(b'{"outcome":"OUTCOME_OK","output":"2"}')),
            Part(code_execution_result=Raw(b'"nonsense"')),
            Part(),
        )
    ]
    assert deltas(told, STREAM, stamp())[1:-1] == [
        {"content": "\n```python\n1+1\n```\n"},
        {"content": "\n```\n2\n```\n"},
    ]


GROUNDING = Raw(
    b'{"groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}}],'
    b'"groundingSupports":[{"segment":{"startIndex":3,"endIndex":6},"groundingChunkIndices":[0]}]}'
)
CITATION = {
    "type": "url_citation",
    "url_citation": {"start_index": 2, "end_index": 5, "url": "https://a.example", "title": "A"},
}


def test_citations_come_in_the_last_content_delta(stamp: MakeStamp) -> None:
    told = [text("é "), text("abc", finish="STOP", grounding_metadata=GROUNDING)]
    stream = ChatOptions("m", stream=True, keep_text=True)
    got = deltas(told, stream, stamp())
    assert got[1:] == [{"content": "é "}, {"content": "abc"}, {"content": "", "annotations": [CITATION]}, {}]
    message = document(told, ChatOptions("m", keep_text=True), stamp())["choices"][0]["message"]
    assert message["annotations"] == [CITATION]


def test_log_probabilities(stamp: MakeStamp) -> None:
    scores = Raw(b'{"chosenCandidates":[{"token":"x","logProbability":-0.5}]}')
    told = [
        text("x", logprobs_result=scores),
        text("x", logprobs_result=scores),
        text("y", logprobs_result=Raw(b'"nonsense"')),
    ]
    entry = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    whole = document(told, DOCUMENT, stamp())["choices"][0]["logprobs"]
    assert whole == {"content": [entry, entry], "refusal": None}
    sent = [e["choices"][0] for e in events(streamed(told, STREAM, stamp()))]
    assert [c["logprobs"] for c in sent if c["logprobs"]] == [{"content": [entry], "refusal": None}] * 2


# --- usage ------------------------------------------------------------------------------------------------------


def test_usage_is_sent_only_if_asked_for(stamp: MakeStamp, chunks: ReadChunks) -> None:
    assert b"usage" not in streamed(chunks("golden-a.upstream.sse"), STREAM, stamp())


def test_the_last_usage_counts_and_nothing_is_added_up(stamp: MakeStamp) -> None:
    told = [
        text("a", usage=Usage(prompt_token_count=10, candidates_token_count=1, total_token_count=11)),
        text("b", usage=Usage(prompt_token_count=10, candidates_token_count=5, total_token_count=15)),
        Chunk(usage_metadata=Usage()),
    ]
    usage = document(told, DOCUMENT, stamp())["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (10, 5, 15)


def test_usage_is_estimated_where_upstream_gave_none(stamp: MakeStamp) -> None:
    options = ChatOptions("m", stream=True, include_usage=True, input_estimate=7)
    told = [one(Part(text="hm", thought=True), Part(text="ééé"), call(args=b'{"a":1}'))]  # 2 + 6 + 7 bytes
    usage = events(streamed(told, options, stamp()))[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (7, 4, 11)
    plain = document(told, ChatOptions("m", input_estimate=7), stamp())["usage"]
    assert plain == usage


def test_what_upstream_left_out_of_its_usage_is_estimated(stamp: MakeStamp) -> None:
    told = [text("12345", usage=Usage(prompt_token_count=10, total_token_count=10))]
    usage = document(told, DOCUMENT, stamp())["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (10, 2)


def test_usage_is_never_nothing(stamp: MakeStamp) -> None:
    assert document([], DOCUMENT, stamp())["usage"]["prompt_tokens"] == 1


# --- both forms agree -------------------------------------------------------------------------------------------

_texts = st.sampled_from(["a", " ", "é\n", "😀", '"'])
_parts = st.one_of(
    _texts.map(lambda t: Part(text=t)),
    _texts.map(lambda t: Part(text=t, thought=True)),
    st.sampled_from([b"{}", b'{"a": 1}', b""]).map(lambda a: call("f", a, id="")),
    st.just(call("patch", b'{"input":"x"}', id="call-1")),
    st.just(Part(function_call=FunctionCall("g"), thought_signature="c2ln")),
    st.just(Part(inline_data=Blob("image/png", "AAAA"))),
    st.just(Part(executable_code=Raw(b'{"language":"PYTHON","code":"1"}'))),
    st.just(Part(text="")),
)
_candidates = st.builds(
    lambda index, parts, finish, grounding, scores: Candidate(
        index=index,
        content=Content("model", tuple(parts)),
        finish_reason=finish,
        grounding_metadata=grounding,
        logprobs_result=scores,
    ),
    st.integers(0, 1),
    st.lists(_parts, max_size=4),
    st.sampled_from(["", "", "STOP", "MAX_TOKENS", "SAFETY"]),
    st.sampled_from([Raw(), GROUNDING]),
    st.sampled_from([Raw(), Raw(b'{"chosenCandidates":[{"token":"x","logProbability":-1}]}')]),
)
_chunks = st.lists(
    st.builds(
        lambda candidates, usage: Chunk(candidates=tuple(candidates), usage_metadata=usage),
        st.lists(_candidates, max_size=2),
        st.sampled_from([None, Usage(prompt_token_count=3, candidates_token_count=2, total_token_count=5)]),
    ),
    max_size=6,
)
_options = st.builds(
    ChatOptions,
    model=st.just("gpt-5"),
    stream=st.just(True),
    include_usage=st.just(True),
    custom_tools=st.sampled_from([frozenset[str](), frozenset({"patch"})]),
    show_thoughts=st.booleans(),
    keep_text=st.booleans(),
    input_estimate=st.just(9),
)


def counting_stamp() -> Stamp:
    ids = iter(range(1000))
    return Stamp(1790000000, lambda digits: f"{next(ids):0{digits}x}")


def folded(stream: bytes) -> dict[str, Any]:
    """The document that a client puts together from a stream."""
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for event in events(stream):
        usage = event["usage"] or usage
        for choice in event["choices"]:
            index, delta = choice["index"], choice["delta"]
            if index not in choices:
                assert delta == {"role": "assistant", "content": ""}
                choices[index] = {"texts": [], "thoughts": [], "calls": [], "images": [], "logprobs": [], "cited": []}
                continue
            found = choices[index]
            found["texts"] += [delta["content"]] if "content" in delta else []
            found["thoughts"] += [delta["reasoning_content"]] if "reasoning_content" in delta else []
            for made in delta.get("tool_calls", []):
                assert made.pop("index") == len(found["calls"])
                found["calls"].append(made)
            found["images"] += delta.get("images", [])
            found["cited"] += delta.get("annotations", [])
            found["logprobs"] += choice["logprobs"]["content"] if choice["logprobs"] else []
            assert "finish" not in found
            if choice["finish_reason"]:
                found["finish"] = choice["finish_reason"]
    return {"choices": choices, "usage": usage}


@given(_chunks, _options)
def test_the_document_is_the_stream_folded(chunks: list[Chunk], options: ChatOptions) -> None:
    stream = folded(streamed(chunks, options, counting_stamp()))
    whole = document(chunks, options, counting_stamp())
    assert whole["usage"] == stream["usage"]
    assert [c["index"] for c in whole["choices"]] == sorted(stream["choices"])
    for choice in whole["choices"]:
        found, message = stream["choices"][choice["index"]], choice["message"]
        assert (message["content"] or "") == "".join(found["texts"])
        assert message.get("reasoning_content", "") == "".join(found["thoughts"])
        assert message.get("tool_calls", []) == found["calls"]
        assert message.get("images", []) == found["images"]
        assert message.get("annotations", []) == found["cited"]
        assert ((choice["logprobs"] or {}).get("content") or []) == found["logprobs"]
        assert choice["finish_reason"] == found["finish"]


@given(_chunks, _options, st.data())
def test_how_chunks_are_fed_makes_no_difference(chunks: list[Chunk], options: ChatOptions, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(chunks)), max_size=4)))
    answer = ChatStream(options, counting_stamp())
    sent = b""
    for begin, end in zip([0, *cuts], [*cuts, len(chunks)], strict=True):
        sent += answer.feed(chunks[begin:end])
    assert sent + answer.close() == streamed(chunks, options, counting_stamp())


# --- the official client ----------------------------------------------------------------------------------------


def test_the_official_types_take_our_document(stamp: MakeStamp, chunks: ReadChunks) -> None:
    made = document(chunks("golden-a.upstream.sse"), DOCUMENT, stamp())
    parsed = ChatCompletion.model_validate(made, strict=False)
    assert parsed.choices[0].message.tool_calls is not None
    assert [c.type for c in parsed.choices[0].message.tool_calls] == ["function", "function"]
    assert parsed.usage is not None
    assert parsed.usage.completion_tokens_details is not None
    assert parsed.usage.completion_tokens_details.reasoning_tokens == 20


def test_the_official_stream_state_accumulates_our_stream(stamp: MakeStamp, chunks: ReadChunks) -> None:
    options = ChatOptions("gpt-5", stream=True, include_usage=True)
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    told = [*chunks("golden-a.upstream.sse"), text("second", index=1, finish="STOP")]
    for event in events(streamed(told, options, stamp("AAB"))):
        state.handle_chunk(ChatCompletionChunk.model_validate(event))
    final = state.get_final_completion()
    first, second = final.choices
    assert (first.finish_reason, second.finish_reason) == ("tool_calls", "stop")
    assert (first.message.content, second.message.content) == ("Checking the weather …", "second")
    assert first.message.tool_calls is not None
    assert [c.function.arguments for c in first.message.tool_calls] == ['{"city":"Oslo"}', '{"city":"Tromsø"}']
    assert final.usage is not None
    assert final.usage.total_tokens == 170


def test_choices_begin_in_their_order_and_those_that_nobody_asked_for_are_dropped(stamp: MakeStamp) -> None:
    told = [text("c", index=2, finish="STOP"), text("a"), text("x", index=-1), text("y", index=MOST_CHOICES)]
    begun = [e["choices"][0]["index"] for e in events(streamed(told, STREAM, stamp())) if "role" in str(e)]
    assert begun == [0, 1, 2]
    found = document(told, DOCUMENT, stamp())["choices"]
    assert [(c["index"], c["message"]["content"]) for c in found] == [(0, "a"), (1, ""), (2, "c")]


@given(_chunks, _options)
def test_the_official_stream_state_comes_to_the_document(chunks: list[Chunk], options: ChatOptions) -> None:
    options = replace(options, custom_tools=frozenset())  # of which the package's state knows nothing
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for event in events(streamed(chunks, options, counting_stamp())):
        state.handle_chunk(ChatCompletionChunk.model_validate(event))
    found = state.current_completion_snapshot
    whole = ChatCompletion.model_validate(document(chunks, options, counting_stamp()))
    assert (found.id, found.model, found.created, found.usage) == (whole.id, whole.model, whole.created, whole.usage)
    choices = sorted(found.choices, key=lambda choice: choice.index)
    assert [choice.index for choice in choices] == [choice.index for choice in whole.choices]
    for streamed_choice, choice in zip(choices, whole.choices, strict=True):
        said, message = streamed_choice.message, choice.message
        assert streamed_choice.finish_reason == choice.finish_reason
        assert said.content == (message.content or "")
        assert getattr(said, "reasoning_content", None) == getattr(message, "reasoning_content", None)
        made = [(c.id, c.function.name, c.function.arguments) for c in said.tool_calls or () if c.type == "function"]
        assert made == [
            (c.id, c.function.name, c.function.arguments) for c in message.tool_calls or () if c.type == "function"
        ]
        scores = streamed_choice.logprobs.content if streamed_choice.logprobs is not None else None
        assert (scores or []) == (choice.logprobs.content if choice.logprobs is not None else [])


def test_the_official_types_take_the_rarer_forms(stamp: MakeStamp) -> None:
    options = ChatOptions("m", custom_tools=frozenset({"patch"}), keep_text=True)
    scores = Raw(b'{"chosenCandidates":[{"token":"x","logProbability":-0.5}],"topCandidates":[]}')
    told = [
        one(Part(text="é abc"), call("patch", b'{"input":"*** Begin"}'), grounding_metadata=GROUNDING),
        text("", logprobs_result=scores),
    ]
    parsed = ChatCompletion.model_validate(document(told, options, stamp()))
    choice = parsed.choices[0]
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].type == "custom"
    assert choice.message.tool_calls[0].custom.input == "*** Begin"
    assert choice.message.annotations is not None
    assert choice.message.annotations[0].url_citation.title == "A"
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert choice.logprobs.content[0].logprob == -0.5


# --- size -------------------------------------------------------------------------------------------------------


def test_an_answer_in_progress_keeps_nothing_of_what_it_sent(stamp: MakeStamp) -> None:
    answer = ChatStream(STREAM, stamp())
    answer.feed([text("x" * 100_000)])
    held = [getattr(answer, name) for cls in type(answer).__mro__ for name in getattr(cls, "__slots__", ())]
    assert sum(map(sys.getsizeof, held)) < 2000
    assert not hasattr(answer, "__dict__")
