"""W3C trace context: taken from the client, passed on upstream under a new span id for each attempt. Pure.

``tracestate`` is not passed on: it may hold anything, and upstream has no use for it.
"""

from __future__ import annotations

import re

from msgspec import Struct

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.A)
_SAMPLED = 1


class Trace(Struct, frozen=True):
    """The trace that a request belongs to: 32 hex digits, and the caller's span in it, 16 (empty: it begins here).

    ``span`` is our own span of the request. ``sampled``: whether the caller keeps what it records.
    """

    id: str
    parent: str
    span: str
    sampled: bool

    def header(self, span: str) -> bytes:
        """The ``traceparent`` of a request that is sent under ``span``."""
        return f"00-{self.id}-{span}-{'01' if self.sampled else '00'}".encode()


def parse(traceparent: str, span: str) -> Trace | None:
    """The trace that a ``traceparent`` names, with our own ``span``; None if it is not one."""
    found = _FORM.fullmatch(traceparent)
    if found is None:
        return None
    version, identity, parent, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(identity, 16) or not int(parent, 16):
        return None
    return Trace(identity, parent, span, bool(int(flags, 16) & _SAMPLED))
