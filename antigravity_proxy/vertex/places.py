"""Where a model of Vertex AI is asked: host, path and authorization of a call. Pure (official-upstreams.md 3.2)."""

from __future__ import annotations

import functools
from urllib.parse import quote

from antigravity_proxy.canonical.wire import Access, UpstreamRequest, bearer, carried
from antigravity_proxy.http1.fields import field
from antigravity_proxy.secret import SecretBytes

_HOST = "aiplatform.googleapis.com"
#: locations of several regions; their hosts are of another form than a region's
_MULTI_REGIONS = frozenset({"us", "eu"})
#: Gemini's methods are those of the larger version, Claude's of the stable one
_VERSIONS = {"google": "v1beta1", "anthropic": "v1"}


def host(location: str) -> str:
    """The host that serves a location; an express key (no location) asks the global one."""
    if location in ("", "global"):
        return _HOST
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-{_HOST}"


def call(
    access: Access,
    publisher: str,
    model: str,
    method: bytes,
    body: bytes,
    *,
    silence: float = 0.0,
    fields: bytes = b"",
) -> UpstreamRequest:
    """A call of a model's method, such as ``:generateContent``. A key is in a header, never in the URL.

    ``fields`` are further headers.
    """
    url = _url(access.base, access.is_key, access.project, access.location, publisher, model, method)
    if access.is_key:
        own = carried(b"x-goog-api-key", access.token)
    else:
        own = bearer(access.token)
        if access.quota_project:
            fields = field(b"x-goog-user-project", access.quota_project.encode("latin-1")) + fields
    own = SecretBytes(own + fields) if fields else own
    return UpstreamRequest(url, own, body, silence)


@functools.lru_cache(maxsize=512)
def _url(
    base: bytes, is_key: bool, project: str | None, location: str, publisher: str, model: str, method: bytes
) -> bytes:
    """The URL of a model's method; by a key no project is named."""
    path = f"/{_VERSIONS[publisher]}"
    if not is_key:
        path += f"/projects/{quote(project or '-', safe=':')}/locations/{location or 'global'}"
    path += f"/publishers/{publisher}/models/{quote(model, safe='@')}"
    return ((base.decode().rstrip("/") or f"https://{host(location)}") + path).encode("ascii") + method
