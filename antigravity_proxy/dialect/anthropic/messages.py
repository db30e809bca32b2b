"""Messages as canonical turns (translation.md 2.1, 2.3, 2.6, 8.1). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.anthropic.blocks import (
    Block,
    Compaction,
    RedactedThinking,
    ServerToolUse,
    Text,
    Thinking,
    ToolReference,
    ToolResult,
    ToolUse,
    Visible,
    WebSearchResult,
    pages,
    visible,
)
from antigravity_proxy.dialect.limits import MAX_MESSAGES, MAX_PARTS, at_most, lengths
from antigravity_proxy.dialect.signatures import unwrap
from antigravity_proxy.errors import BadRequest

_NO_INPUT = Raw(b"{}")
#: how a pseudo block begins whose value changes with every request
_BILLING = "x-anthropic-billing-header:"


class Message(Struct):
    """One message; ``system`` may occur in mid-conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block] | None = None


#: what ``system`` may be
System = str | list[Text] | None


def check_counts(messages: list[Message], system: System) -> None:
    """Raises BadRequest for more than a request may have (`dialect.limits`)."""
    at_most(MAX_MESSAGES, "messages", "messages", len(messages))
    at_most(MAX_PARTS, "content blocks", "messages", lengths(message.content for message in messages))
    at_most(MAX_PARTS, "system blocks", "system", lengths([system]))


def conversation(messages: list[Message], system: System) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """The turns and the system texts; raises BadRequest.

    System messages before the first user message are hoisted; later ones stay in place, since order is meaning.
    """
    hoisted: list[str] = []
    contents: list[Content] = []
    called: dict[str, str] = {}
    user_spoke = has_user = False
    for i, message in enumerate(messages):
        content, role = message.content, message.role
        if isinstance(content, str) and role == "user":  # the short way
            if content:
                contents.append(Content("user", (Part(text=content),)))
                user_spoke = has_user = True
            continue
        blocks: Sequence[Block] = [Text(content)] if isinstance(content, str) else content or ()
        if role == "assistant":
            if found := _assistant(blocks, called, i):
                contents.append(Content("model", tuple(found)))
            continue
        if role == "user":
            found = []
            for j, block in enumerate(blocks):
                if isinstance(block, Text):
                    if block.text:
                        found.append(Part(text=block.text))
                else:
                    found += _part(block, called, f"messages[{i}].content[{j}]")
            user_spoke = user_spoke or bool(found)
        else:
            said = _system_texts(blocks, i)
            if not user_spoke:
                hoisted += said
                continue
            found = [Part(text="<system>{}</system>".format("\n".join(said)))] if said else []
        if found:
            contents.append(Content("user", tuple(found)))
            has_user = True
    if not contents and hoisted:
        return (Content("user", tuple([Part(text=text) for text in hoisted])),), _texts(system)
    if not has_user:
        raise BadRequest("There is no user message.", param="messages")
    return tuple(contents), (*_texts(system), *hoisted) if hoisted else _texts(system)


def _texts(system: System) -> tuple[str, ...]:
    """``system`` without the parts that are not prompts."""
    if not system:
        return ()
    if isinstance(system, str):
        return (system,)
    return tuple([block.text for block in system if block.text and not block.text.startswith(_BILLING)])


def _system_texts(blocks: Sequence[Block], message: int) -> list[str]:
    found = []
    for i, block in enumerate(blocks):
        if not isinstance(block, Text):
            raise BadRequest("Only text is supported here.", param=f"messages[{message}].content[{i}].type")
        if block.text:
            found.append(block.text)
    return found


def _assistant(blocks: Sequence[Block], called: dict[str, str], message: int) -> list[Part]:
    """An answer of an earlier turn. A signature of kind ``f`` is the next call's.

    A thought with none of ours can go back only if it is remembered.
    """
    found: list[Part] = []
    for_call = ""
    for i, block in enumerate(blocks):
        if isinstance(block, Text) and media.IMAGE_MARK not in block.text:
            if block.text:
                found.append(Part(text=block.text))
        elif isinstance(block, Thinking | RedactedThinking):
            text, wrapped = (block.thinking, block.signature) if isinstance(block, Thinking) else ("", block.data)
            signature = unwrap(wrapped or "")
            if signature is not None and signature.kind == "f":
                for_call = signature.text
            elif signature is not None and signature.kind == "t":
                found.append(Part(text=text, thought=True, thought_signature=signature.text))
            elif text:
                found.append(Part(text=text, thought=True))
        elif isinstance(block, ToolUse):
            found.append(_call(block, called, for_call, f"messages[{message}].content[{i}].input"))
            for_call = ""
        else:
            where = f"messages[{message}].content[{i}]"
            for part in _part(block, called, where):
                found += media.with_images(part, where)
    return found


def _part(block: Block, called: dict[str, str], where: str) -> list[Part]:
    """A block of anybody's message, as parts: none for what means nothing here, or says nothing."""
    match block:
        case ToolResult():
            return _result(block, called, where)
        case ToolUse():
            return [_call(block, called, "", f"{where}.input")]
        case WebSearchResult():
            text = pages(block)
            return [Part(text=text)] if text else []
        case Compaction():
            return [Part(text=block.content)] if block.content else []
        case Thinking() | RedactedThinking() | ServerToolUse():
            return []
        case _:
            return visible(block, where)


def _call(block: ToolUse, called: dict[str, str], signature: str, param: str) -> Part:
    called[block.id] = block.name
    args = block.input if bytes(block.input) not in (b"", b"null") else _NO_INPUT
    try:
        value = msgspec.json.decode(args)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The input is not JSON.", param=param) from None
    if not isinstance(value, dict):
        raise BadRequest("The input must be an object.", param=param)
    return Part(function_call=FunctionCall(block.name, args, block.id), thought_signature=signature)


def _result(block: ToolResult, called: dict[str, str], where: str) -> list[Part]:
    """A tool's result. It has only the call's id: the name is the earlier call's."""
    content: Sequence[Visible | ToolReference]
    content = [Text(block.content)] if isinstance(block.content, str) else block.content or []
    at_most(MAX_PARTS, "content blocks", f"{where}.content", len(content))
    texts: list[str] = []
    files: list[Part] = []
    for i, each in enumerate(content):
        parts = (
            [Part(text=each.tool_name)] if isinstance(each, ToolReference) else visible(each, f"{where}.content[{i}]")
        )
        for part in parts:
            if part.text is None:
                files.append(part)
            else:
                texts.append(part.text)
    output, identity = "\n".join(texts), block.tool_use_id
    if identity not in called:
        return [Part(text=f"[result of an unknown tool call {identity}]\n{output}"), *files]
    response = Raw(msgspec.json.encode({"error" if block.is_error else "output": output}))
    return [Part(function_response=FunctionResponse(called[identity], response, identity, tuple(files)))]
