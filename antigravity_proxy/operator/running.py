"""What the running daemon has found, as its ``/health`` says: refusals, drift and bans are known to it alone."""

from __future__ import annotations

import http.client
import urllib.error
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from antigravity_proxy.operator.finding import Finding
from antigravity_proxy.operator.healthcheck import on_this_machine, one_line, opener
from antigravity_proxy.settings.table import Settings

#: seconds that the daemon may take, bytes of its answer, and warnings that are read of it
_PATIENCE, _LONGEST, _MOST = 3.0, 1 << 20, 50


class _Health(Struct):
    status: str
    warnings: list[str] = []


async def findings(settings: Settings) -> list[Finding]:
    """The daemon's warnings, or why they are not known."""
    url = f"http://{on_this_machine(settings.host)}:{settings.port}/health"
    asking: Deferred[Any] = deferToThread(_ask, url)
    health: _Health | None = await asking
    if health is None:
        return [Finding("daemon", "ok", f"no daemon answers at {url}: what a running one has found is not known")]
    return [Finding("daemon", "ok", f"answers at {url}: {one_line(health.status[:32])}"), *_warnings(health)]


def _warnings(health: _Health) -> Iterator[Finding]:
    for text in health.warnings[:_MOST]:
        yield Finding("daemon", "warning", one_line(text))


def _ask(url: str) -> _Health | None:
    try:
        with opener().open(url, timeout=_PATIENCE) as answer:
            body = answer.read(_LONGEST)
    except urllib.error.HTTPError as e:
        with e:
            body = e.read(_LONGEST)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    try:
        return msgspec.json.decode(body, type=_Health)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
