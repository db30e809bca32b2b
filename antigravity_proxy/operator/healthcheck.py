"""``antigravity-proxy healthcheck``: for containers without curl. The standard library alone: it must start fast."""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

#: seconds that a health check may take
PATIENCE = 5.0


def run(url: str) -> int:
    """Exit status 0 when the page answers 200, else 1 and one line that says why."""
    try:
        with opener().open(url, timeout=PATIENCE) as answer:
            if answer.status == 200:
                return 0
            reason = f"answered {answer.status}"
    except urllib.error.HTTPError as e:
        reason = f"answered {e.code}: {e.read(2000).decode('utf-8', 'replace')}"
    except (OSError, ValueError) as e:
        reason = f"can't be reached: {getattr(e, 'reason', e)}"
    except http.client.HTTPException:
        reason = "can't be reached: what answers there does not speak HTTP"
    sys.stderr.write(f"{url} {one_line(reason)}\n")
    return 1


def default_url(environ: Mapping[str, str]) -> str:
    """``/health`` where the daemon listens by these settings, as seen from the same machine."""
    host = environ.get("PROXY_HOST", "").strip() or "127.0.0.1"
    return f"http://{on_this_machine(host)}:{environ.get('PROXY_PORT', '').strip() or 8045}/health"


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
