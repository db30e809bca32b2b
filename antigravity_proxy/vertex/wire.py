"""Vertex AI's wire: `canonical.wire.Wire` for both publishers. Pure (official-upstreams.md 3.2, 4)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.canonical.wire import Access, Count, EventReader, Fix, Prepared, UpstreamRequest
from antigravity_proxy.generatecontent import request as gemini
from antigravity_proxy.generatecontent.embedding import read as read_vectors
from antigravity_proxy.generatecontent.wire import COUNT_TOKENS, CountTokens, GenerateContent, OfficialWire
from antigravity_proxy.http1.fields import field
from antigravity_proxy.messages import events as message_events
from antigravity_proxy.messages import failure as anthropics
from antigravity_proxy.messages import manners
from antigravity_proxy.messages import request as claude
from antigravity_proxy.vertex import decision_table, embedding, places

#: what ``:countTokens`` takes of a request, flat
_COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")


class Vertex(OfficialWire):
    """Implements `canonical.wire.Wire`."""

    name = "vertex"
    table = decision_table.TABLE

    def prepare(self, call: Call, model: Model, quirks: frozenset[Fix], conversation: str) -> Prepared:
        """As Wire's."""
        if model.family == "claude":
            opening = conversation or gemini.conversation_id(call)
            return _Message(model, opening, claude.prepare(call, model, quirks))
        return _Generate(model, gemini.prepare(call, model, quirks, conversation, official=True))

    def count(self, call: Call, model: Model) -> Count:
        """As Wire's."""
        if model.family == "claude":
            return _MessageCount(claude.prepare(call, model))
        return _CountTokens(gemini.prepare(call, model, official=True))

    def at_once(self, model: Model) -> int:
        """As Embeds'."""
        return embedding.at_once(model)

    def embedding(self, call: EmbeddingCall, model: Model) -> bytes:
        """As Embeds'."""
        return embedding.body(call, model)

    def embed(self, access: Access, model: Model, body: bytes) -> UpstreamRequest:
        """As Embeds'."""
        return places.call(access, "google", model.id, embedding.method(model), body)

    def read_vectors(self, answer: bytes, model: Model) -> Vectors:
        """As Embeds'."""
        return read_vectors(answer, model)

    def fixes_for(self, model: Model, message: str) -> frozenset[Fix]:
        """As Wire's."""
        return manners.fixes_for(message) if model.family == "claude" else super().fixes_for(model, message)

    def _completed(self, found: Failure, body: bytes, now: float, *, in_answer: bool) -> Failure:
        """Google's form comes from its front, Anthropic's from the model."""
        found = anthropics.completed(found, body, in_stream=in_answer)
        return super()._completed(found, body, now, in_answer=in_answer)


class _Generate(GenerateContent):
    """A call as Gemini takes it."""

    def request(self, access: Access) -> UpstreamRequest:
        """As Prepared's."""
        content = self.content
        return places.call(access, "google", content.model.id, content.method, content.body, silence=content.silence)


class _Message(Struct):
    """A call as Claude takes it. Implements `canonical.wire.Prepared`."""

    model: Model
    opening: str
    message: claude.Prepared

    def request(self, access: Access) -> UpstreamRequest:
        """As Prepared's."""
        message = self.message
        betas = field(b"anthropic-beta", message.betas.encode("latin-1")) if message.betas else b""
        return places.call(access, "anthropic", message.model.id, b":streamRawPredict", message.body, fields=betas)

    def events(self) -> EventReader:
        """As Prepared's."""
        return message_events.MessageReader() if self.message.is_own else message_events.EventReader()

    def restorer(self) -> Callable[[Chunk], Chunk] | None:
        """As Prepared's."""
        restore = self.message.restore
        return None if restore.idle else restore.fresh()


class _CountTokens(CountTokens):
    """Gemini counts everything, system text and tools too."""

    __slots__ = ("_content",)

    def __init__(self, content: gemini.Prepared) -> None:
        self._content = content

    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""
        fields = msgspec.json.decode(self._content.body, type=dict[str, Raw])
        body = msgspec.json.encode({name: fields[name] for name in _COUNTED if name in fields})
        return places.call(access, "google", self._content.model.id, COUNT_TOKENS, body)


class _MessageCount(CountTokens):
    """Claude's tokens are counted by a model of its own."""

    __slots__ = ("_message",)

    def __init__(self, message: claude.Prepared) -> None:
        self._message = message

    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""
        return places.call(access, "anthropic", "count-tokens", b":rawPredict", self._message.count_body)
