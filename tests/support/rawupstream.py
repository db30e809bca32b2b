"""An upstream that says any bytes at all: for what no proper service would send. It blocks, in threads of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

#: what is done with a request: its head and body came whole; the connection is closed afterwards
Reply = Callable[[socket.socket, bytes], None]

EVENT = (
    b'data: {"response":{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},'
    b'"finishReason":"STOP"}]}}\r\n\r\n'
)


def answer(status: bytes = b"200 OK", content_type: bytes = b"text/event-stream", body: bytes = EVENT) -> Reply:
    """A whole answer."""
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (status, content_type, len(body))
    return lambda s, _: s.sendall(head + body)


class RawUpstream:
    """Listens, on a free port if none is given; ``reply`` may be replaced. ``requests`` holds all that arrived."""

    def __init__(self, reply: Reply | None = None, port: int = 0) -> None:
        self.reply = reply or answer()
        self.requests: list[bytes] = []
        #: connections that the daemon closed before the answer's end
        self.cut = 0
        self._listener = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Listens no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                request = _whole(connection)
                if not request:
                    return
                self.requests.append(request)
                self.reply(connection, request)
            except OSError:
                self.cut += 1


def _whole(connection: socket.socket) -> bytes:
    """The next request, head and body; empty at the connection's end."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        if not piece:
            return b""
        got += piece
    head = got.partition(b"\r\n\r\n")[0]
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
    while len(got) < len(head) + 4 + length:
        piece = connection.recv(65536)
        if not piece:
            return b""
        got += piece
    return got
