"""The simulated Claude on Vertex: Messages in, strict as Anthropic; events out. Pure (official-upstreams.md 4, 5)."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from antigravity_proxy.simulator import answers
from antigravity_proxy.simulator.offered import Offered
from antigravity_proxy.simulator.wire import (
    Refused,
    anything,
    boolean,
    each,
    integer,
    message,
    number,
    one_of,
    string,
    struct,
)

VERSIONS = frozenset({"vertex-2023-10-16", "2026-10-21"})
#: betas that are refused by name
_UNKNOWN_BETA = re.compile(r"unknown-[\w-]+")
_SAMPLING = ("temperature", "top_p", "top_k")
_CLAUDE_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_FORM: dict[str, Any] = {
    "anthropic_version": string,
    "max_tokens": integer,
    "messages": each(message(role=one_of("user", "assistant"), content=anything)),
    "metadata": message(user_id=string),
    "output_config": struct,
    "stop_sequences": each(string),
    "stream": boolean,
    "system": anything,
    "temperature": number,
    "thinking": struct,
    "tool_choice": struct,
    "tools": each(struct),
    "top_k": integer,
    "top_p": number,
    "context_management": struct,
}
_BODY = message(**_FORM)
_COUNT = message(**(_FORM | {"model": string}))


def error(kind: str, words: str) -> bytes:
    """An error in Anthropic's form."""
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": words}})


def check(body: dict[str, Any], model: Offered, betas: list[str]) -> None:
    """A request for a message. Raises Refused."""
    _form(body, _BODY)
    if unknown := [beta for beta in betas if _UNKNOWN_BETA.fullmatch(beta)]:
        raise Refused(f"Unexpected value(s) `{'`, `'.join(unknown)}` for the `anthropic-beta` header")
    if not isinstance(body.get("max_tokens"), int) or not 1 <= body["max_tokens"] <= model.output:
        raise Refused(f"max_tokens: Field required, and at most {model.output}")
    newer = not model.thinking
    thinking = body.get("thinking", {}).get("type", "disabled")
    if newer or body["anthropic_version"] != "vertex-2023-10-16":
        for name in _SAMPLING:
            if name in body:
                raise Refused(f"`{name}` is not supported for this model.")
    if thinking == "enabled":
        if newer:
            raise Refused('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
        if not 1024 <= body["thinking"].get("budget_tokens", 0) < body["max_tokens"]:
            raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`")
    if thinking in ("enabled", "adaptive"):
        if body.get("temperature", 1) != 1 or "top_k" in body:
            raise Refused("`temperature` may only be set to 1 when thinking is enabled.")
        if body.get("tool_choice", {}).get("type") in ("any", "tool"):
            raise Refused("Thinking may not be enabled when tool_choice forces tool use.")
    if "temperature" in body and "top_p" in body:
        raise Refused("`temperature` and `top_p` cannot both be specified for this model.")
    _check_tools(body)
    _check_messages(body["messages"], thinks=thinking in ("enabled", "adaptive"))


def check_count(body: dict[str, Any]) -> None:
    """A request for a count of tokens. Raises Refused."""
    _form(body, _COUNT)
    if "@" in body.get("model", "@"):
        raise Refused("model: the plain name is needed")
    _check_messages(body["messages"], thinks=False)


def events(body: dict[str, Any], model: str, number: int) -> list[dict[str, Any]]:
    """The events of the answer to a checked body."""
    request = neutral(body)
    told = [event["response"] for event in answers.events({"request": request, "model": model}, number)]
    usage = told[-1]["usageMetadata"]
    start: dict[str, Any] = {
        "id": f"msg_vrtx_{number:024}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": usage["promptTokenCount"], "output_tokens": 1},
    }
    found: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    blocks = _Blocks(found)
    for event in told:
        for part in event["candidates"][0]["content"]["parts"]:
            blocks.take(part)
    blocks.close()
    calls = any(event.get("content_block", {}).get("type") == "tool_use" for event in found)
    delta = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
    output = usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
    found.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}})
    found.append({"type": "message_stop"})
    return found


def sse(event: dict[str, Any]) -> bytes:
    """An event as it travels."""
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), msgspec.json.encode(event))


def tokens(body: dict[str, Any]) -> int:
    """How many tokens the input has, roughly."""
    return answers.prompt_tokens(neutral(body))


def neutral(body: dict[str, Any]) -> dict[str, Any]:
    """The conversation in Gemini's form, for the simulated model that answers both."""
    names: dict[str, str] = {}
    contents: list[dict[str, Any]] = []
    for each_message in body["messages"]:
        parts = [part for block in _blocks(each_message["content"]) for part in _part(block, names)]
        role = "model" if each_message["role"] == "assistant" else "user"
        if contents and contents[-1]["role"] == role:  # neighbours are one turn
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    found: dict[str, Any] = {"contents": contents, "generationConfig": {}}
    if system := " ".join(block["text"] for block in _blocks(body.get("system", []))):
        found["systemInstruction"] = {"parts": [{"text": system}]}
    tools = [tool for tool in body.get("tools", []) if "input_schema" in tool]
    if tools:
        declared = [{"name": tool["name"], "parameters": tool["input_schema"]} for tool in tools]
        found["tools"] = [{"functionDeclarations": declared}]
    choice = body.get("tool_choice", {})
    mode = {"any": "ANY", "tool": "ANY", "none": "NONE"}.get(choice.get("type", ""), "AUTO")
    calling = {"mode": mode} | ({"allowedFunctionNames": [choice["name"]]} if "name" in choice else {})
    found["toolConfig"] = {"functionCallingConfig": calling}
    if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        found["generationConfig"] = {"thinkingConfig": {"includeThoughts": True}}
    return found


class _Blocks:
    """Turns parts into content blocks, one after the other."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        self._found = found
        self._index = -1
        self._open = ""

    def take(self, part: dict[str, Any]) -> None:
        if call := part.get("functionCall"):
            self._begin("tool_use", {"type": "tool_use", "id": call["id"], "name": call["name"], "input": {}})
            text = msgspec.json.encode(call["args"]).decode()
            for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
                self._delta({"type": "input_json_delta", "partial_json": piece})
            self.close()
        elif part.get("thought"):
            if self._open != "thinking":
                self._begin("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            if part["text"]:
                self._delta({"type": "thinking_delta", "thinking": part["text"]})
            if signature := part.get("thoughtSignature"):
                self._delta({"type": "signature_delta", "signature": signature})
        elif part.get("text"):
            if self._open != "text":
                self._begin("text", {"type": "text", "text": ""})
            self._delta({"type": "text_delta", "text": part["text"]})

    def close(self) -> None:
        if self._open:
            self._found.append({"type": "content_block_stop", "index": self._index})
        self._open = ""

    def _begin(self, kind: str, block: dict[str, Any]) -> None:
        self.close()
        self._open = kind
        self._index += 1
        self._found.append({"type": "content_block_start", "index": self._index, "content_block": block})

    def _delta(self, delta: dict[str, Any]) -> None:
        self._found.append({"type": "content_block_delta", "index": self._index, "delta": delta})


def _form(body: Any, form: Any) -> None:
    try:
        form(body, "")
    except Refused as e:
        name = re.search(r'Unknown name "(\w+)"', str(e))
        raise Refused(f"{name[1]}: Extra inputs are not permitted" if name else str(e)) from None
    if body.get("anthropic_version") not in VERSIONS:
        raise Refused("anthropic_version: Field required")
    if not body.get("messages"):
        raise Refused("messages: Field required")


def _check_tools(body: dict[str, Any]) -> None:
    names = set()
    for i, tool in enumerate(body.get("tools", [])):
        if "scope" in tool.get("cache_control", {}):
            raise Refused(f"tools.{i}.cache_control.scope: Extra inputs are not permitted")
        kind = tool.get("type", "custom")
        if kind == "custom" and tool.get("input_schema", {}).get("type") != "object":
            raise Refused(f"tools.{i}.custom.input_schema.type: Field required")
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool.get("name", "")):
            raise Refused(f"tools.{i}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        names.add(tool["name"])
    choice = body.get("tool_choice", {})
    if choice.get("type") not in (None, "none") and not names:
        raise Refused("tool_choice may only be specified while providing tools")
    if "name" in choice and choice["name"] not in names:
        raise Refused(f"Tool '{choice['name']}' not found in provided tools")


def _check_messages(messages: list[dict[str, Any]], *, thinks: bool) -> None:
    if messages[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    seen: set[str] = set()
    awaited: list[str] = []
    for i, each_message in enumerate(messages):
        blocks = _blocks(each_message["content"])
        if not blocks:
            raise Refused(f"messages.{i}: all messages must have non-empty content")
        for block in blocks:
            _check_block(block, f"messages.{i}")
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(results) != sorted(awaited):
            raise Refused(f"messages.{i}: `tool_use` ids and `tool_result` blocks must match")
        awaited = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if len(set(awaited)) < len(awaited) or seen & set(awaited):
            raise Refused("messages: `tool_use` ids must be unique")
        seen |= set(awaited)
        if thinks and i >= len(messages) - 2 and awaited and "thinking" not in blocks[0]["type"]:
            words = "Expected `thinking` or `redacted_thinking`, but found `tool_use`"
            raise Refused(f"messages.{i}.content.0.type: {words}")
    if awaited:
        raise Refused("messages: `tool_use` ids were found without `tool_result` blocks immediately after")


def _check_block(block: dict[str, Any], place: str) -> None:
    kind = block.get("type")
    if "scope" in block.get("cache_control", {}):
        raise Refused(f"{place}: cache_control.scope: Extra inputs are not permitted")
    if kind == "text" and not block.get("text", "").strip():
        raise Refused(f"{place}: text content blocks must contain non-whitespace text")
    if kind == "thinking" and block.get("signature") != answers.SIGNATURE:
        raise Refused(f"{place}: Invalid `signature` in `thinking` block")
    if kind in ("image", "document") and block.get("source", {}).get("type") not in ("base64", "text", "content"):
        raise Refused(f"{place}: {kind}.source: url sources are not supported")
    if kind == "tool_use" and not (_CLAUDE_ID.fullmatch(block.get("id", "")) and isinstance(block.get("input"), dict)):
        raise Refused(f"{place}: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _part(block: dict[str, Any], names: dict[str, str]) -> list[dict[str, Any]]:
    match block["type"]:
        case "text":
            return [{"text": block["text"]}]
        case "image" | "document" if block["source"]["type"] == "base64":
            source = block["source"]
            return [{"inlineData": {"mimeType": source["media_type"], "data": source["data"]}}]
        case "tool_use":
            names[block["id"]] = block["name"]
            return [{"functionCall": {"name": block["name"], "args": block["input"], "id": block["id"]}}]
        case "tool_result":
            said = block.get("content", "")
            text = said if isinstance(said, str) else " ".join(each.get("text", "") for each in said)
            answer = {"error" if block.get("is_error") else "output": text}
            return [{"functionResponse": {"name": names.get(block["tool_use_id"], "?"), "response": answer}}]
        case _:
            return []
