"""The frame that all admin pages share, and the small pages. Does no I/O. Everything that varies is escaped.

A page contains no script and no style: both are files of this package (`static`), and the policy forbids
anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from twisted.web.template import Tag

from antigravity_proxy import __version__
from antigravity_proxy.admin.http import BaseUrl, Headers
from antigravity_proxy.admin.markup import filled, flat, tags
from antigravity_proxy.admin.static import ICON, SCRIPT, STYLE
from antigravity_proxy.dialect.base import Rendered


def headers(auth_url: str) -> Headers:
    """The headers of every page. A form may lead here, and by a redirect to the provider; nothing may frame a page.

    The referrer stays within the site: with none at all browsers would hide the origin of our own form.
    """
    provider = "{0.scheme}://{0.netloc}".format(urlsplit(auth_url))
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self' {provider}; base-uri 'none'; frame-ancestors 'none'"
    )
    return (
        (b"content-security-policy", policy.encode("ascii")),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
        (b"content-type", b"text/html; charset=utf-8"),
    )


class Pages:
    """Makes pages whose links fit the ``place``."""

    def __init__(self, base_url: BaseUrl) -> None:
        self._base_url = base_url

    def message(self, status: int, title: str, *paragraphs: str, again: bool = False) -> Rendered:
        """A page of plain words; ``again``: with the way to another sign-in."""
        ways = [tags.a("Status page", href=self._base_url.path("/"))]
        if again:
            ways.insert(0, tags.a("Sign in with a Google account", href=self._base_url.path("/auth/start")))
        return self.small(status, title, *(tags.p(words) for words in paragraphs), tags.p(*ways, class_="ways"))

    def elsewhere(self, status: int, title: str, words: str, url: str) -> Rendered:
        """A page that says where to go instead."""
        return self.small(status, title, tags.p(words), tags.p(tags.a(url, href=url)))

    def out_of_date(self) -> Rendered:
        """The refusal of a form that is not, or no longer, of a page of ours."""
        words = "The page was out of date, so nothing was changed. Open it again and repeat the change."
        return self.message(403, "Please try again", words)

    def login(self, status: int, token: str, trouble: str, after: str) -> Rendered:
        """The login form. ``token`` must come back with it; ``trouble``: why it is shown again."""
        told = tags.p(trouble, class_="trouble", id="trouble", role="alert") if trouble else ""
        form = tags.form(
            tags.input(type="hidden", name="token", value=token),
            tags.input(type="hidden", name="after", value=after),
            tags.input(type="text", name="username", value="operator", autocomplete="username", hidden=""),
            tags.label("API key", **{"for": "key"}),
            tags.input(
                type="password",
                id="key",
                name="key",
                autocomplete="current-password",
                required="",
                autofocus="",
                **({"aria-describedby": "trouble"} if trouble else {}),
            ),
            tags.button("Log in", class_="primary"),
            method="post",
            action=self._base_url.path("/login"),
            class_="login",
        )
        return self.small(status, "Log in", told, form)

    def confirm(self, token: str, path: str, action: str, value: str, title: str, words: str) -> Rendered:
        """Asks before an ``action`` on something that can't be taken back; the form at ``path`` is sent again."""
        form = tags.form(
            tags.input(type="hidden", name="token", value=token),
            tags.input(type="hidden", name="confirmed", value="yes"),
            tags.button(action.capitalize(), class_="danger", name=action, value=value),
            tags.a("Cancel", href=self._base_url.path("/"), class_="button", autofocus=""),
            method="post",
            action=self._base_url.path(path),
            class_="ways",
        )
        return self.small(200, title, tags.p(words), form)

    def small(self, status: int, title: str, *body: Tag | str) -> Rendered:
        """A page with a few lines in the middle."""
        return self.whole(status, title, tags.main(tags.h1(title), *body, class_="small"))

    def whole(
        self,
        status: int,
        title: str,
        *body: Tag | str,
        live: str = "",
        boot: str = "",
        parts: Mapping[str, str] | None = None,
    ) -> Rendered:
        """A whole page. ``live``: where its script listens for changes; ``boot`` names the daemon that it is of.

        ``parts``: HTML for the holes in its body.
        """
        path = self._base_url.path
        head = tags.head(
            tags.meta(charset="utf-8"),
            tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
            tags.meta(name="color-scheme", content="light dark"),
            tags.title(f"{title} \N{MIDDLE DOT} antigravity-proxy"),
            tags.link(rel="icon", href=path(ICON.path), type="image/svg+xml"),
            tags.link(rel="stylesheet", href=path(STYLE.path)),
            tags.script(src=path(SCRIPT.path), defer="") if live else "",
        )
        foot = tags.footer(f"antigravity-proxy {__version__}")
        attributes = {"data-live": live, "data-boot": boot} if live else {}
        page = tags.html(head, tags.body(*body, foot, **attributes), lang="en")
        return Rendered(status, f"<!doctype html>\n{filled(flat(page), parts or {})}\n".encode())
