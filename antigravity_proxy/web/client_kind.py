"""The kind of client that a User-Agent names: a bounded list, for labels. Pure; the name itself is not kept."""

from __future__ import annotations

#: what a User-Agent begins with, in small letters, or holds; the first that fits decides
_KINDS = (
    ("claude-cli", "claude-code"),
    ("claude-code", "claude-code"),
    ("codex", "codex"),
    ("opencode", "opencode"),
    ("geminicli", "gemini-cli"),
    ("gemini-cli", "gemini-cli"),
    ("google-genai-sdk", "genai-sdk"),
    ("ai-sdk", "ai-sdk"),
    ("aider", "aider"),
    ("cline", "cline"),
    ("cursor", "cursor"),
    ("litellm", "litellm"),
    ("langchain", "langchain"),
    ("openai/", "openai-sdk"),
    ("asyncopenai/", "openai-sdk"),
    ("anthropic/", "anthropic-sdk"),
    ("asyncanthropic/", "anthropic-sdk"),
    ("curl/", "curl"),
    ("mozilla/", "browser"),
)
OTHER, CODEX = "other", "codex"
KINDS = frozenset({kind for _, kind in _KINDS} | {OTHER})
#: characters of a User-Agent that are looked at
_LONGEST = 256


def kind_of(user_agent: str | None) -> str:
    """One of ``KINDS``."""
    named = (user_agent or "")[:_LONGEST].lower()
    for mark, kind in _KINDS:
        if mark in named:
            return kind
    return OTHER
