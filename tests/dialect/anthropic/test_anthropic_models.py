"""Anthropic's model lists and their pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.canonical.catalogue import PublicModel
from antigravity_proxy.dialect.anthropic.models import render_list, render_one
from antigravity_proxy.errors import BadRequest, ModelNotFound

MODELS = [PublicModel(name, "anthropic", name.upper(), 200_000, 64_000, True) for name in "abcde"]


def page(**query: str) -> tuple[str, bool]:
    body = json.loads(render_list(MODELS, query).body)
    names = "".join(model["id"] for model in body["data"])
    assert (body["first_id"], body["last_id"]) == ((names[0], names[-1]) if names else (None, None))
    return names, body["has_more"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ("abcde", False)),
        ({"limit": "2"}, ("ab", True)),
        ({"limit": "5"}, ("abcde", False)),
        ({"limit": "2", "after_id": "b"}, ("cd", True)),
        ({"limit": "2", "after_id": "c"}, ("de", False)),
        ({"after_id": "e"}, ("", False)),
        ({"limit": "2", "before_id": "d"}, ("bc", True)),
        ({"limit": "2", "before_id": "c"}, ("ab", False)),
        ({"before_id": "a"}, ("", False)),
    ],
)
def test_pages(query: dict[str, str], expected: tuple[str, bool]) -> None:
    assert page(**query) == expected


@pytest.mark.parametrize(
    ("query", "param"),
    [
        *(({"limit": limit}, "limit") for limit in ("0", "1001", "-1", "x", "", "²", "9" * 5000)),
        ({"after_id": "z"}, "after_id"),
        ({"before_id": "z"}, "before_id"),
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, str], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        render_list(MODELS, query)
    assert caught.value.param == param


def test_one_model() -> None:
    body: dict[str, Any] = json.loads(render_one(MODELS[0], "a").body)
    assert body == {
        "type": "model",
        "id": "a",
        "display_name": "A",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": None,
    }


def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(ModelNotFound, match="model: nope"):
        render_one(None, "nope")
