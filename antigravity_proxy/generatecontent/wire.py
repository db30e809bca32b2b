"""The common part of wires of the generateContent form: a new one is only its address and its decision table. Pure.

(`canonical.wire` says what each method is for)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from antigravity_proxy.canonical import verdict
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.verdict import Cause, Failure, Row, Verdict
from antigravity_proxy.canonical.wire import Access, EventReader, Fix, UpstreamRequest
from antigravity_proxy.generatecontent import events, failure, request, verdicts
from antigravity_proxy.generatecontent.days import daily_resets

#: the method that counts a model's tokens
COUNT_TOKENS = b":countTokens"


class GenerateContentWire:
    """The half of a `canonical.wire.Wire` that deals with failures: by ``table``, or by ``without_body``."""

    trace_header = b""
    table: tuple[Row, ...]
    without_body: Mapping[Cause, Verdict] = verdicts.WITHOUT_BODY

    def fixes_for(self, model: Model, message: str) -> frozenset[Fix]:
        """As Wire's."""
        quirk = request.quirk_for(model, message)
        return frozenset() if quirk is None else frozenset({quirk})

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
        return self._completed(found, body, now, in_answer=http_status == 200)

    def _completed(self, found: Failure, body: bytes, now: float, *, in_answer: bool) -> Failure:
        """What this upstream tells besides; ``in_answer``: it came within an answer."""
        return found

    def judge(self, failure: Failure) -> Verdict:
        """As Wire's."""
        return verdict.judge(self.table, failure)

    def verdict(self, cause: Cause) -> Verdict:
        """As Wire's."""
        return self.without_body[cause]


class OfficialWire(GenerateContentWire):
    """The same for an official upstream, whose daily quotas reset at hours of their own."""

    def _completed(self, found: Failure, body: bytes, now: float, *, in_answer: bool) -> Failure:
        return replace(found, daily_resets=daily_resets(now)) if found.http_status == 429 else found


class GenerateContent(Struct):
    """A prepared call in the generateContent form, but for where it is sent: the rest of `canonical.wire.Prepared`."""

    model: Model
    content: request.Prepared

    @property
    def opening(self) -> str:
        """As Prepared's."""
        return self.content.opening

    def events(self) -> EventReader:
        """As Prepared's."""
        return events.EventReader()

    def restorer(self) -> Callable[[Chunk], Chunk] | None:
        """As Prepared's."""
        restore = self.content.restore
        return None if restore.idle else restore.fresh()


class _Total(Struct):
    total_tokens: int = field(name="totalTokens", default=0)
    input_tokens: int = 0  # in Anthropic's form


class _Counted(_Total):
    response: _Total | None = None  # in Code Assist's envelope


class CountTokens(ABC):
    """A call whose tokens are to be counted, but for where it is sent. Implements `canonical.wire.Count`."""

    __slots__ = ()

    @abstractmethod
    def request(self, access: Access) -> UpstreamRequest:
        """As Count's."""

    def read(self, answer: bytes) -> int:
        """As Count's."""
        try:
            counted = msgspec.json.decode(answer, type=_Counted)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return 0
        found = counted.response or counted
        return max(0, found.total_tokens or found.input_tokens)
