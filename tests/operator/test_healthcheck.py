"""The health check against servers of every kind, and that it starts light."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from support.command import call
from support.stack import free_port

from antigravity_proxy.operator import healthcheck
from antigravity_proxy.simulator.volume import write_volume

ANSWERS = {
    "/ours": b"HTTP/1.0 200 OK\r\nServer: antigravity-proxy\r\n\r\n{}",
    "/stranger": b"HTTP/1.0 200 OK\r\nServer: nginx\r\n\r\n{}",
    "/well": b"HTTP/1.0 200 OK\r\n\r\n{}",
    "/sick": b'HTTP/1.0 503 Service Unavailable\r\n\r\n{"status":\n "unhealthy"}',
    "/made": b"HTTP/1.0 201 Created\r\n\r\n",
    "/nonsense": b"\x00\x01\r\n\r\n",
}


class Handler(BaseHTTPRequestHandler):
    """Answers as `ANSWERS` says."""

    def do_GET(self) -> None:
        self.wfile.write(ANSWERS[self.path])

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("::", "8045", "http://[::1]:8045/health"),
        ("::1", "80", "http://[::1]:80/health"),
        ("example.com", " 81 ", "http://example.com:81/health"),
        ("", "", "http://10.0.0.1:8317/health"),
        ("0.0.0.0", "8046", "http://127.0.0.1:8046/health"),
    ],
)
def test_hosts_of_every_kind_make_a_url(host: str, port: str, url: str) -> None:
    assert healthcheck.default_url({"PROXY_HOST": host, "PROXY_PORT": port}, lambda: ("10.0.0.1", 8317)) == url


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/sick", 'answered 503: {"status": "unhealthy"}'),
        ("/made", "answered 201"),
        ("/nonsense", "can't be reached: "),
    ],
)
def test_anything_else_is_status_1_and_one_line(
    server: int, path: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert healthcheck.run(f"http://127.0.0.1:{server}{path}") == 1
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("url", [f"http://127.0.0.1:{free_port()}/health", "http://[", "nonsense"])
def test_nobody_there_is_status_1_and_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.run(url) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{url} can't be reached: ")
    assert said.count("\n") == 1


def test_an_http_proxy_of_the_environments_is_not_asked(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "")
    assert healthcheck.run(f"http://127.0.0.1:{server}/well") == 0


@pytest.mark.parametrize(("page", "status"), [("/ours", 0), ("/sick", 1), ("/stranger", 1), ("/well", 1)])
@pytest.mark.parametrize("by", ["environment", "gui_config", "option"])
def test_the_command_asks_where_the_daemon_listens_and_knows_a_stranger(
    server: int, page: str, status: int, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ANSWERS, "/health", ANSWERS[page])
    write_volume(tmp_path, accounts=1).configure(api_key="sk-a", port=server)
    environ = {
        "environment": {"PROXY_HOST": "0.0.0.0", "PROXY_PORT": str(server)},
        "gui_config": {"ANTIGRAVITY_DATA_DIR": str(tmp_path)},
        "option": {},
    }[by]
    result = call("healthcheck", *(["--data-dir", tmp_path] if by == "option" else []), **environ)
    assert result.exit_code == status
    if page in ("/stranger", "/well"):
        assert "another program has that port" in result.stderr


def test_any_page_may_be_asked_by_its_address(server: int) -> None:
    for path, status in (("/well", 0), ("/stranger", 0), ("/sick", 1)):
        assert call("healthcheck", "--url", f"http://127.0.0.1:{server}{path}").exit_code == status


def test_settings_that_end_the_start_end_the_health_check_in_words() -> None:
    result = call("healthcheck", PROXY_DRAIN_SECONDS="soon")
    assert (result.exit_code, result.stderr.startswith("Error: PROXY_DRAIN_SECONDS")) == (1, True)


@pytest.mark.parametrize("arguments", [["--url", "x"], []])
def test_a_health_check_does_not_load_twisted(arguments: list[str]) -> None:
    code = (
        "import atexit, sys; from antigravity_proxy.cli import main as cli\n"
        "atexit.register(lambda: print(*sys.modules)); "
        f"cli.main(['healthcheck', *{arguments}])"
    )
    environment = {**os.environ, "PROXY_PORT": str(free_port())}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    loaded = run.stdout.split()
    assert "urllib.request" in loaded
    assert not {"twisted", "msgspec", "klein"} & set(loaded)
