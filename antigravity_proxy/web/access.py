"""The access log: one line for each request, written straight to the log's stream.

It takes its own way because it is written for every request: an event through the logger costs more than decoding the
request. Nothing in it comes from the client but the method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from msgspec import Struct, json

from antigravity_proxy.logs import timestamp


class Entry(Struct, frozen=True):
    """What is told of one request. ``ms`` is the time until its end; ``account`` is an opaque id."""

    method: str
    operation: str
    status: int
    ms: int
    model: str
    account: str
    attempts: int
    id: str


class AccessLog:
    """Writes entries as ``text`` or ``json``; with ``out`` None it writes nothing."""

    def __init__(self, out: TextIO | None, form: str, epoch: Callable[[], float]) -> None:
        self._out = out
        self._json = form == "json"
        self._epoch = epoch

    def write(self, entry: Entry) -> None:
        """Writes one line."""
        if self._out is None:
            return
        time = timestamp(self._epoch())
        if self._json:
            fields = json.encode(entry).decode()[1:]
            line = f'{{"time":"{time}","level":"info","logger":"access","message":"request",{fields}\n'
        else:
            line = (
                f"{time} info  access: {entry.method} {entry.operation} {entry.status} {entry.ms} ms "
                f"model={entry.model} account={entry.account} attempts={entry.attempts} {entry.id}\n"
            )
        try:
            self._out.write(line)
            self._out.flush()
        except (OSError, ValueError):  # nobody reads the log any more: no reason to stop serving
            self._out = None
