"""Every path of the contract has its route; everything else is unknown in the dialect of its prefix."""

from __future__ import annotations

import pytest

from antigravity_proxy.web.routes import Operation, match


@pytest.mark.parametrize(
    ("path", "operation", "dialect", "model"),
    [
        ("/v1/chat/completions", Operation.CHAT, "openai", ""),
        ("/v1/messages", Operation.MESSAGE, "anthropic", ""),
        ("/v1/messages/count_tokens", Operation.MESSAGE_COUNT, "anthropic", ""),
        ("/v1/responses", Operation.RESPONSES, "openai", ""),
        ("/v1/responses/resp_1", Operation.STORED_RESPONSE, "openai", ""),
        ("/v1/responses/resp_1/cancel", Operation.RESPONSE_END, "openai", ""),
        ("/v1/responses/resp_1/input_items", Operation.RESPONSE_ITEMS, "openai", ""),
        ("/v1/responses/resp_1/other", Operation.UNKNOWN, "openai", ""),
        ("/v1/responses/", Operation.UNKNOWN, "openai", ""),
        ("/v1/responses/input_tokens", Operation.RESPONSE_COUNT, "openai", ""),
        ("/v1/responses/compact", Operation.COMPACTION, "openai", ""),
        ("/v1/completions", Operation.COMPLETIONS, "openai", ""),
        ("/v1/images/generations", Operation.IMAGES, "openai", ""),
        ("/v1/images/edits", Operation.IMAGE_EDITS, "openai", ""),
        ("/v1/audio/transcriptions", Operation.TRANSCRIPTIONS, "openai", ""),
        ("/v1/audio/translations", Operation.TRANSLATIONS, "openai", ""),
        ("/v1/models", Operation.MODELS, "openai", ""),
        ("/v1/models/gemini-3-flash", Operation.MODEL, "openai", "gemini-3-flash"),
        ("/v1/models/a:b", Operation.MODEL, "openai", "a:b"),
        ("/v1beta/models", Operation.MODELS, "gemini", ""),
        ("/v1alpha/models", Operation.MODELS, "gemini", ""),
        ("/v1alpha/models/gemini-3-flash:generateContent", Operation.GEMINI_GENERATE, "gemini", "gemini-3-flash"),
        ("/v1beta/models/gemini-3-flash", Operation.MODEL, "gemini", "gemini-3-flash"),
        ("/v1beta/models/gemini-3-flash:generateContent", Operation.GEMINI_GENERATE, "gemini", "gemini-3-flash"),
        ("/v1beta/models/a:b:streamGenerateContent", Operation.GEMINI_STREAM, "gemini", "a:b"),
        ("/v1/models/x:countTokens", Operation.GEMINI_COUNT, "gemini", "x"),
        ("/models/x:generateContent", Operation.GEMINI_GENERATE, "gemini", "x"),
        ("/v1beta/models/models%2Fx:generateContent", Operation.GEMINI_GENERATE, "gemini", "x"),
        ("/capacity", Operation.CAPACITY, "openai", ""),
        ("/health", Operation.PUBLIC, "openai", ""),
        ("/health/ready", Operation.PUBLIC, "openai", ""),
        ("/", Operation.PUBLIC, "openai", ""),
    ],
)
def test_known_paths(path: str, operation: Operation, dialect: str, model: str) -> None:
    route = match(path)
    assert (route.operation, route.dialect, route.model) == (operation, dialect, model)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/moderations", "openai"),
        ("/v1/images/variations", "openai"),
        ("/v1/audio/voices", "openai"),
        ("/v1/responsesx", "openai"),
        ("/v1/completions/", "openai"),
        ("/nonsense", "openai"),
        ("/v1/messages/unknown", "anthropic"),
        ("/v1beta/nonsense", "gemini"),
        ("/v1beta/models/x:batchGenerateContent", "gemini"),
        ("/models/", "gemini"),
        ("/models/x", "gemini"),
        ("/v1beta/models/", "gemini"),
        ("/v1/models/", "openai"),
        ("/health/", "openai"),
        ("//health", "openai"),
        ("/health/../v1/models", "openai"),
    ],
)
def test_unknown_paths_have_the_dialect_of_their_prefix(path: str, dialect: str) -> None:
    route = match(path)
    assert (route.operation, route.dialect) == (Operation.UNKNOWN, dialect)
    assert route.needs_key


def test_the_model_list_has_three_readers() -> None:
    assert match("/v1/models", "anthropic").dialect == "anthropic"
    assert match("/v1/models", "gemini").dialect == "gemini"
    assert match("/v1/models/x", "anthropic").dialect == "anthropic"
    assert match("/v1beta/models", "anthropic").dialect == "gemini"


def test_only_public_pages_need_no_key() -> None:
    assert not match("/health/live").needs_key
    assert match("/v1/models").needs_key
    assert match("/capacity").needs_key
