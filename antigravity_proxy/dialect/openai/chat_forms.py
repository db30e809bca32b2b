"""Forms of other dialects that some clients send to chat completions, put into chat's own (translation.md 14). Pure.

Cursor's agent mode mixes Anthropic's blocks, tools and tool choice, and items of the Responses API, into chat requests.
Unambiguous forms are understood; the decoder of chat refuses the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

Fields = dict[str, Any]
_anything = msgspec.json.Decoder(dict[str, Any])
_TEXTS = ("input_text", "output_text", "text")
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
#: Anthropic's words for a choice, and chat's
_CHOICES = {"auto": "auto", "none": "none", "any": "required", "required": "required"}


def in_chats_own(body: bytes) -> bytes | None:
    """The request in chat's own forms; None: it has none of the others that are known here."""
    try:
        fields = _anything.decode(body)
        given = dict(fields)
        _messages(given)
        _tools(given)
        _choice(given)
        return None if given == fields else msgspec.json.encode(given)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _messages(given: Fields) -> None:
    messages = given.get("messages")
    if messages is None and "input" in given:
        said = given.pop("input")
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        if isinstance(given.get("instructions"), str) and isinstance(messages, list):
            messages = [{"role": "system", "content": given.pop("instructions")}, *messages]
    if isinstance(messages, list):
        given["messages"] = [told for message in messages for told in _message(message)]


def _message(message: Any) -> Iterator[Any]:
    """The messages that one message, or one item, is in chat."""
    if not isinstance(message, dict):
        yield message
        return
    match message.get("type"):
        case "function_call":
            yield _calling(message.get("call_id"), message.get("name"), message.get("arguments"))
        case "function_call_output":
            yield {"role": "tool", "tool_call_id": message.get("call_id"), "content": message.get("output")}
        case kind if kind in _THOUGHTS:
            return
        case _:
            yield from _plain(message)


def _plain(message: Fields) -> Iterator[Fields]:
    """A message with its blocks as chat has them: results become messages of their own, calls the message's."""
    content = message.get("content")
    if not isinstance(content, list):
        yield message
        return
    parts: list[Any] = []
    calls: list[Any] = []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "tool_result":
            yield {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": _result(block.get("content"))}
        elif kind == "tool_use":
            calls += _calling(block.get("id"), block.get("name"), block.get("input"))["tool_calls"]
        elif kind not in _THOUGHTS:
            parts.append(_part(block) if isinstance(block, dict) else block)
    if parts or calls or not content:
        told = message | {"content": parts or None}
        yield told | {"tool_calls": [*(message.get("tool_calls") or ()), *calls]} if calls else told


def _calling(identity: Any, name: Any, args: Any) -> Fields:
    return {"role": "assistant", "tool_calls": [{"id": identity, "function": {"name": name, "arguments": args}}]}


def _result(content: Any) -> Any:
    return (
        [_part(part) if isinstance(part, dict) else part for part in content] if isinstance(content, list) else content
    )


def _part(part: Fields) -> Fields:
    """A piece of content under chat's name."""
    kind = part.get("type")
    if kind in _TEXTS and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    source = part.get("source")
    if kind == "image" and isinstance(source, dict):
        url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
        return {"type": "image_url", "image_url": {"url": url}}
    return part


def _tools(given: Fields) -> None:
    if isinstance(given.get("tools"), list):
        given["tools"] = [_tool(tool) if isinstance(tool, dict) else tool for tool in given["tools"]]


def _tool(tool: Fields) -> Fields:
    """A tool whose fields are beside its type, or that is Anthropic's."""
    if "name" not in tool or "function" in tool or "custom" in tool:
        return tool
    kind = tool.get("type")
    if kind in (None, "function") or (kind == "custom" and "input_schema" in tool):
        schema = tool.get("parameters", tool.get("input_schema"))
        function = {"name": tool["name"], "description": tool.get("description"), "parameters": schema}
        return {"type": "function", "function": function}
    if kind == "custom":
        return {"type": "custom", "custom": {name: value for name, value in tool.items() if name != "type"}}
    return tool


def _choice(given: Fields) -> None:
    choice = given.get("tool_choice")
    if not isinstance(choice, dict):
        return
    kind, name = choice.get("type"), choice.get("name")
    if kind in ("tool", "function") and name is not None and "function" not in choice:
        given["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif isinstance(kind, str) and kind in _CHOICES:
        given["tool_choice"] = _CHOICES[kind]
    if choice.get("disable_parallel_tool_use") is True and "parallel_tool_calls" not in given:
        given["parallel_tool_calls"] = False
