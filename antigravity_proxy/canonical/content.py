"""Turns of a conversation in the neutral form, which is Gemini's own (translation.md 1). Data only.

Requests and answers share these structs: ``msgspec`` writes them as upstream's camelCase JSON, leaving absent fields
out. An absent ``Raw`` is empty and false. The garbage collector need not look at them: none can hold itself.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

Role = Literal["user", "model"]

#: JSON that is absent. msgspec leaves a default out by identity, so this one object is used everywhere
ABSENT = Raw()


class Blob(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Bytes in the request itself: ``data`` is standard base64."""

    mime_type: str
    data: str


class FileData(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A file that upstream reads by itself (``gs://…``, YouTube)."""

    file_uri: str
    mime_type: str = ""


class FunctionCall(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A tool call; ``args`` is a JSON object, byte for byte as its author wrote it (absent: no arguments)."""

    name: str
    args: Raw = ABSENT
    id: str = ""


class FunctionResponse(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A tool's result; ``response`` is a JSON object. ``parts`` (inline data) is understood by Gemini 3 only."""

    name: str
    response: Raw = ABSENT
    id: str = ""
    parts: tuple[Part, ...] = ()


class Part(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """One piece of a turn: exactly one data field, plus ``thought`` and ``thought_signature`` (upstream.md 4.2)."""

    text: str | None = None
    thought: bool = False
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: Raw = ABSENT
    code_execution_result: Raw = ABSENT
    thought_signature: str = ""


class RichPart(Part, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A part with what only Gemini's dialect says of it, as the client wrote it; other families' models get none of it.

    ``tool_call`` and ``tool_response`` are data, of tools that Google runs; all others modify the part's data, and
    ``speech_metadata`` is known to official upstreams alone.
    """

    video_metadata: Raw = ABSENT
    media_resolution: Raw = ABSENT
    media_processing: Raw = ABSENT
    document_metadata: Raw = ABSENT
    spreadsheet_metadata: Raw = ABSENT
    audio_metadata: Raw = ABSENT
    part_metadata: Raw = ABSENT
    tool_call: Raw = ABSENT
    tool_response: Raw = ABSENT
    speech_metadata: Raw = ABSENT


class Content(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """One turn. ``role`` is ``user`` or ``model``; empty where upstream or a client left it out."""

    role: str = ""
    parts: tuple[Part, ...] = ()
