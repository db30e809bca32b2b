"""Model lists in OpenAI's form (translation.md 11). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antigravity_proxy.canonical.catalogue import PublicModel
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.openai.codex_models import codex_catalogue
from antigravity_proxy.errors import ModelNotFound

_HEADERS = ((b"content-type", b"application/json"),)
#: epoch seconds; upstream says no date, and clients only want a number
_CREATED = 1_767_225_600


def render_list(models: Sequence[PublicModel], query: Mapping[str, str]) -> Rendered:
    """``GET /v1/models``; Codex, which says its version in the query, gets its own catalogue beside the list."""
    body: dict[str, Any] = {"object": "list", "data": [_model(model) for model in models]}
    if "client_version" in query:
        body["models"] = codex_catalogue(models)
    return Rendered(200, msgspec.json.encode(body), _HEADERS)


def render_one(model: PublicModel | None, name: str) -> Rendered:
    """``GET /v1/models/{id}``; raises ModelNotFound."""
    if model is None:
        raise ModelNotFound(f"The model {name[:100]!r} does not exist.", param="model")
    return Rendered(200, msgspec.json.encode(_model(model)), _HEADERS)


def _model(model: PublicModel) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": _CREATED, "owned_by": model.owner}
