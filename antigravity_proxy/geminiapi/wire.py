"""The Gemini API's wire: the generateContent form bare, a key in a header, its URLs and failures. Pure.

(official-upstreams.md 3.1, 4)
"""

from __future__ import annotations

import functools
from urllib.parse import quote

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Access, Count, Fix, Prepared, UpstreamRequest, carried
from antigravity_proxy.geminiapi import decision_table
from antigravity_proxy.generatecontent import embedding, request
from antigravity_proxy.generatecontent.wire import COUNT_TOKENS, CountTokens, GenerateContent, OfficialWire

_MODELS = b"/v1beta/models/"


def _call(access: Access, model: str, method: bytes, body: bytes, silence: float = 0.0) -> UpstreamRequest:
    """A call of a model's method. The key is in a header, never in the URL, and the only credential."""
    return UpstreamRequest(_url(access.base, model, method), carried(b"x-goog-api-key", access.token), body, silence)


@functools.lru_cache(maxsize=256)
def _url(base: bytes, model: str, method: bytes) -> bytes:
    return base.rstrip(b"/") + _MODELS + quote(model, safe="").encode() + method


class GeminiApi(OfficialWire):
    """Implements `canonical.wire.Wire`."""

    name = "gemini"
    table = decision_table.TABLE

    def prepare(self, call: Call, model: Model, quirks: frozenset[Fix], conversation: str) -> Prepared:
        """As Wire's."""
        return _Generate(model, request.prepare(call, model, quirks, conversation, official=True))

    def count(self, call: Call, model: Model) -> Count:
        """As Wire's."""
        return _CountTokens(request.prepare(call, model, official=True))

    def at_once(self, model: Model) -> int:
        """As Embeds'."""
        return embedding.AT_ONCE

    def embedding(self, call: EmbeddingCall, model: Model) -> bytes:
        """As Embeds'."""
        name = Raw(msgspec.json.encode(f"models/{model.id}"))
        pairs = zip(call.contents, call.options, strict=True)
        return embedding.batch({"model": name, "content": content, **options} for content, options in pairs)

    def embed(self, access: Access, model: Model, body: bytes) -> UpstreamRequest:
        """As Embeds'."""
        return _call(access, model.id, embedding.BATCH, body)

    def read_vectors(self, answer: bytes, model: Model) -> Vectors:
        """As Embeds'."""
        return embedding.read(answer, model)


class _Generate(GenerateContent):
    """The call with its model in the path."""

    def request(self, access: Access) -> UpstreamRequest:
        """As Prepared's."""
        content = self.content
        return _call(access, content.model.id, content.method, content.body, content.silence)


class _CountTokens(CountTokens):
    """Upstream counts everything, system text and tools too."""

    __slots__ = ("_content",)

    def __init__(self, content: request.Prepared) -> None:
        self._content = content

    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""
        model = self._content.model.id
        named = msgspec.json.encode("models/" + model)
        body = b'{"generateContentRequest":{"model":' + named + b"," + self._content.body[1:] + b"}"
        return _call(access, model, COUNT_TOKENS, body)
