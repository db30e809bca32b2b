"""Chat messages as canonical turns (translation.md 3.1). Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.parse import convert
from antigravity_proxy.errors import BadRequest

_AUDIO = {"mp3": "audio/mp3", "wav": "audio/wav"}
_OUR_IMAGE = re.compile(r"!\[image\]\((data:image/[^)\s]+)\)")
_DOCUMENTS = {".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv"}


class _Function(Struct):
    name: str
    arguments: Any = None


class _Custom(Struct):
    name: str
    input: str | None = None


class _GoogleExtra(Struct):
    thought_signature: str | None = None


class _Extra(Struct):
    google: _GoogleExtra | None = None


class ToolCall(Struct):
    """A call in an assistant's message."""

    id: str | None = None
    type: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None
    extra_content: _Extra | None = None
    thought_signature: str | None = None

    @property
    def signature(self) -> str:
        """The thought signature it carries, in Google's place or directly."""
        google = self.extra_content.google if self.extra_content is not None else None
        return (google.thought_signature if google is not None else None) or self.thought_signature or ""


class _ImageUrl(Struct):
    url: str


class _Audio(Struct):
    data: str
    format: str


class _File(Struct):
    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class ContentPart(Struct):
    """One part of a message's content."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | str | None = None
    input_audio: _Audio | None = None
    file: _File | None = None


class _OurImage(Struct):
    image_url: _ImageUrl | None = None


class Message(Struct):
    """One message."""

    role: str
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    images: list[Any] | None = None


def conversation(messages: list[Message], custom: frozenset[str]) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """The turns and the system texts. ``custom`` are the names of free-text tools. Raises BadRequest."""
    system: list[str] = []
    contents: list[Content] = []
    called: dict[str, str] = {}
    several = len({m.name for m in messages if m.role == "user" and m.name}) > 1
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        if message.role in ("system", "developer"):
            text = _text(message, where)
            if contents:  # order is meaning: a later one stays in its place
                contents.append(Content("user", (Part(text=f"<system>{text}</system>"),)))
            elif text:
                system.append(text)
        elif message.role == "user":
            parts = _parts(message.content, f"{where}.content")
            if several and message.name:
                parts = [Part(text=f"{message.name}: "), *parts]
            contents.append(Content("user", tuple(parts)))
        elif message.role == "assistant":
            contents.append(Content("model", tuple(_assistant(message, called, custom, where))))
        elif message.role in ("tool", "function"):
            contents.append(Content("user", (_result(message, called, where),)))
        else:
            raise BadRequest(f"Unknown role: {message.role[:40]!r}", param=f"{where}.role")
    if not contents and system:
        return (Content("user", tuple(Part(text=text) for text in system)),), ()
    if not any(content.role == "user" and content.parts for content in contents):
        raise BadRequest("There is no user message.", param="messages")
    return tuple(contents), tuple(system)


def _text(message: Message, where: str) -> str:
    """The text of a system message."""
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    for j, part in enumerate(content):
        if part.text is None:
            raise BadRequest("A system message holds text only.", param=f"{where}.content[{j}]")
    return "\n".join(part.text or "" for part in content)


def _parts(content: str | list[ContentPart] | None, where: str) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [Part(text=content)]
    return [_part(part, f"{where}[{j}]") for j, part in enumerate(content)]


def _part(part: ContentPart, where: str) -> Part:
    if part.type in ("text", "refusal", "input_text", "output_text"):
        text = part.refusal if part.type == "refusal" else part.text
        if text is None:
            raise BadRequest("Text is missing.", param=f"{where}.{part.type if part.type == 'refusal' else 'text'}")
        return Part(text=text)
    if part.type == "image_url" and part.image_url is not None:
        url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
        return media.from_url(url, f"{where}.image_url")
    if part.type == "input_audio" and part.input_audio is not None:
        sound = part.input_audio
        return media.inline(_AUDIO.get(sound.format, f"audio/{sound.format}"), sound.data, f"{where}.input_audio")
    if part.type == "file" and part.file is not None:
        return _file(part.file, f"{where}.file")
    raise BadRequest(f"Content of type {part.type[:40]!r} can't be read.", param=where)


def _file(file: _File, where: str) -> Part:
    if file.file_data is None:
        raise BadRequest("Files are not stored here: send file_data.", param=f"{where}.file_id")
    name = file.filename or ""
    if file.file_data.startswith("data:"):
        part = media.from_url(file.file_data, f"{where}.file_data")
    else:
        suffix = name[name.rfind(".") :].lower() if "." in name else ""
        part = media.inline(_DOCUMENTS.get(suffix, ""), file.file_data, f"{where}.file_data")
    blob = part.inline_data
    if blob is not None and blob.mime_type.startswith("text/"):
        return Part(text=f'<document title="{name}">\n{media.as_text(blob)}\n</document>')
    return part


def _assistant(message: Message, called: dict[str, str], custom: frozenset[str], where: str) -> list[Part]:
    parts = []
    for part in _parts(message.content, f"{where}.content"):
        parts += _with_images(part)
    if message.refusal:
        parts.append(Part(text=message.refusal))
    for j, item in enumerate(message.images or ()):  # generated images that we sent: not to be lost
        image = convert(item, _OurImage, f"{where}.images[{j}]")
        if image.image_url is not None:
            parts.append(media.from_url(image.image_url.url, f"{where}.images[{j}]"))
    for j, call in enumerate(message.tool_calls or ()):
        parts.append(_call(call, called, f"{where}.tool_calls[{j}]"))
    if message.function_call is not None:
        function = message.function_call
        parts.append(Part(function_call=FunctionCall(function.name, _arguments(function.arguments))))
    return parts


def _with_images(part: Part) -> list[Part]:
    """Text of ours with images in Markdown, as text and images again: else each turn would send them as text."""
    if not part.text or "](data:image/" not in part.text:
        return [part]
    pieces = _OUR_IMAGE.split(part.text)
    return [media.from_url(piece, "messages") if i % 2 else Part(text=piece) for i, piece in enumerate(pieces) if piece]


def _call(call: ToolCall, called: dict[str, str], where: str) -> Part:
    if call.function is not None:
        name, args = call.function.name, _arguments(call.function.arguments)
    elif call.custom is not None:
        name, args = call.custom.name, Raw(msgspec.json.encode({"input": call.custom.input or ""}))
    else:
        raise BadRequest("A tool call needs a function.", param=f"{where}.function")
    if call.id:
        called[call.id] = name
    return Part(function_call=FunctionCall(name, args, call.id or ""), thought_signature=call.signature)


def _arguments(value: Any) -> Raw:
    """Arguments as an object: clients send a JSON string; whatever else models produced is wrapped, never refused."""
    if isinstance(value, str):
        if not value.strip():
            return Raw(b"{}")
        try:
            parsed = msgspec.json.decode(value, type=dict[str, Raw] | Any)
        except (msgspec.MsgspecError, RecursionError):
            return Raw(msgspec.json.encode({"input": value}))
        return Raw(value.encode()) if isinstance(parsed, dict) else Raw(msgspec.json.encode({"input": parsed}))
    if value is None:
        return Raw(b"{}")
    return Raw(msgspec.json.encode(value if isinstance(value, dict) else {"input": value}))


def _result(message: Message, called: dict[str, str], where: str) -> Part:
    """A tool's result. Its message has only the id: the name is the earlier call's."""
    if message.role == "function":
        name, identity = message.name or "", ""
    else:
        identity = message.tool_call_id or ""
        name = called.get(identity, "")
    texts: list[str] = []
    files: list[Part] = []
    for part in _parts(message.content, f"{where}.content"):
        if part.text is not None:
            texts.append(part.text)
        else:
            files.append(part)
    output = "\n".join(texts)
    if not name:
        return Part(text=f"[result of an unknown tool call {identity}]\n{output}")
    response = Raw(msgspec.json.encode({"output": output}))
    return Part(function_response=FunctionResponse(name, response, identity, tuple(files)))
