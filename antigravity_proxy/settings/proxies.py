"""The URL of an egress proxy, as settings, the desktop app and accounts write it. Pure."""

from __future__ import annotations

from typing import Any, Literal, cast
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from antigravity_proxy.secret import Secret

#: words that mean: no egress proxy
NONE = frozenset({"none", "direct", "off"})
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class ProxyAddress(Struct, frozen=True):
    """Where an egress proxy listens, and who we are to it."""

    scheme: Literal["http", "https", "socks5"]
    host: str
    port: int
    user: Secret | None = None
    password: Secret | None = None

    @property
    def shown(self) -> str:
        """Its URL without user and password, for the log and the operator."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class UnusableProxy(Struct, frozen=True):
    """An egress proxy that is wanted but can't be used: nothing may be sent without it. ``reason`` is for operators."""

    reason: str


def parse_proxy_url(url: str) -> ProxyAddress:
    """Reads ``http(s)://`` (CONNECT) and ``socks5://`` URLs; the ValueError it raises shows no password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("the proxy URL can't be read") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("a proxy URL begins with http://, https:// or socks5:// and names a host")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("a proxy URL has nothing behind its host and port")
    return ProxyAddress(
        scheme=cast(Any, parts.scheme.removesuffix("h")),
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=Secret(unquote(parts.username)) if parts.username is not None else None,
        password=Secret(unquote(parts.password or "")) if parts.username is not None else None,
    )
