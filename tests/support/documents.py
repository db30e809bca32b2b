"""Commands as documents print them, run by a shell in a directory and a home of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: the line that sets a clone up; tests/clients/test_installation.py runs it
INSTALL = "python3 -m venv .venv && .venv/bin/pip install ."
#: seconds for one block of commands
PATIENCE = 60


def blocks(document: str, heading: str = "", language: str = "sh") -> list[str]:
    """The code blocks of a document in that language; ``heading``: only those below it, up to the next one."""
    text = (ROOT / document).read_text()
    if heading:
        _, found, text = text.partition(f"{heading}\n")
        assert found, heading
        text = re.split(r"^#+ ", text, maxsplit=1, flags=re.M)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


class Shell:
    """A shell in a directory whose ``.venv`` is this one. ``environment`` comes on top of a bare one."""

    def __init__(self, directory: Path, **environment: str) -> None:
        (directory / ".venv").symlink_to(sys.prefix)
        self.directory = directory
        path = f"{sys.prefix}/bin:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(directory), "LANG": "C.UTF-8"} | environment

    def run(self, script: str, status: int = 0) -> str:
        """What a script printed; it must end with that status. Skips the test where there is no curl for it."""
        if re.search(r"\bcurl\b", script) and shutil.which("curl") is None:
            pytest.skip("no curl here: apt-get install curl")
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == status, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def serving(self, script: str, words: str = "serving on") -> Iterator[str]:
        """Runs a script that goes on, such as the start of the daemon, during the block; gives its first lines."""
        child = subprocess.Popen(
            ["sh", "-ec", script],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert child.stdout is not None
        try:
            printed = ""
            while words not in printed:
                line = child.stdout.readline()
                assert line, printed
                printed += line
            yield printed
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            child.communicate(timeout=PATIENCE)
