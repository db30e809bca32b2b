"""Vectors and speech, without a network."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from antigravity_proxy.canonical.call import Call, Speech
from antigravity_proxy.canonical.chunk import Candidate, Chunk, PromptFeedback
from antigravity_proxy.canonical.content import Blob, Content, Part
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.gemini import embeddings
from antigravity_proxy.dialect.openai.speech import SpeechDocument
from antigravity_proxy.errors import BadRequest, InternalError, ModerationBlocked, UpstreamBroken
from antigravity_proxy.generatecontent import embedding
from antigravity_proxy.generatecontent.request import prepare

NEW, OLD = (
    BUNDLED.official_model("gemini-embedding-2", "gemini"),
    BUNDLED.official_model("gemini-embedding-001", "gemini"),
)
STAMP = Stamp(0, lambda count: "f" * count)


def test_many_contents_go_in_several_requests() -> None:
    call = EmbeddingCall("m", (Raw(b'{"parts":[]}'),) * 150, ({"title": Raw(b'"x"')},) * 150)
    first, second = (json.loads(embedding.batch(share, NEW))["requests"] for share in call.shares())
    assert (len(first), len(second)) == (100, 50)
    assert first[0] == {"model": "models/gemini-embedding-2", "content": {"parts": []}, "title": "x"}
    [*_, last] = call.shares()
    assert json.loads(embedding.vertex_batch(last))["requests"][0] == {
        "content": {"parts": []},
        "embedContentConfig": {"title": "x"},
    }


def test_older_models_on_vertex_take_one_text_at_a_time() -> None:
    texts = Raw(b'{"parts":[{"text":"a"},{"text":"b"}]}'), Raw(b'{"parts":[{"text":"c"}]}')
    options = {"taskType": Raw(b'"X"'), "title": Raw(b'"T"'), "outputDimensionality": Raw(b"4")}
    first, second = map(json.loads, embedding.predictions(EmbeddingCall("m", texts, (options, {}))))
    assert first == {
        "instances": [{"content": "ab", "task_type": "X", "title": "T"}],
        "parameters": {"outputDimensionality": 4},
    }
    assert second == {"instances": [{"content": "c"}]}
    answer = b'{"predictions": [{"embeddings": {"values": [3, 4], "statistics": {"token_count": 7}}}]}'
    assert embedding.read(answer, OLD) == Vectors(((0.6, 0.8),), 7)
    assert (embedding.predicted(OLD), embedding.predicted(NEW)) == (True, False)
    for content in (b'{"parts":[{"text":"a"},{"inlineData":{}}]}', b"{}", b"7"):
        with pytest.raises(BadRequest, match="text alone"):
            embedding.predictions(EmbeddingCall("m", (Raw(content),), ({},)))


def test_vectors_of_the_old_model_are_made_as_long_as_one() -> None:
    answer = b'{"embeddings": [{"values": [3, 4]}, {"values": [0, 0]}], "usageMetadata": {"promptTokenCount": 7}}'
    assert embedding.read(answer, NEW) == Vectors(((3, 4), (0, 0)), 7)
    assert embedding.read(answer, OLD) == Vectors(((0.6, 0.8), (0, 0)), 7)
    assert embedding.read(b"{", NEW) == Vectors(())


def test_geminis_batches_have_a_size() -> None:
    with pytest.raises(BadRequest, match="From 1 to"):
        embeddings.decode_batch(b'{"requests": []}', "m")
    call = embeddings.decode_batch(b'{"requests": [{"content": {}, "taskType": "X", "title": null}]}', "m")
    assert call.options == ({"taskType": Raw(b'"X"')},)


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


def sound(data: str, mime_type: str = "audio/l16; rate=16000") -> Chunk:
    """A chunk with sound, and a word beside it."""
    return Chunk((Candidate(content=Content("model", (Part(text="x"), Part(inline_data=Blob(mime_type, data))))),))


def test_sound_that_comes_and_sound_that_does_not() -> None:
    wav = SpeechDocument("wav", STAMP)
    assert wav.feed([sound("AAA="), sound("AAA=", "audio/pcm")]) == b""
    made = wav.close()
    assert (made[:4], made[24:28], made[40:44], len(made)) == (b"RIFF", (16_000).to_bytes(4, "little"), b"\4\0\0\0", 48)
    with pytest.raises(UpstreamBroken, match="can't be read"):
        SpeechDocument("pcm", STAMP).feed([sound("A")])
    with pytest.raises(UpstreamBroken, match="no audio"):
        SpeechDocument("pcm", STAMP).close()
    for blocked in (Chunk(prompt_feedback=PromptFeedback("SAFETY")), Chunk((Candidate(finish_reason="SAFETY"),))):
        refused = SpeechDocument("pcm", STAMP)
        refused.feed([blocked])
        with pytest.raises(ModerationBlocked):
            refused.close()
    assert SpeechDocument("pcm", STAMP).fail(InternalError("x")) == b""
