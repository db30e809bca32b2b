"""Marked secrets are planted everywhere, and no byte that the daemon emits has one: answers, pages, log at debug."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import re
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec import structs
from support.deferreds import deferred, in_thread, until
from support.redis import needs_redis, redis_server
from support.stack import Stack, free_port, stack
from twisted.logger import globalLogPublisher

from antigravity_proxy import logs
from antigravity_proxy.codeassist.wire import CodeAssist
from antigravity_proxy.relay import failover
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.web.client_keys import ClientKey, digest, render

KEY = "sk-canary-client-key"
PROXY_PASSWORD = "canaryproxypassword"
CLIENT_SECRET = "simulated-secret"
AUTH_CODE = "canaryauthorizationcode"
PROMPT = "canaryprompt"
ACCOUNTS = 4
#: what no client and no log may ever see of the volume and the settings; the master key comes on top
SECRETS = [
    KEY,
    PROXY_PASSWORD,
    CLIENT_SECRET,
    *(f"ya29.canary-access-{n}" for n in range(ACCOUNTS)),
    *(f"1//canary-refresh-{n}" for n in range(ACCOUNTS)),
    *(f"account-{n}@example.com" for n in range(ACCOUNTS)),
]
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
GENERATE, STREAM = (
    "/v1beta/models/gemini-3-flash:generateContent",
    "/v1beta/models/gemini-3-flash:streamGenerateContent",
)


def forms(secret: str) -> set[bytes]:
    """A secret as it stands, and as it would be passed on in other spellings."""
    raw = secret.encode()
    return {raw, base64.b64encode(raw).rstrip(b"=")[:-1], raw.hex().encode(), urllib.parse.quote(secret, "").encode()}


class Emitted:
    """Everything that came out of the daemon, with where it did."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, bytes]] = []

    def holds(self, secrets: list[str]) -> list[tuple[str, str]]:
        """Which secrets stand where."""
        wanted = [(secret, form) for secret in secrets for form in forms(secret)]
        return [(where, secret) for where, piece in self.pieces for secret, form in wanted if form in piece]


class Canaries:
    """A daemon full of marked secrets."""

    def __init__(self, running: Stack, admin_port: int, log: Path) -> None:
        self.running = running
        self.admin_port = admin_port
        self.log = log
        self.emitted = Emitted()
        master = (running.volume.directory / ".keys/master.key").read_text()
        self.secrets = [*SECRETS, master, base64.b64encode(bytes.fromhex(master)).decode()]

    async def ask(self, method: str, path: str, body: Any = None, key: str = KEY, **headers: str) -> int:
        """One request; keeps all that is answered."""
        try:
            answer = await self.running.request(method, path, body, authorization=key and f"Bearer {key}", **headers)
        except (OSError, http.client.HTTPException):
            return 0
        where = f"{answer.status} to {method} {path.partition('?')[0]}"
        self.emitted.pieces.append((where, str(answer.headers).encode() + b"\n" + answer.body))
        return answer.status

    async def visit(self, path: str, **headers: str) -> int:
        """A page of the admin listener, for somebody who is not logged in."""

        def get() -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("localhost", self.admin_port, timeout=10)
            try:
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                return answer.status, str(answer.headers).encode() + b"\n" + answer.read()
            finally:
                connection.close()

        status, answered = await in_thread(get)
        self.emitted.pieces.append((f"admin {path.partition('?')[0]}", answered))
        return int(status)

    def forgive(self) -> None:
        """All accounts serve again, but for the one whose proxy is not there: to find that out takes a while."""
        for state in self.running.daemon.pool.states:
            state.forgive()
            state.barred = "tried" if state.credential.egress is not None else ""
            state.refused = None
            state.refresh_after = 0.0

    async def in_each_dialect(self, *planned: Fault) -> None:
        """A request with a marked prompt in each dialect, streamed and not, each while ``planned`` goes wrong."""
        said = f"say {PROMPT}"
        chat = {
            "model": "gemini-3-flash",
            "messages": [{"role": "system", "content": said}, {"role": "user", "content": said}],
            "user": PROMPT,
            "tools": [{"type": "function", "function": {"name": "tool", "description": said, "parameters": {}}}],
        }
        messages = {
            "model": "claude-sonnet-4-5",
            "max_tokens": 100,
            "system": said,
            "messages": [{"role": "user", "content": said}],
            "metadata": {"user_id": PROMPT},
        }
        contents = {
            "contents": [{"role": "user", "parts": [{"text": said}]}],
            "systemInstruction": {"parts": [{"text": said}]},
        }
        for path, body in (
            (CHAT, chat),
            (CHAT, chat | {"stream": True}),
            (MESSAGES, messages),
            (MESSAGES, messages | {"stream": True}),
            (RESPONSES, {"model": "gpt-5", "input": said, "instructions": said}),
            (GENERATE, contents),
            (STREAM + "?alt=sse", contents),
        ):
            self.running.simulator.script(*planned)
            await self.ask("POST", path, body)
            self.running.simulator.clear_script()
            self.forgive()


@contextmanager
def logged(running: Stack) -> Iterator[None]:
    """Sends every event to the daemon's own log, as its process does."""
    observer = running.daemon.observability.log_observer()
    globalLogPublisher.addObserver(observer)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observer)


def echoes() -> Iterator[Fault]:
    """Errors of upstream's that repeat what it was told, and whom it took it for."""
    words = "token ya29.canary-access-0 of account-0@example.com (1//canary-refresh-0), account-1@example.com refused"
    for code, status in (
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (413, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
    ):
        yield Fault(status=code, body=faults.error(code, status, words))
    yield Fault(status=400, body=f"<html>{words}</html>".encode())
    yield Fault(error=faults.error(400, "INVALID_ARGUMENT", words))
    yield Fault(status=302, headers=(("Location", "http://127.0.0.1:9/?t=ya29.canary-access-0"),))


async def go_wrong(canaries: Canaries, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that can go wrong, one after the other."""
    running = canaries.running
    await canaries.in_each_dialect()
    for fault in echoes():
        await canaries.in_each_dialect(*[fault] * 6)
    await canaries.in_each_dialect(Fault(reset=True, before=True), Fault(reset=True))
    await canaries.in_each_dialect(Fault(raw=b"data: {nonsense ya29.canary-access-0\n\n"))
    # refreshes that fail, and tell too much
    words = "1//canary-refresh-0 of account-0@example.com with simulated-secret"
    for code, kind in ((400, "invalid_grant"), (401, "invalid_client"), (503, "busy")):
        body = f'{{"error": "{kind}", "error_description": "{words}"}}'.encode()
        running.simulator.token_fault = Fault(status=code, body=body)
        for state in running.daemon.pool.states:
            state.expires_at = 0.0
        assert (
            await canaries.ask("POST", CHAT, {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}) >= 400
        )
        canaries.forgive()
    running.simulator.token_fault = None
    for state in running.daemon.pool.states:
        state.access_token, state.expires_at = state.credential.access_token, 4e9
    # a fault of ours
    with monkeypatch.context() as broken:
        broken.setattr(CodeAssist, "prepare", lambda *args: 1 / 0)
        assert (
            await canaries.ask("POST", CHAT, {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}) == 500
        )
    # bad requests, bad keys, keys in the wrong place
    await canaries.ask("POST", CHAT, f'{{"model": "x", {PROMPT}'.encode())
    await canaries.ask("POST", CHAT, {"model": "x", "messages": [{"role": PROMPT, "content": PROMPT}]})
    for path in (f"/nowhere?key={KEY}", f"/v1/models?key={KEY}x", f"/v1/models/{PROMPT}?key={KEY}", f"/{KEY}"):
        await canaries.ask("GET", path, key="")
    await canaries.ask("GET", "/v1/models", x_api_key=KEY)
    await canaries.ask("GET", "/v1/models", key=KEY[:-1])
    # a volume that breaks
    directory = running.volume.directory
    running.volume.add(7, access_token=7, refresh_token=f"{SECRETS[-5]}")
    (directory / "gui_config.json").write_text('{"proxy": {"api_key": "' + KEY)
    await running.daemon.volume.read()
    await pages(canaries)
    (directory / "cloud_accounts.db").rename(directory / "account-0@example.com.db")
    await running.daemon.volume.read()
    await pages(canaries)


async def pages(canaries: Canaries) -> None:
    """What operators look at."""
    for path in ("/health", "/health/ready", "/metrics", "/"):
        await canaries.ask("GET", path, key="")
    assert await canaries.ask("GET", "/capacity") == 200
    assert await canaries.ask("GET", "/v1/models") == 200
    for path in ("/", "/login", "/auth/start", f"/oauth-callback?code={AUTH_CODE}&state=x", "/nowhere"):
        await canaries.visit(path)
    await canaries.visit("/auth/start", **{"x-api-key": KEY + "x"})
    assert await canaries.visit("/", **{"x-api-key": KEY}) == 200  # the status page; addresses are masked there too


@pytest.mark.row("canaries")
@pytest.mark.parametrize(("form", "net"), [("text", True), ("json", False)])
@deferred(30)
async def test_no_secret_leaves(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_leaks: list[Any],
    form: str,
    net: bool,
    observe: Callable[[str], None],
) -> None:
    """Without the net of patterns too: what comes of the volume and the settings hides itself by its type."""
    if not net:
        monkeypatch.setattr(logs, "_SECRETS", re.compile(r"(?!)"))
    monkeypatch.setattr(failover, "TROUBLE_PAUSE", 0.01)
    admin_port, log = free_port(), tmp_path / "log"
    settings = {
        "OAUTH_LISTEN_PORT": str(admin_port),
        "OAUTH_CALLBACK_PORT": str(admin_port),
        "READONLY_MODE": "false",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": form,
        "LOG_FILE": str(log),
    }
    async with stack(tmp_path, accounts=0, api_key=KEY, **settings) as running:
        with logged(running):
            for n in range(ACCOUNTS):
                running.volume.add(n, access_token=f"ya29.canary-access-{n}", refresh_token=f"1//canary-refresh-{n}")
            running.volume.add(9, upstream_proxy_url=f"http://user:{PROXY_PASSWORD}@127.0.0.1:9")
            await until(lambda: len(running.daemon.pool.states) == ACCOUNTS + 1)
            canaries = Canaries(running, admin_port, log)
            await go_wrong(canaries, monkeypatch)
    told = log.read_bytes()
    canaries.emitted.pieces.append(("log", told))
    assert canaries.emitted.holds(canaries.secrets) == []
    prompts = [where for where, piece in canaries.emitted.pieces if PROMPT.encode() in piece]
    assert not [where for where in prompts if where == "log" or "admin" in where or " to GET /health" in where]
    assert AUTH_CODE.encode() not in told
    assert b"Account 0" not in told
    assert told.count(b"\n") > 100
    assert b"set aside" in told
    assert b"ZeroDivisionError" in told
    assert len(canaries.emitted.pieces) > 80
    observe(f"0 in {len(canaries.emitted.pieces)} answers and {len(told) // 1000} kB of log as {form}")
    no_leaks.clear()


class Listening:
    """Takes whatever is posted, such as traces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        listening = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                packed = self.headers["content-encoding"] == "gzip"
                listening.pieces.append(str(self.headers).encode() + (gzip.decompress(data) if packed else data))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


def monitored(port: int, pieces: list[bytes]) -> socket.socket:
    """Takes all that is said to the Redis at this port, until the socket is closed."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"MONITOR\r\n")

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(1 << 16):
                pieces.append(data)

    Thread(target=read, daemon=True).start()
    return connection


OFFICIAL = ["AIzaCanary-" + "c" * 28, "AQ.Canary-" + "d" * 28]
CLIENT_KEY, PROJECT = "sk-ag-canaryclient", "canary-project"


@needs_redis
@pytest.mark.replicas
@deferred(120)
async def test_no_secret_is_in_redis_or_its_traffic_in_traces_or_in_the_state_directory(tmp_path: Path) -> None:
    state, redis_data, account = tmp_path / "state", tmp_path / "redis", tmp_path / "account.json"
    listening, traffic, private = Listening(), list[bytes](), list[str]()

    def fill(simulator: Any) -> None:
        simulator.project = PROJECT
        account.write_text(simulator.service_accounts.make("one", PROJECT))
        private.extend(json.loads(account.read_text())["private_key"].splitlines()[1:4])

    (tmp_path / "credentials.toml").write_text(
        f'[[credential]]\nname = "vertex"\nkind = "vertex-service-account"\nfile = "{account}"\n'
        '[route]\n"gemini-3.5-flash" = ["vertex"]\n"gemini-3.8-flash" = ["gemini"]\n'
    )
    key = ClientKey("canary-client", digest(CLIENT_KEY.encode()).decode(), datetime(2026, 1, 1, tzinfo=UTC))
    (tmp_path / "keys.json").write_bytes(render((structs.replace(key, concurrent=5, tokens_per_day=10**9),)))
    redis_data.mkdir()
    with redis_server(redis_data) as redis, contextlib.closing(monitored(redis.port, traffic)):
        settings = {
            "REDIS_URL": redis.url,
            "PROXY_STATE_DIR": str(state),
            "OTEL_EXPORTER_OTLP_ENDPOINT": listening.url,
            "GEMINI_API_KEYS": f"one={OFFICIAL[0]},two={OFFICIAL[1]}",
            "PROXY_CREDENTIALS_FILE": str(tmp_path / "credentials.toml"),
            "PROXY_CLIENT_KEYS_FILE": str(tmp_path / "keys.json"),
        }
        async with stack(tmp_path, accounts=0, api_key=KEY, before=fill, **settings) as running:
            for n in range(ACCOUNTS):
                tokens = {"access_token": f"ya29.canary-access-{n}", "refresh_token": f"1//canary-refresh-{n}"}
                running.volume.add(n, expires_at=0.0 if n else 4e9, **tokens)
            await until(lambda: len(running.daemon.pool.states) == ACCOUNTS)
            canaries = Canaries(running, 0, tmp_path)
            await canaries.in_each_dialect()
            for fault in (*echoes(), faults.barred()):
                await canaries.in_each_dialect(*[fault] * 3)
                running.daemon.pool.terms_rest.end()
            said = {"messages": [{"role": "user", "content": f"say {PROMPT}"}]}
            for model in ("gemini-3-flash", "gemini-3.5-flash", "gemini-3.8-flash"):
                for fault in (None, *echoes()):
                    if fault is not None:
                        running.simulator.script(fault)
                    await canaries.ask("POST", CHAT, {"model": model} | said, key=CLIENT_KEY)
                    running.simulator.clear_script()
            secrets = {each.token for each in running.simulator.requests} - {""}
            parts = running.daemon.account_services.replicas
            await until(lambda: not parts.sharing.untold)
            kinds = {key.split(b":")[3] for key in redis.all_keys()}
        redis.ask("CONFIG", "SET", "rdbcompression", "no")
        redis.ask("SAVE")
    emitted = canaries.emitted
    emitted.pieces = [("redis", (redis_data / "dump.rdb").read_bytes()), ("traffic", b"".join(traffic))]
    emitted.pieces += [("traces", b"".join(listening.pieces))]
    emitted.pieces += [(path.name, path.read_bytes()) for path in state.rglob("*") if path.is_file()]
    assert kinds >= {b"c", b"s", b"t", b"u", b"v"}, "what is shared was shared"
    assert len(secrets) > ACCOUNTS
    assert min(len(piece) for where, piece in emitted.pieces[:3]) > 2000, [len(piece) for _, piece in emitted.pieces]
    assert emitted.holds([*canaries.secrets, *OFFICIAL, *private, *secrets, CLIENT_KEY, PROMPT, PROJECT]) == []
    assert [where for where, piece in emitted.pieces[:2] if b"canary-client" in piece] == []
    assert b"gemini-3-flash" in b"".join(traffic), "models may be read"
    listening.stop()


def test_a_secret_would_be_found() -> None:
    emitted = Emitted()
    for form in forms("someone@example.com"):
        emitted.pieces = [("somewhere", b"x" + form + b"y")]
        assert emitted.holds(["someone@example.com"]) == [("somewhere", "someone@example.com")]
    emitted.pieces = [("somewhere", b"someone@example.org")]
    assert emitted.holds(["someone@example.com"]) == []
