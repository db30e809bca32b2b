"""Parts of the neutral form as content blocks of Anthropic's. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.content import Blob, Content, FunctionResponse, Part
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.messages.redacted import data_of

Block = dict[str, Any]


def messages(turns: list[Content]) -> list[Block]:
    """The turns, in the order that Claude insists on already. Raises BadRequest for media that it can't read."""
    return [
        {"role": "assistant" if turn.role == "model" else "user", "content": [_block(part) for part in turn.parts]}
        for turn in turns
    ]


def _block(part: Part) -> Block:
    if part.thought:
        return _thought(part)
    if part.function_call is not None:
        call = part.function_call
        return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.args}
    if part.function_response is not None:
        return _result(part.function_response)
    if part.inline_data is not None:
        return _media(part.inline_data)
    if part.file_data is not None:
        raise BadRequest("Claude on Vertex reads no files by their address: send the file itself as base64.")
    if part.text is None:  # code that Gemini ran, or its result
        return {"type": "text", "text": bytes(part.executable_code or part.code_execution_result).decode()}
    return {"type": "text", "text": part.text}


def _thought(part: Part) -> Block:
    if data := data_of(part.thought_signature):
        return {"type": "redacted_thinking", "data": data}
    return {"type": "thinking", "thinking": part.text or "", "signature": part.thought_signature}


def _media(blob: Blob) -> Block:
    source = {"type": "base64", "media_type": blob.mime_type, "data": blob.data}
    if blob.mime_type.startswith("image/"):
        return {"type": "image", "source": source}
    if blob.mime_type == "application/pdf":
        return {"type": "document", "source": source}
    raise BadRequest(f"Claude reads images and PDF files, but not {blob.mime_type[:80]}.")


def _result(response: FunctionResponse) -> Block:
    """A result: its text where there is nothing else to it, else its JSON."""
    fields = msgspec.json.decode(response.response, type=dict[str, Raw])
    text = bytes(response.response).decode()
    failed = fields.keys() == {"error"}
    if failed or fields.keys() == {"output"}:
        only = next(iter(fields.values()))
        value = msgspec.json.decode(only)
        text = value if isinstance(value, str) else bytes(only).decode()
    block: Block = {"type": "tool_result", "tool_use_id": response.id, "content": text}
    return {**block, "is_error": True} if failed else block
