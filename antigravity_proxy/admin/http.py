"""What admin pages have in common as HTTP: cookies, forms, answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from antigravity_proxy.admin.place import Place
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.web.edge import SERVER_NAME

_FORM_TYPE = b"application/x-www-form-urlencoded"

Headers = tuple[tuple[bytes, bytes], ...]


class Answers:
    """Sends pages with ``headers``, and sets cookies that belong to the ``place``."""

    def __init__(self, place: Place, headers: Headers) -> None:
        self.place = place
        self.headers = headers

    def send(self, request: Any, page: Rendered) -> bytes:
        """The page's body, with everything else set on the request."""
        request.setResponseCode(page.status)
        request.setHeader(b"server", SERVER_NAME)
        for name, value in (*self.headers, *page.headers):
            request.setHeader(name, value)
        return page.body

    def json(self, request: Any, status: int, body: Any) -> bytes:
        """An answer for programs."""
        kind = ((b"content-type", b"application/json"),)
        return self.send(request, Rendered(status, msgspec.json.encode(body) + b"\n", kind))

    def redirect(self, request: Any, status: int, url: str) -> bytes:
        """To another page; ``url`` whole, or a path as links have it."""
        return self.send(request, Rendered(status, b"", ((b"location", url.encode("ascii")),)))

    def set_cookie(self, request: Any, name: str, value: str, seconds: float, same_site: str = "strict") -> None:
        """A cookie that no script reads, and behind TLS no other way carries; for 0 seconds: none any more."""
        behind_tls = request.getHeader(b"x-forwarded-proto") == b"https"  # whoever lies about it harms but himself
        request.addCookie(
            name,
            value,
            path="/",
            max_age=str(int(seconds)),
            httpOnly=True,
            secure=self.place.is_secure or behind_tls,
            sameSite=same_site,
        )


def cookie(request: Any, name: str) -> str:
    """The cookie's value, empty if it did not come along."""
    value: bytes | None = request.getCookie(name.encode("ascii"))
    return "" if value is None else value.decode("latin-1")


def hostname(request: Any) -> str:
    """The host that the request names, without its port; empty for nonsense."""
    try:
        return urlsplit(f"//{(request.getHeader(b'host') or b'').decode('latin-1')}").hostname or ""
    except ValueError:
        return ""


def content_type(request: Any) -> bytes:
    """What the body says that it is, without parameters."""
    kind: bytes = (request.getHeader(b"content-type") or b"").partition(b";")[0]
    return kind.strip().lower()


def form(request: Any) -> dict[str, str] | None:
    """The fields of a form, each once; None: that is no form."""
    if content_type(request) != _FORM_TYPE:
        return None
    fields = parse_qs(request.take_body().decode("latin-1"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def query(request: Any) -> dict[str, str]:
    """The fields of the query, each once."""
    fields = parse_qs(urlsplit(request.uri.decode("latin-1")).query)
    return {name: values[0] for name, values in fields.items()}
