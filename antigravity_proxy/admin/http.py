"""The admin pages over HTTP: the URL they are reached at, answers, cookies, forms."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.web.edge import SERVER_NAME
from antigravity_proxy.web.hosts import Hosts
from antigravity_proxy.web.key_policy import is_loopback

#: where the provider sends browsers back to, unless a reverse proxy maps another path here
CALLBACK = "/oauth-callback"


class BaseUrl(Struct, frozen=True):
    """``prefix`` is the path under which a reverse proxy shows the pages, without a slash at its end.

    ``is_assumed``: it is the default, nothing was configured. ``is_loopback``: only this machine reaches them.
    """

    origin: str
    host: str
    prefix: str
    callback: str
    is_secure: bool
    is_assumed: bool
    is_loopback: bool
    hosts: Hosts

    @classmethod
    def of(cls, settings: Settings) -> BaseUrl:
        """The place that the settings describe: that of the redirect URI."""
        parts = urlsplit(settings.oauth_redirect_url)
        return cls(
            origin=f"{parts.scheme}://{parts.netloc}",
            host=parts.hostname or "",
            prefix=parts.path.removesuffix(CALLBACK) if parts.path.endswith(CALLBACK) else "",
            callback=parts.path,
            is_secure=parts.scheme == "https",
            is_assumed=settings.sources["oauth_redirect_url"] == "default",
            is_loopback=is_loopback(settings.oauth_listen_host),
            hosts=Hosts((parts.hostname or "", *settings.allowed_hosts)),
        )

    def path(self, path: str) -> str:
        """A path of ours as links have it."""
        return self.prefix + path

    def url(self, path: str) -> str:
        """The same, whole."""
        return self.origin + self.prefix + path

    def inner(self, path: str) -> str:
        """A path that a browser asked for, as routes have it, whether or not a reverse proxy took the prefix away."""
        if path == self.callback:
            return CALLBACK
        if self.prefix and (path + "/").startswith(self.prefix + "/"):
            return path.removeprefix(self.prefix) or "/"
        return path

    @property
    def name(self) -> str:
        """A short name of the prefix, for cookies; empty without a prefix."""
        return hashlib.sha256(self.prefix.encode()).hexdigest()[:8] if self.prefix else ""

    def is_ours(self, host: str) -> bool:
        """Whether a host name leads here and nowhere else: where no key is asked for, no other name may be believed.

        Another site's name may be made to point at this machine, and then its pages would count as ours.
        """
        return self.hosts.names(host)


_FORM_TYPE = b"application/x-www-form-urlencoded"

Headers = tuple[tuple[bytes, bytes], ...]


class Answers:
    """Sends pages with ``headers``, and sets cookies that belong to the ``place``."""

    def __init__(self, base_url: BaseUrl, headers: Headers) -> None:
        self.base_url = base_url
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
        """Sets a cookie that no script reads, and that behind TLS is sent over TLS only; 0 seconds remove it."""
        request.addCookie(
            self._cookie_name(request, name),
            value,
            path="/",
            max_age=str(int(seconds)),
            httpOnly=True,
            secure=self._is_secure(request),
            sameSite=same_site,
        )

    def cookie(self, request: Any, name: str) -> str:
        """The cookie's value, empty if the request has none of that name."""
        value: bytes | None = request.getCookie(self._cookie_name(request, name).encode("ascii"))
        return "" if value is None else value.decode("latin-1")

    def _cookie_name(self, request: Any, name: str) -> str:
        """``antigravity_``, the name, and what distinguishes daemons under one host name: port and path prefix.

        Browsers send a host's cookies to all its ports and paths (RFC 6265 8.5). Behind TLS the name begins with
        ``__Host-``: no other host and no plain HTTP can set such a cookie (RFC 6265bis 4.1.3.2).
        """
        apart = [part for part in (port(request), self.base_url.name) if part]
        guard = "__Host-" if self._is_secure(request) else ""
        return "_".join((f"{guard}antigravity_{name}", *apart))

    def _is_secure(self, request: Any) -> bool:
        """True behind TLS. A client that forges it harms only itself."""
        behind_tls: bool = request.getHeader(b"x-forwarded-proto") == b"https"
        return self.base_url.is_secure or behind_tls


def hostname(request: Any) -> str:
    """The host that the request names, without its port; empty if invalid."""
    return _host(request)[0]


def port(request: Any) -> str:
    """The port that the request names, in digits; empty for the scheme's own and if invalid."""
    return _host(request)[1]


def _host(request: Any) -> tuple[str, str]:
    try:
        parts = urlsplit(f"//{(request.getHeader(b'host') or b'').decode('latin-1')}")
        return parts.hostname or "", "" if parts.port is None else str(parts.port)
    except ValueError:
        return "", ""


def content_type(request: Any) -> bytes:
    """The body's media type, without parameters."""
    kind: bytes = (request.getHeader(b"content-type") or b"").partition(b";")[0]
    return kind.strip().lower()


def form(request: Any) -> dict[str, str] | None:
    """The fields of a form, each once; None: it is not a form."""
    if content_type(request) != _FORM_TYPE:
        return None
    fields = parse_qs(request.take_body().decode("latin-1"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def query(request: Any) -> dict[str, str]:
    """The fields of the query, each once."""
    fields = parse_qs(urlsplit(request.uri.decode("latin-1")).query)
    return {name: values[0] for name, values in fields.items()}
