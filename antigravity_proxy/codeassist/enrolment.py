"""Which project an account has, and how upstream makes one for it: ``loadCodeAssist``, ``onboardUser``. Pure.

The shapes are those of upstream.md 3.1 to 3.3; a type that isn't the expected one counts as absent.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy import coerce
from antigravity_proxy.canonical.project import usable_project_id

#: the reason of an error that hides an account's tier and project: its organisation's doing (upstream.md 3.1)
SECURITY_POLICY = "SECURITY_POLICY_VIOLATED"
FREE_TIER = "free-tier"

_METADATA = {"ideType": "ANTIGRAVITY"}
#: characters allowed in a path: an operation's name can't lead elsewhere
_OPERATION = re.compile(r"operations/[\w-]+(?:/[\w-]+)*")


class Enrolment(Struct, frozen=True):
    """An account by ``loadCodeAssist``: its usable project, and whether it is enrolled in a tier at all.

    One that is not may be in ``tier``; empty: in none, for the reasons whose codes are ``obstacles``.
    """

    project: str | None = None
    is_enrolled: bool = False
    tier: str = FREE_TIER
    obstacles: tuple[str, ...] = ()


class Operation(Struct, frozen=True):
    """How far ``onboardUser`` has come. ``name``: where to ask again, empty: nowhere. ``error``: why it failed."""

    name: str = ""
    is_done: bool = False
    project: str | None = None
    error: str = ""


def load_body() -> bytes:
    """The body of ``loadCodeAssist``."""
    return msgspec.json.encode({"metadata": _METADATA})


def onboard_body(tier: str, project: str | None) -> bytes:
    """The body of ``onboardUser``; the free tier takes no project."""
    body: dict[str, Any] = {"tierId": tier, "metadata": _METADATA}
    if project is not None and tier != FREE_TIER:
        body["cloudaicompanionProject"] = project
    return msgspec.json.encode(body)


def read_enrolment(answer: dict[str, Any]) -> Enrolment:
    """Reads the answer of ``loadCodeAssist``."""
    current = coerce.mapping(answer.get("currentTier"))
    allowed = _mappings(answer.get("allowedTiers"))
    default = next((coerce.text(tier.get("id")) for tier in allowed if tier.get("isDefault") is True), None)
    codes = (coerce.text(tier.get("reasonCode")) for tier in _mappings(answer.get("ineligibleTiers")))
    obstacles = tuple(code for code in codes if code)
    admitted = default or coerce.text(current.get("id")) or FREE_TIER
    return Enrolment(
        project=_project(answer.get("cloudaicompanionProject")),
        is_enrolled=bool(current),
        tier="" if obstacles and not allowed else admitted,
        obstacles=obstacles,
    )


def read_operation(answer: dict[str, Any]) -> Operation:
    """Reads the answer of ``onboardUser``, or that of its operation."""
    name = coerce.text(answer.get("name")) or ""
    error = coerce.mapping(answer.get("error"))
    return Operation(
        name=name if _OPERATION.fullmatch(name) else "",
        is_done=answer.get("done") is True,
        project=_project(coerce.mapping(answer.get("response")).get("cloudaicompanionProject")),
        error=f"code {error.get('code')}" if error else "",
    )


def _project(value: object) -> str | None:
    return usable_project_id(value.get("id") if isinstance(value, dict) else value)


def _mappings(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
