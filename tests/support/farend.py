"""An upstream that does what a test tells it, byte by byte; a thread for each connection."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: does what is to be done with a connection whose request has been read; it is closed then
Act = Callable[[socket.socket], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
_EVENT = b'data: {"response":{"candidates":[{"content":{"role":"model","parts":[{"text":"%b"}]}%b}]}}'


def event(text: str, *, last: bool = False, end: bytes = b"\r\n\r\n") -> bytes:
    """An event of an answer."""
    return _EVENT % (text.encode(), b',"finishReason":"STOP"' if last else b"") + end


def answer(
    status: bytes = b"200 OK", kind: bytes = b"text/event-stream", body: bytes = event("Hello", last=True)
) -> Act:
    """An act: a whole answer."""
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return lambda s: s.sendall(head % (status, kind, len(body)) + body)


class FarEnd:
    """``act`` may be changed at any time. ``requests`` counts what arrived, ``seen`` holds it; ``left`` says when each
    peer had gone.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.act: Act = lambda s: None
        self.requests = 0
        self.seen: list[bytes] = []
        self.left: list[float] = []
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_until_left(self, s: socket.socket) -> None:
        """For an act: sends nothing until the peer closes."""
        with suppress(OSError):
            while s.recv(65536):
                pass
        self.left.append(time.monotonic())

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, s: socket.socket) -> None:
        with s, suppress(OSError):
            seen = b""
            while b"\r\n\r\n" not in seen:
                seen += s.recv(65536)
            head, _, body = seen.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            while length and len(body) < int(length[1]):
                body += s.recv(65536)
            self.requests += 1
            self.seen.append(head + b"\r\n\r\n" + body)
            self.act(s)


@contextmanager
def far_end() -> Iterator[FarEnd]:
    """It listens while the context lasts."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield FarEnd(listener)
