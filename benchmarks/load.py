"""A load generator in a process of its own: closed loops and streams over raw sockets. Prints one JSON line.

    python benchmarks/load.py --port 8045 --path /v1/chat/completions --body body.json --connections 16 --seconds 3

Each connection sends its next request when the last answer has ended, until ``--seconds`` have passed or it has sent
``--requests``. ``--ramp`` opens that many connections a second. Times are in microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from typing import Any

_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)


class Totals:
    """What all connections saw."""

    def __init__(self) -> None:
        self.ok = self.failed = self.events = self.bytes = 0
        self.first_byte_us: list[int] = []
        self.first_error = ""

    def fail(self, why: str) -> None:
        self.failed += 1
        self.first_error = self.first_error or why


class Connection(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, request: bytes, until: float, requests: int, totals: Totals) -> None:
        self._request, self._until, self._left = request, until, requests
        self._totals = totals
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if self._first:
            self._first = False
            self._head += data
            if b"\r\n\r\n" not in self._head:
                self._first = True
                return
            self._totals.first_byte_us.append(round((time.perf_counter() - self._sent) * 1e6))
            head, _, data = self._head.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                self._finish(head.split(b"\r\n", 1)[0].decode("latin-1") + " " + data[:200].decode("latin-1"))
                return
            length = _LENGTH.search(head)
            self._length = int(length[1]) if length else -1
        self._got += len(data)
        if self._length >= 0:
            if self._got >= self._length:
                self._finish("")
            return
        self._events += data.count(b"data: ")
        self._tail = (self._tail + data)[-32:]
        if self._tail.endswith(b"\r\n0\r\n\r\n"):
            self._finish("")

    def connection_lost(self, error: Exception | None) -> None:
        if self._answering:
            self._totals.fail(f"connection lost: {error}")
        if not self.done.done():
            self.done.set_result(None)

    def _next(self) -> None:
        if self._left == 0 or time.perf_counter() > self._until:
            self._transport.close()
            return
        self._left -= 1
        self._first, self._answering = True, True
        self._head = self._tail = b""
        self._got = self._events = 0
        self._length = -1
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def _finish(self, error: str) -> None:
        self._answering = False
        if error:
            self._totals.fail(error)
        else:
            self._totals.ok += 1
            self._totals.events += self._events
            self._totals.bytes += self._got
        self._next()


async def run(o: argparse.Namespace) -> Totals:
    with open(o.body, "rb") as f:
        body = f.read()
    head = (
        f"POST {o.path} HTTP/1.1\r\nHost: 127.0.0.1:{o.port}\r\nAuthorization: Bearer {o.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request, totals = head.encode() + body, Totals()
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + o.seconds
    waiting = []
    for i in range(o.connections):
        if o.ramp and i:
            await asyncio.sleep(1 / o.ramp)
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(request, until, o.requests, totals), "127.0.0.1", o.port
            )
        except OSError as e:
            totals.fail(f"refused: {e}")
        else:
            waiting.append(connection.done)
    await asyncio.gather(*waiting)
    return totals


def main() -> None:
    a = argparse.ArgumentParser()
    a.add_argument("--port", type=int, required=True)
    a.add_argument("--path", required=True)
    a.add_argument("--body", required=True)
    a.add_argument("--key", default="")
    a.add_argument("--connections", type=int, default=1)
    a.add_argument("--seconds", type=float, default=3600)
    a.add_argument("--requests", type=int, default=-1, help="per connection; -1: until the seconds are over")
    a.add_argument("--ramp", type=float, default=0)
    o = a.parse_args()
    began = time.perf_counter()
    totals = asyncio.run(run(o))
    times = sorted(totals.first_byte_us)
    print(
        json.dumps(
            {
                "ok": totals.ok,
                "failed": totals.failed,
                "events": totals.events,
                "seconds": round(time.perf_counter() - began, 3),
                "first_byte_us_p50": times[len(times) // 2] if times else None,
                "first_byte_us_p99": times[len(times) * 99 // 100] if times else None,
                "first_error": totals.first_error,
            }
        )
    )


if __name__ == "__main__":
    main()
