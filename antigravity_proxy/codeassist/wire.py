"""Code Assist's wire: the generateContent form in its envelope, its URLs, its failures. Pure (upstream.md 1, 4)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import msgspec

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.estimate import around_tokens
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Access, Count, Fix, Prepared, UpstreamRequest, bearer
from antigravity_proxy.codeassist import decision_table
from antigravity_proxy.generatecontent import request
from antigravity_proxy.generatecontent.wire import COUNT_TOKENS, CountTokens, GenerateContent, GenerateContentWire


def envelope(prepared: request.Prepared, project: str | None, request_id: str, user_agent: str) -> bytes:
    """The body of one attempt; ``request_id`` must be fresh for each."""
    kind = "image_gen" if prepared.is_picture else "web_search" if prepared.searches else "agent"
    before, between = _around(prepared.model.id, user_agent, kind)
    behind = b"}" if project is None else b',"project":' + msgspec.json.encode(project) + b"}"
    return b"".join((before, msgspec.json.encode(request_id), between, prepared.body, behind))


@functools.lru_cache(maxsize=256)
def _around(model: str, user_agent: str, kind: str) -> tuple[bytes, bytes]:
    """The envelope's text before the request's id, and between that and the request."""
    said = {"userAgent": user_agent, "requestType": kind}
    return (
        msgspec.json.encode({"model": model})[:-1] + b',"requestId":',
        b"," + msgspec.json.encode(said)[1:-1] + b',"request":',
    )


class CodeAssist(GenerateContentWire):
    """Implements `canonical.wire.Wire`. ``new_uuid`` gives a fresh UUID as text; ``product`` says honestly who asks."""

    name = "codeassist"
    trace_header = b"x-cloudaicompanion-trace-id"
    table = decision_table.TABLE
    without_body = decision_table.WITHOUT_BODY

    def __init__(self, new_uuid: Callable[[], str], product: str = "antigravity-proxy") -> None:
        self._new_uuid = new_uuid
        self._product = product

    def prepare(self, call: Call, model: Model, quirks: frozenset[Fix], conversation: str) -> Prepared:
        """As Wire's."""
        return _Generate(model, request.prepare(call, model, quirks, conversation), self._new_uuid, self._product)

    def count(self, call: Call, model: Model) -> Count:
        """As Wire's."""
        return _CountTokens(call, model)


class _Generate(GenerateContent):
    """The call in its envelope. Its ``opening`` is the ``sessionId``, and empty for a picture."""

    new_uuid: Callable[[], str]
    product: str

    def request(self, access: Access) -> UpstreamRequest:
        """As Prepared's."""
        content = self.content
        body = envelope(content, access.project, "agent-" + self.new_uuid(), self.product)
        return UpstreamRequest(access.base + content.method, bearer(access.token), body, content.silence)


class _CountTokens(CountTokens):
    """Upstream counts contents alone (upstream.md 4.5)."""

    __slots__ = ("_around", "_body")

    def __init__(self, call: Call, model: Model) -> None:
        self._body = request.count_tokens_body(call, model)
        self._around = around_tokens(call)

    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""
        return UpstreamRequest(access.base + COUNT_TOKENS, bearer(access.token), self._body)

    def read(self, answer: bytes) -> int:
        """As Count's."""
        total = super().read(answer)
        return total + self._around if total else 0
