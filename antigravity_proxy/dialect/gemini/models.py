"""Model lists in Gemini's form (translation.md 11). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antigravity_proxy.canonical.catalogue import PublicModel
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import BadRequest, ModelNotFound

_HEADERS = ((b"content-type", b"application/json; charset=UTF-8"),)
DEFAULT_PAGE, MAX_PAGE = 50, 1000


def render_list(models: Sequence[PublicModel], query: Mapping[str, str]) -> Rendered:
    """``GET /v1beta/models`` with ``pageSize`` and ``pageToken``. Raises BadRequest."""
    size = _number(query, "pageSize", DEFAULT_PAGE)
    begin = _number(query, "pageToken", 0)
    size = min(size or DEFAULT_PAGE, MAX_PAGE)
    body: dict[str, Any] = {"models": [_model(model) for model in models[begin : begin + size]]}
    if begin + size < len(models):
        body["nextPageToken"] = str(begin + size)
    return Rendered(200, msgspec.json.encode(body), _HEADERS)


def render_one(model: PublicModel | None, name: str) -> Rendered:
    """``GET /v1beta/models/{id}``; raises ModelNotFound."""
    if model is None:
        raise ModelNotFound(f"models/{name[:100]} is not found.")
    return Rendered(200, msgspec.json.encode(_model(model)), _HEADERS)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise BadRequest(f"{name} is not valid.", param=name)
    return int(value)


def _model(model: PublicModel) -> dict[str, Any]:
    return {
        "name": f"models/{model.id}",
        "baseModelId": model.id,
        "version": "001",
        "displayName": model.display_name,
        "description": model.display_name,
        "inputTokenLimit": model.input_tokens,
        "outputTokenLimit": model.output_tokens,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
        "temperature": 1.0,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2.0,
        "thinking": model.thinking,
    }
