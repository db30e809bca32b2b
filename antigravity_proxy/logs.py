"""The log: one event a line to stdout, as text or JSON, with nothing in it that must not be shown.

Types that hide themselves (``secret.Secret``) are the first defence; the patterns here are the second net.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from zope.interface import implementer

_SECRETS = re.compile(
    r"ya29\.[\w.-]+|1//[\w-]+|(?<=Bearer )\S+|AIza[\w-]+|sk-[\w-]{8,}|(?<=[?&]key=)[^&\s]+"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: fields of an event that the JSON form shows besides the message
_SHOWN = frozenset(
    {
        "account",
        "attempts",
        "delay",
        "id",
        "kind",
        "method",
        "model",
        "ms",
        "operation",
        "reason",
        "row",
        "scope",
        "status",
    }
)
_LEVELS = {"debug": LogLevel.debug, "info": LogLevel.info, "warn": LogLevel.warn, "error": LogLevel.error}


def redact(text: str) -> str:
    """The text without tokens, keys and addresses."""
    return _SECRETS.sub("[hidden]", text)


def one_line(text: str) -> str:
    """The text with control characters escaped: nobody can forge a line of the log."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def observer(out: TextIO, level: str, form: str) -> ILogObserver:
    """An observer that writes events of at least ``level`` to ``out``, as ``text`` or ``json``."""
    render = _as_json if form == "json" else _as_text
    predicate = LogLevelFilterPredicate(defaultLogLevel=_LEVELS[level])
    if level == "info":  # Twisted tells of every connection that it makes
        for namespace in ("twisted", "log_legacy"):
            predicate.setLogLevelForNamespace(namespace, LogLevel.warn)
    found: ILogObserver = FilteringLogObserver(_Writer(out, render), [predicate])
    return found


@implementer(ILogObserver)
class _Writer:
    def __init__(self, out: TextIO, render: Callable[[LogEvent], str]) -> None:
        self._out = out
        self._render = render

    def __call__(self, event: LogEvent) -> None:
        try:
            self._out.write(self._render(event) + "\n")
            self._out.flush()
        except (OSError, ValueError):  # nobody reads the log any more: no reason to stop serving
            return


def _as_text(event: LogEvent) -> str:
    level = event.get("log_level", LogLevel.info).name
    line = f"{_time(event)} {level:5} {event.get('log_namespace', '-')}: {_message(event)}"
    trace = _traceback(event)
    return f"{line} | {trace}" if trace else line


def _as_json(event: LogEvent) -> str:
    fields: dict[str, Any] = {
        "time": _time(event),
        "level": event.get("log_level", LogLevel.info).name,
        "logger": event.get("log_namespace", "-"),
        "message": _message(event),
    }
    for name in _SHOWN & event.keys():
        value = event[name]
        fields[name] = value if isinstance(value, int | float | bool | None) else redact(one_line(str(value)))
    if trace := _traceback(event):
        fields["traceback"] = trace
    return msgspec.json.encode(fields, order="deterministic").decode()


def timestamp(epoch: float) -> str:
    """Epoch seconds as every line shows them: UTC, with milliseconds."""
    whole = int(epoch)
    return f"{_second(whole)}.{int((epoch - whole) * 1000):03}Z"


@functools.lru_cache(maxsize=4)
def _second(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(event: LogEvent) -> str:
    return timestamp(event.get("log_time", 0.0))


def _message(event: LogEvent) -> str:
    return redact(one_line(formatEvent(event)))


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return redact(one_line(failure.getTraceback())) if failure is not None else ""
