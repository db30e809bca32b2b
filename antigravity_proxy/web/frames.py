"""The protocol of a WebSocket on ``/v1/responses``: handshake, messages, frames (RFC 6455; clients.md 12.4)."""

from __future__ import annotations

import base64
import binascii

import msgspec
from msgspec import Struct

from antigravity_proxy import errors
from antigravity_proxy.web.gate import ApiRequest

_VERSION = b"13"


class Head(Struct):
    """A message's content; unless ``generate`` no model is to be asked."""

    type: str | None = None
    generate: bool | None = None


_head = msgspec.json.Decoder(Head)


def read_head(body: bytes) -> Head:
    """A message's content; raises BadRequest."""
    try:
        return _head.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise errors.BadRequest(f"The frame is not a JSON object with a type: {e}") from None


def framed(events: bytes) -> bytes:
    """Each line as the frame of a whole text (RFC 6455 5.2)."""
    length = len(events) - 1
    if 125 < length < 0x10000 and events.find(b"\n") == length:  # as almost always: one event
        return b"\x81\x7e%b%b" % (length.to_bytes(2), events[:length])
    out: list[bytes] = []
    for line in events.split(b"\n"):
        length = len(line)
        if length > 0xFFFF:
            out += (b"\x81\x7f", length.to_bytes(8), line)
        elif length > 125:
            out += (b"\x81\x7e", length.to_bytes(2), line)
        elif length:
            out += (b"\x81", length.to_bytes(1), line)
    return b"".join(out)


def check_handshake(request: ApiRequest) -> None:
    """Refuses anything but a handshake of a supported version (RFC 6455 4.2)."""
    headers = request.requestHeaders
    version = headers.getRawHeaders(b"sec-websocket-version", ())
    if list(version) != [_VERSION]:
        request.setHeader(b"sec-websocket-version", _VERSION)
        raise errors.BadRequest("The WebSocket version spoken here is 13.")
    keys = headers.getRawHeaders(b"sec-websocket-key", ())
    tokens = b",".join(headers.getRawHeaders(b"connection", ())).lower().split(b",")
    if len(keys) != 1 or not _is_nonce(keys[0]) or b"upgrade" not in [token.strip() for token in tokens]:
        raise errors.BadRequest("The WebSocket handshake is malformed.")


def _is_nonce(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key.strip(), validate=True)) == 16
    except binascii.Error:
        return False
