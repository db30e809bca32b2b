"""What the tables say of models."""

from __future__ import annotations

from support.models import MODELS


def test_the_families_manners() -> None:
    manners = {
        name: (model.takes_prefill, model.needs_signatures, model.reads_media_in_results)
        for name in (
            "gemini-3-flash",
            "gemini-2.5-pro",
            "gemini-3.6-flash-high",
            "gemini-3-pro-image",
            "claude-sonnet-4-6",
        )
        if (model := MODELS[name])
    }
    assert manners == {
        "gemini-3-flash": (True, True, True),
        "gemini-2.5-pro": (True, False, False),
        "gemini-3.6-flash-high": (False, True, True),
        "gemini-3-pro-image": (True, False, True),
        "claude-sonnet-4-6": (False, False, False),
    }
