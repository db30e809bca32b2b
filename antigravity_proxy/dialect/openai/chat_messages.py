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
        role, content = message.role, message.content
        if role == "user":
            found = [Part(text=content)] if isinstance(content, str) else parts(content, f"messages[{i}].content")
            if several_names and message.name:
                found.insert(0, Part(text=f"{message.name}: "))
            said.user(found)
        elif role == "assistant":
            said.model(_assistant(message, said, i))
        elif role in ("system", "developer"):
            said.system([content] if isinstance(content, str) else texts(content, f"messages[{i}].content"))
        else:
            _result(message, said, i)
    return said.finish("messages")


def _assistant(message: Message, said: Conversation, index: int) -> list[Part]:
    """A thought, then text, then images, then calls."""
    thought, content = message.reasoning_content, message.content
    found = [Part(text=thought, thought=True)] if thought and isinstance(thought, str) else []
    if isinstance(content, str) and media.IMAGE_MARK not in content:
        found.append(Part(text=content))
    elif content is not None:
        where = f"messages[{index}].content"
        for part in parts(content, where):
            found += media.with_images(part, where)
    if message.refusal:
        found.append(Part(text=message.refusal))
    if message.images:
        for i, generated in enumerate(message.images):
            found.append(image_of(generated.image_url, f"messages[{index}].images[{i}].image_url"))
    if message.tool_calls:
        for i, call in enumerate(message.tool_calls):
            found.append(_call(call, said, index, i))
    if message.function_call is not None:
        function = message.function_call
        found.append(said.call(function.name, arguments(function.arguments), ""))
    return found


def _call(call: ToolCall, said: Conversation, message: int, index: int) -> Part:
    if call.function is not None:
        name, args = call.function.name, arguments(call.function.arguments)
    elif call.custom is not None:
        name, args = call.custom.name, custom_tools.arguments(call.custom.input)
    else:
        where = f"messages[{message}].tool_calls[{index}].function"
        raise BadRequest("A tool call needs a function.", param=where)
    return said.call(name, args, call.id or "", call.signature)


def _result(message: Message, said: Conversation, index: int) -> None:
    """A tool's result. Its message has only the id, a legacy function's only the name."""
    identity, name = message.tool_call_id or "", None
    if message.role == "function":
        identity, name = "", message.name
        if not name:
            raise BadRequest("A function's result needs the function's name.", param=f"messages[{index}].name")
    content = message.content
    found = [Part(text=content)] if isinstance(content, str) else parts(content, f"messages[{index}].content")
    said.result(identity, name, found)
