"""What ``setup`` prints: whole, in two forms, and without a key. The real clients take it in ``tests/clients``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from antigravity_proxy.cli.main import SETUPS, command
from antigravity_proxy.web.client_setup import CLIENTS, KEY

URL = "http://proxy.example:8045"


def test_the_command_knows_all() -> None:
    assert tuple(CLIENTS) == SETUPS


@pytest.mark.parametrize("client", SETUPS)
def test_the_text_is_the_files_and_the_variables(client: str, tmp_path: Path) -> None:
    runner = CliRunner()
    with runner.isolated_filesystem(tmp_path):
        text = runner.invoke(command, ["setup", client, "--url", f"{URL}/"])
        found = runner.invoke(command, ["setup", client, "--url", URL, "--json"])
        assert (text.exit_code, found.exit_code) == (0, 0), text.output + found.output
        assert os.listdir() == []
    made = json.loads(found.output)
    assert URL in found.output
    assert f"{URL}//" not in text.output
    for name, content in made["files"].items():
        assert f"# --- {name}\n{content.rstrip()}\n" in text.output
    for name, value in made["environment"].items():
        assert f"export {name}={value}\n" in text.output
    for note in made["notes"]:
        assert note in text.output
    assert KEY in found.output


def test_by_default_it_is_where_the_daemon_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTIGRAVITY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PROXY_HOST", "0.0.0.0")
    monkeypatch.setenv("PROXY_PORT", "9000")
    monkeypatch.setenv("PROXY_API_KEY", "sk-secret")
    shown = CliRunner().invoke(command, ["setup", "openai"])
    assert "http://127.0.0.1:9000/v1" in shown.output
    assert "sk-secret" not in shown.output


def test_a_client_that_is_not_known_is_named() -> None:
    refused = CliRunner().invoke(command, ["setup", "emacs"])
    assert refused.exit_code == 2
    assert "claude" in refused.output
