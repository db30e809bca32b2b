"""Legacy completions: prompts in all forms, and both forms of the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from openai._models import construct_type
from openai.types import Completion
from support.mutations import WRONG, as_param, at, of_another_type, paths, replaced

from antigravity_proxy.canonical.call import Call, Reasoning, Sampling
from antigravity_proxy.canonical.chunk import FILTERED, Candidate, Chunk, Usage
from antigravity_proxy.canonical.content import Content, FunctionCall, Part
from antigravity_proxy.dialect.base import Answer, Decoded, Stamp
from antigravity_proxy.dialect.openai.chat_visitor import MOST_CHOICES
from antigravity_proxy.dialect.openai.completions_request import CompletionRequest, decode
from antigravity_proxy.errors import BadRequest, UpstreamOverloaded

MakeStamp = Callable[..., Stamp]
STAMP = Stamp(1790000000, lambda digits: "0" * digits)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "prompt": "Say", **fields}).encode()


def answer(**fields: Any) -> Answer:
    return decode(body(**fields)).new_answer(STAMP)


def refused(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        decode(body(**fields))
    return caught.value


def asked(prompt: str, **more: Any) -> Call:
    return Call("m", (Content("user", (Part(text=prompt),)),), reasoning=Reasoning(show=False), **more)


def text(value: str, index: int = 0, finish: str = "", usage: Usage | None = None, **more: Any) -> Chunk:
    content = Content("model", (Part(text=value),))
    return Chunk(candidates=(Candidate(index, content, finish, **more),), usage_metadata=usage)


def events(stream: bytes) -> list[dict[str, Any]]:
    *framed, rest = stream.split(b"\n\n")
    assert rest == b""
    return [json.loads(event.removeprefix(b"data: ")) for event in framed if event != b"data: [DONE]"]


def document(chunks: list[Chunk], **fields: Any) -> dict[str, Any]:
    made = answer(**fields)
    assert made.feed(chunks) == b""
    found: dict[str, Any] = json.loads(made.close())
    return found


def streamed(chunks: list[Chunk], **fields: Any) -> bytes:
    made = answer(stream=True, **fields)
    return made.feed(chunks) + made.close()


# --- requests ---------------------------------------------------------------------------------------------------


def test_a_prompt_is_a_users_turn() -> None:
    decoded = decode(body())
    assert (decoded.call, decoded.more) == (asked("Say"), ())


def test_several_prompts_are_several_calls() -> None:
    decoded = decode(body(prompt=["a", "b", "c"], n=2, stream=True))
    assert (decoded.call, *decoded.more) == tuple(asked(p, choices=2, stream=True) for p in "abc")


def test_null_is_absent_and_unknown_fields_are_ignored() -> None:
    nulls = {name: None for name in CompletionRequest.__struct_fields__ if name not in ("model", "prompt")}
    assert decode(body(**nulls, logit_bias={"5": 1}, user=5)).call == asked("Say")


def test_settings() -> None:
    fields = {
        "temperature": 0.5,
        "top_p": 0.5,
        "max_tokens": 16,
        "stop": "END",
        "seed": 7,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "logprobs": 0,
        "suffix": "",
        "best_of": 5,
        "n": 1,
    }
    expected = Sampling(
        0.5,
        0.5,
        max_output_tokens=16,
        stop_sequences=("END",),
        seed=7,
        presence_penalty=1,
        frequency_penalty=-1,
        response_logprobs=True,
        logprobs=0,
    )
    assert decode(body(**fields)).call == asked("Say", sampling=expected)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", ""]}, "prompt[1]"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"prompt": ["x"] * 17}, "prompt"),
        ({"prompt": ["x"] * 3, "n": 8}, "n"),
        ({"prompt": 5}, "prompt"),
        ({"n": 9}, "n"),
        ({"suffix": "x"}, "suffix"),
        ({"logprobs": 21}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"echo": "yes"}, "echo"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_token_ids_are_refused_in_so_many_words() -> None:
    assert "token ids are not supported" in refused(prompt=[1, 2]).message
    assert len(decode(body(prompt=["x"] * 16)).more) == 15


RICH: dict[str, Any] = {
    "model": "m",
    "prompt": ["a", "b"],
    "suffix": "",
    "echo": True,
    "logprobs": 2,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 1,
    "stop": ["END"],
    "n": 2,
}


@given(st.data())
def test_wrong_values_do_no_harm(data: st.DataObject) -> None:
    request = RICH
    for _ in range(data.draw(st.integers(1, 3))):
        request = replaced(request, data.draw(st.sampled_from(list(paths(request)))), data.draw(st.sampled_from(WRONG)))
    try:
        decoded: Decoded = decode(json.dumps(request).encode())
    except BadRequest as e:
        if not e.message:
            raise
    else:
        assert decoded.new_answer(STAMP).close()


@pytest.mark.parametrize("path", list(paths(RICH)), ids=as_param)
def test_a_wrong_type_is_refused_and_its_place_named(path: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        decode(json.dumps(replaced(RICH, path, of_another_type(at(RICH, path)))).encode())
    token = path[:1] == ("prompt",) and len(path) == 2
    assert caught.value.param == ("prompt" if token else as_param(path))


# --- answers ----------------------------------------------------------------------------------------------------

USAGE = Usage(prompt_token_count=10, candidates_token_count=5, total_token_count=15)


def test_a_whole_answer() -> None:
    found = document([text("Hello "), text("there", finish="STOP", usage=USAGE)])
    assert found == {
        "id": "cmpl-" + "0" * 24,
        "object": "text_completion",
        "created": 1790000000,
        "model": "m",
        "choices": [{"text": "Hello there", "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
    assert Completion.model_validate(found).choices[0].text == "Hello there"


def test_a_stream() -> None:
    found = streamed([text("Hello "), text("there", finish="STOP", usage=USAGE)])
    head = b'data: {"id":"cmpl-%s","object":"text_completion","created":1790000000,"model":"m","choices":[' % (
        b"0" * 24
    )
    assert (
        found
        == b"".join(
            head + piece + b"]}\n\n"
            for piece in (
                b'{"text":"Hello ","index":0,"logprobs":null,"finish_reason":null}',
                b'{"text":"there","index":0,"logprobs":null,"finish_reason":null}',
                b'{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}',
            )
        )
        + b"data: [DONE]\n\n"
    )


def test_usage_in_a_stream_is_sent_if_asked_for() -> None:
    found = events(streamed([text("x", usage=USAGE)], stream_options={"include_usage": True}))
    assert [event["usage"] for event in found[:-1]] == [None] * (len(found) - 1)
    assert (found[-1]["choices"], found[-1]["usage"]["total_tokens"]) == ([], 15)
    assert b"usage" not in streamed([text("x", usage=USAGE)])


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ("STOP", "stop"),
        ("", "stop"),
        ("MAX_TOKENS", "length"),
        *((reason, "content_filter") for reason in sorted(FILTERED)),
    ],
)
def test_finish_reasons(upstream: str, expected: str) -> None:
    told = [text("x", finish=upstream)]
    assert document(told)["choices"][0]["finish_reason"] == expected
    assert [event["choices"][0]["finish_reason"] for event in events(streamed(told))] == [None, expected]


def test_only_text_is_told() -> None:
    parts = (
        Part(text="hm", thought=True),
        Part(function_call=FunctionCall("f")),
        Part(text="x"),
        Part(executable_code=Raw(b'{"language":"PYTHON","code":"1"}')),
    )
    told = [Chunk(candidates=(Candidate(content=Content("model", parts), finish_reason="STOP"),))]
    (choice,) = document(told)["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("x\n```python\n1\n```\n", "stop")
    assert "".join(event["choices"][0]["text"] for event in events(streamed(told))) == choice["text"]


def test_the_prompt_is_echoed_before_its_texts() -> None:
    told = [text("1", 0), text("2", 3), text("3", 2), text("4", 1)]
    fields = {"prompt": ["a:", "b:"], "n": 2, "echo": True}
    found = document(told, **fields)["choices"]
    assert [(choice["index"], choice["text"]) for choice in found] == [(0, "a:1"), (1, "a:4"), (2, "b:3"), (3, "b:2")]
    texts = dict.fromkeys(range(4), "")
    for event in events(streamed(told, **fields)):
        texts[event["choices"][0]["index"]] += event["choices"][0]["text"]
    assert list(texts.values()) == ["a:1", "a:4", "b:3", "b:2"]


def test_an_answer_with_nothing_in_it_still_has_its_one_choice() -> None:
    assert [choice["text"] for choice in document([])["choices"]] == [""]
    assert len(events(streamed([]))) == 1


def test_log_probabilities_in_their_old_form() -> None:
    scores = Raw(
        b'{"chosenCandidates":[{"token":"ab","logProbability":-0.5},{"token":"c","logProbability":-1}],'
        b'"topCandidates":[{"candidates":[{"token":"ab","logProbability":-0.5}]}]}'
    )
    told = [text("abc", logprobs_result=scores), text("abc", logprobs_result=scores)]
    (choice,) = document(told, logprobs=1, echo=True)["choices"]
    assert choice["logprobs"] == {
        "tokens": ["ab", "c", "ab", "c"],
        "token_logprobs": [-0.5, -1.0, -0.5, -1.0],
        "top_logprobs": [{"ab": -0.5}, {}, {"ab": -0.5}, {}],
        "text_offset": [3, 5, 6, 8],
    }
    sent = [event["choices"][0]["logprobs"] for event in events(streamed(told, logprobs=1, echo=True))]
    assert [offset for each in sent if each for offset in each["text_offset"]] == [3, 5, 6, 8]


_told = st.lists(
    st.builds(
        text,
        st.sampled_from(["a", " ", "é\n", "😀", ""]),
        st.integers(-1, 5) | st.just(MOST_CHOICES),
        finish=st.sampled_from(["", "", "STOP", "MAX_TOKENS", "SAFETY"]),
        usage=st.sampled_from([None, USAGE]),
    ),
    max_size=6,
)


@given(_told, st.booleans())
def test_the_official_package_takes_both_forms_and_they_agree(told: list[Chunk], echo: bool) -> None:
    fields = {"prompt": ["a:", "b:"], "n": 2, "echo": echo}
    whole = Completion.model_validate(document(told, **fields))
    texts: dict[int, str] = {}
    ends: dict[int, str] = {}
    usage = None
    for event in events(streamed(told, **fields, stream_options={"include_usage": True})):
        piece: Any = construct_type(type_=Completion, value=event)  # as the package itself does
        usage = piece.usage or usage
        for choice in piece.choices:
            assert choice.index not in ends
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            if choice.finish_reason:
                ends[choice.index] = choice.finish_reason
    assert [(c.index, c.text, c.finish_reason) for c in whole.choices] == [
        (index, said, ends[index]) for index, said in sorted(texts.items())
    ]
    assert whole.usage == usage


def test_a_stream_that_fails_ends_in_an_error_and_nothing_else() -> None:
    made = answer(stream=True)
    made.feed([text("x")])
    failed = made.fail(UpstreamOverloaded("busy"))
    assert json.loads(failed.removeprefix(b"data: "))["error"]["message"] == "busy"
    assert b"[DONE]" not in failed
    assert json.loads(answer().fail(UpstreamOverloaded("busy")))["error"]["type"] == "server_error"


def test_content_types_and_keepalives() -> None:
    stream, whole = answer(stream=True), answer()
    assert (stream.content_type, stream.keepalive) == (b"text/event-stream; charset=utf-8", b": keepalive\n\n")
    assert (whole.content_type, whole.keepalive) == (b"application/json", b"")
