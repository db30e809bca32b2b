"""A tiny MCP server on standard input and output, with one tool; no package is needed."""

from __future__ import annotations

import json
import sys
from typing import Any

TOOL = {
    "name": "secret_word",
    "description": "Tells the secret word of a room.",
    "inputSchema": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]},
}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """What the server says to a request."""
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "words", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": f"The word of {params['arguments']['room']} is heliotrope."}]}
    return {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        result = answer(message["method"], message.get("params") or {})
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}) + "\n")
        sys.stdout.flush()
