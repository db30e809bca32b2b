"""The rules on turns and parts: who speaks, what a part holds, which result follows which call (upstream.md 4.4).

Pure.
"""

from __future__ import annotations

import re
from typing import Any

from antigravity_proxy.simulator.offered import Offered
from antigravity_proxy.simulator.wire import Refused

_DATA = frozenset(
    {
        "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
        "toolCall", "toolResponse",
    },
)  # fmt: skip
_DUMMY = "skip_thought_signature_validator"
#: what only Gemini's models read
_RICH = frozenset(
    {"videoMetadata", "mediaResolution", "mediaProcessing", "documentMetadata", "toolCall", "toolResponse"}
)
_CLAUDE_ID = re.compile(r"[a-zA-Z0-9_-]+")

Content = dict[str, Any]


def check_turns(contents: list[Content]) -> None:
    """The rules of every model: alternating roles, complete parts, an answer to each call. Raises Refused."""
    if not contents:
        raise Refused("contents is not specified", "request.contents")
    awaited: list[Any] = []
    expected = "user"
    for i, content in enumerate(contents):
        place = f"request.contents[{i}]"
        role = content.get("role")
        if role not in ("user", "model"):
            raise Refused("Please use a valid role: user, model.", place)
        if role != expected:
            raise Refused(f"{place}: roles must alternate, and a user's turn comes first", place)
        expected = "model" if role == "user" else "user"
        parts = content.get("parts", [])
        if not parts:
            raise Refused(f"{place}: must include at least one parts field", place)
        for j, part in enumerate(parts):
            _check_part(part, f"{place}.parts[{j}]", role)
        if role == "user":
            _check_results(awaited, [part["functionResponse"] for part in parts if "functionResponse" in part], place)
        awaited = [part["functionCall"] for part in parts if "functionCall" in part]
    if awaited:
        raise Refused("Please ensure that function response turn comes immediately after a function call turn.")


def check_conversation(contents: list[Content], model: Offered) -> None:
    """The rules of this model besides. Raises Refused."""
    check_turns(contents)
    for i, content in enumerate(contents):
        parts = content["parts"]
        if model.signs:
            _check_signed(parts, f"request.contents[{i}]")
        if model.claude:
            _check_claude(parts, f"request.contents[{i}]")
        if not model.gemini and any(part.keys() & _RICH for part in parts):
            raise Refused("This model reads text and images only.", f"request.contents[{i}]")
        if model.generation < 3 and any("parts" in part.get("functionResponse", ()) for part in parts):
            raise Refused("Multimodal function responses are not supported by this model.")
    if model.claude:
        _check_ids(contents)
    if contents[-1]["role"] == "model" and not model.takes_prefill:
        raise Refused("This model does not support assistant message prefill.", "request.contents")


def check_thoughts_lead(contents: list[Content]) -> None:
    """With thinking on, Claude's last turn must begin with a signed thought if its calls are being answered."""
    results = any("functionResponse" in part for part in contents[-1]["parts"])
    if results and not contents[-2]["parts"][0].get("thought"):
        raise Refused(
            "messages: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a "
            "final `assistant` message must start with a thinking block: the first block must be 'thinking'."
        )


def _check_part(part: dict[str, Any], place: str, role: str) -> None:
    data = part.keys() & _DATA
    # a signature may come alone on an empty thought (upstream.md 5.2)
    alone = data == {"text"} and role == "model" and part.get("thoughtSignature")
    if len(data) != 1 or (part.get("text") == "" and not alone):
        raise Refused(f"{place}.data: required oneof field 'data' must have one initialized field", place)
    if "functionCall" in part:
        _check_named(part["functionCall"], f"{place}.function_call")
    if "functionResponse" in part:
        _check_named(part["functionResponse"], f"{place}.function_response")
        if "response" not in part["functionResponse"]:
            raise Refused(f"{place}.function_response.response: missing field.", place)
    blob, file = part.get("inlineData"), part.get("fileData")
    if blob is not None and ("/" not in blob.get("mimeType", "") or "data" not in blob):
        raise Refused(f"{place}.inline_data: mime type and data are needed", place)
    if file is not None and not file.get("fileUri"):
        raise Refused(f"{place}.file_data: the uri is missing", place)
    if role == "user" and (part.keys() & {"functionCall", "thought", "thoughtSignature"}):
        raise Refused(f"{place}: thoughts and function calls are the model's", place)
    if role == "model" and "functionResponse" in part:
        raise Refused(f"{place}: function responses are the user's", place)
    if part.get("thought") and "text" not in part:
        raise Refused(f"{place}: only text can be a thought", place)


def _check_named(value: dict[str, Any], place: str) -> None:
    if not value.get("name"):
        raise Refused(f"{place}.name: [REQUIRED_FIELD_MISSING]", place)


def _check_results(calls: list[Any], results: list[Any], place: str) -> None:
    """One result for each call, in their order, under the same names and ids."""
    if len(calls) != len(results):
        raise Refused(
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn.",
            place,
        )
    for call, result in zip(calls, results, strict=True):
        if (call["name"], call.get("id")) != (result["name"], result.get("id")):
            raise Refused(f"{place}: the function response {result['name']!r} matches no function call", place)


def _check_signed(parts: list[Any], place: str) -> None:
    """Gemini 3: the first of parallel calls is signed (translation.md 2.6), in the whole history."""
    first = next((part for part in parts if "functionCall" in part), {"thoughtSignature": "none needed"})
    if not first.get("thoughtSignature"):
        raise Refused("Function call is missing a thought_signature in functionCall parts.", place)


def _check_ids(contents: list[Content]) -> None:
    """Each call has an id of its own in the whole conversation."""
    seen: set[str] = set()
    for call in (part["functionCall"] for content in contents for part in content["parts"] if "functionCall" in part):
        if call["id"] in seen:
            raise Refused("messages: `tool_use` ids must be unique", "request.contents")
        seen.add(call["id"])


def _check_claude(parts: list[Any], place: str) -> None:
    for part in parts:
        if "text" in part and not part.get("thought") and not part["text"].strip():
            raise Refused("messages: text content blocks must contain non-whitespace text", place)
        for kind, name in (("functionCall", "tool_use.id"), ("functionResponse", "tool_result.tool_use_id")):
            if kind in part and not _CLAUDE_ID.fullmatch(part[kind].get("id", "")):
                raise Refused(f"messages: {name}: String should match pattern '^[a-zA-Z0-9_-]+$'", place)
        if part.get("thoughtSignature") == _DUMMY or (part.get("thought") and not part.get("thoughtSignature")):
            raise Refused("messages: Invalid `signature` in `thinking` block", place)
