"""Kinds of clients by their User-Agents, as they send them."""

from __future__ import annotations

import pytest

from antigravity_proxy.web.client_kind import KINDS, OTHER, kind_of


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        ("claude-cli/2.1.0 (external, cli)", "claude-code"),
        ("codex_cli_rs/0.60.1 (Debian 13; x86_64) xterm", "codex"),
        ("opencode/1.0.100 ai-sdk/provider-utils/3.0.17 runtime/bun/1.3.2", "opencode"),
        ("GeminiCLI/0.18.0/gemini-3-pro (linux; x64)", "gemini-cli"),
        ("ai-sdk/openai/2.0.71 ai-sdk/provider-utils/3.0.17", "ai-sdk"),
        ("OpenAI/Python 2.8.1", "openai-sdk"),
        ("AsyncOpenAI/Python 2.8.1", "openai-sdk"),
        ("OpenAI/JS 6.9.1", "openai-sdk"),
        ("Anthropic/Python 0.74.1", "anthropic-sdk"),
        ("google-genai-sdk/1.52.0 gl-python/3.13.5", "genai-sdk"),
        ("curl/8.14.1", "curl"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "browser"),
        ("x" * 100_000 + "curl/", OTHER),
        ("", OTHER),
        (None, OTHER),
    ],
)
def test_a_user_agent_has_a_kind(user_agent: str | None, kind: str) -> None:
    assert kind_of(user_agent) == kind
    assert kind in KINDS
