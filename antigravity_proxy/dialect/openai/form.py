"""Reads ``multipart/form-data`` bodies: whatever the bytes are, the caller gets a clear 400. Pure (RFC 7578)."""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import Struct
from multipart import MultipartError, PushMultipartParser, parse_options_header

from antigravity_proxy.dialect.parse import convert
from antigravity_proxy.errors import BadRequest

T = TypeVar("T", bound=Struct)

_KIND = "multipart/form-data"
#: no endpoint has as many fields and files
_MAX_PARTS = 128


class Upload(Struct, frozen=True):
    """A part of a form. ``mime_type`` is what its client declared, in lower case and without parameters, or empty."""

    name: str
    file_name: str
    mime_type: str
    data: bytes


class Form:
    """A form's parts. A name may end in ``[]``, which means one of several."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[Upload]) -> None:
        self._parts = parts

    def fields(self, kind: type[T]) -> T:
        """The texts as ``kind``; numbers and truth values are read from text. Raises BadRequest.

        Unknown names are ignored, an empty text is absent, of a repeated name the last counts.
        """
        found: dict[str, Any] = {}
        lists: dict[str, list[str]] = {}
        for part in self._parts:
            name = part.name.removesuffix("[]")
            if not part.data or name not in kind.__struct_fields__:
                continue
            try:
                text = part.data.decode()
            except UnicodeDecodeError:
                raise BadRequest(f"{name} is not UTF-8.", param=name) from None
            if part.name == name:
                found[name] = text
            else:
                lists.setdefault(name, []).append(text)
        return convert(found | lists, kind, "", strict=False)

    def files(self, name: str) -> list[Upload]:
        """The parts of that name, in their order."""
        return [part for part in self._parts if part.name.removesuffix("[]") == name]


def is_form(content_type: str) -> bool:
    """Whether a body of that type is a form."""
    return content_type.partition(";")[0].strip().lower() == _KIND


def read_form(body: bytes, content_type: str) -> Form:
    """The form; raises BadRequest."""
    if not is_form(content_type):
        raise BadRequest(f"The body must be {_KIND}.")
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    parts: list[Upload] = []
    data: list[bytes] = []
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
            for event in parser.parse(body):
                if isinstance(event, bytes):
                    data.append(event)
                elif event is not None:
                    part = event
                else:
                    parts.append(Upload(part.name, part.filename or "", part.content_type or "", b"".join(data)))
                    data = []
    except MultipartError as e:
        raise BadRequest(f"The body is not valid multipart/form-data: {e}") from None
    return Form(parts)
