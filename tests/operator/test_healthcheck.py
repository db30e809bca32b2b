"""The health check against servers of every kind, and that it starts light."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from click.testing import CliRunner
from support.stack import free_port

from antigravity_proxy.cli.main import command
from antigravity_proxy.operator import healthcheck

ANSWERS = {
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
        ("::", "", "http://[::1]:8045/health"),
        ("::1", "80", "http://[::1]:80/health"),
        ("example.com", " 81 ", "http://example.com:81/health"),
        ("", "", "http://127.0.0.1:8045/health"),
        ("0.0.0.0", "8046", "http://127.0.0.1:8046/health"),
    ],
)
def test_hosts_of_every_kind_make_a_url(host: str, port: str, url: str) -> None:
    assert healthcheck.default_url({"PROXY_HOST": host, "PROXY_PORT": port}) == url


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


@pytest.mark.parametrize(("path", "status"), [("/well", 0), ("/sick", 1)])
def test_the_command_asks_where_the_daemon_listens(server: int, path: str, status: int) -> None:
    runner = CliRunner(env={"PROXY_HOST": "0.0.0.0", "PROXY_PORT": str(server)})
    url = ["--url", f"http://127.0.0.1:{server}{path}"] if path != "/well" else []
    ANSWERS["/health"] = ANSWERS["/well"]
    assert runner.invoke(command, ["healthcheck", *url]).exit_code == status


def test_a_health_check_does_not_load_twisted() -> None:
    code = (
        "import atexit, sys; from antigravity_proxy.cli import main as cli\n"
        "atexit.register(lambda: print(*sys.modules)); "
        "cli.main(['healthcheck', '--url', 'x'])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout.split()
    assert "urllib.request" in loaded
    assert not {"twisted", "msgspec", "klein"} & set(loaded)
