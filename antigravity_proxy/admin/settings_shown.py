"""The settings in effect, and where each came from. Pure; a secret is said to be set, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.settings.resolve import Settings
from antigravity_proxy.settings.table import TABLE
from antigravity_proxy.volume.guiconfig import GuiConfig

#: whom a URL names, and maybe with what password
_USERINFO = re.compile(r"//[^/@\s]*@")
#: fields that stand under another name, or nowhere, in the resolved settings
_CLIENT = frozenset({"client_id", "client_secret"})


class Line(Struct, frozen=True):
    """One setting as an operator knows it: its name, its value, where that came from, what it means."""

    name: str
    value: str
    source: str
    help: str


def lines(settings: Settings, config: GuiConfig | None, rules: Rules, *, read_only: bool) -> tuple[Line, ...]:
    """All of them, in the order of the documentation. ``rules`` and ``read_only`` are what really is in force."""
    return tuple(_lines(settings, config, rules, read_only))


def _lines(settings: Settings, config: GuiConfig | None, rules: Rules, read_only: bool) -> Iterator[Line]:
    in_force = _of_rules(rules)
    gui = _gui_rules(config)
    for setting in TABLE:
        name, field, source = setting.name, setting.field, settings.sources[setting.field]
        if field in _CLIENT:
            value = _secret("" in settings.clients)
        elif setting.secret:
            value = _secret(bool(getattr(settings, field)))
        elif field == "read_only" and read_only != settings.read_only:
            value, source = "true", "the data directory can't be written"
        elif field in in_force:
            value = _text(in_force[field])
            source = "gui_config" if source == "default" and gui.get(field) is not None else source
        else:
            value = _text(getattr(settings, field))
        yield Line(name, value, source.replace("gui_config", "gui_config.json"), setting.help)
    for key in sorted(settings.clients):
        if key:
            yield Line(f"GOOGLE_CLIENT_ID__{key.upper()}", _secret(True), "environment", "a further OAuth client")


def _of_rules(rules: Rules) -> dict[str, Any]:
    return {
        "scheduling_mode": rules.mode,
        "max_wait": rules.max_wait,
        "preferred_account": rules.preferred or None,
        "circuit_breaker": rules.breaker,
        "backoff_steps": rules.backoff or None,
    }


def _gui_rules(config: GuiConfig | None) -> dict[str, Any]:
    if config is None:
        return {}
    return {
        "scheduling_mode": config.scheduling_mode,
        "max_wait": config.max_wait_seconds,
        "preferred_account": config.preferred_account_id,
        "circuit_breaker": config.circuit_breaker_enabled,
        "backoff_steps": config.circuit_breaker_backoff_steps,
    }


def _secret(is_set: bool) -> str:
    return "set, not shown" if is_set else "not set"


def _text(value: Any) -> str:
    """A value as a user would write it."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    return _USERINFO.sub("//…@", str(value))
