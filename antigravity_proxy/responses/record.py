"""A stored response as it is kept outside this process: its own part, and which response it continues. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.responses.store import StoredResponse


class Record(Struct, frozen=True, array_like=True):
    """``parent`` is the id of the response that it goes on with, with or without what that one said; empty: none.

    ``document`` is its dialect's JSON. ``deleted``: only what goes on from it may still find it.
    """

    parent: str
    after_answer: bool
    own: list[bytes]
    output: list[bytes]
    document: bytes
    deleted: bool = False

    @property
    def items(self) -> list[Raw]:
        """The input, without the parent's part of it."""
        return [Raw(text) for text in self.own]

    @property
    def said(self) -> list[Raw]:
        """The output."""
        return [Raw(text) for text in self.output]


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Record)


def record_of(response: StoredResponse, document: bytes, *, deleted: bool = False) -> bytes:
    """The record of a complete response; of what it goes on with as much as isn't a response of its own."""
    before = response.asked.before
    if before is not None and before.response:
        parent, after_answer, own = before.response, before.is_answered, response.asked.own
    else:
        parent, after_answer, own = "", False, list(response.asked)
    output = response.said.own if response.said is not None else []
    own_texts, output_texts = [bytes(item) for item in own], [bytes(item) for item in output]
    return _encode(Record(parent, after_answer, own_texts, output_texts, document, deleted))


def read_record(data: bytes) -> Record | None:
    """The record in these bytes; None: another release's, or invalid."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
