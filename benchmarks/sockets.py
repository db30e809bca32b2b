"""What an event of the Responses API costs the daemon over a WebSocket, beside the same event over SSE.

    python benchmarks/sockets.py [--rounds 5]

Daemon, simulated upstream and this client are processes of their own; the daemon's CPU time is read from /proc. Both
ways take turns, the same requests each; prints the median of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from pathlib import Path

from bench import KEY, Bench

CONNECTIONS = 16
#: by name: the responses on each connection, the events of one, and the milliseconds between two
PACES = {"paced": (10, 20, 20), "burst": (10, 200, 0)}
BODY = {"model": "gemini-3-flash", "input": "Hello, say something.", "store": False}


def _framed(text: bytes) -> bytes:
    """A client's text frame, masked with zeros (RFC 6455, 5.2)."""
    length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + text


async def _over_socket(port: int, requests: int) -> int:
    """So many responses on one socket, one after another; the count of their events."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {KEY}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head, head
    events = 0
    for _ in range(requests):
        writer.write(_framed(json.dumps({"type": "response.create", **BODY}).encode()))
        kind = b""
        while kind != b"response.completed":
            first, length = await reader.readexactly(2)
            if length > 125:
                length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
            payload = await reader.readexactly(length)
            if first == 0x81:
                events += 1
                kind = payload[9 : payload.index(b'"', 9)]  # {"type":"…
                assert kind not in (b"error", b"response.failed"), payload
    writer.close()
    return events


async def _over_sse(port: int, requests: int) -> int:
    """The same by POST on one kept connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"stream": True, **BODY}).encode()
    head = (
        f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    events = 0
    for _ in range(requests):
        writer.write(head.encode() + body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        size = -1
        while size:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            events += (await reader.readexactly(size + 2)).count(b"data: ")
    writer.close()
    return events


WAYS = {"SSE": _over_sse, "WebSocket": _over_socket}


def measure(bench: Bench, way: str, requests: int) -> float:
    """Microseconds of the daemon's CPU for an event."""

    async def all_at_once() -> int:
        return sum(await asyncio.gather(*(WAYS[way](bench.port, requests) for _ in range(CONNECTIONS))))

    before = bench.daemon.cpu_ms()
    events = asyncio.run(all_at_once())
    return (bench.daemon.cpu_ms() - before) * 1000 / events


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| events | SSE | WebSocket | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        os.environ["PYTHONPATH"] = str(Path(__file__).parent)
        bench = Bench(Path(directory))
        try:
            for name, (requests, events, delay) in PACES.items():
                bench.control(events=events, bytes=200, delay_ms=delay)
                for way in WAYS:
                    measure(bench, way, requests)  # warm
                found = [[measure(bench, way, requests) for way in WAYS] for _ in range(rounds)]
                sse, socket = (statistics.median(each) for each in zip(*found, strict=True))
                ratio = statistics.median(socket / sse for sse, socket in found)
                print(f"| {name} | {sse:.1f} µs | {socket:.1f} µs | {ratio:.2f} |", flush=True)
        finally:
            bench.stop()


if __name__ == "__main__":
    main()
