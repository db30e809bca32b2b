"""``twistd antigravity`` as it is started: settings, their errors in one line, help, signals."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.stack import free_port

from antigravity_proxy.settings.table import TABLE
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.tap import Options

TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]


def twistd(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the daemon until it ends by itself."""
    return subprocess.run(
        [*TWISTD, "antigravity", *options],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd()), **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_help_documents_every_setting() -> None:
    text = twistd("--help").stdout
    for setting in TABLE:
        assert setting.name in text, setting.name
        if not setting.secret:
            assert f"--{setting.option}=" in text, setting.option


@pytest.mark.parametrize(
    ("options", "environment", "told"),
    [
        (("--proxy-port=x",), {}, r"PROXY_PORT \(option --proxy-port\) has a bad value 'x': it takes a port"),
        ((), {"PROXY_PORT": "70000"}, r"PROXY_PORT \(environment PROXY_PORT\) has a bad value '70000'"),
        ((), {"READONLY_MODE": "maybe"}, r"READONLY_MODE .* it takes true or false"),
        ((), {"PROXY_API_KEY_FILE": "/nowhere"}, r"PROXY_API_KEY_FILE: /nowhere can't be read"),
        ((), {"PROXY_API_KEY": "a", "PROXY_API_KEY_FILE": "b"}, r"PROXY_API_KEY and PROXY_API_KEY_FILE are both set"),
        ((), {"GOOGLE_CLIENT_ID": "a"}, r"GOOGLE_CLIENT_ID is set, but GOOGLE_CLIENT_SECRET is not"),
        ((), {"UPSTREAM_PROXY_URL": "ftp://u:secret@h"}, r"UPSTREAM_PROXY_URL .*a proxy URL begins with"),
        ((), {"UPSTREAM_CA_FILE": "/nowhere"}, r"UPSTREAM_CA_FILE: /nowhere can't be read"),
        ((), {"ANTIGRAVITY_MASTER_KEY": "secret"}, r"ANTIGRAVITY_MASTER_KEY .* it takes 64 hex characters"),
        ((), {"LOG_FILE": "/nowhere/log"}, r"LOG_FILE: /nowhere/log can't be written: No such file"),
        (("stray",), {}, r"unknown argument: stray"),
        (("--no-such-option",), {}, r"option --no-such-option not recognized"),
    ],
)
@pytest.mark.row("bad start")
def test_a_wrong_setting_is_one_clear_line(
    tmp_path: Path, options: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    done = twistd(*options, ANTIGRAVITY_DATA_DIR=str(tmp_path), **environment)
    assert done.returncode in (1, 2)
    said = (done.stdout + done.stderr).strip()
    assert re.search(told, said), said
    assert "Traceback" not in said
    assert "secret" not in said.replace("client_secret", "")


@pytest.mark.row("open address")
def test_no_key_on_an_open_address_is_refused(tmp_path: Path) -> None:
    write_volume(tmp_path, accounts=1)
    done = twistd("--proxy-host=0.0.0.0", ANTIGRAVITY_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "there is no API key" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.row("bad start")
def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = twistd(ANTIGRAVITY_DATA_DIR=str(tmp_path), PROXY_PORT=port)
    assert done.returncode == 1
    assert f"127.0.0.1:{port} can't be listened on" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.row("bad start")
def test_a_taken_admin_port_is_one_line_that_names_its_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = twistd(ANTIGRAVITY_DATA_DIR=str(tmp_path), PROXY_PORT=str(free_port()), OAUTH_LISTEN_PORT=port)
    assert done.returncode == 1
    assert f"OAUTH_LISTEN_PORT (0 for none): 127.0.0.1:{port} can't be listened on" in done.stderr
    assert done.stderr.count("\n") == 1


def test_options_are_strings_until_they_are_resolved() -> None:
    options = Options()
    options.parseOptions(["--proxy-port", str(free_port()), "--log-level=debug"])
    assert options["log-level"] == "debug"
