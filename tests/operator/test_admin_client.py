"""Accounts changed by the operator's command, which asks the running daemon."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from click.testing import Result
from support.admin import Site, site
from support.command import call
from support.deferreds import deferred, in_thread
from support.stack import KEY
from support.volumes import reader_of

from antigravity_proxy.operator import healthcheck

FIRST = "00000000-0000-4000-8000-000000000000"


async def run(here: Site, *arguments: str, **environ: str) -> Result:
    given = {"OAUTH_LISTEN_PORT": here.url.rpartition(":")[2], "PROXY_API_KEY": KEY} | environ
    result: Result = await in_thread(call, "accounts", *arguments, "--data-dir", str(here.directory), **given)
    return result


def paused(here: Site) -> set[str]:
    return {account.id for account in reader_of(here.directory).read().accounts if account.paused}


@deferred(30)
async def test_an_account_is_paused_resumed_reset_and_removed(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="2") as here:
        result = await run(here, "pause", FIRST)
        assert (result.exit_code, result.output) == (
            0,
            f"a***@example.com ({FIRST}) is paused: it gets no new request.\n",
        )
        assert paused(here) == {FIRST}
        listed = await run(here, "list")
        assert "it is paused for this proxy" in listed.output
        assert (await run(here, "resume", "account-0@example.com")).exit_code == 0
        assert paused(here) == set()
        assert "is available again" in (await run(here, "reset", FIRST)).output
        refused = await run(here, "remove", FIRST)  # nobody is there to say yes
        assert (refused.exit_code, len(here.addresses())) == (1, 2)
        assert (await run(here, "remove", "--yes", FIRST)).exit_code == 0
        assert here.addresses() == ["account-1@example.com"]


@deferred(30)
async def test_the_apps_key_serves_too_and_the_daemon_may_be_elsewhere(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="2") as here:
        result = await run(
            here, "pause", FIRST, PROXY_API_KEY="", OAUTH_LISTEN_PORT="1", http_proxy="http://127.0.0.1:1"
        )
        assert "can't be asked at http://127.0.0.1:1" in result.output
        result = await run(here, "pause", "--url", here.url + "/", FIRST, PROXY_API_KEY="")
        assert result.exit_code == 0, result.output
    async with site(tmp_path / "b", logged_in=False, API_KEY="") as here:
        assert (await run(here, "pause", FIRST, PROXY_API_KEY="")).exit_code == 0


@deferred(30)
async def test_the_daemons_reasons_are_told(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, READONLY_MODE="true") as here:
        for arguments, environ, words in (
            (("pause", FIRST), {}, "READONLY_MODE=false"),
            (("pause", FIRST), {"PROXY_API_KEY": "wrong"}, "Wrong API key."),
            (("pause", FIRST), {"OAUTH_LISTEN_PORT": "0"}, "OAUTH_LISTEN_PORT is 0"),
            (("pause", "--url", here.stack.url, FIRST), {}, "is that the daemon's admin listener?"),
            (("pause", "--url", "http://127.0.0.1:1", FIRST), {}, "Does it run?"),
            (("pause", "--url", "nonsense", FIRST), {}, "can't be asked at nonsense"),
        ):
            result = await run(here, *arguments, **environ)
            assert result.exit_code == 1
            assert words in result.output
            assert KEY not in result.output
    async with site(tmp_path / "b", logged_in=False) as here:
        assert "There is no such account" in (await run(here, "pause", "nobody@example.com")).output


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"message": "\x1b[2J"}',
        b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n[[",
        b"nonsense\r\n\r\n",
    ],
)
def test_whatever_answers_there_gets_no_key_passed_on_and_does_nothing_to_the_terminal(
    tmp_path: Path, answer: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        result = call("accounts", "pause", "--url", url, "--data-dir", tmp_path, FIRST, PROXY_API_KEY=KEY)
        thread.join()
    assert "\x1b" not in result.output
    assert isinstance(result.exception, SystemExit) or result.exit_code == 0
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("host", "seen"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.0.0.1", "10.0.0.1"), ("localhost", "localhost")],
)
def test_where_the_daemon_is_from_this_machine(host: str, seen: str) -> None:
    assert healthcheck.on_this_machine(host) == seen
