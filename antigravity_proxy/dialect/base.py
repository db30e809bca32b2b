"""The contract that every dialect fulfils. Pure: no Twisted, no clock, no I/O, no randomness of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.errors import ProxyError


class Stamp(Struct, frozen=True):
    """The impure inputs of an answer: time (epoch seconds), random hex digits, our id of the request.

    ``now`` gives the time when the answer ends; without it that is when it began. ``signed`` is called with the id
    of each call that has a thought signature, and the signature. ``completed`` is called with the document of an
    answer that is kept, as its dialect has it.
    """

    created: int
    hex: Callable[[int], str]
    request_id: str = ""
    now: Callable[[], float] | None = None
    signed: Callable[[str, str], None] | None = None
    completed: Callable[[Any], None] | None = None


class Answer(Protocol):
    """One upstream answer on its way to the client; a state machine fed with chunks, new for every attempt.

    A streamed answer returns bytes as they become due; a collected one returns nothing until ``close``. ``fail`` ends
    a stream that has begun with the dialect's error event, or breaks it off: never with what would look like a clean
    end.
    """

    content_type: bytes
    #: sent in long silences of a stream; empty where the form allows none
    keepalive: bytes

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """Takes the next chunks, returns what can be sent now (maybe nothing)."""
        ...

    def close(self) -> bytes:
        """The clean end: what is still to be sent (the whole document, for a collected answer).

        Raises a ProxyError if the chunks are not an answer: then it ends as if the attempt had failed with it.
        """
        ...

    def fail(self, error: ProxyError) -> bytes | None:
        """The end by an error after the first byte has left; None: the form has no place for one."""
        ...


class Decoded(Struct, frozen=True):
    """A decoded request: the call, and how to make the answer that fits it.

    ``asks_upstream`` is false where the answer is complete without a chunk. ``more`` are further calls of the same
    request; their answers are the choices that follow the first call's. ``any_will_do``: of several choices those that
    come make the answer, each with its own usage, and it fails only if all do.
    """

    call: Call
    new_answer: Callable[[Stamp], Answer]
    asks_upstream: bool = True
    more: tuple[Call, ...] = ()
    any_will_do: bool = False


class Rendered(Struct, frozen=True):
    """A complete HTTP answer: status, further headers (without Content-Length), JSON body."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class RenderError(Protocol):
    """Renders an error in the dialect; ``request_id`` is ours, put where the dialect has a place for it."""

    def __call__(self, error: ProxyError, request_id: str) -> Rendered: ...
