"""Whether a page of another site sent a request, by the browser's headers (Fetch Metadata, else ``Origin``). Pure."""

from __future__ import annotations

from collections.abc import Collection

from antigravity_proxy.http1.fields import HeaderFields

#: what a browser says of a request that our own page sent, or its user by hand
_OWN = (b"same-origin", b"none")


def is_foreign(headers: HeaderFields, *, own: Collection[bytes] = (), allowed: Collection[bytes] = ()) -> bool:
    """Whether it came from a page of another origin. A program other than a browser sends neither header.

    ``own`` are origins of this host besides the one in ``Host``; pages of the origins ``allowed`` may call from
    anywhere.
    """
    origins = headers.getRawHeaders(b"origin", ())
    if len(origins) == 1 and origins[0] in allowed:
        return False
    sites = headers.getRawHeaders(b"sec-fetch-site", ())
    if sites:
        return len(sites) != 1 or sites[0] not in _OWN
    if not origins:
        return False
    host = headers.getRawHeaders(b"host", (b"",))[0]
    return len(origins) != 1 or (origins[0] not in own and origins[0] not in (b"http://" + host, b"https://" + host))
