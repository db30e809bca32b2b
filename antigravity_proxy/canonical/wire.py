"""Between the relay and an upstream: what a wire is asked for, whatever its form. Pure.

The relay knows upstreams only by this. A wire prepares a call once, makes of it and of a leased credential what is
sent, reads the answer's events into `Chunk`s, and judges failures. It does no I/O and asks no clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Protocol, runtime_checkable

from msgspec import Struct

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.http1.fields import field
from antigravity_proxy.secret import Secret, SecretBytes


class Quirk(Enum):
    """Something that a model refused to read, and that is left out of the request (upstream.md 4.3, 8.3)."""

    __hash__ = object.__hash__  # Enum's own is a Python call, and every request looks into sets of these

    NO_STOP_SEQUENCES = "stopSequences"
    NO_PRESENCE_PENALTY = "presencePenalty"
    NO_FREQUENCY_PENALTY = "frequencyPenalty"
    NO_LOGPROBS = "logprobs"
    PLAIN_THINKING = "thinkingBudget"
    SHORT_SCHEMA = "responseJsonSchema"
    NO_PREFILL = "prefill"
    LOST_SIGNATURES = "signatures"
    SMALLER_PICTURE = "imageSize"
    NO_SAMPLING = "temperature"
    NO_SERVICE_TIER = "serviceTier"
    NO_BETAS = "anthropic-beta"


class Beta(Struct, frozen=True):
    """A beta of Anthropic's that a model refused by this name, and that is left out of ``anthropic-beta``."""

    name: str

    @property
    def value(self) -> str:
        """The field that it is in."""
        return Quirk.NO_BETAS.value


#: what is changed in a request that a model refused to read
Fix = Quirk | Beta

#: what may be refused for its value, or for this conversation's sake, but is not a field that a model lacks
_NEVER_LASTING = frozenset({Quirk.LOST_SIGNATURES, Quirk.SMALLER_PICTURE, Quirk.NO_BETAS})
_REFUSED_FIELDS = {
    quirk: re.compile(
        rf"unknown name \W?(?:{field})\W|\b(?:{field})\W{{1,3}}(?:is |are |parameters? |fields? |is currently )?"
        rf"(?:not supported|unsupported|not enabled|not available)"
        rf"|(?:unsupported|unknown) (?:field|parameter|name|argument)s?\W{{1,3}}(?:{field})\b"
        rf"|does not support (?:\w{{1,20}} ){{0,4}}(?:{field})\b"
    )
    for quirk in Quirk
    if quirk not in _NEVER_LASTING
    for field in ["thinkingbudget|thinkinglevel" if quirk is Quirk.PLAIN_THINKING else quirk.value.lower()]
}


def is_lasting(quirk: Fix, message: str) -> bool:
    """Whether upstream's words refuse the field or the beta itself, and not what this request had written into it."""
    if isinstance(quirk, Beta):
        return True
    pattern = _REFUSED_FIELDS.get(quirk)
    return pattern is not None and bool(pattern.search(message.lower().replace("_", "")))


class UpstreamErrorEvent(Exception):
    """The event is an error object; ``body`` is its JSON text, for `Wire.read_failure`."""

    def __init__(self, body: bytes) -> None:
        super().__init__("upstream sent an error in its answer")
        self.body = body


class UnreadableEvent(Exception):
    """The event is not a JSON object; it is skipped (upstream.md 6.3, "Rules around it")."""


class EventTooLargeError(Exception):
    """An event, or a line without end, grew over the limit."""


class Access(Struct, frozen=True):
    """The parts of an attempt that its lease gives: the base URL, the credential's token, its project (None: none).

    ``base`` is empty where the ``location`` says which host it is. ``quota_project``: who is billed, if not that
    project. ``is_key``: the token is an API key.
    """

    base: bytes
    token: Secret
    project: str | None = None
    location: str = ""
    quota_project: str = ""
    is_key: bool = False


class UpstreamRequest(Struct, frozen=True):
    """The request to send: a POST of ``body`` (JSON) to ``url``.

    ``fields`` are the wire's own headers, such as its authorization, each as `carried` makes it. ``silence``: the least
    patience with an upstream that says nothing, in seconds.
    """

    url: bytes
    fields: SecretBytes
    body: bytes
    silence: float = 0.0

    def __repr__(self) -> str:
        return f"<UpstreamRequest {self.url!r} {len(self.body)} bytes>"


_AUTHORIZATION = b"Authorization"


def bearer(token: Secret) -> SecretBytes:
    """The header of a bearer token (RFC 6750 2.1), as `carried`."""
    sent = token.sent
    if sent is not None and sent[0] is _AUTHORIZATION:
        return sent[1]
    return carried(_AUTHORIZATION, token, "Bearer ")


def carried(name: bytes, secret: Secret, scheme: str = "") -> SecretBytes:
    """The header that carries a secret behind a ``scheme``, as `http1.fields.field` makes it; kept with the secret.

    A name has one scheme. Raises ValueError for a secret that no header can carry.
    """
    sent = secret.sent
    if sent is None or sent[0] != name:
        value = (scheme + secret.reveal()).encode("latin-1")
        sent = secret.sent = (name, SecretBytes(field(name, value)))
    return sent[1]


class Prepared(Protocol):
    """A call as one model of one upstream takes it, ready to be sent again and again.

    ``opening`` names the conversation by its opening; empty where each request is one of its own.
    """

    @property
    def model(self) -> Model:
        """The model that is asked."""
        ...

    @property
    def opening(self) -> str:
        """The conversation's name by its opening."""
        ...

    def request(self, access: Access) -> UpstreamRequest:
        """The request of one attempt."""
        ...

    def events(self) -> EventReader:
        """A reader for one attempt's answer."""
        ...

    def restorer(self) -> Callable[[Chunk], Chunk] | None:
        """For one attempt: turns each chunk into what the client's own request would have brought; None: it is that."""
        ...


class Count(Protocol):
    """A call whose tokens are to be counted."""

    def request(self, access: Access) -> UpstreamRequest:
        """The request of one attempt."""
        ...

    def read(self, answer: bytes) -> int:
        """The tokens of the whole input by upstream's answer; 0: it holds no count."""
        ...


class EventReader(Protocol):
    """Reads the body of one answer. Payloads are what `read` takes."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that the next bytes of an event stream complete. Raises EventTooLargeError."""
        ...

    def close(self) -> list[bytes]:
        """The end of an event stream: what was buffered."""
        ...

    def document(self, body: bytes) -> list[bytes]:
        """The payloads of an answer that came as one JSON document."""
        ...

    def read(self, payload: bytes) -> Chunk:
        """A payload's content. Raises UpstreamErrorEvent, UnreadableEvent."""
        ...


class Notices(Protocol):
    """Notices that an upstream sends as if they were answers."""

    def find(self, text: str) -> Cause | None:
        """The notice in the text of a complete answer without usage; None: it is an answer."""
        ...

    def may_become_one(self, text: str) -> bool:
        """Whether a text that goes on may be a notice in the end."""
        ...


class Wire(Protocol):
    """One upstream's form. ``trace_header``: the response header with upstream's own id of a request."""

    @property
    def name(self) -> str:
        """The upstream's name, for log and metrics."""
        ...

    @property
    def trace_header(self) -> bytes:
        """The response header with upstream's own id of a request; empty: there is none."""
        ...

    def prepare(self, call: Call, model: Model, quirks: frozenset[Fix], conversation: str) -> Prepared:
        """Makes the request; ``conversation`` is the call's stable name.

        Raises BadRequest for a call that can't be served anywhere.
        """
        ...

    def count(self, call: Call, model: Model) -> Count:
        """Has the call's input counted."""
        ...

    def fixes_for(self, model: Model, message: str) -> frozenset[Fix]:
        """The changes to a request that the model refused with these words; empty: nothing helps."""
        ...

    def read_failure(
        self,
        body: bytes,
        now: float,
        *,
        http_status: int = 200,
        date: str | None = None,
        retry_after: str | None = None,
    ) -> Failure:
        """The failure in an error body; 200: an error within an answer. ``now`` in epoch seconds. Never raises."""
        ...

    def judge(self, failure: Failure) -> Verdict:
        """The meaning of upstream's refusal."""
        ...

    def verdict(self, cause: Cause) -> Verdict:
        """The meaning of a failure without an error body: a connection, a token, an incomplete answer."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A wire whose upstream makes vectors of texts."""

    def at_once(self, model: Model) -> int:
        """How many contents one request may have."""
        ...

    def embedding(self, call: EmbeddingCall, model: Model) -> bytes:
        """The body of the request for at most as many contents. Raises BadRequest for what the model can't read."""
        ...

    def embed(self, access: Access, model: Model, body: bytes) -> UpstreamRequest:
        """The request of one attempt."""
        ...

    def read_vectors(self, answer: bytes, model: Model) -> Vectors:
        """The vectors of one answer; none where it can't be read."""
        ...
