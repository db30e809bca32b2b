"""Which fields the running daemon leaves out of requests, since a model refused them: asked of its metrics."""

from __future__ import annotations

from typing import Any

import treq
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import CancelledError, Deferred
from twisted.web.client import Agent

from antigravity_proxy.operator.finding import Finding
from antigravity_proxy.operator.healthcheck import on_this_machine, one_line
from antigravity_proxy.settings.table import Settings

#: seconds that the daemon may take to answer
PATIENCE = 5.0
#: bytes of an answer, fields that are listed, characters of a name
_LONGEST, _MOST, _SHOWN = 4 << 20, 20, 100
_METRIC = "antigravity_fields_left_out"


async def fields_left_out(reactor: Any, settings: Settings) -> Finding:
    """The report of the daemon on this machine.

    That it can't be asked is reported, but is no error: it may not run yet.
    """
    url = f"http://{on_this_machine(settings.host)}:{settings.port}/metrics"
    asking: Deferred[Any] = Agent(reactor, connectTimeout=PATIENCE).request(b"GET", url.encode("latin-1", "replace"))
    try:
        response = await asking.addTimeout(PATIENCE, reactor)
        body = await _read(response).addTimeout(PATIENCE, reactor)
        if response.code != 200:
            return _unknown(url, f"it answered {response.code}")
        found = _listed(body.decode("utf-8", "replace"))
    except CancelledError:
        raise
    except Exception as e:  # of any kind: whatever listens there, or doesn't
        return _unknown(url, one_line(str(e))[:_SHOWN] or type(e).__name__)
    if not found:
        return Finding("fields", "ok", "no model of the running daemon refuses a field now")
    shown = "; ".join(found[:_MOST]) + ("; …" if len(found) > _MOST else "")
    return Finding("fields", "ok", f"left out for an hour, since the model refused them: {shown}")


def _listed(text: str) -> list[str]:
    """``model: field`` of each; raises ValueError for text that is not metrics."""
    return [
        f"{one_line(sample.labels['model'])[:_SHOWN]}: {one_line(sample.labels['field'])[:_SHOWN]}"
        for family in text_string_to_metric_families(text)
        if family.name == _METRIC
        for sample in family.samples
    ]


def _unknown(url: str, reason: str) -> Finding:
    words = f"not known which are left out of requests: no daemon can be asked at {url} ({reason})"
    return Finding("fields", "ok", words)


def _read(response: Any) -> Deferred[bytes]:
    """The body, as long as its size is reasonable."""
    pieces: list[bytes] = []
    size = 0

    def take(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size > _LONGEST:
            raise ValueError("its answer is too long")
        pieces.append(data)

    reading: Deferred[Any] = treq.collect(response, take)
    return reading.addCallback(lambda _: b"".join(pieces))
