"""README's installation, from PyPI, in a directory that has nothing yet."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.documents import INSTALL, ROOT

pytestmark = pytest.mark.clients

#: what pip builds the package from
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "antigravity_proxy", "twisted", "deploy")


def test_the_readmes_line_installs_the_command_and_the_daemon(tmp_path: Path) -> None:
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
        else:
            shutil.copy(ROOT / name, tmp_path)
    for line, words in (
        (INSTALL, ""),
        (".venv/bin/antigravity-proxy --version", "antigravity-proxy "),
        (".venv/bin/twistd --help", "antigravity"),
    ):
        done = subprocess.run(["sh", "-euc", line], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert words in done.stdout
