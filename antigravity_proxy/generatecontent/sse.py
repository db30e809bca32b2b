"""Incremental decoder of server-sent events: bytes in, `data` payloads out, however the bytes were cut. Pure.

Only what upstream sends is kept: `data` lines. Comments and other fields are skipped (upstream.md 5.2, WHATWG HTML
"Server-sent events" for the line grammar).
"""

from __future__ import annotations

from antigravity_proxy.canonical.wire import EventTooLargeError

#: bytes that keeping a line takes, however short it is: many short ones count too
_LINE_COST = 48
#: one event may carry a generated image of many MB, but not more than this (upstream.md 5.2)
MAX_EVENT_BYTES = 64 << 20


class SSEDecoder:
    """Feed it the body as it arrives; each call returns the payloads completed by it.

    Lines may end in LF, CRLF or CR, and the bytes may be cut anywhere, even between CR and LF or within a UTF-8
    sequence. Work is linear in the bytes fed: an unfinished line is never scanned twice.
    """

    __slots__ = ("_data", "_data_size", "_limit", "_pending", "_pending_size", "_skip_lf")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._pending: list[bytes] | None = None  # pieces of the unfinished line; made when there is one
        self._data: list[bytes] | None = None  # data lines of the unfinished event
        self._data_size = 0
        self._pending_size = 0
        self._skip_lf = False

    def feed(self, data: bytes) -> list[bytes]:
        """Takes the next bytes, returns the payloads of the events they complete.

        Raises EventTooLargeError when an unfinished event exceeds the limit.
        """
        if self._pending or self._data or self._skip_lf:
            return self._feed(data, [])
        # what upstream sends as a rule: whole events of one line
        events: list[bytes] = []
        place, end = 0, len(data)
        while place < end:
            stop = data.find(b"\r", place)
            if (
                data[stop : stop + 4] != b"\r\n\r\n"
                or not data.startswith(b"data: ", place)
                or data.find(b"\n", place, stop) >= 0
            ):
                return self._feed(data[place:], events)
            events.append(data[place + 6 : stop])
            place = stop + 4
        return events

    def _feed(self, data: bytes, events: list[bytes]) -> list[bytes]:
        """The same for any lines: adds the payloads to ``events``, and returns that."""
        if self._skip_lf:
            if not data:
                return events
            self._skip_lf = False
            if data[0] == 10:
                data = data[1:]
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end:
            if data:
                self._hold(data)
            return events
        self._skip_lf = data[-1:] == b"\r"
        block = data if end == len(data) else data[:end]
        if self._pending:
            self._pending.append(block)
            block = b"".join(self._pending)
            self._pending = None
            self._pending_size = 0
        lines, self._data = self._data or [], None
        for line in block.splitlines():
            if not line:
                if lines:
                    events.append(lines[0] if len(lines) == 1 else b"\n".join(lines))
                    lines = []
                    self._data_size = 0
            elif line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                lines.append(value)
                self._data_size += len(value) + _LINE_COST
                if self._data_size > self._limit:
                    self._too_large()
        self._data = lines or None
        if end != len(data):
            self._hold(data[end:])
        return events

    def close(self) -> list[bytes]:
        """The end of the body: returns what was buffered, since the last event may lack its empty line."""
        return self._feed(b"\n\n", []) if self._pending or self._data else []

    def _hold(self, data: bytes) -> None:
        if self._pending is None:
            self._pending = [data]
        else:
            self._pending.append(data)
        self._pending_size += len(data) + _LINE_COST
        if self._data_size + self._pending_size > self._limit:
            self._too_large()

    def _too_large(self) -> None:
        self._pending = self._data = None  # who keeps the error must not keep these
        raise EventTooLargeError(f"an event of more than {self._limit} bytes")
