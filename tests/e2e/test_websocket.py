"""Responses over a WebSocket: the official package's own connection, and a plain client that does what it shouldn't."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from openai import OpenAI
from support.deferreds import deferred, in_thread, until
from support.stack import KEY, Stack, stack
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from antigravity_proxy.simulator import faults

T = TypeVar("T")
MODEL = "gemini-3-flash"
HELLO = "Hello from the simulated model. You said: Hello"


@contextmanager
def opened(running: Stack, key: str = KEY, **options: Any) -> Iterator[ClientConnection]:
    """A plain socket."""
    headers = {"Authorization": f"Bearer {key}"} | options.pop("headers", {})
    with connect(
        f"ws://127.0.0.1:{running.port}/v1/responses", additional_headers=headers, proxy=None, **options
    ) as found:
        yield found


async def by(running: Stack, do: Callable[[ClientConnection], T], **options: Any) -> T:
    """What a plain client makes of it, in a thread."""

    def go() -> T:
        with opened(running, **options) as client:
            return do(client)

    found: T = await in_thread(go)
    return found


def create(**fields: Any) -> str:
    return json.dumps({"type": "response.create", "model": MODEL, "input": "Hello"} | fields)


def read(client: ClientConnection) -> list[dict[str, Any]]:
    """The events of one response, or the error in its place."""
    found = []
    while True:
        found.append(json.loads(client.recv(timeout=10)))
        if found[-1]["type"] in ("response.completed", "response.failed", "response.incomplete", "error"):
            return found


def asked(client: ClientConnection, **fields: Any) -> list[dict[str, Any]]:
    client.send(create(**fields))
    return read(client)


@deferred()
async def test_the_official_packages_connection(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def go() -> list[Any]:
            with (
                OpenAI(base_url=f"{running.url}/v1", api_key=KEY) as client,
                client.responses.connect() as connection,
            ):
                events: list[Any] = []
                for _ in range(2):
                    connection.response.create(model=MODEL, input="Hello")
                    for event in connection:
                        events.append(event)
                        if event.type == "response.completed":
                            break
                return events

        events = await in_thread(go)
        ends = [event for event in events if event.type == "response.completed"]
        assert [end.response.output_text for end in ends] == [HELLO, HELLO]


@deferred()
async def test_the_same_events_as_a_stream(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        framed = await by(running, asked)
        answer = await running.request("POST", "/v1/responses", {"model": MODEL, "input": "Hello", "stream": True})
        streamed = [json.loads(event.split(b"data: ")[1]) for event in answer.body.split(b"\n\n") if event]
        assert [event["type"] for event in framed] == [event["type"] for event in streamed]
        assert [event["sequence_number"] for event in framed] == list(range(len(framed)))
        assert [event.get("delta") for event in framed] == [event.get("delta") for event in streamed]


@deferred()
async def test_a_conversation_goes_on_where_nothing_is_stored(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_RESPONSES_STORE="0") as running:

        def talk(client: ClientConnection) -> str:
            warm = asked(client, input="One", generate=False)
            assert warm[-1]["response"]["output"] == []
            first = asked(client, input="Two", previous_response_id=warm[-1]["response"]["id"], store=False)
            assert not first[-1]["response"]["store"]
            identity: str = first[-1]["response"]["id"]
            client.send(json.dumps({"type": "response.processed", "response_id": identity}))
            assert asked(client, input="Three", previous_response_id=identity)[-1]["type"] == "response.completed"
            return identity

        identity = await by(running, talk)
        assert len(running.simulator.requests) == 2  # warming up asks no model
        contents = running.simulator.requests[-1].json["request"]["contents"]
        said = [part["text"] for turn in contents if turn["role"] == "user" for part in turn["parts"]]
        assert said == ["One", "Two", "Three"]
        refused = await by(running, lambda client: asked(client, previous_response_id=identity))
        assert refused[-1]["error"]["code"] == "previous_response_not_found"  # it was that socket's alone
        await until(lambda: len(running.daemon.responses._of_sockets) == 0)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("no JSON", None),
        ("[]", None),
        ("{}", "type"),
        ('{"type": "response.cancel"}', "type"),
        ('{"type": "response.create", "model": 5}', "model"),
        ('{"type": "response.create", "model": "m"}', "input"),
        ('{"type": "response.create", "model": "m", "input": [5]}', "input[0]"),
    ],
)
@deferred()
async def test_a_wrong_message_is_refused_and_the_next_is_served(
    tmp_path: Path, message: str, param: str | None
) -> None:
    async with stack(tmp_path) as running:

        def go(client: ClientConnection) -> list[dict[str, Any]]:
            client.send(message)
            return [*read(client), *asked(client)]

        first, *_, last = await by(running, go)
        assert (first["type"], first["status"], first["error"]["param"]) == ("error", 400, param)
        assert first["error"]["type"] == "invalid_request_error"
        assert last["type"] == "response.completed"


@deferred()
async def test_one_response_at_a_time(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.Fault(delay=30.0))

        def go(client: ClientConnection) -> dict[str, Any]:
            client.send(create())
            assert json.loads(client.recv(timeout=10))["type"] == "response.created"
            client.send(create())
            while (event := json.loads(client.recv(timeout=10)))["type"] != "error":
                pass
            found: dict[str, Any] = event
            return found

        assert "one at a time" in (await by(running, go))["error"]["message"]
        # the client has left: upstream is let go
        await until(lambda: running.simulator.requests[0].closed_by_peer)


@deferred()
async def test_upstreams_failures(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(faults.error_in_stream(after=2))
        failed = await by(running, asked)
        assert failed[-1]["type"] == "response.failed"
        running.simulator.script(faults.rate_limited(30), times=9)
        (limited,) = await by(running, asked)
        assert (limited["status"], limited["error"]["code"]) == (429, "rate_limit_exceeded")
        assert limited["headers"] == {"retry-after": "30"}


def status(running: Stack, path: str = "/v1/responses", **headers: str) -> int:
    """What a handshake with these headers is answered."""
    sent = {
        "Host": f"127.0.0.1:{running.port}",
        "Authorization": f"Bearer {KEY}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain:
        plain.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return int(plain.recv(4096).split()[1])


@deferred()
async def test_handshakes(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_CORS_ORIGINS="https://chat.example") as running:
        own = f"http://127.0.0.1:{running.port}"
        for expected, headers in (
            (101, {}),
            (101, {"Origin": own}),
            (101, {"Origin": "https://chat.example"}),
            (403, {"Origin": "https://evil.example"}),
            (403, {"Origin": "null"}),
            (401, {"Authorization": "Bearer sk-wrong"}),
            (401, {"Authorization": ""}),
            (400, {"Sec-WebSocket-Version": "8"}),
            (400, {"Sec-WebSocket-Key": "short"}),
            (400, {"Sec-WebSocket-Key": ""}),
            (400, {"Connection": "keep-alive"}),
            (405, {"Upgrade": "h2c"}),
        ):
            assert await in_thread(lambda h=headers: status(running, **h)) == expected, headers
        assert await in_thread(lambda: status(running, f"/v1/responses?key={KEY}", Authorization="")) == 101
        assert await in_thread(lambda: status(running, "/v1/chat/completions")) == 405


@deferred()
async def test_a_page_may_not_open_one_where_no_key_is_asked_for(tmp_path: Path) -> None:
    async with stack(tmp_path, api_key="") as running:
        assert await in_thread(lambda: status(running, Authorization="")) == 101
        assert await in_thread(lambda: status(running, Authorization="", Origin="https://evil.example")) == 403
        assert await in_thread(lambda: status(running, Authorization="", Host="evil.example")) == 403


@deferred()
async def test_messages_have_a_limit(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_MAX_BODY="20000") as running:

        def go(message: str | bytes) -> tuple[list[dict[str, Any]], int]:
            with opened(running, max_size=None) as client:
                told = []
                try:
                    client.send(message)
                    while True:
                        told.append(json.loads(client.recv(timeout=10)))
                except ConnectionClosed as e:
                    return told, e.rcvd.code if e.rcvd is not None else 0

        told, code = await in_thread(lambda: go(create(input="x" * 30_000)))
        assert ([each["status"] for each in told], code) == ([413], 1009)
        told, code = await in_thread(lambda: go(b"binary"))
        assert (told, code) == ([], 1003)
        site = running.daemon.site
        await until(lambda: not site.channels)
        assert site.bodies.reserved == 0


@deferred()
async def test_a_withdrawn_key_ends_a_sockets_use(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def go(client: ClientConnection) -> list[dict[str, Any]]:
            asked(client)
            running.daemon.gate.keys = type(running.daemon.gate.keys)(["sk-new"])
            return asked(client)

        assert (await by(running, go))[-1]["status"] == 401


@deferred()
async def test_a_drain_lets_a_response_end_and_then_closes(tmp_path: Path) -> None:
    from twisted.internet import reactor

    async with stack(tmp_path) as running:

        def go() -> int:
            with opened(running) as busy, opened(running) as idle:
                asked(busy)
                in_reactor(lambda: running.daemon.site.drain(reactor, 5.0))
                for each in (busy, idle):
                    with pytest.raises(ConnectionClosed) as closed:
                        each.recv(timeout=5)
                    codes.append(closed.value.rcvd.code if closed.value.rcvd is not None else 0)
            return len(codes)

        codes: list[int] = []

        def in_reactor(do: Callable[[], object]) -> None:
            from twisted.internet.threads import blockingCallFromThread

            blockingCallFromThread(reactor, do)

        assert await in_thread(go) == 2
        assert codes == [1001, 1001]


@deferred()
async def test_without_wsproto_a_socket_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from antigravity_proxy.web import api

    monkeypatch.setattr(api, "Sockets", None)
    async with stack(tmp_path) as running:
        assert await in_thread(lambda: status(running)) == 426


@deferred()
async def test_keys_reach_no_log_and_records_are_closed(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        await by(running, asked)
        with pytest.raises(InvalidStatus):
            await by(running, asked, key="sk-wrong")
        await until(lambda: not running.daemon.site.channels)
        await until(lambda: running.daemon.ledger.open_count == running.daemon.ledger.stream_count == 0)


def texts(count: int, length: int) -> tuple[bytes, ...]:
    """Events of upstream's, each with so much text."""
    part = {"text": "x" * length}
    event = {"response": {"candidates": [{"content": {"role": "model", "parts": [part]}}], "modelVersion": "m"}}
    return (json.dumps(event).encode(),) * count


def handshaken(running: Stack) -> socket.socket:
    """A socket of its own, just opened; whoever has it closes it."""
    plain = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    head = (
        f"GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    plain.sendall(head.encode())
    assert b" 101 " in plain.recv(4096)
    return plain


def frame(opcode: int, payload: bytes) -> bytes:
    """A frame of a client's, masked by zeros."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2)
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


@deferred(60)
async def test_a_client_that_reads_nothing_is_waited_for_and_takes_no_memory(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(faults.Fault(events=texts(400, 100_000)))
        plain = await in_thread(lambda: handshaken(running))
        try:
            await in_thread(lambda: plain.sendall(frame(1, create().encode())))
            (channel,) = running.daemon.site.channels
            await until(lambda: channel.is_stalled)
            unsent = len(channel.transport.dataBuffer) + sum(map(len, channel.transport._tempDataBuffer))
            assert unsent < 2_000_000
            assert not running.simulator.requests[0].finished.called  # upstream waits, too

            def flood() -> bool:
                """Whether pings are no longer taken."""
                plain.settimeout(0.5)
                try:
                    for _ in range(2_000):
                        plain.sendall(frame(9, b"x" * 100) * 100)
                except TimeoutError:
                    return True
                return False

            assert await in_thread(flood)
            assert len(channel.transport.dataBuffer) + sum(map(len, channel.transport._tempDataBuffer)) < 4_000_000
        finally:
            plain.close()
        await until(lambda: not running.daemon.site.channels)


@deferred(60)
async def test_a_large_message_in_small_frames_costs_time_linear_in_its_length(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def go(client: ClientConnection) -> list[dict[str, Any]]:
            message = create(input="x" * 3_000_000)
            client.send(message[i : i + 10_000] for i in range(0, len(message), 10_000))
            return read(client)

        assert (await by(running, go, max_size=None))[-1]["type"] == "response.completed"
