"""Code Assist's wire: the generateContent form in its envelope, its URLs, its failures. Pure (upstream.md 1, 4)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.estimate import around_tokens
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.canonical.wire import Access, Quirk, UpstreamRequest, bearer
from antigravity_proxy.codeassist import decision_table
from antigravity_proxy.generatecontent import failure, request
from antigravity_proxy.generatecontent.events import EventReader
from antigravity_proxy.settings.limits import PICTURE_SILENCE

_STREAM = b":streamGenerateContent?alt=sse"
#: a picture comes whole (upstream.md 1.2)
_WHOLE = b":generateContent"
_COUNT = b":countTokens"


class _Envelope(Struct, frozen=True, rename="camel", omit_defaults=True):
    model: str
    request_id: str
    user_agent: str
    request_type: str
    request: Raw
    project: str | None = None


class _Count(Struct, rename="camel"):
    total_tokens: int = 0


class _Counted(Struct, rename="camel"):
    total_tokens: int = 0
    response: _Count | None = None


def envelope(prepared: request.Prepared, project: str | None, request_id: str, user_agent: str) -> bytes:
    """The body of one attempt; ``request_id`` must be fresh for each."""
    kind = "image_gen" if prepared.is_picture else "web_search" if prepared.searches else "agent"
    return msgspec.json.encode(_Envelope(prepared.model.id, request_id, user_agent, kind, Raw(prepared.body), project))


class CodeAssist:
    """Implements `canonical.wire.Wire`. ``new_uuid`` gives a fresh UUID as text; ``product`` says honestly who asks."""

    name = "codeassist"
    trace_header = b"x-cloudaicompanion-trace-id"

    def __init__(self, new_uuid: Callable[[], str], product: str = "antigravity-proxy") -> None:
        self._new_uuid = new_uuid
        self._product = product

    def prepare(self, call: Call, model: Model, quirks: frozenset[Quirk], conversation: str) -> Generate:
        """As Wire's."""
        return Generate(request.prepare(call, model, quirks, conversation), self._new_uuid, self._product)

    def count(self, call: Call, model: Model) -> CountTokens:
        """As Wire's."""
        return CountTokens(call, model)

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
        return failure.read(body, now, http_status=http_status, date=date, retry_after=retry_after)

    def judge(self, failure: Failure) -> Verdict:
        """As Wire's."""
        return decision_table.judge(failure)

    def verdict(self, cause: Cause) -> Verdict:
        """As Wire's."""
        return decision_table.WITHOUT_BODY[cause]


class Generate:
    """Implements `canonical.wire.Prepared`."""

    __slots__ = ("_inner", "_new_uuid", "_product")

    def __init__(self, inner: request.Prepared, new_uuid: Callable[[], str], product: str) -> None:
        self._inner = inner
        self._new_uuid = new_uuid
        self._product = product

    @property
    def model(self) -> Model:
        """As Prepared's."""
        return self._inner.model

    @property
    def opening(self) -> str:
        """As Prepared's: the ``sessionId``, and empty for a picture."""
        return self._inner.opening

    def request(self, access: Access) -> UpstreamRequest:
        """As Prepared's."""
        body = envelope(self._inner, access.project, "agent-" + self._new_uuid(), self._product)
        method, silence = (_WHOLE, PICTURE_SILENCE) if self._inner.is_picture else (_STREAM, 0.0)
        return UpstreamRequest(access.base + method, (bearer(access.token),), body, silence)

    def events(self) -> EventReader:
        """As Prepared's."""
        return EventReader()

    def restorer(self) -> Callable[[Chunk], Chunk]:
        """As Prepared's."""
        return self._inner.restore.fresh()


class CountTokens:
    """Implements `canonical.wire.Count`. Upstream counts contents alone (upstream.md 4.5)."""

    __slots__ = ("_around", "_body")

    def __init__(self, call: Call, model: Model) -> None:
        self._body = request.count_tokens_body(call, model)
        self._around = around_tokens(call)

    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""
        return UpstreamRequest(access.base + _COUNT, (bearer(access.token),), self._body)

    def read(self, answer: bytes) -> int:
        """As Count's."""
        try:
            counted = msgspec.json.decode(answer, type=_Counted)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return 0
        total = counted.total_tokens or (counted.response.total_tokens if counted.response else 0)
        return total + self._around if total > 0 else 0
