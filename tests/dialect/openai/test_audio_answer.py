"""Transcripts in all forms, streamed and whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose, TranslationVerbose

from antigravity_proxy.canonical.chunk import FILTERED, Candidate, Chunk, PromptFeedback, Usage
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai.audio_answer import AudioOptions, new_answer
from antigravity_proxy.errors import BadRequest, UpstreamBroken, UpstreamOverloaded

STAMP = Stamp(1790000000, lambda digits: "0" * digits)
USAGE = Usage(prompt_token_count=330, candidates_token_count=5, total_token_count=335)
DETAILS = b'{"usageMetadata":{"promptTokensDetails":[{"modality":"TEXT","tokenCount":10}]}}'
SEGMENTS = [
    {"start": 0, "end": 2.5, "text": " Hello there.", "speaker": "A"},
    {"start": 2.5, "end": 3661.25, "text": "General\n\nKenobi. ", "speaker": "B"},
]
HEARD = json.dumps({"language": "english", "segments": SEGMENTS, "words": [{"start": 0, "end": 1, "word": "Hello"}]})


def chunk(*texts: str, finish: str = "STOP", usage: Usage | None = None, raw: bytes = b"{}", **more: Any) -> Chunk:
    content = Content("model", tuple(Part(text=text) for text in texts))
    return Chunk(candidates=(Candidate(0, content, finish, **more),), usage_metadata=usage, raw=raw)


def answer(**options: Any) -> Answer:
    return new_answer(AudioOptions(**options), STAMP)


def whole(*chunks: Chunk, **options: Any) -> bytes:
    made = answer(**options)
    assert made.feed(chunks) == b""
    return made.close()


def document(*chunks: Chunk, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(whole(*chunks, **options))
    return found


def test_json() -> None:
    found = document(chunk("Hello ", finish=""), chunk("there", usage=USAGE, raw=DETAILS))
    assert found == {
        "text": "Hello there",
        "usage": {
            "type": "tokens",
            "input_tokens": 330,
            "input_token_details": {"text_tokens": 10, "audio_tokens": 320},
            "output_tokens": 5,
            "total_tokens": 335,
        },
    }
    assert Transcription.model_validate(found)
    assert document(chunk("Hello"), task="translate") == {"text": "Hello"}


def test_tokens_that_upstream_does_not_count_are_estimated() -> None:
    usage = document(chunk("Hello"), text_estimate=20, input_estimate=100)["usage"]
    assert usage["input_token_details"] == {"text_tokens": 20, "audio_tokens": 80}
    assert (usage["input_tokens"], usage["output_tokens"]) == (100, 2)
    assert document()["usage"]["input_tokens"] == 1


def test_thoughts_are_not_told() -> None:
    content = Content("model", (Part(text="Hm", thought=True), Part(), Part(text="x")))
    assert document(Chunk(candidates=(Candidate(0, content, "STOP"),)))["text"] == "x"


def test_log_probabilities() -> None:
    scores = Raw(b'{"chosenCandidates":[{"token":"ab","logProbability":-0.5}]}')
    told = [chunk("ab", finish="", logprobs_result=scores), chunk("ab", logprobs_result=scores)]
    expected = [{"token": "ab", "logprob": -0.5, "bytes": [97, 98]}] * 2
    assert document(*told, logprobs=True)["logprobs"] == expected
    assert "logprobs" not in document(*told)
    made = answer(logprobs=True, stream=True)
    made.feed(told)
    assert json.loads(made.close().removeprefix(b"data: "))["logprobs"] == expected


def test_text_is_left_as_it_is() -> None:
    assert whole(chunk(" Ä\n"), form="text") == " Ä\n".encode()


def test_subtitles() -> None:
    assert whole(chunk(HEARD), form="srt").decode() == (
        "1\n00:00:00,000 --> 00:00:02,500\nHello there.\n\n2\n00:00:02,500 --> 01:01:01,250\nGeneral\nKenobi.\n\n"
    )
    assert whole(chunk(HEARD), form="vtt").decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nHello there.\n\n00:00:02.500 --> 01:01:01.250\nGeneral\nKenobi.\n\n"
    )


def test_verbose_json() -> None:
    found = document(chunk(HEARD), form="verbose_json", temperature=0.5)
    first, second = found["segments"]
    assert first["compression_ratio"] > 0
    assert {name: value for name, value in first.items() if name != "compression_ratio"} == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 2.5,
        "text": " Hello there.",
        "tokens": [],
        "temperature": 0.5,
        "avg_logprob": 0.0,
        "no_speech_prob": 0.0,
    }
    assert second["id"] == 1
    assert found | {"segments": []} == {
        "task": "transcribe",
        "language": "english",
        "duration": 3661.25,
        "text": "Hello there. General\n\nKenobi.",
        "segments": [],
        "usage": {"type": "duration", "seconds": 3662},
    }
    assert TranscriptionVerbose.model_validate(found)


def test_words_instead_of_segments_or_besides() -> None:
    found = document(chunk(HEARD), form="verbose_json", words=True, segments=False)
    assert found["words"] == [{"start": 0.0, "end": 1.0, "word": "Hello"}]
    assert "segments" not in found
    assert {"words", "segments"} <= document(chunk(HEARD), form="verbose_json", words=True).keys()


def test_the_duration_is_by_tokens_if_upstream_tells_them() -> None:
    assert document(chunk(HEARD, usage=USAGE, raw=DETAILS), form="verbose_json")["duration"] == 10.0
    assert document(chunk(HEARD, usage=USAGE), form="verbose_json")["duration"] == 3661.25
    assert document(chunk('{"segments":[]}'), form="verbose_json")["duration"] == 0.0


def test_a_verbose_translation() -> None:
    told = HEARD.replace("english", "german")
    found = document(chunk(told), form="verbose_json", task="translate")
    assert (found["task"], found["language"]) == ("translate", "english")
    assert TranslationVerbose.model_validate(found)


def test_who_speaks() -> None:
    found = document(chunk(HEARD, usage=USAGE, raw=DETAILS), form="diarized_json")
    assert found["segments"][1] == {
        "type": "transcript.text.segment",
        "id": "seg_001",
        "start": 2.5,
        "end": 3661.25,
        "speaker": "B",
        "text": "General\n\nKenobi. ",
    }
    assert found["usage"]["total_tokens"] == 335
    assert TranscriptionDiarized.model_validate(found)


def test_times_are_brought_into_order() -> None:
    segments = [
        {"start": -1, "end": -2, "text": "a"},
        {"start": 5, "end": 4, "text": "b"},
        {"start": 1e300, "end": 0, "text": ""},
    ]
    found = document(chunk(json.dumps({"segments": segments})), form="verbose_json")
    assert [(each["start"], each["end"]) for each in found["segments"]] == [(0.0, 0.0), (5.0, 5.0), (359_999.0,) * 2]


def test_a_code_fence_is_taken_off() -> None:
    assert whole(chunk(f"```json\n{HEARD}\n```"), form="srt") == whole(chunk(HEARD), form="srt")


@pytest.mark.parametrize("form", ["srt", "vtt", "verbose_json", "diarized_json"])
@pytest.mark.parametrize(
    "told",
    [
        "",
        "Hello",
        "[]",
        "{}",
        HEARD[:-20],
        '{"segments":[{"start":"0","end":1,"text":"x"}]}',
        '{"segments":[{"start":1e999,"end":1,"text":"x"}]}',
        '{"segments":' + "[" * 100_000,
    ],
)
def test_times_that_cannot_be_read(form: str, told: str) -> None:
    with pytest.raises(UpstreamBroken):
        whole(chunk(told), form=form)


@given(st.text(), st.sampled_from(["json", "text", "srt", "verbose_json"]))
def test_whatever_the_model_says_becomes_an_answer_or_a_clear_error(told: str, form: str) -> None:
    heard = json.dumps({"segments": [{"start": 0, "end": 1, "text": told}]})
    for said in (told, heard, told.encode("utf-8", "surrogatepass").decode("utf-8", "replace")):
        try:
            whole(chunk(said), form=form)
        except UpstreamBroken as e:
            assert e.message  # noqa: PT017 - only that it is a clear one matters


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "told",
    [*(chunk("x", finish=reason) for reason in sorted(FILTERED)), Chunk(prompt_feedback=PromptFeedback("SAFETY"))],
)
def test_a_blocked_transcript_is_an_error(told: Chunk, stream: bool) -> None:
    made = answer(stream=stream)
    made.feed([told])
    with pytest.raises(BadRequest) as caught:
        made.close()
    assert caught.value.param == "file"


def test_a_stream() -> None:
    made = answer(stream=True)
    found = made.feed([chunk("Hello ", "there", finish=""), Chunk(prompt_feedback=PromptFeedback())])
    assert found == (
        b'data: {"type":"transcript.text.delta","delta":"Hello "}\n\n'
        b'data: {"type":"transcript.text.delta","delta":"there"}\n\n'
    )
    assert made.feed([chunk(usage=USAGE, raw=DETAILS)]) == b""
    done = json.loads(made.close().removeprefix(b"data: "))
    assert (done["type"], done["text"], done["usage"]["total_tokens"]) == ("transcript.text.done", "Hello there", 335)


def test_errors_after_the_start() -> None:
    for stream in (False, True):
        failed = answer(stream=stream).fail(UpstreamOverloaded("busy"))
        assert json.loads(failed.removeprefix(b"data: "))["error"]["message"] == "busy"


def test_content_types_and_keepalives() -> None:
    stream = answer(stream=True)
    assert (stream.content_type, stream.keepalive) == (b"text/event-stream; charset=utf-8", b": keepalive\n\n")
    for form in ("text", "srt", "vtt"):
        assert answer(form=form).content_type == b"text/plain; charset=utf-8"
    for form in ("json", "verbose_json", "diarized_json"):
        assert (answer(form=form).content_type, answer(form=form).keepalive) == (b"application/json", b"")
