"""The log: one event a line, as text or JSON, with nothing in it that must not be shown.

Types that hide themselves (``secret.Secret``) are the first defence; the patterns here are the second net.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from zope.interface import implementer

from antigravity_proxy.secret import LOOKS_PRIVATE

log = Logger()

_SECRETS = re.compile(LOOKS_PRIVATE)
#: what shows nothing, or changes how the rest is shown: Unicode's categories Cc, Cf, Cs, Zl and Zp
_INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
#: characters of a message, and of a traceback; what is longer is cut
_LONGEST_MESSAGE, _LONGEST_TRACEBACK = 4096, 16_384
#: characters beyond a cut that are looked at, so that no half of a secret stays before it
BEYOND = 2048
#: fields of an event that the JSON form shows besides the message
EVENT_FIELDS = frozenset(
    {
        "account",
        "attempts",
        "cause",
        "delay",
        "id",
        "kind",
        "method",
        "model",
        "ms",
        "operation",
        "reason",
        "scope",
        "status",
    }
)
_LEVELS = {"debug": LogLevel.debug, "info": LogLevel.info, "warn": LogLevel.warn, "error": LogLevel.error}


def redact(text: str) -> str:
    """The text without tokens, keys and addresses."""
    return _SECRETS.sub("[hidden]", text)


def one_line(text: str) -> str:
    """The text with all invisible characters escaped: nobody can forge a line of the log, nor how it reads."""
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def clean(text: str, longest: int) -> str:
    """Foreign text as a line of the log may show it: cut to ``longest`` characters, escaped, without secrets.

    Costs no more for a longer text.
    """
    shown = redact(one_line(text[: longest + BEYOND]))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


#: lines that wait to be written together
MOST_WAITING = 256


class Output:
    """The output of log lines: stdout, or a file. A reader that is gone, or a full disk, does not stop the daemon.

    ``path`` None: the present stdout. Raises OSError for a file that can't be written.
    """

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else os.path.abspath(path)  # twistd changes its directory
        self._out: TextIO = sys.stdout if path is None else _appended(path)
        self._waiting: deque[tuple[Callable[..., str], tuple[Any, ...]]] = deque()  # other threads log too
        atexit.register(self.flush)

    def write(self, line: str) -> None:
        """Writes a line, which ends with a line break, behind those that wait."""
        self._waiting.append((str, (line,)))
        self.flush()

    def write_soon(self, line: Callable[..., str], *args: Any) -> None:
        """Keeps a line for the next ``flush``, which somebody has to see to: many together cost one system call.

        It is made there too, by ``line(*args)``: many one after the other cost less.
        """
        self._waiting.append((line, args))
        if len(self._waiting) >= MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        lines: list[str] = []
        with suppress(IndexError):  # another thread may take the last one
            while self._waiting:
                line, args = self._waiting.popleft()
                try:
                    lines.append(line(*args))
                except Exception as e:
                    lines.append(f"a line could not be made: {type(e).__name__}\n")
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except (OSError, ValueError):
            return

    def reopen(self) -> None:
        """Reopens the file: the old one may have been moved away. If that fails, the old one stays in use."""
        self.flush()
        if self._path is None:
            return
        try:
            fresh = _appended(self._path)
        except OSError as e:
            log.error("{path} can't be reopened: {reason}", path=self._path, reason=e.strerror)
            return
        self._out.close()
        self._out = fresh


def _appended(path: str) -> TextIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    return open(descriptor, "a", encoding="utf-8", errors="backslashreplace")


def observer(out: Output, level: str, form: str) -> ILogObserver:
    """An observer that writes events of at least ``level`` to ``out``, as ``text`` or ``json``."""
    render = _as_json if form == "json" else _as_text
    predicate = LogLevelFilterPredicate(defaultLogLevel=_LEVELS[level])
    if level == "info":  # Twisted logs every connection that it makes
        for namespace in ("twisted", "log_legacy"):
            predicate.setLogLevelForNamespace(namespace, LogLevel.warn)
    found: ILogObserver = FilteringLogObserver(_Writer(out, render), [predicate])
    return found


@implementer(ILogObserver)
class _Writer:
    def __init__(self, out: Output, render: Callable[[LogEvent], str]) -> None:
        self._out = out
        self._render = render

    def __call__(self, event: LogEvent) -> None:
        self._out.write(self._render(event) + "\n")


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
    for name in EVENT_FIELDS & event.keys():
        value = event[name]
        fields[name] = value if isinstance(value, int | float | bool | None) else clean(str(value), _LONGEST_MESSAGE)
    if trace := _traceback(event):
        fields["traceback"] = trace
    return msgspec.json.encode(fields, order="deterministic").decode()


def timestamp(epoch: float) -> str:
    """Epoch seconds as every line shows them: UTC, with milliseconds."""
    whole = int(epoch)
    return "%s.%03dZ" % (_second(whole), (epoch - whole) * 1000)  # noqa: UP031 - in half the time


@functools.lru_cache(maxsize=4)
def _second(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(event: LogEvent) -> str:
    return timestamp(event.get("log_time", 0.0))


def _message(event: LogEvent) -> str:
    return clean(formatEvent(event), _LONGEST_MESSAGE)


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return clean(failure.getTraceback(), _LONGEST_TRACEBACK) if failure is not None else ""
