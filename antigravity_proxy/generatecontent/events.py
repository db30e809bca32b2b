"""Reads one upstream answer, or one event of a streamed one, into a canonical chunk. Pure (upstream.md 5).

Every field is optional and unknown ones are ignored. A field of an unexpected type counts as absent: it never costs
the rest of the event.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.chunk import Chunk, in_envelope
from antigravity_proxy.canonical.content import ABSENT
from antigravity_proxy.canonical.wire import UnreadableEvent, UpstreamErrorEvent
from antigravity_proxy.generatecontent.sse import SSEDecoder

_NO_RESPONSE = Chunk()


class _Event(Chunk, frozen=True, gc=False):
    """An answer's event, bare or in an envelope, or an error."""

    response: Chunk = _NO_RESPONSE
    error: Raw = ABSENT


_event = msgspec.json.Decoder(_Event)
_set = msgspec.structs.force_setattr

_WHERE = re.compile(r" - at `\$([^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
#: how many fields of wrong type one event may have before it counts as unreadable: each costs another look at all of
#: it, so a large one may have fewer
_MAX_WRONG_FIELDS = 32
_MAX_LOOKED_AT = 32 << 20


def read_event(payload: bytes) -> Chunk:
    """Decodes the payload of one event, or a whole unary answer.

    Raises UpstreamErrorEvent for an error object, UnreadableEvent for what is not a JSON object.
    """
    try:
        event = _event.decode(payload)
    except msgspec.ValidationError:
        return _read_leniently(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise UnreadableEvent("not JSON") from e
    if event.error:
        raise UpstreamErrorEvent(payload)
    chunk = event if event.response is _NO_RESPONSE else event.response
    _set(chunk, "raw", payload)
    return chunk


def _read_leniently(payload: bytes) -> Chunk:
    """The slow way for an event with fields of unexpected types: those fields are taken out."""
    try:
        value: Any = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise UnreadableEvent("not JSON") from e
    if not isinstance(value, dict):
        raise UnreadableEvent("not an object")
    if "error" in value:
        raise UpstreamErrorEvent(payload)
    if isinstance(value.get("response"), dict):
        value = value["response"]
    for _ in range(max(2, min(_MAX_WRONG_FIELDS, _MAX_LOOKED_AT // len(payload)))):
        try:
            chunk = msgspec.convert(value, Chunk)
        except msgspec.ValidationError as e:
            _remove(value, str(e))
        else:
            _set(chunk, "raw", in_envelope(msgspec.json.encode(value)))
            return chunk
    raise UnreadableEvent("too many fields of unexpected types")


def _remove(value: Any, complaint: str) -> None:
    """Removes the field that msgspec complains of (its path is at the end of the message)."""
    where = _WHERE.search(complaint)
    *way, last = [key or int(index) for key, index in _STEP.findall(where[1] if where else "")]
    for step in way:
        value = value[step]
    del value[last]


class EventReader(SSEDecoder):
    """Reads the body of one answer (`canonical.wire.EventReader`)."""

    __slots__ = ()

    read = staticmethod(read_event)

    def document(self, body: bytes) -> list[bytes]:
        """The payloads of one JSON document, or of an array of them; none for what is neither."""
        if body.lstrip()[:1] != b"[":
            return [body]
        try:
            return [bytes(item) for item in msgspec.json.decode(body, type=list[Raw])]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return []
