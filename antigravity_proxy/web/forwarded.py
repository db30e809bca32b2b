"""Whose request it is, behind proxies that are trusted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from antigravity_proxy.http1.fields import HeaderFields
from antigravity_proxy.settings.parse import Network

#: how a socket for both IPs shows an IPv4 address (RFC 4291 2.5.5.2)
_MAPPED = "::ffff:"
#: bits of an IPv6 address that one user can't choose freely
_SITE = 64

#: an address, or one with a port, as some gateways write it; a zone, which is any text, is not taken
_FIELD = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15})(?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})")


def address_of(peer: str, headers: HeaderFields, trusted: Sequence[Network]) -> str:
    """The address of the client behind ``peer``, as ``client_address`` finds it; empty if it has none."""
    if peer.startswith(_MAPPED) and "." in peer:
        peer = peer.removeprefix(_MAPPED)
    if not trusted:
        return peer
    forwarded = headers.getRawHeaders(b"x-forwarded-for", ())
    return client_address(peer, [value.decode("latin-1") for value in forwarded], trusted)


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """The network that one user may have to themselves: an IPv4 address, or the /64 of an IPv6 address (RFC 6177)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address  # which can be written in one way only: each connection keeps the same text twice
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found) >> 64 << 64, _SITE)))


def client_address(peer: str, forwarded_for: Iterable[str], trusted: Sequence[Network]) -> str:
    """The address of the client: the last in ``X-Forwarded-For`` that no trusted proxy has; else the peer's own."""
    address = peer
    for field in reversed([item.strip() for value in forwarded_for for item in value.split(",")]):
        if not is_trusted(address, trusted):
            break
        found = _FIELD.fullmatch(field)
        try:
            address = str(ipaddress.ip_address("" if found is None else found[1] or found[2] or found[3]))
        except ValueError:
            break  # whatever that is, it is not an address: the proxy's own must do
    return address


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """True for the address of a trusted proxy."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in trusted)
