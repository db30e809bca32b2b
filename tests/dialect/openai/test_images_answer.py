"""Answers with pictures, streamed and whole."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai.types import ImageGenCompletedEvent, ImagesResponse

from antigravity_proxy.canonical.chunk import FILTERED, Candidate, Chunk, PromptFeedback, Usage
from antigravity_proxy.canonical.content import Blob, Content, Part
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai.images_answer import PictureOptions, new_answer
from antigravity_proxy.errors import ModerationBlocked, UpstreamBroken, UpstreamOverloaded

STAMP = Stamp(1790000000, lambda digits: "0" * digits)
USAGE = Usage(prompt_token_count=300, candidates_token_count=1290, total_token_count=1590)
TEXT, IMAGE = b'{"modality":"TEXT","tokenCount":42}', b'{"modality":"IMAGE","tokenCount":258}'
DETAILS = b'{"usageMetadata":{"promptTokensDetails":[%s,%s]}}' % (TEXT, IMAGE)


def picture(
    *parts: Part, index: int = 0, finish: str = "STOP", usage: Usage | None = None, raw: bytes = b"{}"
) -> Chunk:
    candidate = Candidate(index, Content("model", parts), finish)
    return Chunk(candidates=(candidate,), usage_metadata=usage, raw=raw)


def image(data: str = "AAAA", mime: str = "image/png", *, thought: bool = False) -> Part:
    return Part(inline_data=Blob(mime, data), thought=thought)


def document(*chunks: Chunk, **options: Any) -> dict[str, Any]:
    made = new_answer(PictureOptions(b"image_generation", **options), STAMP)
    assert made.feed(chunks) == b""
    found: dict[str, Any] = json.loads(made.close())
    return found


def streamed(*chunks: Chunk, **options: Any) -> bytes:
    made = new_answer(PictureOptions(b"image_edit", stream=True, **options), STAMP)
    return made.feed(chunks) + made.close()


def test_a_whole_answer() -> None:
    found = document(picture(Part(text="A "), image(), Part(text="cat"), usage=USAGE), quality="low")
    assert found == {
        "created": 1790000000,
        "data": [{"b64_json": "AAAA", "revised_prompt": "A cat"}],
        "output_format": "png",
        "quality": "low",
        "usage": {
            "input_tokens": 300,
            "input_tokens_details": {"text_tokens": 300, "image_tokens": 0},
            "output_tokens": 1290,
            "total_tokens": 1590,
        },
    }
    assert ImagesResponse.model_validate(found)


def test_several_in_the_order_of_their_requests_as_urls() -> None:
    found = document(
        picture(image("BBBB", "image/jpeg"), index=1, usage=USAGE), picture(image(), usage=USAGE), as_url=True
    )
    assert found["data"] == [{"url": "data:image/png;base64,AAAA"}, {"url": "data:image/jpeg;base64,BBBB"}]
    assert found["usage"]["input_tokens"] == 300
    assert found["usage"]["output_tokens"] == 2 * 1290
    assert "size" not in found
    assert "quality" not in found


def test_an_answer_in_pieces() -> None:
    found = document(
        picture(Part(text="Here"), finish=""), picture(image(), finish=""), picture(usage=USAGE), picture(finish="")
    )
    assert found["data"] == [{"b64_json": "AAAA", "revised_prompt": "Here"}]
    assert found["usage"]["total_tokens"] == 1590


def test_sketches_are_thoughts() -> None:
    found = document(picture(image("CCCC", thought=True), Part(text="Hm", thought=True), image(), Part()))
    assert found["data"] == [{"b64_json": "AAAA"}]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (DETAILS, 42),
        (b"{}", 10),
        (b"", 10),
        (b'{"usageMetadata":{"promptTokensDetails":"x"}}', 10),
        (b'{"usageMetadata":{"promptTokensDetails":[{"modality":"IMAGE","tokenCount":258}]}}', 0),
        (b'{"usageMetadata":{"promptTokensDetails":[{"modality":"TEXT","tokenCount":5000}]}}', 300),
    ],
)
def test_what_of_the_prompt_is_text(raw: bytes, text: int) -> None:
    usage = document(picture(image(), usage=USAGE, raw=raw), reads_images=True, text_estimate=10)["usage"]
    assert usage["input_tokens_details"] == {"text_tokens": text, "image_tokens": 300 - text}


def test_tokens_that_upstream_does_not_count_are_estimated() -> None:
    usage = document(picture(image(), image()), input_estimate=7)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (7, 2 * 258)
    assert document(picture(image()))["usage"]["input_tokens"] == 1


def test_a_stream_has_an_event_for_each_picture() -> None:
    found = streamed(picture(image(), usage=USAGE), picture(image("BBBB", "image/jpeg"), index=1), input_estimate=9)
    first, second, rest = found.split(b"\n\n")
    assert rest == b""
    assert first.startswith(b"event: image_edit.completed\ndata: ")
    event = json.loads(first.partition(b"data: ")[2])
    assert event == {
        "type": "image_edit.completed",
        "b64_json": "AAAA",
        "created_at": 1790000000,
        "size": "auto",
        "quality": "auto",
        "background": "auto",
        "output_format": "png",
        "usage": {
            "input_tokens": 300,
            "input_tokens_details": {"text_tokens": 300, "image_tokens": 0},
            "output_tokens": 1290,
            "total_tokens": 1590,
        },
    }
    assert ImageGenCompletedEvent.model_validate(event | {"type": "image_generation.completed"})
    event = json.loads(second.partition(b"data: ")[2])
    assert (event["output_format"], event["usage"]["total_tokens"]) == ("jpeg", 9 + 258)


def test_a_stream_tells_what_was_asked_for() -> None:
    options = {"quality": "high", "background": "opaque"}
    event = json.loads(streamed(picture(image()), **options).partition(b"data: ")[2])
    assert {name: event[name] for name in options} == options


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "chunk",
    [
        *(picture(finish=reason) for reason in sorted(FILTERED)),
        picture(Part(text="No."), finish="IMAGE_SAFETY"),
        Chunk(prompt_feedback=PromptFeedback("PROHIBITED_CONTENT")),
    ],
)
def test_a_blocked_picture_is_an_error(chunk: Chunk, stream: bool) -> None:
    made = new_answer(PictureOptions(b"image_generation", stream=stream), STAMP)
    assert made.feed([chunk]) == b""
    with pytest.raises(ModerationBlocked):
        made.close()


def test_those_that_came_are_the_answer_though_others_were_blocked() -> None:
    assert len(document(picture(finish="IMAGE_SAFETY"), picture(image(), index=1))["data"]) == 1


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "The model made no image."),
        ([Chunk(prompt_feedback=PromptFeedback())], "The model made no image."),
        ([picture(Part(text="No: "), Part(text="x" * 999))], "The model made no image: No: " + "x" * 296),
    ],
)
def test_no_picture_is_an_error(chunks: list[Chunk], message: str) -> None:
    made = new_answer(PictureOptions(b"image_generation"), STAMP)
    made.feed(chunks)
    with pytest.raises(UpstreamBroken) as caught:
        made.close()
    assert caught.value.message == message


def test_errors_after_the_start() -> None:
    for stream in (False, True):
        failed = new_answer(PictureOptions(b"image_edit", stream=stream), STAMP).fail(UpstreamOverloaded("busy"))
        assert json.loads(failed.removeprefix(b"data: "))["error"]["message"] == "busy"


def test_content_types_and_keepalives() -> None:
    stream, whole = (new_answer(PictureOptions(b"image_edit", stream=stream), STAMP) for stream in (True, False))
    assert (stream.content_type, stream.keepalive) == (b"text/event-stream; charset=utf-8", b": keepalive\n\n")
    assert (whole.content_type, whole.keepalive) == (b"application/json", b"")


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4) + bytes(20)
    return base64.b64encode(head).decode()


def test_the_size_is_the_one_that_was_made() -> None:
    wide, square = picture(image(png(1536, 1024))), picture(image(png(1024, 1024)), index=1)
    assert document(wide)["size"] == "1536x1024"
    assert "size" not in document(wide, square)
    event = json.loads(streamed(wide).partition(b"data: ")[2])
    assert event["size"] == "1536x1024"


@pytest.mark.parametrize("data", ["", "AAAA", "A", "!!!!", base64.b64encode(bytes(40)).decode(), png(1, 1)[:28]])
def test_a_picture_that_does_not_say_its_size(data: str) -> None:
    assert "size" not in document(picture(image(data)))


def test_words_for_quality_that_an_answer_has_no_place_for_are_left_out() -> None:
    for word in ("hd", "standard", "auto"):
        assert "quality" not in document(picture(image()), quality=word)
