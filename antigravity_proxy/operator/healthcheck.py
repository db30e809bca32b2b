"""``antigravity-proxy healthcheck``: for containers without curl. The standard library alone: it must start fast.

Only where the environment names no port are the settings resolved as the daemon does, ``gui_config.json`` among them.
"""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

#: seconds that a health check may take
PATIENCE = 5.0


#: how the daemon names itself in ``Server``
_NAME = "antigravity-proxy"


def run(url: str, *, ours: bool = False) -> int:
    """Exit status 0 when the page answers 200, else 1 and one line that says why.

    ``ours``: whether it must be this daemon that answers, and not somebody else who has the port.
    """
    try:
        with opener().open(url, timeout=PATIENCE) as answer:
            named, reason = answer.headers.get("Server"), f"answered {answer.status}"
            if answer.status == 200 and (named == _NAME or not ours):
                return 0
    except urllib.error.HTTPError as e:
        with e:
            named, reason = e.headers.get("Server"), f"answered {e.code}: {e.read(2000).decode('utf-8', 'replace')}"
    except (OSError, ValueError) as e:
        named, reason = _NAME, f"can't be reached: {getattr(e, 'reason', e)}"
    except http.client.HTTPException:
        named, reason = _NAME, "can't be reached: what answers there does not speak HTTP"
    if ours and named != _NAME:
        reason = f"is not {_NAME}'s: another program has that port. Does the daemon run, and is PROXY_PORT its port?"
    sys.stderr.write(f"{url} {one_line(reason)}\n")
    return 1


def default_url(environ: Mapping[str, str], resolved: Callable[[], tuple[str, int]]) -> str:
    """``/health`` where the daemon listens, as seen from the same machine.

    ``resolved`` gives address and port by all settings; it is asked only where the environment names no port.
    """
    host, port = environ.get("PROXY_HOST", "").strip() or "127.0.0.1", environ.get("PROXY_PORT", "").strip()
    if not port:
        host, number = resolved()
        port = str(number)
    return f"http://{on_this_machine(host)}:{port}/health"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a key in the request is meant for its own server only."""

    def redirect_request(self, *args: object) -> None:
        return None


def opener() -> urllib.request.OpenerDirector:
    """Opens URLs without the environment's proxy, which is meant for Google and couldn't reach a loopback address."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def on_this_machine(host: str) -> str:
    """The host of a URL for an address that is listened on, as seen from the same machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - asked, not bound


def one_line(text: str) -> str:
    """Foreign text as one line without terminal control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
