"""The operator's command as users call it, over volumes of the test's."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from antigravity_proxy.cli.main import command


def call(*arguments: str | Path, **environ: str) -> Result:
    """Runs the command in this process, with no setting but these."""
    clean = {"READONLY_MODE": None, "ANTIGRAVITY_DATA_DIR": None, "ANTIGRAVITY_MASTER_KEY": None}
    return CliRunner(env={**clean, **environ}).invoke(command, [str(each) for each in arguments])
