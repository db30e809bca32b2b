"""Pages of other origins (Fetch, "CORS protocol"): closed, but for origins that the settings name exactly. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from antigravity_proxy.http1.fields import HeaderFields

#: what a page may read of an answer besides its body
_EXPOSED = b"request-id, retry-after, x-antigravity-model, x-antigravity-upstream, x-request-id"
_METHODS = b"GET, HEAD, POST, DELETE"
#: seconds for which a browser need not ask again
_MAX_AGE = b"600"
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~ ,-]{1,2000}")

Fields = tuple[tuple[bytes, bytes], ...]


class Cors:
    """The origins that may ask. There is no wildcard, and no other origin is ever repeated."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    def headers(self, request: HeaderFields) -> Fields:
        """The answer's headers: none, unless some origin is configured; none that allow, unless it is this one."""
        if not self._origins:
            return ()
        origin = self._origin(request)
        if origin is None:
            return ((b"vary", b"Origin"),)
        return (
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
        )

    def preflight(self, method: bytes, request: HeaderFields) -> Fields | None:
        """The further headers of the answer to a preflight of an allowed origin; None: it is not a preflight."""
        if method != b"OPTIONS" or not request.hasHeader(b"access-control-request-method"):
            return None
        if self._origin(request) is None:
            return None
        allowed: Fields = (
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-max-age", _MAX_AGE),
        )
        asked = request.getRawHeaders(b"access-control-request-headers", ())
        if len(asked) == 1 and _NAMES.fullmatch(asked[0]):
            allowed = (*allowed, (b"access-control-allow-headers", asked[0]))
        return allowed

    def _origin(self, request: HeaderFields) -> bytes | None:
        origins = request.getRawHeaders(b"origin", ())
        return origins[0] if len(origins) == 1 and origins[0] in self._origins else None
