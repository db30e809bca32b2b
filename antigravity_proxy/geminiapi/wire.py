"""The Gemini API's wire: the generateContent form bare, a key in a header, its URLs and failures. Pure.

(official-upstreams.md 3.1, 4)
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import msgspec
from msgspec import Struct, structs

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.canonical.wire import Access, Quirk, UpstreamRequest
from antigravity_proxy.geminiapi import decision_table, embedding
from antigravity_proxy.generatecontent import failure, request
from antigravity_proxy.generatecontent.days import daily_resets
from antigravity_proxy.generatecontent.events import EventReader
from antigravity_proxy.settings.limits import PICTURE_SILENCE

_MODELS = "/v1beta/models/"
_STREAM = ":streamGenerateContent?alt=sse"
#: a picture comes whole
_WHOLE = ":generateContent"
_COUNT = ":countTokens"
_EMBED = ":batchEmbedContents"


class _Counted(Struct, rename="camel"):
    total_tokens: int = 0


def method(access: Access, model: str, name: str, body: bytes, silence: float = 0.0) -> UpstreamRequest:
    """A call of a model's method. The key stands in a header, never in the URL, and alone."""
    url = access.base.rstrip(b"/") + (_MODELS + quote(model, safe="") + name).encode()
    return UpstreamRequest(url, ((b"x-goog-api-key", access.token),), body, silence)


class GeminiApi:
    """Implements `canonical.wire.Wire`."""

    name = "gemini"
    trace_header = b""

    def prepare(self, call: Call, model: Model, quirks: frozenset[Quirk], conversation: str) -> Generate:
        """As Wire's."""
        return Generate(request.prepare(call, model, quirks, conversation, official=True))

    def count(self, call: Call, model: Model) -> CountTokens:
        """As Wire's."""
        return CountTokens(request.prepare(call, model, official=True))

    def embeddings(self, call: EmbeddingCall, model: Model) -> list[bytes]:
        """As Embeds'."""
        return embedding.bodies(call, model)

    def embed(self, access: Access, model: Model, body: bytes) -> UpstreamRequest:
        """As Embeds'."""
        return method(access, model.id, _EMBED, body)

    def read_vectors(self, answer: bytes, model: Model) -> Vectors:
        """As Embeds'."""
        return embedding.read(answer, model)

    def quirk_for(self, model: Model, message: str) -> Quirk | None:
        """As Wire's."""
        return request.quirk_for(model, message)

    def read_failure(
        self,
        body: bytes,
        now: float,
        *,
        http_status: int = 200,
        date: str | None = None,
        retry_after: str | None = None,
    ) -> Failure:
        """As Wire's."""
        found = failure.read(body, now, http_status=http_status, date=date, retry_after=retry_after)
        return structs.replace(found, daily_resets=daily_resets(now)) if found.http_status == 429 else found

    def judge(self, failure: Failure) -> Verdict:
        """As Wire's."""
        return decision_table.judge(failure)

    def verdict(self, cause: Cause) -> Verdict:
        """As Wire's."""
        return decision_table.WITHOUT_BODY[cause]


class Generate:
    """Implements `canonical.wire.Prepared`."""

    __slots__ = ("_inner",)

    def __init__(self, inner: request.Prepared) -> None:
        self._inner = inner

    @property
    def model(self) -> Model:
        """As Prepared's."""
        return self._inner.model

    @property
    def opening(self) -> str:
        """As Prepared's."""
        return self._inner.opening

    def request(self, access: Access) -> UpstreamRequest:
        """As Prepared's."""
        name, silence = (_WHOLE, PICTURE_SILENCE) if self._inner.is_whole else (_STREAM, 0.0)
        return method(access, self._inner.model.id, name, self._inner.body, silence)

    def events(self) -> EventReader:
        """As Prepared's."""
        return EventReader()

    def restorer(self) -> Callable[[Chunk], Chunk]:
        """As Prepared's."""
        return self._inner.restore.fresh()


class CountTokens:
    """Implements `canonical.wire.Count`. Upstream counts everything, system text and tools too."""

    __slots__ = ("_inner",)

    def __init__(self, inner: request.Prepared) -> None:
        self._inner = inner

    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""
        model = self._inner.model.id
        named = msgspec.json.encode("models/" + model)
        body = b'{"generateContentRequest":{"model":' + named + b"," + self._inner.body[1:] + b"}"
        return method(access, model, _COUNT, body)

    def read(self, answer: bytes) -> int:
        """As Count's."""
        try:
            return max(msgspec.json.decode(answer, type=_Counted).total_tokens, 0)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return 0
