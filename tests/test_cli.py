"""The operator's command itself: help, versions, wrong command lines, and what it loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.command import call

#: what Windows' Python lacks
UNIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios", "posix_ipc")


def test_the_version() -> None:
    result = call("--version")
    assert (result.exit_code, result.output.split()[0]) == (0, "antigravity-proxy")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nonsense"],
        ["demo", "--port", "70000"],
        ["demo", "--port", "x"],
        ["backup"],
        ["backup", "x", "--keep", "0"],
        ["restore"],
        ["restore", __file__, "--resume"],
        ["restore", "/nowhere"],
        ["accounts"],
        ["key", "nonsense"],
    ],
)
def test_a_wrong_command_line_is_status_2(argv: list[str]) -> None:
    result = call(*argv)
    assert result.exit_code == 2
    assert result.stderr


@pytest.mark.parametrize("argv", [["accounts", "list"], ["backup", "x"], ["export", "x"], ["key", "check"]])
def test_a_wrong_setting_is_one_line_and_status_1(argv: list[str]) -> None:
    result = call(*argv, PROXY_PORT="x")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: PROXY_PORT (environment PROXY_PORT) has a bad value 'x'")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "argv", [["accounts", "list"], ["backup", "x"], ["export", "x"], ["key", "check"], ["key", "export", "--all"]]
)
def test_a_volume_that_is_not_there_is_one_line_and_status_1(argv: list[str], tmp_path: Path) -> None:
    result = call(*argv, ANTIGRAVITY_DATA_DIR=str(tmp_path / "nowhere"), HOME=str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.rstrip().splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_nothing_that_windows_lacks_is_imported(tmp_path: Path) -> None:
    """Every module of the operator's, with the modules made unimportable that Windows hasn't."""
    code = f"""
import sys
for name in {UNIX_ONLY}:
    sys.modules[name] = None
from antigravity_proxy.cli import main as cli
from antigravity_proxy.operator import accounts, backup, export, healthcheck, keychain, keys
from antigravity_proxy.operator import restore
from antigravity_proxy.volume import atomic, writer
cli.main(["key", "check", "--data-dir", {str(tmp_path)!r}])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr == "Error: cloud_accounts.db is not there: the data directory must be the one that holds it\n"
