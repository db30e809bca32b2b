"""How the command asks the daemon over HTTP. The standard library alone: a health check must start fast."""

from __future__ import annotations

import urllib.request


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is asked may carry a key: that is shown to nobody but whom it is meant for."""

    def redirect_request(self, *args: object) -> None:
        return None


def opener() -> urllib.request.OpenerDirector:
    """Opens URLs with no proxy of the environment's: it is for the way to Google, and couldn't reach a loopback."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def on_this_machine(host: str) -> str:
    """The host of a URL for an address that is listened on, as seen from the same machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - asked, not bound


def one_line(text: str) -> str:
    """What somebody else wrote as one line that does nothing to the terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
