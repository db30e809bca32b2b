"""The operator's command."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from antigravity_proxy.cli import main


class Health(BaseHTTPRequestHandler):
    """A health page, well or not."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b'{"status":"unhealthy"}')

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_healthy_daemon_is_status_0(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Health, "status", 200)
    monkeypatch.setenv("PROXY_PORT", str(port))
    for host in ("", "127.0.0.1", "0.0.0.0"):
        monkeypatch.setenv("PROXY_HOST", host)
        assert main(["healthcheck"]) == 0
    assert capsys.readouterr().err == ""


def test_an_unhealthy_one_is_status_1_with_its_reason(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Health, "status", 503)
    assert main(["healthcheck", "--url", f"http://127.0.0.1:{port}/health"]) == 1
    assert "answered 503" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/health", "nonsense"])
def test_one_that_is_not_there_is_status_1(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["healthcheck", "--url", url]) == 1
    assert "can't be reached" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        main(["--version"])
    assert e.value.code == 0
    assert capsys.readouterr().out.startswith("antigravity-proxy ")


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["demo", "--port", "x"]])
def test_a_wrong_command_line_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        main(argv)
    assert e.value.code == 2
    assert capsys.readouterr().err
