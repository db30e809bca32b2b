"""What ``antigravity-proxy setup`` prints, fed to the real client as it is; only the key is put in its place."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.deferreds import deferred
from support.programs import BUILD, Ended, run
from support.stack import KEY, stack

from antigravity_proxy.cli.main import SETUPS, command
from antigravity_proxy.web.client_setup import KEY as PLACE
from antigravity_proxy.web.client_setup import PICKED

NODE = shutil.which("node") or "node"
MODULES = BUILD / "node_modules"
#: how each is started; those that aren't here run the example that is printed
AGENTS = {
    "claude": (NODE, MODULES / "@anthropic-ai/claude-code/cli-wrapper.cjs", "-p"),
    "codex": (NODE, MODULES / "@openai/codex/bin/codex.js", "exec", "--skip-git-repo-check", "-"),
    "codex-built-in": (NODE, MODULES / "@openai/codex/bin/codex.js", "exec", "--skip-git-repo-check", "-"),
    "gemini": (NODE, MODULES / ".bin" / "gemini"),
    "opencode": (MODULES / "opencode-linux-x64" / "bin" / "opencode", "run"),
    "ai-sdk": (NODE, "example.mjs"),
}

pytestmark = pytest.mark.clients


async def as_printed(client: str, url: str, home: Path, said: str, *more: str) -> Ended:
    printed = CliRunner().invoke(command, ["setup", client, "--url", url, "--json"])
    made = json.loads(printed.output.replace(PLACE, KEY))
    for name, content in made["files"].items():
        path = home / name.removeprefix("~/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    argv = AGENTS.get(client, (sys.executable, "example.py"))
    if not Path(str(argv[0])).exists() or (client in AGENTS and not MODULES.exists()):
        pytest.skip("no node, or no such program for this system")
    (home / "node_modules").symlink_to(MODULES)
    offline = {"GEMINI_CLI_TRUST_WORKSPACE": "true", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
    return await run([str(word) for word in (*argv, *more)], home, said, **offline, **made["environment"])


@pytest.mark.parametrize("client", SETUPS)
@deferred(150)
async def test_the_client_takes_it_as_it_is(tmp_path: Path, client: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with stack(tmp_path, accounts=3) as running:
        ended = await as_printed(client, running.url, home, "Say hello.")
        assert ended.status == 0, ended.everything
        assert "Hello from the simulated model" in ended.out, ended.everything
        assert "Model metadata" not in ended.everything  # else Codex guesses the window


@deferred(150)
async def test_claudes_picker_is_offered_a_gemini_model_by_the_alias_that_is_printed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    printed = CliRunner().invoke(command, ["setup", "claude"])
    found = re.search(r"PROXY_MODEL_ALIASES=(\S+=\S+)", printed.output)
    assert found is not None, printed.output
    async with stack(tmp_path, accounts=3, PROXY_MODEL_ALIASES=found[1]) as running:
        listed = await running.request("GET", "/v1/models?limit=1000", anthropic_version="2023-06-01")
        picked = [model["id"] for model in listed.json["data"] if re.search("claude|anthropic", model["id"])]
        assert PICKED in picked
        ended = await as_printed("claude", running.url, home, "Say hello.", "--model", PICKED)
        assert ended.status == 0, ended.everything
        assert "Hello from the simulated model" in ended.out, ended.everything
        asked = {request.json.get("model") for request in running.simulator.requests}
        assert "gemini-3-flash" in asked
