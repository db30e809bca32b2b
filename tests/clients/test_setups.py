"""What ``antigravity-proxy setup`` prints, fed to the real client as it is; only the key is put in its place."""

from __future__ import annotations

import json
import os
import re
import shlex
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
    found = re.search(rf"PROXY_MODEL_ALIASES=({PICKED}=\S+)", printed.output)
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


#: the agents of README's table, with their command here, and the further words of a run without a terminal
README_AGENTS = {
    "Claude Code": ("claude", "-p"),
    "Codex": ("codex-built-in", "exec --skip-git-repo-check -"),
}


@pytest.mark.parametrize("name", README_AGENTS)
@deferred(150)
async def test_the_readmes_line_starts_the_agent_here(tmp_path: Path, name: str) -> None:
    agent, more = README_AGENTS[name]
    program = [str(word) for word in AGENTS[agent] if word not in ("-p", "exec", "--skip-git-repo-check", "-")]
    if not Path(program[0]).exists() or not MODULES.exists():
        pytest.skip("no node here")
    table = (Path(__file__).parents[2] / "README.md").read_text()
    line = re.search(rf"^\| {name} \| `(.*)` \|$", table, re.M)
    assert line is not None
    command = re.search(r"(claude|codex)$|codex(?= -c)", line[1])
    assert command is not None
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / command[0]
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n')
    wrapper.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    async with stack(tmp_path, accounts=3) as running:
        script = f"{line[1]} {more}".replace("8045", str(running.port))
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        ended = await run(["sh", "-c", script], home, "Say hello.", KEY=KEY, PATH=path)
        assert ended.status == 0, ended.everything
        assert "Hello from the simulated model" in ended.out, ended.everything
