"""Chat messages as canonical turns (translation.md 2.1, 2.3, 3.1). Pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.limits import MAX_CALLS, MAX_MESSAGES, MAX_PARTS, at_most, lengths
from antigravity_proxy.dialect.openai import custom_tools
from antigravity_proxy.dialect.openai.chat_parts import MessageContent, Url, image_of, parts, texts
from antigravity_proxy.dialect.openai.conversation import Conversation, arguments
from antigravity_proxy.errors import BadRequest


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
    """One message. ``reasoning_content`` counts as far as its signature is remembered; ``audio`` isn't read."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: MessageContent = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    images: list[_GeneratedImage] | None = None
    reasoning_content: Any = None


def check_counts(messages: list[Message]) -> None:
    """Raises BadRequest for more than a request may have (`dialect.limits`)."""
    at_most(MAX_MESSAGES, "messages", "messages", len(messages))
    at_most(MAX_PARTS, "content parts", "messages", lengths(message.content for message in messages))
    at_most(MAX_CALLS, "tool calls", "messages", lengths(message.tool_calls for message in messages))
    at_most(MAX_PARTS, "images", "messages", lengths(message.images for message in messages))


def conversation(messages: list[Message]) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """The turns and the system texts; raises BadRequest."""
    said = Conversation()
    several_names = len(messages) > 1 and len({m.name for m in messages if m.role == "user" and m.name}) > 1
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        match message.role:
            case "system" | "developer":
                said.system(texts(message.content, f"{where}.content"))
            case "user":
                found = parts(message.content, f"{where}.content")
                if several_names and message.name:
                    found.insert(0, Part(text=f"{message.name}: "))
                said.user(found)
            case "assistant":
                said.model(_assistant(message, said, where))
            case _:
                _result(message, said, where)
    return said.finish("messages")


def _assistant(message: Message, said: Conversation, where: str) -> list[Part]:
    """A thought, then text, then images, then calls."""
    thought = message.reasoning_content
    found = [Part(text=thought, thought=True)] if thought and isinstance(thought, str) else []
    for part in parts(message.content, f"{where}.content"):
        found += media.with_images(part, f"{where}.content")
    if message.refusal:
        found.append(Part(text=message.refusal))
    for i, generated in enumerate(message.images or ()):
        found.append(image_of(generated.image_url, f"{where}.images[{i}].image_url"))
    for i, call in enumerate(message.tool_calls or ()):
        found.append(_call(call, said, f"{where}.tool_calls[{i}]"))
    if message.function_call is not None:
        function = message.function_call
        found.append(said.call(function.name, arguments(function.arguments), ""))
    return found


def _call(call: ToolCall, said: Conversation, where: str) -> Part:
    if call.function is not None:
        name, args = call.function.name, arguments(call.function.arguments)
    elif call.custom is not None:
        name, args = call.custom.name, custom_tools.arguments(call.custom.input)
    else:
        raise BadRequest("A tool call needs a function.", param=f"{where}.function")
    return said.call(name, args, call.id or "", call.signature)


def _result(message: Message, said: Conversation, where: str) -> None:
    """A tool's result. Its message has only the id, a legacy function's only the name."""
    identity, name = message.tool_call_id or "", None
    if message.role == "function":
        identity, name = "", message.name
        if not name:
            raise BadRequest("A function's result needs the function's name.", param=f"{where}.name")
    said.result(identity, name, parts(message.content, f"{where}.content"))
