"""``antigravity-proxy``: the operator's command. Each sub-command is a function that returns the exit status."""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

from antigravity_proxy import __version__

#: seconds that a health check may take
HEALTH_TIMEOUT = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a sub-command; returns its exit status (2 for a wrong command line)."""
    parser = argparse.ArgumentParser(prog="antigravity-proxy", description="Operates antigravity-proxy.")
    parser.add_argument("--version", action="version", version=f"antigravity-proxy {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="the real daemon on a simulated Google: no account, no network")
    demo.add_argument("--port", type=_port, default=8045, help="the API's port (default: %(default)s; 0: a free one)")
    demo.set_defaults(run=_demo)

    health = commands.add_parser("healthcheck", help="asks /health; exit status 0 when it is well, else 1")
    health.add_argument("--url", help="the page to ask (default: /health at PROXY_HOST and PROXY_PORT)")
    health.set_defaults(run=_healthcheck)

    given = parser.parse_args(argv)
    status: int = given.run(given)
    return status


def _demo(given: argparse.Namespace) -> int:
    from antigravity_proxy.demo import run

    return run(given.port)


def _healthcheck(given: argparse.Namespace) -> int:
    """Exit status 0 when the page answers 200, else 1 and one line that says why."""
    url = given.url or _health_url()
    # no proxy of the environment's: it is for the way to Google, and couldn't reach a loopback address here
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=HEALTH_TIMEOUT) as answer:
            if answer.status == 200:
                return 0
            reason = f"answered {answer.status}"
    except urllib.error.HTTPError as e:
        reason = f"answered {e.code}: {e.read(2000).decode('utf-8', 'replace')}"
    except (OSError, ValueError) as e:
        reason = f"can't be reached: {getattr(e, 'reason', e)}"
    except http.client.HTTPException:
        reason = "can't be reached: what answers there does not speak HTTP"
    # whatever answered there: its words are one line here, and do nothing to the terminal
    printable = "".join(c if c.isprintable() else " " for c in reason)
    sys.stderr.write(f"{url} {' '.join(printable.split())}\n")
    return 1


def _health_url() -> str:
    host = os.environ.get("PROXY_HOST", "").strip() or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{os.environ.get('PROXY_PORT', '').strip() or 8045}/health"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
