"""Whose request it is, behind proxies that are trusted. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from antigravity_proxy.settings.parse import Network


def client_address(peer: str, forwarded_for: Iterable[str], trusted: Sequence[Network]) -> str:
    """The address of the client: the last in ``X-Forwarded-For`` that no trusted proxy has; else the peer's own."""
    address = peer
    for field in reversed([item.strip() for value in forwarded_for for item in value.split(",")]):
        if not _is_trusted(address, trusted):
            break
        try:
            address = str(ipaddress.ip_address(field))
        except ValueError:
            break  # whatever stands there, it is no address: the proxy's own must do
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in trusted)
