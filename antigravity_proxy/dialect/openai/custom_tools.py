"""Free-text ("custom") tools, as functions with one string (translation.md 3.1). Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

#: the parameters of such a tool
FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def with_grammar(description: str | None, grammar: str | None) -> str:
    """The description, with the grammar of the text that is wanted."""
    text = description or ""
    return f"{text}\nThe input follows this grammar:\n{grammar}".lstrip() if grammar else text


def arguments(text: str | None) -> Raw:
    """The arguments of a call of such a tool, in history."""
    return Raw(msgspec.json.encode({"input": text or ""}))


def called_with(args: str) -> str:
    """The text that such a tool was called with; all arguments, if the model gave others."""
    try:
        value = msgspec.json.decode(args, type=dict[str, Any]).get("input")
    except msgspec.MsgspecError:
        return args
    return value if isinstance(value, str) else args
