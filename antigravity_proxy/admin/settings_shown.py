"""The settings in effect, and where each came from. Pure; a secret is said to be set, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.settings.proxies import UnusableProxy
from antigravity_proxy.settings.table import TABLE, Settings

#: whom a URL names, and maybe with what password
_USERINFO = re.compile(r"//[^/@\s]*@")
#: the halves of the plain OAuth client, either of which is useless alone
_CLIENT = frozenset({"client_id", "client_secret"})


class Line(Struct, frozen=True):
    """One setting as an operator knows it: its name, its value, where that came from, what it means."""

    name: str
    value: str
    source: str
    help: str


def lines(settings: Settings, models: ModelTable, *, read_only: bool) -> tuple[Line, ...]:
    """All of them, in the order of the documentation. ``models``, ``read_only`` are what really is in force."""
    return tuple(_lines(settings, models, read_only))


def _lines(settings: Settings, models: ModelTable, read_only: bool) -> Iterator[Line]:
    for setting in TABLE:
        name, field, source = setting.name, setting.field, settings.sources[setting.field]
        value = getattr(settings, field)
        if isinstance(value, UnusableProxy):
            shown = "can't be used"
        elif setting.secret:
            shown = _secret("" in settings.clients if field in _CLIENT else bool(value), source)
        elif field == "read_only" and read_only != settings.read_only:
            shown, source = "true", "the data directory can't be written"
        elif field == "models_file" and models.corrected:
            shown = f"{value}: corrects {models.told}"
        else:
            shown = _text(value)
        yield Line(name, shown, source.replace("gui_config", "gui_config.json"), setting.help)
    for key in sorted(settings.clients):
        if key:
            yield Line(f"GOOGLE_CLIENT_ID__{key.upper()}", "set, not shown", "environment", "a further OAuth client")


def _secret(is_set: bool, source: str) -> str:
    return "set, not shown" if is_set else "not set" if source == "default" else "none"


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
