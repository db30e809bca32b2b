"""Vertex AI's wire: `canonical.wire.Wire` for both publishers. Pure (official-upstreams.md 3.2, 4)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.canonical.wire import Access, Count, EventReader, Prepared, Quirk, UpstreamRequest
from antigravity_proxy.generatecontent import events, failure
from antigravity_proxy.generatecontent import request as gemini
from antigravity_proxy.generatecontent.days import daily_resets
from antigravity_proxy.messages import events as message_events
from antigravity_proxy.messages import failure as anthropics
from antigravity_proxy.messages import manners
from antigravity_proxy.messages import request as claude
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import PICTURE_SILENCE
from antigravity_proxy.vertex import decision_table, places

#: what ``:countTokens`` takes of a request, flat
_COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")


class Vertex:
    """Implements `canonical.wire.Wire`."""

    name = "vertex"
    trace_header = b""

    def prepare(self, call: Call, model: Model, quirks: frozenset[Quirk], conversation: str) -> Prepared:
        """As Wire's."""
        if model.family == "claude":
            return ClaudeMessage(claude.prepare(call, model, quirks), conversation or gemini.conversation_id(call))
        return GeminiContent(gemini.prepare(call, model, quirks, conversation, official=True))

    def count(self, call: Call, model: Model) -> Count:
        """As Wire's."""
        if model.family == "claude":
            return ClaudeCount(claude.prepare(call, model))
        return GeminiCount(gemini.prepare(call, model, official=True))

    def quirk_for(self, model: Model, message: str) -> Quirk | None:
        """As Wire's."""
        return manners.quirk_for(message) if model.family == "claude" else gemini.quirk_for(model, message)

    def read_failure(
        self,
        body: bytes,
        now: float,
        *,
        http_status: int = 200,
        date: str | None = None,
        retry_after: str | None = None,
    ) -> Failure:
        """As Wire's. Google's form comes from its front, Anthropic's from the model."""
        found = failure.read(body, now, http_status=http_status, date=date, retry_after=retry_after)
        found = anthropics.completed(found, body, in_stream=http_status == 200)
        return replace(found, daily_resets=daily_resets(now)) if found.http_status == 429 else found

    def judge(self, failure: Failure) -> Verdict:
        """As Wire's."""
        return decision_table.judge(failure)

    def verdict(self, cause: Cause) -> Verdict:
        """As Wire's."""
        return decision_table.WITHOUT_BODY[cause]


class GeminiContent:
    """A call as Gemini takes it. Implements `canonical.wire.Prepared`."""

    __slots__ = ("_inner",)

    def __init__(self, inner: gemini.Prepared) -> None:
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
        """As Prepared's. A picture comes whole."""
        inner = self._inner
        if inner.is_picture:
            return places.call(
                access, "google", inner.model.id, ":generateContent", inner.body, silence=PICTURE_SILENCE
            )
        return places.call(access, "google", inner.model.id, ":streamGenerateContent?alt=sse", inner.body)

    def events(self) -> EventReader:
        """As Prepared's."""
        return events.EventReader()

    def restorer(self) -> Callable[[Chunk], Chunk]:
        """As Prepared's."""
        return self._inner.restore.fresh()


class ClaudeMessage:
    """A call as Claude takes it. Implements `canonical.wire.Prepared`."""

    __slots__ = ("_inner", "opening")

    def __init__(self, inner: claude.Prepared, opening: str) -> None:
        self._inner = inner
        self.opening = opening

    @property
    def model(self) -> Model:
        """As Prepared's."""
        return self._inner.model

    def request(self, access: Access) -> UpstreamRequest:
        """As Prepared's."""
        inner = self._inner
        betas = ((b"anthropic-beta", Secret(inner.betas)),) if inner.betas else ()
        return places.call(access, "anthropic", inner.model.id, ":streamRawPredict", inner.body, headers=betas)

    def events(self) -> EventReader:
        """As Prepared's."""
        return message_events.EventReader()

    def restorer(self) -> Callable[[Chunk], Chunk]:
        """As Prepared's."""
        return self._inner.restore.fresh()


class _Counted(Struct, rename="camel"):
    total_tokens: int = 0


class _InputTokens(Struct):
    input_tokens: int = 0


class GeminiCount:
    """Counts everything, system text and tools too. Implements `canonical.wire.Count`."""

    __slots__ = ("_inner",)

    def __init__(self, inner: gemini.Prepared) -> None:
        self._inner = inner

    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""
        fields = msgspec.json.decode(self._inner.body, type=dict[str, Raw])
        body = msgspec.json.encode({name: fields[name] for name in _COUNTED if name in fields})
        return places.call(access, "google", self._inner.model.id, ":countTokens", body)

    def read(self, answer: bytes) -> int:
        """As Count's."""
        try:
            return max(msgspec.json.decode(answer, type=_Counted).total_tokens, 0)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return 0


class ClaudeCount:
    """Counts by a model of its own. Implements `canonical.wire.Count`."""

    __slots__ = ("_inner",)

    def __init__(self, inner: claude.Prepared) -> None:
        self._inner = inner

    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""
        return places.call(access, "anthropic", "count-tokens", ":rawPredict", self._inner.count_body)

    def read(self, answer: bytes) -> int:
        """As Count's."""
        try:
            return max(msgspec.json.decode(answer, type=_InputTokens).input_tokens, 0)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return 0
