"""The commands of README and of the guides, run as they stand there, against a simulated Google."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.deferreds import deferred, in_thread
from support.documents import INSTALL, Shell, blocks
from support.stack import KEY, free_port, stack

from antigravity_proxy.demo import SIMULATED_KEY
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.web import client_setup

README = "README.md"
#: the clients of README's table that are Python packages, by what `antigravity-proxy setup` calls them
PACKAGES = {"OpenAI SDKs": "openai", "Anthropic SDKs": "anthropic", "Google Gen AI SDKs": "genai"}


def at(port: int, script: str) -> str:
    """A script for another port, with a key that the simulated Google knows, and without the installation."""
    return script.replace("8045", str(port)).replace("AIza…", SIMULATED_KEY).replace(INSTALL, "")


def shell(directory: Path, simulator: Simulator, port: int, **more: str) -> Shell:
    environment = {k: v for k, v in simulator.environment.items() if not k.startswith("GOOGLE_CLIENT")}
    own = {"PROXY_PORT": str(port), "OAUTH_LISTEN_PORT": "0", "PROXY_DRAIN_SECONDS": "1"}
    return Shell(directory, **environment, **own, **more)


@deferred(60)
async def test_the_readmes_start_with_a_key_streams_an_answer(tmp_path: Path) -> None:
    from twisted.internet import reactor

    simulator = Simulator(reactor)
    simulator.start()
    port = free_port()
    here = shell(tmp_path, simulator, port)
    begin, ask = blocks(README, "### With an API key")

    def follow() -> str:
        assert INSTALL in begin
        with here.serving(at(port, begin)):
            return here.run(at(port, ask))

    try:
        streamed = await in_thread(follow)
    finally:
        await simulator.stop()
    assert "Hello from" in "".join(re.findall(r'"content":"([^"]*)"', streamed))
    assert streamed.rstrip().endswith("data: [DONE]")


@deferred(60)
async def test_the_readmes_start_with_accounts_serves(tmp_path: Path) -> None:
    from twisted.internet import reactor

    simulator = Simulator(reactor)
    simulator.start()
    port = free_port()
    here = shell(tmp_path, simulator, port)
    here.environment |= {"GOOGLE_CLIENT_ID": "i", "GOOGLE_CLIENT_SECRET": "s"}
    write_volume(tmp_path / ".antigravity-agent", accounts=2, api_key=KEY)
    (begin,) = blocks(README, "### With the app's accounts, without a container")

    def follow() -> str:
        with here.serving(at(port, begin)) as printed:
            found = here.run(f"curl -sf -H 'Authorization: Bearer {KEY}' http://127.0.0.1:{port}/v1/models")
            assert "gemini-3-flash" in {model["id"] for model in json.loads(found)["data"]}
            return printed

    try:
        printed = await in_thread(follow)
    finally:
        await simulator.stop()
    assert "2 rows, 2 usable" in printed


def rows() -> dict[str, str]:
    """The set-up of each client in README's table, as the shell takes it."""
    table = Path(README).read_text().partition("## Connect a client")[2]
    return dict(re.findall(r"^\| ([A-Za-z][\w ]+?)(?: \(.*?\))? \| `(.*?)`", table, re.M))


def test_the_readme_names_every_client_that_setup_knows() -> None:
    (command,) = blocks(README, "## Connect a client")
    assert set(client_setup.CLIENTS) == {
        word for word in re.findall(r"[\w-]+", command) if word in client_setup.CLIENTS
    }
    assert {"Claude Code", "Codex", "Gemini CLI", "opencode", "Vercel AI SDK", *PACKAGES} == set(rows())


@pytest.mark.parametrize("client", PACKAGES)
@deferred(60)
async def test_the_readmes_variables_lead_a_package_here(tmp_path: Path, client: str) -> None:
    example = client_setup.CLIENTS[PACKAGES[client]]("http://unused").files["example.py"]
    async with stack(tmp_path, accounts=1) as running:
        here = Shell(tmp_path, KEY=KEY)
        (tmp_path / "example.py").write_text(example)
        said = await in_thread(
            here.run, f"{rows()[client]} {sys.executable} example.py".replace("8045", str(running.port))
        )
    assert "Hello from the simulated model" in said


def test_the_readmes_setup_line_prints_a_configuration(tmp_path: Path) -> None:
    (command,) = blocks(README, "## Connect a client")
    assert "openai_base_url" in Shell(tmp_path).run(command.replace("setup codex ", "setup codex-built-in "))


def test_the_readmes_operator_commands_exist(tmp_path: Path) -> None:
    table = Path(README).read_text().partition("## Operate it")[2].partition("\n\nSettings")[0]
    commands = re.findall(r"`antigravity-proxy ([a-z -]+?)(?: --.*?| [A-Z_]+)?`", table)
    assert len(commands) >= 5
    here = Shell(tmp_path)
    for command in commands:
        assert "Usage:" in here.run(f"antigravity-proxy {command} --help")


@pytest.mark.parametrize(
    ("heading", "last"),
    [
        ("### Without a key or an account: the demo", ".venv/bin/antigravity-proxy demo"),
        ("## Change it", ".venv/bin/python -m pytest"),
    ],
)
def test_what_make_does_is_what_tests_run(heading: str, last: str) -> None:
    (command,) = blocks(README, heading)
    recipe = subprocess.run(
        [*command.split(), "--dry-run", "--no-print-directory"], capture_output=True, text=True, check=True
    ).stdout
    assert recipe.splitlines()[-1].startswith(last)


def test_the_readme_is_short() -> None:
    assert len(Path(README).read_text().splitlines()) <= 150


TUTORIAL = "docs/tutorial.md"


@deferred(120)
async def test_the_tutorial_leads_to_a_team_with_budgets(tmp_path: Path) -> None:
    """Every command in its order; the daemon's start goes on beside those that follow it."""
    from twisted.internet import reactor

    simulator = Simulator(reactor)
    simulator.start()
    port, admin_port = free_port(), free_port()
    here = shell(tmp_path, simulator, port)
    here.environment |= {"OAUTH_LISTEN_PORT": str(admin_port)}
    commands = [at(port, block) for block in blocks(TUTORIAL)]
    start = next(each for each in commands if each.startswith("twistd"))
    before, after = commands[: commands.index(start)], commands[commands.index(start) + 1 :]
    enter = "set -a; . ./proxy.env; set +a\n"
    assert enter in commands

    def follow() -> list[str]:
        said = [here.run(each if each in commands[:4] else enter + each) for each in before]
        with here.serving(enter + start):
            for each in after:
                said.append(here.run(enter + each))
                while "secrets/ben)" in each and "429" not in said[-1].splitlines()[0]:  # within two seconds
                    said[-1] = here.run(enter + each)
        (usage,) = (each for each in after if each.startswith("antigravity-proxy usage"))
        return [*said, here.run(enter + usage)]  # a stop has written the last seconds too

    try:
        said = await in_thread(follow)
    finally:
        await simulator.stop()
    everything = "\n".join(said)
    asked = [each for each in said if each.startswith("HTTP/1.1")]
    assert [each.split(" ", 2)[1] for each in asked] == ["200", "403", "429"]
    assert "x-ratelimit-remaining-tokens: " in asked[0].lower()
    assert "retry-after: " in asked[2].lower()
    assert "may use 5 tokens a day" in asked[2]
    assert "ANTHROPIC_AUTH_TOKEN" in everything
    assert "All is well." in everything
    assert "served by gemini-3.8-flash" in everything
    assert re.search(r"^ann +gemini-3.8-flash", said[-1], re.M), said[-1]
    assert not re.search(r"^ci ", said[-2], re.M)


FIRST = "docs/first-contribution.md"


def test_the_code_that_the_first_contribution_shows_is_the_code() -> None:
    """The lines of each block follow each other in a file that the page has named before it; indents don't count."""

    def plain(code: str) -> str:
        return "\n".join(map(str.strip, code.splitlines()))

    root = Path(README).resolve().parent
    pieces = re.split(r"^```(\w+)\n(.*?)^```$", (root / FIRST).read_text(), flags=re.M | re.S)
    named: list[str] = []
    shown = 0
    for text, language, code in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=False):
        named += re.findall(r"`((?:antigravity_proxy|tests)/[\w/]+\.py)`", text)
        if language in ("python", "text"):
            shown += 1
            assert any(plain(code) in plain((root / name).read_text()) for name in named), code
    assert shown >= 7
    assert all((root / name).exists() for name in named)


def test_the_tests_that_the_first_contribution_runs_exist() -> None:
    root = Path(README).resolve().parent
    for block in blocks(FIRST):
        for path in re.findall(r"\btests/[\w/.]+", block):
            assert (root / path).exists(), path
