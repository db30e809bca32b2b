"""The desktop app's ``gui_config.json``: the settings in it that concern a proxy (credential-volume.md 1.7). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy import coerce
from antigravity_proxy.secret import Secret


class GuiConfig(Struct, frozen=True):
    """The file's values; None where it has none, or none of the right type: ``notes`` report the latter.

    ``request_timeout``, ``max_wait_seconds`` and ``circuit_breaker_backoff_steps`` are in seconds. The proxy's URL may
    hold a password.
    """

    api_key: Secret | None = None
    port: int | None = None
    request_timeout: float | None = None
    upstream_proxy: Secret | None = None
    scheduling_mode: str | None = None
    max_wait_seconds: float | None = None
    preferred_account_id: str | None = None
    circuit_breaker_enabled: bool | None = None
    circuit_breaker_backoff_steps: tuple[float, ...] | None = None
    custom_mapping: Mapping[str, str] = {}
    anthropic_mapping: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()


class Unreadable(Exception):
    """The file is half-written, broken, or of the wrong shape: never the same as 'no key' (contract.md 2)."""


def parse(content: bytes) -> GuiConfig:
    """Reads the file's content; raises Unreadable."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise Unreadable("gui_config.json is not valid JSON (half-written?)") from e
    if not isinstance(value, dict):
        raise Unreadable("gui_config.json is not a JSON object")
    proxy = value.get("proxy", {})
    if not isinstance(proxy, dict):
        raise Unreadable("gui_config.json: 'proxy' is not an object")
    key = proxy.get("api_key", "")
    if not isinstance(key, str):
        raise Unreadable("gui_config.json: 'proxy.api_key' is not a string")
    read = _Section(proxy)
    return GuiConfig(
        api_key=Secret(found) if (found := coerce.text(key)) is not None else None,
        port=read.port(),
        request_timeout=read.seconds("request_timeout", allow_zero=False),
        upstream_proxy=read.upstream_proxy(),
        scheduling_mode=read.text("scheduling_mode"),
        max_wait_seconds=read.seconds("max_wait_seconds", allow_zero=True),
        preferred_account_id=read.text("preferred_account_id"),
        circuit_breaker_enabled=read.flag("circuit_breaker_enabled"),
        circuit_breaker_backoff_steps=read.steps("circuit_breaker_backoff_steps"),
        custom_mapping=read.names("custom_mapping"),
        anthropic_mapping=read.names("anthropic_mapping"),
        notes=tuple(read.notes),
    )


class _Section:
    """The ``proxy`` section; what has the wrong type is noted and reads as absent."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self.notes: list[str] = []

    def text(self, name: str) -> str | None:
        value = self._values.get(name, "")
        if not isinstance(value, str):
            self._note(name, "is not a string")
        return coerce.text(value)

    def flag(self, name: str) -> bool | None:
        value = self._values.get(name)
        if isinstance(value, bool):
            return value
        if name in self._values:
            self._note(name, "is neither true nor false")
        return None

    def seconds(self, name: str, *, allow_zero: bool) -> float | None:
        """A number of seconds; a negative one is ignored."""
        if name not in self._values:
            return None
        value = coerce.number(self._values[name])
        if value is None or (value <= 0 and not allow_zero):
            self._note(name, "is not a number of seconds")
            return None
        return max(value, 0.0)

    def port(self) -> int | None:
        if "port" not in self._values:
            return None
        value = coerce.number(self._values["port"])
        if value is None or not value.is_integer() or not 0 < value < 65536:
            self._note("port", "is not a port number")
            return None
        return int(value)

    def steps(self, name: str) -> tuple[float, ...] | None:
        """Seconds, one for each step; other values than positive numbers are left out, and an empty list is ignored."""
        value = self._values.get(name, [])
        if not isinstance(value, list):
            self._note(name, "is not a list of seconds")
            return None
        return tuple(step for step in map(coerce.number, value) if step is not None and step > 0) or None

    def names(self, name: str) -> dict[str, str]:
        """A mapping of model names; pairs with anything but text are left out."""
        value = self._values.get(name, {})
        if not isinstance(value, dict):
            self._note(name, "is not an object")
        return {key: model for key, value in coerce.mapping(value).items() if (model := coerce.text(value))}

    def upstream_proxy(self) -> Secret | None:
        """The URL; empty where a proxy is wanted and not named, which is never the same as none."""
        value = self._values.get("upstream_proxy", {})
        if not isinstance(value, dict):
            self._note("upstream_proxy", "is not an object")
            return None
        enabled = value.get("enabled")
        if enabled is not True:
            if enabled is not None and enabled is not False:
                self._note("upstream_proxy.enabled", "is neither true nor false, and counts as false")
            return None
        return Secret(coerce.text(value.get("url")) or "")

    def _note(self, name: str, what: str) -> None:
        self.notes.append(f"gui_config.json: 'proxy.{name}' {what}")
