"""Other users: what this process may not read, and what somebody else owns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: a user that is nobody's
NOBODY = 65_534
IS_ROOT = os.geteuid() == 0


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A directory that every user reaches; pytest's own are the user's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read and write everything: for the moment it is nobody."""
    was = os.getresuid()
    if was[0] == 0:
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(*was)


def shut(path: Path) -> None:
    """Makes a directory or a file one that ``as_nobody`` can't look into: another user's, or closed by its mode."""
    path.chmod(0o700 if IS_ROOT else 0)


_SCRIPT = """
import json, os, pkgutil, sys
import antigravity_proxy
from importlib import import_module
from click.testing import CliRunner
import click._termui_impl, encodings.idna, concurrent.futures.thread
for found in pkgutil.walk_packages(antigravity_proxy.__path__, "antigravity_proxy."):
    if not found.name.endswith("__main__"):
        import_module(found.name)
from twisted.internet import reactor
from antigravity_proxy.cli.main import command
user, *commands = json.loads(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
told = []
for arguments in commands:
    result = CliRunner().invoke(command, arguments)
    fault = None if result.exception is None or isinstance(result.exception, SystemExit) else repr(result.exception)
    told.append([result.exit_code, result.output, fault])
print(json.dumps(told))
"""


def call_as_nobody(commands: Sequence[Sequence[str]], **environ: str) -> list[tuple[int, str, str | None]]:
    """The commands run by another user, in a process of its own: exit status, output, and what was no exit.

    A command that runs a reactor, such as ``check``, must be the last one.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PROXY_", "ANTIGRAVITY_"))}
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT, json.dumps([NOBODY, *map(list, commands)])],
        capture_output=True,
        text=True,
        check=False,
        env=clean | environ,
    )
    assert run.returncode == 0, run.stderr
    told: list[list[Any]] = json.loads(run.stdout.splitlines()[-1])
    return [(status, output, fault) for status, output, fault in told]
