"""Command-line agents with their own defaults: no model of ours is named, and the newest releases beside the pinned."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred
from support.programs import BUILD, Ended, run
from support.stack import KEY, Stack, stack

NODE = shutil.which("node") or "node"
NOTE, WORD = "note.txt", "heliotrope"
NEWEST = BUILD.parent / "newest"
RELEASES = {"pinned": BUILD / "node_modules", "newest": NEWEST / "node_modules"}

pytestmark = pytest.mark.clients
released = pytest.mark.parametrize("release", RELEASES)


def module(release: str, name: str) -> str:
    """A program's file; skips where that release is not installed."""
    path = RELEASES[release] / name
    if not path.exists():
        pytest.skip(f"no {name} of the {release} release here")
    return str(path)


def at_home(tmp_path: Path, files: dict[str, str]) -> Path:
    home = tmp_path / "home"
    for name, content in ({NOTE: f"The word is {WORD}.\n"} | files).items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    return home


def asked(running: Stack) -> list[dict[str, Any]]:
    """Upstream's requests that declare tools: side requests, such as for a title, have none."""
    requests = [received.json["request"] for received in running.simulator.requests]
    return [request for request in requests if request.get("tools")]


async def codex(release: str, home: Path, said: str, *options: str) -> Ended:
    program = module(release, "@openai/codex/bin/codex.js")
    argv = [NODE, program, "exec", "--skip-git-repo-check", *options, "-"]
    return await run(argv, home, said, CODEX_API_KEY=KEY)


def config(running: Stack, more: str = "", tables: str = "") -> dict[str, str]:
    """Codex with its built-in provider, pointed here."""
    text = f'openai_base_url = "{running.url}/v1"\n{more}\n[analytics]\nenabled = false\n{tables}\n'
    return {".codex/config.toml": text}


def in_javascript(command: str) -> str:
    """What the default model's one tool for everything is called with."""
    code = f"const r = await tools.exec_command({{cmd: {json.dumps(command)}}}); text(r.output)"
    return f"call functions__exec with {json.dumps({'input': code})}"


@released
@deferred(150)
async def test_codex_by_default(tmp_path: Path, release: str) -> None:
    async with stack(tmp_path, accounts=3) as running:
        home = at_home(tmp_path, config(running))
        ended = await codex(release, home, in_javascript(f"cat {NOTE}"))
        assert ended.status == 0, ended.everything
        assert WORD in ended.out.rpartition("The tools answered")[2], ended.everything
        requests = asked(running)
        assert len(requests) == 2
        *_, call, result = requests[1]["contents"]
        assert call["parts"][-1]["functionCall"]["name"] == "functions__exec"
        assert WORD in json.dumps(result)
        assert len({received.token for received in running.simulator.requests}) == 1


@released
@deferred(150)
async def test_codex_makes_its_conversation_shorter(tmp_path: Path, release: str) -> None:
    async with stack(tmp_path, accounts=3) as running:
        home = at_home(tmp_path, config(running, "model_auto_compact_token_limit = 20"))
        ended = await codex(release, home, "Say hello.")
        assert ended.status == 0, ended.everything
        ended = await codex(release, home, "Say it again.", "resume", "--last")
        assert ended.status == 0, ended.everything
        sent = [json.dumps(received.json["request"]["contents"]) for received in running.simulator.requests]
        assert any("Write that summary" in each for each in sent)
        assert "summary_of_the_earlier_conversation" in sent[-1]
        assert "can't be read" not in sent[-1]


@released
@deferred(150)
async def test_codex_finds_the_tools_of_a_server(tmp_path: Path, release: str) -> None:
    unasked = "--dangerously-bypass-approvals-and-sandbox"
    server = f'[mcp_servers.words]\ncommand = "{sys.executable}"\nargs = ["{Path(__file__).parent / "mcp_server.py"}"]'
    async with stack(tmp_path, accounts=3) as running:
        home = at_home(tmp_path, config(running, 'model = "gpt-5.5"', server))
        ended = await codex(release, home, 'call tool_search with {"query": "secret word"}')
        assert ended.status == 0, ended.everything
        first, second = asked(running)[:2]
        names = [each["name"] for each in first["tools"][0]["functionDeclarations"]]
        assert "tool_search" in names
        assert not any("secret_word" in name for name in names)
        (found,) = {
            each["name"]
            for tool in second["tools"]
            for each in tool["functionDeclarations"]
            if "secret_word" in each["name"]
        }
        running.simulator.requests.clear()
        ended = await codex(release, home, f'call {found} with {{"room": "hall"}}', unasked, "resume", "--last")
        assert ended.status == 0, ended.everything
        assert WORD in ended.out, ended.everything


@released
@deferred(150)
async def test_claude_by_default(tmp_path: Path, release: str) -> None:
    async with stack(tmp_path, accounts=3) as running:
        home = at_home(tmp_path, {})
        program = module(release, "@anthropic-ai/claude-code/cli-wrapper.cjs")
        task = f"call Read with {json.dumps({'file_path': str(home / NOTE)})}"
        ended = await run(
            [NODE, program, "-p", "--allowedTools", "Read"],
            home,
            task,
            ANTHROPIC_BASE_URL=running.url,
            ANTHROPIC_API_KEY=KEY,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        )
        assert ended.status == 0, ended.everything
        assert WORD in ended.out, ended.everything


@released
@deferred(150)
async def test_gemini_by_default(tmp_path: Path, release: str) -> None:
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
    async with stack(tmp_path, accounts=3) as running:
        home = at_home(tmp_path, {".gemini/settings.json": json.dumps(settings)})
        task = f"call read_file with {json.dumps({'file_path': NOTE})}"
        ended = await run(
            [NODE, module(release, ".bin/gemini")],
            home,
            task,
            GOOGLE_GEMINI_BASE_URL=running.url,
            GEMINI_API_KEY=KEY,
            GEMINI_CLI_TRUST_WORKSPACE="true",
        )
        assert ended.status == 0, ended.everything
        assert WORD in ended.out, ended.everything


@pytest.mark.parametrize(
    ("provider", "version", "key", "options"),
    [
        ("openai", "v1", "OPENAI_API_KEY", ()),
        ("anthropic", "v1", "ANTHROPIC_API_KEY", ()),
        # its default of Google's is a model that makes pictures, and takes no tools
        ("google", "v1beta", "GOOGLE_GENERATIVE_AI_API_KEY", ("--model", "google/gemini-2.5-flash")),
    ],
)
@released
@deferred(150)
async def test_opencode_by_default(
    tmp_path: Path, release: str, provider: str, version: str, key: str, options: tuple[str, ...]
) -> None:
    """Its built-in providers, pointed here; the models are those it knows of them."""
    program = module(release, "opencode-linux-x64/bin/opencode")
    async with stack(tmp_path, accounts=3) as running:
        pointed = {"baseURL": f"{running.url}/{version}", "apiKey": KEY}
        settings = {
            "share": "disabled",
            "autoupdate": False,
            "enabled_providers": [provider],
            "provider": {provider: {"options": pointed}},
        }
        home = at_home(tmp_path, {"opencode.json": json.dumps(settings)})
        task = f"call read with {json.dumps({'filePath': str(home / NOTE)})}"
        environment = {"OPENCODE_DISABLE_AUTOUPDATE": "1", key: KEY}
        ended = await run([program, "run", *options], home, task, **environment)
        assert ended.status == 0, ended.everything
        assert WORD in ended.out, ended.everything
