"""The access log: one line for each API request, written straight to the log's stream.

It takes its own way because it is written for every request: an event through the logger costs more than decoding the
request. Never a word of a prompt or an answer; what a client may choose freely is escaped and cut.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from msgspec import json
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from antigravity_proxy.logs import BEYOND, Output, clean, timestamp
from antigravity_proxy.telemetry.bucket import Bucket
from antigravity_proxy.telemetry.record import Record

#: lines a second, and at once, for requests that cost their senders nothing: refused, or gone before an attempt
_CHEAP_RATE, _CHEAP_BURST = 10.0, 50.0
_LONGEST_NAME = 128
#: characters of a client's own name that are looked at
_LONGEST_KEPT = _LONGEST_NAME + BEYOND
#: seconds within which lines are written together
WRITTEN_TOGETHER = 0.1
_PLAIN = re.compile(r"[^\s\"'=\\]+")


class AccessLog:
    """Writes records as ``text`` or ``json``. An observer of the ledger.

    ``epoch`` is the wall clock in epoch seconds. With ``detailed`` upstream's own ids of the attempts are logged
    too. Of very many refused requests only some are written; the next line has the number of the others;
    ``left_out`` counts them all. With a ``clock`` lines that come soon after one another are written together, and
    ``stop`` ends that.
    """

    def __init__(
        self,
        out: Output,
        form: str,
        epoch: Callable[[], float],
        *,
        detailed: bool = False,
        clock: IReactorTime | None = None,
    ) -> None:
        self._clock = clock
        self._flushing: IDelayedCall | None = None
        self._out = out
        self._render = _as_json if form == "json" else _as_text
        self._epoch = epoch
        self._detailed = detailed
        self._cheap = Bucket(_CHEAP_RATE, _CHEAP_BURST)
        self._left_out = 0
        self.left_out = 0

    def __call__(self, record: Record) -> None:
        """Writes one line."""
        if not record.attempts and record.status >= 400 and not self._cheap.take(record.began + record.duration):
            self._left_out += 1
            self.left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        if self._clock is None:
            self._out.write(self._render(self._epoch(), record, left_out, self._detailed))
            return
        self._out.write_soon(self._render, self._epoch(), record, left_out, self._detailed)
        if self._flushing is None:
            self._flushing = self._clock.callLater(WRITTEN_TOGETHER, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        self._out.flush()

    def stop(self) -> None:
        """Writes what waits; each further line at once."""
        self._clock = None
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            flushing.cancel()
            self._out.flush()


def _as_text(ended: float, record: Record, left_out: int, detailed: bool) -> str:
    attempts = record.attempts
    served_at_once = len(attempts) == 1 and not attempts[0].reason
    failed = "" if served_at_once else ",".join([attempt.reason for attempt in attempts if attempt.reason])
    traces = [_clean(each.upstream_trace) for each in attempts] if detailed else None
    first = "-" if record.first_byte is None else round(record.first_byte * 1000)
    account = attempts[-1].account if attempts else ""
    return (
        f"{timestamp(ended)} info  access: {record.method} {record.dialect} {record.operation} {record.status} "
        f"{round(record.duration * 1000)} ms first={first} bytes={record.bytes_out} "
        f"tokens={record.tokens_in}/{record.tokens_out} "
        f"{_served(record.asked[:_LONGEST_KEPT], record.model, record.upstream, account)} "
        f"attempts={len(attempts)}{f' failed={failed}' if failed else ''}"
        f"{f' error={record.error}' if record.error else ''}{' stream' if record.streamed else ''}"
        f"{' left' if record.client_left else ''} {_asking(record.client, record.key)} {record.id}"
        f"{f' trace={record.trace.id}' if record.trace else ''}"
        f"{f' upstream={_name(_list(traces))}' if traces else ''}"
        f"{f' ({left_out} refused before it are not shown)' if left_out else ''}\n"
    )


@functools.lru_cache(maxsize=512)
def _served(asked: str, model: str, upstream: str, account: str) -> str:
    return f"asked={_name(asked)} model={_name(model)} via={upstream or '-'} account={_name(account)}"


@functools.lru_cache(maxsize=512)
def _asking(client: str, key: str) -> str:
    return f"client={_name(client)} key={_name(key)}"


def _as_json(ended: float, record: Record, left_out: int, detailed: bool) -> str:
    fields: dict[str, Any] = {
        "time": timestamp(ended),
        "level": "info",
        "logger": "access",
        "message": "request",
        "id": record.id,
        "method": record.method,
        "dialect": record.dialect,
        "operation": record.operation,
        "status": record.status,
        "error": record.error,
        "ms": _ms(record.duration),
        "first_byte_ms": None if record.first_byte is None else _ms(record.first_byte),
        "bytes": record.bytes_out,
        "tokens_in": record.tokens_in,
        "tokens_out": record.tokens_out,
        "asked": _clean(record.asked[:_LONGEST_KEPT]),
        "model": _clean(record.model),
        "via": record.upstream,
        "account": _clean(record.account),
        "attempts": len(record.attempts),
        "failed": [attempt.reason for attempt in record.attempts if attempt.reason],
        "stream": record.streamed,
        "left": record.client_left,
        "client": _clean(record.client),
        "key": _clean(record.key),
    }
    if record.trace:
        fields["trace"] = record.trace.id
    if detailed and record.attempts:
        fields["upstream"] = [_clean(each.upstream_trace) for each in record.attempts]
    if left_out:
        fields["not_shown"] = left_out
    return json.encode(fields).decode() + "\n"


def _list(words: list[str]) -> str:
    return ",".join(word or "-" for word in words)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _name(text: str) -> str:
    """A name in a text line: a word, or quoted so that it can't pass for other fields."""
    shown = _clean(text)
    return shown if _PLAIN.fullmatch(shown) else json.encode(shown).decode() if shown else "-"


@functools.lru_cache(maxsize=512)
def _clean(text: str) -> str:
    return clean(text, _LONGEST_NAME)
