"""``PROXY_MODEL_ALIASES``: names for models, in chains too."""

from __future__ import annotations

import pytest

from antigravity_proxy.settings.parse import model_aliases


def test_names_have_one_target_or_several() -> None:
    assert model_aliases("fast=gemini-3-flash, best = claude-opus-4-6 | gemini-3.1-pro ,gpt-*=fast") == {
        "fast": ("gemini-3-flash",),
        "best": ("claude-opus-4-6", "gemini-3.1-pro"),
        "gpt-*": ("fast",),
    }
    assert model_aliases("") == {}


@pytest.mark.parametrize("value", ["fast", "=x", "fast=", "fast=|", "x" * 201 + "=y", "a=" + "|".join("b" * 9)])
def test_what_is_no_name_or_no_target_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="fast=gemini-3-flash"):
        model_aliases(value)
