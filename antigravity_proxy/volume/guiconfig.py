"""The desktop app's ``gui_config.json``: the settings in it that concern a proxy (credential-volume.md 1.7). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct


class GuiConfig(Struct, frozen=True):
    """What the file says; None where it says nothing, or nothing of the right type. ``request_timeout`` in seconds."""

    api_key: str | None = None
    port: int | None = None
    request_timeout: float | None = None
    upstream_proxy: str | None = None
    scheduling_mode: str | None = None
    preferred_account_id: str | None = None
    custom_mapping: Mapping[str, str] = {}
    anthropic_mapping: Mapping[str, str] = {}


class Unreadable(Exception):
    """The file is half-written, broken, or of the wrong shape: never the same as 'no key' (contract.md 2)."""


def parse(content: bytes) -> GuiConfig:
    """Reads the file's content; raises Unreadable."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise Unreadable("gui_config.json is no JSON (half-written?)") from e
    if not isinstance(value, dict):
        raise Unreadable("gui_config.json is no JSON object")
    proxy = value.get("proxy", {})
    if not isinstance(proxy, dict):
        raise Unreadable("gui_config.json: 'proxy' is no object")
    key = proxy.get("api_key", "")
    if not isinstance(key, str):
        raise Unreadable("gui_config.json: 'proxy.api_key' is no text")
    upstream = _object(proxy.get("upstream_proxy"))
    port, timeout = proxy.get("port"), proxy.get("request_timeout")
    return GuiConfig(
        api_key=key.strip() or None,
        port=port if isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536 else None,
        request_timeout=_positive(timeout),
        upstream_proxy=_text(upstream.get("url")) if upstream.get("enabled") is True else None,
        scheduling_mode=_text(proxy.get("scheduling_mode")),
        preferred_account_id=_text(proxy.get("preferred_account_id")),
        custom_mapping=_mapping(proxy.get("custom_mapping")),
        anthropic_mapping=_mapping(proxy.get("anthropic_mapping")),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _mapping(value: Any) -> dict[str, str]:
    return {k: v for k, v in _object(value).items() if isinstance(v, str) and v}
