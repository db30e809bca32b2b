"""Reads ``fetchAvailableModels``: what an account is offered, and what is left of it. Pure (upstream.md 3.4).

Everything is optional, and a value of an unexpected type counts as absent.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from antigravity_proxy.canonical.offers import Available, ModelQuota, Offer, Offers
from antigravity_proxy.coerce import mapping, number, text
from antigravity_proxy.generatecontent import durations

_MAX_TOKENS = 1 << 31


def read_available(answer: Mapping[str, Any], *, with_project: bool) -> Available:
    """Reads the answer's JSON object. ``with_project``: the request named one.

    An answer without one may wrongly mean that a quota is full, so it is ignored.
    """
    models = {name: told for name, told in mapping(answer.get("models")).items() if name}
    quotas: dict[str, ModelQuota] = {}
    alike: dict[ModelQuota, ModelQuota] = {}  # several models share a quota
    for name in models:
        quota = _quota(mapping(models[name]).get("quotaInfo"))
        if quota is not None and (with_project or quota.remaining < 1):
            quotas[sys.intern(name)] = alike.setdefault(quota, quota)
    searching = answer.get("webSearchModelIds")
    offers = Offers(
        tuple(_offer(name, mapping(models[name])) for name in sorted(models)),
        tuple(sorted(_forwarded(answer.get("deprecatedModelIds")).items())),
        tuple(sorted({name for name in searching if isinstance(name, str)})) if isinstance(searching, list) else (),
    )
    return Available(offers, quotas)


def _offer(name: str, told: Mapping[str, Any]) -> Offer:
    thinks = told.get("supportsThinking")
    return Offer(
        sys.intern(name),
        display_name=text(told.get("displayName")) or "",
        context=_tokens(told.get("maxTokens")),
        output=_tokens(told.get("maxOutputTokens")),
        thinks=thinks if isinstance(thinks, bool) else None,
    )


def _quota(told: Any) -> ModelQuota | None:
    """A quota whose fraction is absent is used up: proto JSON leaves zeros out."""
    if not isinstance(told, dict):
        return None
    remaining = number(told.get("remainingFraction", 0.0))
    if remaining is None:
        return None
    return ModelQuota(min(max(remaining, 0.0), 1.0), durations.timestamp(told.get("resetTime")))


def _forwarded(told: Any) -> dict[str, str]:
    """Old ids with their successors."""
    pairs = {old: text(mapping(new).get("newModelId")) for old, new in mapping(told).items()}
    return {old: new for old, new in pairs.items() if old and new}


def _tokens(told: Any) -> int | None:
    """A limit that can be one; proto JSON may write it as text."""
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 12:
        told = int(told)
    found = number(told)
    return int(found) if found is not None and 1 <= found <= _MAX_TOKENS else None
