"""The model catalogue that Codex reads beside OpenAI's list (clients.md 12.6). Pure.

Field names and values are those of Codex's own ``ModelInfo``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antigravity_proxy.canonical.catalogue import PublicModel

_EFFORTS = (
    ("low", "Fast answers, little thought"),
    ("medium", "Thought where it is needed"),
    ("high", "Much thought for hard problems"),
)
#: what Codex sends as instructions with a model that has none of its own there
_INSTRUCTIONS = (
    "You are a coding agent in the user's terminal, and work with the user's files by the tools that you are given. "
    "Look before you change, make small changes that do what was asked, check them, and say briefly what you did."
)
#: characters of a tool's output that Codex keeps
_OUTPUT_BYTES = 10_000


def codex_catalogue(models: Sequence[PublicModel]) -> list[dict[str, Any]]:
    """The models as Codex describes its own, in the list's order."""
    return [_info(model, priority) for priority, model in enumerate(models)]


def _info(model: PublicModel, priority: int) -> dict[str, Any]:
    efforts = [{"effort": effort, "description": text} for effort, text in _EFFORTS] if model.thinking else []
    return {
        "slug": model.id,
        "display_name": model.display_name,
        "description": f"{model.display_name}, through antigravity-proxy",
        "default_reasoning_level": "medium" if model.thinking else None,
        "supported_reasoning_levels": efforts,
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": _INSTRUCTIONS,
        "model_messages": None,
        "supports_reasoning_summaries": model.thinking,
        "default_reasoning_summary": "auto",
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform",
        "truncation_policy": {"mode": "bytes", "limit": _OUTPUT_BYTES},
        "supports_parallel_tool_calls": True,
        "context_window": model.input_tokens,
        "max_context_window": model.input_tokens,
        "auto_compact_token_limit": None,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"],
        "supports_search_tool": False,
    }
