"""Model lists in Anthropic's form (translation.md 11). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from antigravity_proxy.canonical.catalogue import PublicModel
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import BadRequest, ModelNotFound

_HEADERS = ((b"content-type", b"application/json"),)
_CREATED = "2026-01-01T00:00:00Z"
DEFAULT_LIMIT, MAX_LIMIT = 20, 1000
_NUMBER = re.compile(r"[0-9]{1,4}")


def render_list(models: Sequence[PublicModel], query: Mapping[str, str]) -> Rendered:
    """``GET /v1/models`` with ``limit``, ``after_id``, ``before_id``. Raises BadRequest."""
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= MAX_LIMIT:
        raise BadRequest(f"limit must be from 1 to {MAX_LIMIT}.", param="limit")
    ids = [model.id for model in models]
    begin, end = 0, len(models)
    if (after := query.get("after_id")) is not None:
        begin = _position(ids, after, "after_id") + 1
    if (before := query.get("before_id")) is not None:
        end = _position(ids, before, "before_id")
        begin = max(begin, end - int(limit))
    page = models[begin : min(end, begin + int(limit))]
    more = begin > 0 if before is not None else begin + len(page) < end
    body = {
        "data": [_model(model) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
    return Rendered(200, msgspec.json.encode(body), _HEADERS)


def render_one(model: PublicModel | None, name: str) -> Rendered:
    """``GET /v1/models/{id}``; raises ModelNotFound."""
    if model is None:
        raise ModelNotFound(f"model: {name[:100]}")
    return Rendered(200, msgspec.json.encode(_model(model)), _HEADERS)


def _position(ids: list[str], wanted: str, param: str) -> int:
    if wanted not in ids:
        raise BadRequest(f"{param} names no model of this list.", param=param)
    return ids.index(wanted)


def _model(model: PublicModel) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": _CREATED,
        "lifecycle": "active",
        "max_input_tokens": model.input_tokens,
        "max_tokens": model.output_tokens,
        "capabilities": None,
    }
