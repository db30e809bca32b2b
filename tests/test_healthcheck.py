"""The health check against servers of every kind, and that it starts light."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from support.stack import free_port

from antigravity_proxy import cli

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
    ],
)
def test_hosts_of_every_kind_make_a_url(host: str, port: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_HOST", host)
    monkeypatch.setenv("PROXY_PORT", port)
    assert cli._health_url() == url


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
    assert cli.main(["healthcheck", "--url", f"http://127.0.0.1:{server}{path}"]) == 1
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("url", [f"http://127.0.0.1:{free_port()}/health", "http://[", "nonsense"])
def test_nobody_there_is_status_1_and_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["healthcheck", "--url", url]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{url} can't be reached: ")
    assert said.count("\n") == 1


def test_an_http_proxy_of_the_environments_is_not_asked(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "")
    assert cli.main(["healthcheck", "--url", f"http://127.0.0.1:{server}/well"]) == 0


@pytest.mark.parametrize("port", ["70000", "-1", "x", "²"])
def test_the_demos_port_is_a_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", f"--port={port}"])
    assert ended.value.code == 2
    assert "a port is a number from 0 to 65535" in capsys.readouterr().err


def test_a_health_check_does_not_load_twisted() -> None:
    code = "import sys; from antigravity_proxy import cli; cli.main(['healthcheck', '--url', 'x']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "urllib.request" in loaded
    assert not {"twisted", "msgspec", "klein"} & set(loaded)
