"""A browser as far as sign-ins need one: cookies by host, redirects one at a time, forms. It blocks."""

from __future__ import annotations

import http.client
import re
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from support.stack import Answer


class Browser:
    """Keeps cookies by host name (ports don't matter to cookies), and follows no redirect by itself."""

    def __init__(self) -> None:
        self.cookies: dict[str, dict[str, str]] = {}

    def get(self, url: str, **headers: str) -> Answer:
        """One GET."""
        return self.request("GET", url, None, headers)

    def post(self, url: str, fields: dict[str, Any], **headers: str) -> Answer:
        """One POST of a form."""
        sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        return self.request("POST", url, urlencode(fields).encode(), sent)

    def request(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url)
        jar = self.cookies.setdefault(parts.hostname or "", {})
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        connection = http.client.HTTPConnection(f"127.0.0.1:{parts.port}", timeout=20)
        try:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request(method, target, body, {"Host": parts.netloc} | sent)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        for field in answer.headers.get_all("set-cookie", ()):
            for name, morsel in SimpleCookie(field).items():
                if morsel["max-age"] == "0":
                    jar.pop(name, None)
                else:
                    jar[name] = morsel.value
        return answer


def hidden(answer: Answer) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)" ?/?>', answer.body.decode())
    return {unescape(name): unescape(value) for name, value in found}


def consent(browser: Browser, url: str, decision: str = "allow") -> str:
    """At the provider: opens its page, decides; gives the URL that the browser is sent back to."""
    page = browser.get(url)
    assert page.status == 200, page.body
    parts = urlsplit(url)
    answer = browser.post(f"{parts.scheme}://{parts.netloc}/auth", hidden(page) | {"decision": decision})
    assert answer.status == 302
    return str(answer.headers["location"])
