"""``antigravity-proxy healthcheck``: for containers without curl. The standard library alone: it must start fast."""

from __future__ import annotations

import http.client
import sys
import urllib.error
from collections.abc import Mapping

from antigravity_proxy.operator.asking import on_this_machine, one_line, opener

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
