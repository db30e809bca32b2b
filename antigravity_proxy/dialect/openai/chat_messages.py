"""Chat messages as canonical turns (translation.md 2.1, 2.3, 3.1). Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.openai.chat_content import MessageContent, Url, image, parts, texts
from antigravity_proxy.errors import BadRequest

_NO_ARGUMENTS = Raw(b"{}")


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
    function: _Function | None = None
    custom: _Custom | None = None
    extra_content: _Extra | None = None
    thought_signature: str | None = None

    @property
    def signature(self) -> str:
        """The thought signature it carries, in Google's place or directly (translation.md 2.6)."""
        google = self.extra_content.google if self.extra_content is not None else None
        return (google.thought_signature if google is not None else None) or self.thought_signature or ""


class _GeneratedImage(Struct):
    image_url: Url | str


class Message(Struct):
    """One message. What is only for display (``reasoning_content``, ``audio``) isn't read."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: MessageContent = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    images: list[_GeneratedImage] | None = None


def conversation(messages: list[Message]) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """The turns and the system texts; raises BadRequest.

    System messages before the first user message are hoisted; later ones stay in place, since order is meaning.
    """
    system: list[str] = []
    contents: list[Content] = []
    called: dict[str, str] = {}
    several_names = len({m.name for m in messages if m.role == "user" and m.name}) > 1
    user_spoke = False
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        role: Literal["user", "model"] = "user"
        match message.role:
            case "system" | "developer":
                said = [text for text in texts(message.content, f"{where}.content") if text]
                if not user_spoke:
                    system += said
                    continue
                found = [Part(text="<system>{}</system>".format("\n".join(said)))] if said else []
            case "user":
                found = parts(message.content, f"{where}.content")
                user_spoke = user_spoke or bool(found)
                if several_names and message.name:
                    found.insert(0, Part(text=f"{message.name}: "))
            case "assistant":
                role, found = "model", _assistant(message, called, where)
            case _:
                found = _result(message, called, where)
        if found:
            contents.append(Content(role, tuple(found)))
    if not contents and system:
        return (Content("user", tuple(Part(text=text) for text in system)),), ()
    if not any(content.role == "user" for content in contents):
        raise BadRequest("There is no user message.", param="messages")
    return tuple(contents), tuple(system)


def _assistant(message: Message, called: dict[str, str], where: str) -> list[Part]:
    """Text, then images, then calls."""
    found: list[Part] = []
    for part in parts(message.content, f"{where}.content"):
        found += media.with_images(part, f"{where}.content")
    if message.refusal:
        found.append(Part(text=message.refusal))
    for i, generated in enumerate(message.images or ()):
        found.append(image(generated.image_url, f"{where}.images[{i}].image_url"))
    for i, call in enumerate(message.tool_calls or ()):
        found.append(_call(call, called, f"{where}.tool_calls[{i}]"))
    if message.function_call is not None:
        function = message.function_call
        found.append(Part(function_call=FunctionCall(function.name, _arguments(function.arguments))))
    return found


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
    """Arguments as an object: clients send a JSON string. Whatever else models produced is wrapped, never refused."""
    if isinstance(value, str):
        if not value.strip():
            return _NO_ARGUMENTS
        try:
            parsed = msgspec.json.decode(value)
        except (msgspec.MsgspecError, RecursionError):
            parsed = value
        if isinstance(parsed, dict):
            return Raw(value.encode())  # byte for byte
        value = parsed
    if value is None:
        return _NO_ARGUMENTS
    return Raw(msgspec.json.encode(value if isinstance(value, dict) else {"input": value}))


def _result(message: Message, called: dict[str, str], where: str) -> list[Part]:
    """A tool's result. Its message has only the id: the name is the earlier call's."""
    identity = message.tool_call_id or ""
    if message.role == "tool":
        name = called.get(identity, "")
    elif message.name:
        name, identity = message.name, ""
    else:
        raise BadRequest("A function's result needs the function's name.", param=f"{where}.name")
    found = parts(message.content, f"{where}.content")
    output = "\n".join(part.text for part in found if part.text is not None)
    files = [part for part in found if part.text is None]
    if not name:
        return [Part(text=f"[result of an unknown tool call {identity}]\n{output}"), *files]
    response = Raw(msgspec.json.encode({"output": output}))
    return [Part(function_response=FunctionResponse(name, response, identity, tuple(files)))]
