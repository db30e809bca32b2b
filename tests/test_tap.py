"""``twistd antigravity`` as it is started: settings, their errors in one line, help, signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.stack import free_port

from antigravity_proxy import __version__
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


def test_the_version_is_ours_too() -> None:
    done = twistd("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"antigravity-proxy {re.escape(__version__)}, Twisted [\d.]+\n", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("--syslog",), {}, "--syslog is not supported: set LOG_FILE"),
        (("--logfile=-",), {}, "--logfile=- goes with -n"),
        (("-n", "--logfile=x.log"), {"LOG_FILE": "y.log"}, "--logfile and LOG_FILE are both set"),
        (
            ("-n", "--pidfile=nowhere/pid"),
            {},
            "nowhere/pid can't be written: there is no such directory; give --pidfile=",
        ),
        (("-n", "--pidfile=words"), {}, "words holds no process number: remove it, or give --pidfile="),
        (("-n", "--pidfile=running"), {}, "which runs: end it; or, if that is another program, remove the file"),
    ],
)
def test_twistds_own_options_are_kept_or_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    (tmp_path / "words").write_text("not a number")
    (tmp_path / "running").write_text(str(os.getpid()))
    done = started(tmp_path, *arguments, **environment)
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "log"), [((), "twistd.log"), (("--logfile=own.log",), "own.log"), (("--rundir=/",), "twistd.log")]
)
def test_in_the_background_it_says_where_its_log_is(tmp_path: Path, arguments: tuple[str, ...], log: str) -> None:
    pidfile = tmp_path / "pid"
    done = started(tmp_path, f"--pidfile={pidfile}", *arguments)
    try:
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"antigravity-proxy: going to the background; the log is {tmp_path / log}\n"
        assert "serving on" in (tmp_path / log).read_text()
    finally:
        os.kill(int(pidfile.read_text()), signal.SIGKILL)


def test_in_the_foreground_twistds_log_file_is_ours(tmp_path: Path) -> None:
    done = started(tmp_path, "-n", "--pidfile=", "--logfile=own.log", PROXY_PORT="x")
    assert done.returncode == 1
    with (tmp_path / "out").open("wb") as out:
        child = subprocess.Popen(
            command("-n", "--pidfile=", "--logfile=own.log"), cwd=tmp_path, env=usual(tmp_path), stdout=out
        )
    try:
        deadline = time.monotonic() + 20
        while not ((tmp_path / "own.log").exists() and "serving on" in (tmp_path / "own.log").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        child.kill()
        child.wait()
    assert (tmp_path / "out").read_bytes() == b""


def command(*arguments: str) -> list[str]:
    """twistd with options of its own."""
    return [*TWISTD[:3], *arguments, "antigravity"]


def usual(directory: Path) -> dict[str, str]:
    """The environment of a daemon on a volume there."""
    if not (directory / "volume").exists():
        write_volume(directory / "volume", accounts=1, api_key="sk-test")
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path.cwd()),
        "ANTIGRAVITY_DATA_DIR": str(directory / "volume"),
        "PROXY_PORT": str(free_port()),
        "OAUTH_LISTEN_PORT": "0",
        "PROXY_INTERNAL_BASE_URLS": "http://127.0.0.1:9",
    }


def started(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """twistd in a directory, with options of its own, until it ends or goes to the background."""
    return subprocess.run(
        command(*arguments),
        cwd=directory,
        env=usual(directory) | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_options_are_strings_until_they_are_resolved() -> None:
    options = Options()
    options.parseOptions(["--proxy-port", str(free_port()), "--log-level=debug"])
    assert options["log-level"] == "debug"
