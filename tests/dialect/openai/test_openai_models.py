"""OpenAI's model lists."""

from __future__ import annotations

import json

import pytest
from openai.types import Model

from antigravity_proxy.canonical.catalogue import PublicModel
from antigravity_proxy.dialect.openai.models import render_list, render_one
from antigravity_proxy.errors import ModelNotFound

FLASH = PublicModel("gemini-3-flash", "google", "Gemini 3 Flash", 1_048_576, 65_536, True)
CLAUDE = PublicModel("claude-sonnet-4-5", "anthropic", "Claude", 200_000, 64_000, True)


def test_the_list_keeps_its_order() -> None:
    rendered = render_list([FLASH, CLAUDE], {})
    assert rendered.status == 200
    assert dict(rendered.headers)[b"content-type"] == b"application/json"
    body = json.loads(rendered.body)
    assert body["object"] == "list"
    assert [(m["id"], m["owned_by"]) for m in body["data"]] == [
        ("gemini-3-flash", "google"),
        ("claude-sonnet-4-5", "anthropic"),
    ]
    assert Model.model_validate(body["data"][0]).object == "model"


def test_one_model_is_its_element() -> None:
    listed = json.loads(render_list([FLASH], {}).body)["data"][0]
    assert json.loads(render_one(FLASH, "gemini-3-flash").body) == listed


def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(ModelNotFound, match="'nope' does not exist") as caught:
        render_one(None, "nope")
    assert caught.value.param == "model"


def test_codex_gets_its_catalogue_beside_the_list() -> None:
    models = (
        PublicModel("gemini-3-pro", "google", "Gemini 3 Pro", 1_000_000, 64_000, True),
        PublicModel("plain", "google", "Plain", 32_000, 8_000, False),
    )
    body = json.loads(render_list(models, {"client_version": "0.171.0"}).body)
    assert [model["id"] for model in body["data"]] == ["gemini-3-pro", "plain"]
    first, second = body["models"]
    assert (first["slug"], first["display_name"]) == ("gemini-3-pro", "Gemini 3 Pro")
    assert first["context_window"] == 1_000_000
    assert [level["effort"] for level in first["supported_reasoning_levels"]] == ["low", "medium", "high"]
    assert (second["supported_reasoning_levels"], second["default_reasoning_level"]) == ([], None)
    assert first["priority"] < second["priority"]
    assert "models" not in json.loads(render_list(models, {}).body)
