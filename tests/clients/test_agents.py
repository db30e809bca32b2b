"""Command-line agents against the daemon over sockets: one shot each, with a tool that really runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred
from support.programs import BUILD, run
from support.stack import KEY, stack
from support.vertex import vertex

from antigravity_proxy.canonical.windows import FIVE_HOURS, Standing, Window

MODULES = BUILD / "node_modules"
NODE = shutil.which("node") or "node"
OPENCODE = MODULES / "opencode-linux-x64" / "bin" / "opencode"  # the registry has it for other systems too, not for all
MODEL = "gemini-3-flash"
NOTE, WORD = "note.txt", "heliotrope"

pytestmark = pytest.mark.clients


@dataclass(frozen=True)
class Agent:
    """``argv``, before what is said on standard input; its ``tool`` with the arguments that show the note, by the
    directory; environment and the files of its home, by the daemon's URL."""

    argv: tuple[object, ...]
    tool: str
    arguments: Callable[[Path], dict[str, Any]]
    environment: Callable[[str], dict[str, str]]
    files: Callable[[str], dict[str, str]] = lambda url: {}


def _codex(url: str) -> dict[str, str]:
    return {
        ".codex/config.toml": f"""
            model = "{MODEL}"
            model_provider = "proxy"
            [model_providers.proxy]
            name = "proxy"
            base_url = "{url}/v1"
            env_key = "PROXY_KEY"
            wire_api = "responses"
            [analytics]
            enabled = false
            """
    }


def _gemini(url: str) -> dict[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False},
    }
    return {".gemini/settings.json": json.dumps(settings)}


def _opencode(provider: str, version: str) -> Agent:
    """It speaks whichever dialect its provider does."""

    def files(url: str) -> dict[str, str]:
        proxy = {
            "npm": provider,
            "name": "proxy",
            "options": {"baseURL": f"{url}/{version}", "apiKey": KEY},
            "models": {MODEL: {}},
        }
        return {"opencode.json": json.dumps({"share": "disabled", "autoupdate": False, "provider": {"proxy": proxy}})}

    off = {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}
    return Agent(
        (OPENCODE, "run", "--model", f"proxy/{MODEL}"),
        "read",
        lambda home: {"filePath": str(home / NOTE)},
        lambda url: off,
        files,
    )


AGENTS = {
    "claude": Agent(
        (NODE, MODULES / "@anthropic-ai/claude-code/cli-wrapper.cjs", "-p", "--model", MODEL, "--allowedTools", "Read"),
        "Read",
        lambda home: {"file_path": str(home / NOTE)},
        lambda url: {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    ),
    "codex": Agent(
        (NODE, MODULES / "@openai/codex/bin/codex.js", "exec", "--skip-git-repo-check", "-"),
        "exec_command",
        lambda home: {"cmd": f"cat {NOTE}"},
        lambda url: {"PROXY_KEY": KEY},
        _codex,
    ),
    "gemini": Agent(
        (NODE, MODULES / ".bin" / "gemini", "--model", MODEL),
        "read_file",
        lambda home: {"file_path": NOTE},
        lambda url: {
            "GOOGLE_GEMINI_BASE_URL": url,
            "GEMINI_API_KEY": KEY,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
        _gemini,
    ),
    "opencode by anthropic": _opencode("@ai-sdk/anthropic", "v1"),
    "opencode by openai": _opencode("@ai-sdk/openai", "v1"),
    "opencode by google": _opencode("@ai-sdk/google", "v1beta"),
}


@pytest.mark.parametrize("name", AGENTS)
@deferred(150)
async def test_a_task_with_a_tool(tmp_path: Path, name: str) -> None:
    agent = AGENTS[name]
    if not Path(str(agent.argv[0])).exists() or not MODULES.exists():
        pytest.skip("no node, or no such program for this system")
    home = tmp_path / "home"
    home.mkdir()
    (home / NOTE).write_text(f"The word is {WORD}.\n")
    async with stack(tmp_path, accounts=3) as running:
        for path, content in agent.files(running.url).items():
            (home / path).parent.mkdir(exist_ok=True)
            (home / path).write_text(content)
        task = f"call {agent.tool} with {json.dumps(agent.arguments(home))}"
        ended = await run([str(word) for word in agent.argv], home, task, **agent.environment(running.url))
        assert ended.status == 0, ended.everything
        assert f"The tools answered: {agent.tool} says" in ended.out
        assert WORD in ended.out
        # side requests, such as for a title, declare no tools
        asked = [received for received in running.simulator.requests if received.json["request"].get("tools")]
        assert len(asked) == 2, "something was refused and sent again"
        assert len({received.token for received in asked}) == 1, "a conversation stays on its account"
        *_, call, result = asked[1].json["request"]["contents"]
        assert call["parts"][-1]["functionCall"]["name"] == agent.tool
        assert WORD in json.dumps(result["parts"][0]["functionResponse"])


KEYED = f'[[credential]]\nname = "key"\nkind = "gemini-key"\nkey = "AIzaSy{"1" * 33}"\n'
#: by what official credential: its entry besides a service account, the model's alias, and where requests must go
OFFICIAL = {
    "gemini key": (KEYED, "", "/v1beta/models/"),
    "vertex gemini": ("", "", "/publishers/google/"),
    "vertex claude": ("", f"{MODEL}=claude-sonnet-4-6", "/publishers/anthropic/"),
}


@pytest.mark.parametrize("way", OFFICIAL)
@pytest.mark.parametrize("name", ["claude", "codex"])
@deferred(150)
async def test_a_task_with_a_tool_by_official_credentials(tmp_path: Path, name: str, way: str) -> None:
    agent = AGENTS[name]
    if not Path(str(agent.argv[0])).exists() or not MODULES.exists():
        pytest.skip("no node, or no such program for this system")
    home = tmp_path / "home"
    home.mkdir()
    (home / NOTE).write_text(f"The word is {WORD}.\n")
    more, alias, place = OFFICIAL[way]
    async with vertex(tmp_path, "one", more=more, order="gemini,vertex,accounts", aliases=alias) as running:
        for path, content in agent.files(running.url).items():
            (home / path).parent.mkdir(exist_ok=True)
            (home / path).write_text(content)
        task = f"call {agent.tool} with {json.dumps(agent.arguments(home))}"
        ended = await run([str(word) for word in agent.argv], home, task, **agent.environment(running.url))
        assert ended.status == 0, ended.everything
        assert f"The tools answered: {agent.tool} says" in ended.out
        assert WORD in ended.out
        assert running.simulator.requests
        assert all(place in received.path for received in running.simulator.requests)


@pytest.mark.parametrize("sockets", ["true", "false"])
@deferred(100)
async def test_codex_notes_what_is_left_of_the_windows(tmp_path: Path, sockets: str) -> None:
    agent = AGENTS["codex"]
    if not Path(str(agent.argv[0])).exists() or not MODULES.exists():
        pytest.skip("no node, or no such program for this system")
    home = tmp_path / "home"
    (home / ".codex").mkdir(parents=True)
    async with stack(tmp_path, accounts=1) as running:
        (state,) = running.daemon.pool.states
        ends = running.daemon.pool.now().epoch + 9000
        state.stands(Standing({"Gemini models": {FIVE_HOURS: Window(0.6, ends)}}))
        (config,) = agent.files(running.url).values()
        config = config.replace('wire_api = "responses"', f'wire_api = "responses"\nsupports_websockets = {sockets}')
        (home / ".codex" / "config.toml").write_text(config)
        ended = await run([str(word) for word in agent.argv], home, "say hello", **agent.environment(running.url))
        assert ended.status == 0, ended.everything
        noted = "".join(path.read_text() for path in (home / ".codex" / "sessions").rglob("*.jsonl"))
        assert '"primary":{"used_percent":40.0,"window_minutes":300,' in noted
