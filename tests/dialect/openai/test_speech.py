"""Speech: what is asked of upstream, and its sound in OpenAI's forms."""

from __future__ import annotations

import json

import pytest

from antigravity_proxy.canonical.call import Call, Speech
from antigravity_proxy.canonical.chunk import Candidate, Chunk, PromptFeedback, Usage
from antigravity_proxy.canonical.content import Blob, Content, Part
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.dialect.openai.speech import SpeechDocument, SpeechEvents, SpeechStream
from antigravity_proxy.errors import InternalError, ModerationBlocked, UpstreamBroken
from antigravity_proxy.generatecontent.request import prepare


@pytest.mark.parametrize(
    ("model", "style", "part", "voice"),
    [
        ("gemini-3.8-flash-tts", "", {"text": "Hi"}, {"voice": "Kore"}),
        ("gemini-3.8-flash-tts", "glad", {"text": "Hi", "speechMetadata": {"style": "glad"}}, {"voice": "Kore"}),
        ("gemini-2.5-flash-tts", "glad", {"text": "glad: Hi"}, {"prebuiltVoiceConfig": {"voiceName": "Kore"}}),
        ("gemini-2.5-flash-tts", "", {"text": "Hi"}, {"prebuiltVoiceConfig": {"voiceName": "Kore"}}),
    ],
)
def test_what_is_spoken(model: str, style: str, part: dict[str, object], voice: dict[str, object]) -> None:
    call = Call(model, (Content("user", (Part(text="Hi"),)),), speech=Speech("Kore", style))
    body = json.loads(prepare(call, BUNDLED.official_model(model, "gemini"), official=True).body)
    assert body["contents"] == [{"role": "user", "parts": [part]}]
    assert body["generationConfig"]["speechConfig"] == {"voiceConfig": voice}


@pytest.mark.parametrize(
    ("model", "stream", "method"),
    [
        ("gemini-3.8-flash-tts", True, b":streamGenerateContent?alt=sse"),
        ("gemini-3.8-flash-tts", False, b":generateContent"),
        ("gemini-3.1-flash-tts-preview", True, b":generateContent"),
    ],
)
def test_speech_is_streamed_where_the_client_and_the_model_do(model: str, stream: bool, method: bytes) -> None:
    call = Call(model, (Content("user", (Part(text="Hi"),)),), speech=Speech("Kore"), stream=stream)
    assert prepare(call, BUNDLED.official_model(model, "gemini"), official=True).method == method


def sound(data: str, mime_type: str = "audio/l16; rate=16000") -> Chunk:
    """A chunk with sound, and a word beside it."""
    return Chunk((Candidate(content=Content("model", (Part(text="x"), Part(inline_data=Blob(mime_type, data))))),))


def test_sound_that_comes_and_sound_that_does_not() -> None:
    wav = SpeechDocument("wav")
    assert wav.feed([sound("AAA="), sound("AAA=", "audio/pcm")]) == b""
    made = wav.close()
    assert (made[:4], made[24:28], made[40:44], len(made)) == (b"RIFF", (16_000).to_bytes(4, "little"), b"\4\0\0\0", 48)
    with pytest.raises(UpstreamBroken, match="can't be read"):
        SpeechDocument("pcm").feed([sound("A")])
    with pytest.raises(UpstreamBroken, match="no audio"):
        SpeechDocument("pcm").close()
    for blocked in (Chunk(prompt_feedback=PromptFeedback("SAFETY")), Chunk((Candidate(finish_reason="SAFETY"),))):
        refused = SpeechDocument("pcm")
        refused.feed([blocked])
        with pytest.raises(ModerationBlocked):
            refused.close()
    assert SpeechDocument("pcm").fail(InternalError("x")) is None


def test_a_stream_of_sound_says_no_size_and_breaks_off() -> None:
    wav = SpeechStream("wav")
    made = wav.feed([sound("AAA="), Chunk()]) + wav.feed([sound("AQE=")]) + wav.close()
    assert (made[4:8], made[40:44], made[44:]) == (b"\xff" * 4, b"\xff" * 4, b"\0\0\1\1")
    assert wav.fail(InternalError("x")) is None
    pcm = SpeechStream("pcm")
    assert pcm.feed([sound("AAA=")]) == b"\0\0"


def test_events_of_sound() -> None:
    answer = SpeechEvents("pcm", 3)
    made = answer.feed([sound("AAA=")]) + answer.feed([Chunk(usage_metadata=Usage(5, 9))]) + answer.close()
    assert [json.loads(line[6:]) for line in made.decode().splitlines() if line] == [
        {"type": "speech.audio.delta", "audio": "AAA="},
        {"type": "speech.audio.done", "usage": {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14}},
    ]
    assert json.loads((answer.fail(InternalError("x")))[6:])["error"]["type"] == "server_error"
    with pytest.raises(UpstreamBroken, match="no audio"):
        SpeechEvents("pcm", 3).close()
