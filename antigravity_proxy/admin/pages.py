"""The admin pages' HTML and headers. Pure. Everything that varies is escaped; there is no script at all."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from urllib.parse import urlsplit

from antigravity_proxy.dialect.base import Rendered

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:4rem auto;padding:0 1rem}"
    "input,button{font:inherit;padding:.4rem .6rem}.bad{color:#b00020}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#8ab4f8}.bad{color:#ff8a80}}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} - antigravity-proxy</title><style>{style}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


def headers(auth_url: str) -> tuple[tuple[bytes, bytes], ...]:
    """What every page carries. A form may lead here, and by a redirect to the provider; nothing may frame a page.

    The referrer stays within the site: with none at all browsers would hide the origin of our own form.
    """
    provider = "{0.scheme}://{0.netloc}".format(urlsplit(auth_url))
    policy = (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self' {provider}; "
        "base-uri 'none'; frame-ancestors 'none'"
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


def message(status: int, title: str, *paragraphs: str, again: bool = False) -> Rendered:
    """A page of plain words; ``again``: with the way to another sign-in."""
    body = "\n".join(f"<p>{escape(words)}</p>" for words in paragraphs)
    if again:
        body += '\n<p><a href="/auth/start">Sign in with a Google account</a></p>'
    return _page(status, title, body)


def elsewhere(status: int, title: str, words: str, url: str) -> Rendered:
    """A page that says where to go instead."""
    return _page(status, title, f'<p>{escape(words)}</p>\n<p><a href="{escape(url)}">{escape(url)}</a></p>')


def login(status: int, token: str, trouble: str = "") -> Rendered:
    """The login form. ``token`` must come back with it; ``trouble``: why it is shown again."""
    told = f'<p class="bad">{escape(trouble)}</p>\n' if trouble else ""
    return _page(
        status,
        "Log in",
        f"""{told}<form method="post" action="/login"><input type="hidden" name="token" value="{escape(token)}">
<p><label>API key <input type="password" name="key" autocomplete="current-password" required autofocus></label>
<button>Log in</button></p></form>""",
    )


def _page(status: int, title: str, body: str) -> Rendered:
    return Rendered(status, _PAGE.format(title=escape(title), style=_STYLE, body=body).encode(), ())
