"""Vectors and speech, without a network."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.gemini import embeddings
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.geminiapi.wire import GeminiApi
from antigravity_proxy.generatecontent import embedding
from antigravity_proxy.vertex.wire import Vertex

NEW, OLD = (
    BUNDLED.official_model("gemini-embedding-2", "gemini"),
    BUNDLED.official_model("gemini-embedding-001", "gemini"),
)
STAMP = Stamp(0, lambda count: "f" * count)


def test_requests_of_both_upstreams() -> None:
    call = EmbeddingCall("m", (Raw(b'{"parts":[]}'),) * 2, ({"title": Raw(b'"x"')}, {}))
    first, second = json.loads(GeminiApi().embedding(call, NEW))["requests"]
    assert first == {"model": "models/gemini-embedding-2", "content": {"parts": []}, "title": "x"}
    assert second == {"model": "models/gemini-embedding-2", "content": {"parts": []}}
    first, second = json.loads(Vertex().embedding(call, NEW))["requests"]
    assert first == {"content": {"parts": []}, "embedContentConfig": {"title": "x"}}
    assert second == {"content": {"parts": []}}
    assert call.part(1) == EmbeddingCall("m", call.contents[1:], ({},))


def test_older_models_on_vertex_take_one_text_at_a_time() -> None:
    def sent(content: bytes, **options: Raw) -> bytes:
        return Vertex().embedding(EmbeddingCall("m", (Raw(content),), (options,)), OLD)

    texts = b'{"parts":[{"text":"a"},{"text":"b"}]}'
    given = sent(texts, taskType=Raw(b'"X"'), title=Raw(b'"T"'), outputDimensionality=Raw(b"4"))
    assert json.loads(given) == {
        "instances": [{"content": "ab", "task_type": "X", "title": "T"}],
        "parameters": {"outputDimensionality": 4},
    }
    assert json.loads(sent(texts)) == {"instances": [{"content": "ab"}]}
    answer = b'{"predictions": [{"embeddings": {"values": [3, 4], "statistics": {"token_count": 7}}}]}'
    assert embedding.read(answer, OLD) == Vectors(((0.6, 0.8),), 7)
    assert [Vertex().at_once(OLD), Vertex().at_once(NEW), GeminiApi().at_once(OLD)] == [1, 100, 100]
    for content in (b'{"parts":[{"text":"a"},{"inlineData":{}}]}', b"{}", b"7"):
        with pytest.raises(BadRequest, match="text alone"):
            sent(content)


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
