"""Which names a daemon that asks for no key answers to: no page elsewhere shall reach it by another. Pure.

A browser's page under ``evil.example`` whose name is made to point here (DNS rebinding) is of this origin to the
browser; only the ``Host`` shows it. An address instead of a name can't be rebound.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from antigravity_proxy.errors import Forbidden

#: ``host`` or ``host:port``, strictly (RFC 9110 7.2): no user, no backslash, nothing else that readers differ about
_HOST = re.compile(rb"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,255}))(?::[0-9]{1,5})?")


class Hosts:
    """The names that are ours besides loopback's own; addresses always are."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(_plain(name) for name in names)

    def allows(self, host: bytes) -> bool:
        """Whether a ``Host`` header, with or without its port, names this daemon."""
        found = _HOST.fullmatch(host)
        return found is not None and self.names((found[1] or found[2]).decode("ascii"))

    def names(self, name: str) -> bool:
        """As ``allows``, for a name or an address alone."""
        name = _plain(name)
        return name == "localhost" or name.endswith(".localhost") or name in self._names or _is_address(name)

    def check(self, host: bytes | None) -> None:
        """Raises Forbidden for a name that isn't ours."""
        if not self.allows(host or b""):
            raise Forbidden(
                "No API key is set here, so the daemon answers only to addresses and names that it knows: "
                "set one, or name this host in PROXY_ALLOWED_HOSTS."
            )


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
