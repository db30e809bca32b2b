"""Pictures and transcripts by the official ``openai`` package against the daemon over sockets."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from support.deferreds import deferred, in_thread
from support.stack import KEY, Stack, stack

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
JPEG = b"\xff\xd8\xff" + bytes(20)
WAV = b"RIFF\x24\x3e\x00\x00WAVEfmt " + bytes(32_000)


async def ask(running: Stack, call: Callable[[OpenAI], Any]) -> Any:
    """Something done with a client, in a thread."""

    def run() -> Any:
        with OpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0) as client:
            return call(client)

    return await in_thread(run)


async def refused(running: Stack, call: Callable[[OpenAI], Any], kind: type[openai.APIStatusError]) -> Any:
    """The error that the client raises."""
    with pytest.raises(kind) as caught:
        await ask(running, call)
    assert caught.value.response.headers["content-type"] == "application/json"
    return caught.value


def pixels(encoded: str) -> tuple[int, int]:
    """A PNG's width and height."""
    data = base64.b64decode(encoded)
    assert data.startswith(PNG[:8])
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def sent(running: Stack, number: int = 0) -> Any:
    """A request as the service got it."""
    return running.simulator.requests[number].json


def parts(running: Stack) -> list[Any]:
    """What the first request said."""
    (content,) = sent(running)["request"]["contents"]
    found: list[Any] = content["parts"]
    return found


# --- images -----------------------------------------------------------------------------------------------------


@deferred()
async def test_a_picture(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(
            running, lambda c: c.images.generate(prompt="A cat", model="gpt-image-1", size="1792x1024", quality="high")
        )
        assert pixels(answer.data[0].b64_json) == (20, 11)  # the simulator's 16:9 at 2K
        assert "You said: A cat" in answer.data[0].revised_prompt
        assert (answer.output_format, answer.size, answer.quality) == ("png", "20x11", "high")
        assert answer.usage.input_tokens == answer.usage.input_tokens_details.text_tokens > 0
        assert answer.usage.input_tokens_details.image_tokens == 0
        assert answer.usage.output_tokens == 1290
        assert answer.usage.total_tokens == answer.usage.input_tokens + 1290
        (received,) = running.simulator.requests
        assert received.rpc == "generateContent"
        assert (received.json["model"], received.json["requestType"]) == ("gemini-3.1-flash-image", "image_gen")
        assert received.json["request"]["generationConfig"] == {
            "candidateCount": 1,
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        }


@deferred()
async def test_a_name_that_no_image_model_has_gets_one_all_the_same(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(running, lambda c: c.images.generate(prompt="A cat", model="chatgpt-image-latest"))
        assert pixels(answer.data[0].b64_json) == (10, 10)
        assert sent(running)["model"] == "gemini-3.1-flash-image"


@deferred()
async def test_two_pictures_as_urls(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(
            running,
            lambda c: c.images.generate(
                prompt="A cat", model="gemini-3-pro-image-9x16-4k", n=2, response_format="url", style="natural"
            ),
        )
        assert [image.b64_json for image in answer.data] == [None, None]
        assert [pixels(image.url.removeprefix("data:image/png;base64,")) for image in answer.data] == [(22, 40)] * 2
        assert answer.usage.output_tokens == 2 * 1290
        assert [request.model for request in running.simulator.requests] == ["gemini-3-pro-image"] * 2
        assert len({request.token for request in running.simulator.requests}) == 2


@deferred()
async def test_those_that_come_are_the_answer(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.refused("Request contains an invalid argument."))
        answer = await ask(running, lambda c: c.images.generate(prompt="A cat", n=3))
        assert len(answer.data) == 2
        running.simulator.script(faults.refused("Request contains an invalid argument."), times=3)
        await refused(running, lambda c: c.images.generate(prompt="A cat", n=3), openai.BadRequestError)


@deferred()
async def test_a_stream_of_pictures(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        events = await ask(
            running, lambda c: list(c.images.generate(prompt="A cat", n=2, stream=True, partial_images=2))
        )
        assert [event.type for event in events] == ["image_generation.completed"] * 2
        assert [pixels(event.b64_json) for event in events] == [(10, 10)] * 2
        assert {event.usage.output_tokens for event in events} == {1290}
        assert {(event.size, event.quality, event.background) for event in events} == {("10x10", "auto", "auto")}


@deferred()
async def test_an_edit(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(running, lambda c: c.images.edit(image=PNG, prompt="Make it blue"))
        assert pixels(answer.data[0].b64_json) == (10, 10)
        assert answer.usage.input_tokens_details.image_tokens == 258
        image, text = parts(running)
        assert image["inlineData"] == {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}
        assert text == {"text": "Make it blue"}


@deferred()
async def test_an_edit_of_several_images_with_a_mask(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        images = [("a.png", PNG), ("b.jpg", JPEG, "image/jpeg")]
        mask = ("mask.png", PNG)
        answer = await ask(
            running,
            lambda c: c.images.edit(
                image=images, mask=mask, prompt="Blue", n=2, background="transparent", output_format="webp"
            ),
        )
        assert len(answer.data) == 2
        assert answer.output_format == "png"
        found = parts(running)
        assert [part["inlineData"]["mimeType"] for part in found[:-1]] == ["image/png", "image/jpeg", "image/png"]
        assert found[-1]["text"].splitlines() == [
            "Blue",
            "Make the background transparent.",
            "The last image is a mask: change only its transparent area.",
        ]


@deferred()
async def test_a_streamed_edit(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        (event,) = await ask(running, lambda c: list(c.images.edit(image=PNG, prompt="Blue", stream=True)))
        assert event.type == "image_edit.completed"


@deferred()
async def test_an_edit_in_json(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        url = "data:image/png;base64," + base64.b64encode(PNG).decode()
        body = {"prompt": "Blue", "images": [{"image_url": url}], "mask": {"image_url": url}}
        answer = await running.request("POST", "/v1/images/edits", body, content_type="application/json")
        assert answer.status == 200
        assert len(parts(running)) == 3


@pytest.mark.parametrize("streamed", [False, True])
@deferred()
async def test_a_blocked_picture(tmp_path: Path, streamed: bool) -> None:
    async with stack(tmp_path) as running:
        made = b'{"response":{"candidates":[{"content":{"role":"model","parts":[]},"finishReason":"IMAGE_SAFETY"}]}}'
        running.simulator.script(Fault(status=200, body=made))
        found = await refused(
            running, lambda c: list(c.images.generate(prompt="x", stream=streamed)), openai.BadRequestError
        )
        assert (found.type, found.code) == ("image_generation_user_error", "moderation_blocked")


@deferred()
async def test_no_picture(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        said = b'{"content":{"parts":[{"text":"I would rather not."}]},"finishReason":"STOP"}'
        made = b'{"response":{"candidates":[%s]}}' % said
        running.simulator.script(Fault(status=200, body=made))
        found = await refused(running, lambda c: c.images.generate(prompt="x"), openai.InternalServerError)
        assert (found.status_code, found.type) == (502, "server_error")
        assert "I would rather not." in found.message


@deferred()
async def test_a_size_that_is_refused_is_made_smaller_for_that_request(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.refused("image_size 4K is not supported by this model."))
        for size in (20, 40):
            answer = await ask(running, lambda c: c.images.generate(prompt="A cat", quality="high"))
            assert pixels(answer.data[0].b64_json) == (size, size)
        sizes = [each.json["request"]["generationConfig"]["imageConfig"] for each in running.simulator.requests]
        assert sizes == [{"imageSize": "4K"}, {"imageSize": "2K"}, {"imageSize": "4K"}]


@pytest.mark.parametrize(
    ("call", "param"),
    [
        (lambda c: c.images.generate(prompt="x", n=11), "n"),
        (lambda c: c.images.generate(prompt="x", size="big"), "size"),
        (lambda c: c.images.generate(prompt="x", quality="best"), "quality"),
        (lambda c: c.images.generate(prompt=""), "prompt"),
        (lambda c: c.images.edit(image=b"no image", prompt="x"), "image"),
        (lambda c: c.images.edit(image=[PNG] * 17, prompt="x"), "image"),
        (lambda c: c.images.edit(image=PNG, prompt="x", n=11), "n"),
        (lambda c: c.images.edit(image=PNG, mask=b"no image", prompt="x"), "mask"),
        (lambda c: c.images.edit(image=PNG, markup=PNG, prompt="x"), "markup"),
        (lambda c: c.images.edit(image=PNG, prompt="x", output_format="svg"), "output_format"),
        (lambda c: c.audio.transcriptions.create(file=("a.wav", WAV), model="x", temperature=2), "temperature"),
        (lambda c: c.audio.transcriptions.create(file=("a.txt", b"text"), model="x"), "file"),
        (lambda c: c.audio.transcriptions.create(file=("a.wav", b""), model="x"), "file"),
        (
            lambda c: c.audio.transcriptions.create(file=("a.wav", WAV), model="x", response_format="doc"),
            "response_format",
        ),
        (
            lambda c: c.audio.transcriptions.create(file=("a.wav", WAV), model="x", response_format="srt", stream=True),
            "stream",
        ),
        (
            lambda c: c.audio.translations.create(file=("a.wav", WAV), model="x", response_format="diarized_json"),
            "response_format",
        ),
    ],
)
@deferred()
async def test_wrong_fields_are_named(tmp_path: Path, call: Callable[[OpenAI], Any], param: str) -> None:
    async with stack(tmp_path) as running:
        found = await refused(running, call, openai.BadRequestError)
        assert (found.param, found.type) == (param, "invalid_request_error")
        assert not running.simulator.requests


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.images.create_variation(image=PNG),
        lambda c: c.audio.speech.create(model="x", input="x", voice="x", response_format="wav"),
    ],
)
@deferred()
async def test_what_is_not_offered(tmp_path: Path, call: Callable[[OpenAI], Any]) -> None:
    async with stack(tmp_path) as running:
        await refused(running, call, openai.NotFoundError)


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        (faults.rate_limited(30), openai.RateLimitError, 429),
        (faults.failing(503), openai.InternalServerError, 503),
        (faults.forbidden(), openai.PermissionDeniedError, 403),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.images.generate(prompt="x", n=2),
        lambda c: c.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1"),
    ],
)
@deferred(20)
async def test_upstreams_errors_are_the_clients_exceptions(
    tmp_path: Path, fault: Fault, kind: type[openai.APIStatusError], status: int, call: Callable[[OpenAI], Any]
) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(fault, times=20)
        assert (await refused(running, call, kind)).status_code == status


@deferred()
async def test_too_large(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        large = bytes(21 << 20)
        found = await refused(
            running, lambda c: c.audio.transcriptions.create(file=("a.wav", large), model="x"), openai.APIStatusError
        )
        assert (found.status_code, found.type, found.param) == (413, "invalid_request_error", "file")
    async with stack(tmp_path / "small", PROXY_MAX_BODY="1000") as running:
        found = await refused(running, lambda c: c.images.edit(image=bytes(2000), prompt="x"), openai.APIStatusError)
        assert found.status_code == 413


# --- audio ------------------------------------------------------------------------------------------------------


async def transcribe(running: Stack, **fields: Any) -> Any:
    """One transcription."""
    fields = {"file": ("a.wav", WAV), "model": "whisper-1"} | fields
    return await ask(running, lambda c: c.audio.transcriptions.create(**fields))


@deferred()
async def test_a_transcript(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await transcribe(running, language="de", prompt="Ä, Ö", temperature=0.5)
        assert f"I see a file of type audio/wav with {len(WAV)} bytes." in answer.text
        assert answer.usage.type == "tokens"
        assert answer.usage.input_token_details.audio_tokens == 96
        assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
        audio, text = parts(running)
        assert base64.b64decode(audio["inlineData"]["data"]) == WAV
        assert text["text"].splitlines() == [
            "Transcribe this audio verbatim.",
            "Output only the transcript.",
            'It is spoken in the language "de".',
            "For context and spelling, not part of it: Ä, Ö",
        ]
        config = sent(running)["request"]["generationConfig"]
        assert config == {"temperature": 0.5, "thinkingConfig": {"includeThoughts": False, "thinkingBudget": 128}}


@deferred()
async def test_a_transcript_as_text_and_as_subtitles(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        assert (await transcribe(running, response_format="text")).startswith("Hello from the simulated model.")
        assert await transcribe(running, response_format="srt") == "1\n00:00:01,500 --> 00:00:01,500\nvalue\n\n"
        assert await transcribe(running, response_format="vtt") == (
            "WEBVTT\n\n00:00:01.500 --> 00:00:01.500\nvalue\n\n"
        )


@deferred()
async def test_a_verbose_transcript(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await transcribe(running, response_format="verbose_json", timestamp_granularities=["word", "segment"])
        assert (answer.text, answer.language, answer.duration) == ("value", "value", 3.0)
        assert answer.usage.seconds == 3
        (segment,), (word,) = answer.segments, answer.words
        assert (segment.id, segment.start, segment.end, segment.text) == (0, 1.5, 1.5, "value")
        assert (word.word, word.start) == ("value", 1.5)
        assert (await transcribe(running, response_format="verbose_json")).words is None


@deferred()
async def test_who_speaks(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await transcribe(running, response_format="diarized_json", model="gpt-4o-transcribe-diarize")
        assert [(each.speaker, each.text, each.id) for each in answer.segments] == [("value", "value", "seg_000")]
        assert answer.text == "value"


@deferred()
async def test_a_stream_of_text(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        *deltas, done = await ask(
            running,
            lambda c: list(c.audio.transcriptions.create(file=("a.wav", WAV), model="gpt-4o-transcribe", stream=True)),
        )
        assert len(deltas) > 1
        assert {event.type for event in deltas} == {"transcript.text.delta"}
        assert done.type == "transcript.text.done"
        assert "".join(event.delta for event in deltas) == done.text
        assert done.usage.input_token_details.audio_tokens == 96


@deferred()
async def test_an_error_in_the_stream_is_raised(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.error_in_stream(after=1))
        with pytest.raises(openai.APIError, match="overloaded"):
            await ask(
                running,
                lambda c: list(c.audio.transcriptions.create(file=("a.wav", WAV), model="x", stream=True)),
            )


@deferred()
async def test_translations(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        async def translate(**fields: Any) -> Any:
            return await ask(
                running, lambda c: c.audio.translations.create(file=("a.mp3", b"ID3"), model="whisper-1", **fields)
            )

        assert "into English" in (await translate()).text
        assert parts(running)[0]["inlineData"]["mimeType"] == "audio/mp3"
        assert (await translate(response_format="text")).startswith("Hello")
        verbose = await translate(response_format="verbose_json")
        assert (verbose.language, verbose.text) == ("english", "value")


@deferred()
async def test_a_model_that_gives_no_times(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        told = b'{"response":{"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}}'
        running.simulator.script(Fault(events=(told,)))
        found = await refused(
            running,
            lambda c: c.audio.transcriptions.create(file=("a.wav", WAV), model="x", response_format="srt"),
            openai.InternalServerError,
        )
        assert found.status_code == 502


@deferred()
async def test_json_is_no_upload(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await running.request(
            "POST", "/v1/audio/transcriptions", {"model": "x"}, content_type="application/json"
        )
        assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
