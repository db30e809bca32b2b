"""Tools as large as a coding agent's, with the keywords that such schemas use (clients.md 4, 6)."""

from __future__ import annotations

from typing import Any

WORDS = "Says what the tool does, when it is to be used and when not, with examples of good and of bad uses. "


def agent_tools(count: int = 25) -> list[dict[str, Any]]:
    """``name``, ``description``, ``input_schema`` of each."""
    return [{"name": f"Tool{n}", "description": WORDS * 12, "input_schema": _schema(n)} for n in range(count)]


def _schema(number: int) -> dict[str, Any]:
    """One tool's parameters: objects, lists, alternatives, constraints, a reference."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "file_path": {"type": "string", "description": WORDS, "minLength": 1, "pattern": "^/"},
            "url": {"type": "string", "format": "uri", "description": WORDS},
            "limit": {"type": "integer", "exclusiveMinimum": 0, "maximum": 600_000, "description": WORDS},
            "mode": {"anyOf": [{"const": f"mode-{i}-{number}"} for i in range(4)], "description": WORDS},
            "flags": {"type": ["boolean", "null"], "default": False, "description": WORDS},
            "environment": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Z_]+$"},
                "additionalProperties": {"type": "string"},
                "description": WORDS,
            },
            "todos": {
                "type": "array",
                "minItems": 1,
                "maxItems": 4,
                "description": WORDS,
                "items": {
                    "type": "object",
                    "properties": {
                        "content": {"type": "string", "minLength": 1, "maxLength": 1000, "description": WORDS},
                        "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
                        "options": {"type": "array", "items": {"$ref": "#/$defs/option"}},
                    },
                    "required": ["content", "status"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["file_path", "todos"],
        "additionalProperties": False,
        "$defs": {
            "option": {
                "type": "object",
                "properties": {"label": {"type": "string", "description": WORDS}, "value": {"type": "number"}},
            }
        },
    }
