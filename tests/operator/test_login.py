"""``antigravity-proxy login`` as a process of its own, against the simulated provider."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click import ClickException
from support.browser import Browser, consent
from support.deferreds import deferred, in_thread
from support.simulated import running
from support.volumes import reader_of, trace

from antigravity_proxy.admin.signin import Begun
from antigravity_proxy.operator.login import checked

COMMAND = [sys.executable, "-m", "antigravity_proxy.cli", "login"]


def log_in(directory: Path, environment: dict[str, str], answer: Any, **settings: str) -> tuple[int, str, str]:
    """Runs the command; ``answer`` makes what is pasted from the URL that it prints."""
    process = subprocess.Popen(
        [*COMMAND, "--data-dir", str(directory)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd()), **environment, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("http"):
            process.stdin.write(answer(line.strip()) + "\n")
            process.stdin.flush()
            break
    out, err = process.communicate(timeout=20)
    return process.returncode, printed + out, err


@deferred(40)
async def test_the_pasted_address_adds_the_account(tmp_path: Path) -> None:
    async with running() as simulator:

        def paste(url: str) -> str:
            return consent(Browser(), url)

        status, printed, said = await in_thread(log_in, tmp_path, simulator.environment, paste)
        assert (status, said) == (0, "")
        assert "someone@example.com: added" in printed
        assert ".keys/master.key" in printed
        assert "ya29" not in printed
        (account,) = reader_of(tmp_path).read().accounts
        assert account.access_token.reveal() == "ya29.renewed-1"
        status, printed, _ = await in_thread(log_in, tmp_path, simulator.environment, paste)
        assert (status, "someone@example.com: signed in again" in printed) == (0, True)


@deferred(60)
async def test_what_goes_wrong_is_one_line_and_stores_nothing(tmp_path: Path) -> None:
    async with running() as simulator:
        before = trace(tmp_path)
        environment = simulator.environment
        for settings, paste, words in (
            ({"READONLY_MODE": "true"}, None, "READONLY_MODE=false"),
            ({"GOOGLE_CLIENT_ID": "", "GOOGLE_CLIENT_SECRET": ""}, None, "GOOGLE_CLIENT_ID"),
            ({"UPSTREAM_CA_FILE": "/nowhere"}, None, "UPSTREAM_CA_FILE"),
            ({}, lambda url: consent(Browser(), url, "deny"), "the access was not allowed"),
            ({}, lambda url: "http://localhost:8888/oauth-callback?code=x&state=forged", "another sign-in"),
        ):
            status, _, said = await in_thread(log_in, tmp_path, environment, paste, **settings)
            assert (status, said.count("\n"), words in said) == (1, 1, True), said
        assert trace(tmp_path) == before
        assert simulator.refreshes == []


def test_what_is_pasted_must_be_the_answer() -> None:
    begun = Begun("u", "s", "v")
    assert checked(begun, " http://localhost/cb?state=s&code=c ").code == "c"
    for wrong in ("", "nonsense", "http://localhost/cb?code=c"):
        with pytest.raises(ClickException, match="has no 'state'"):
            checked(begun, wrong)
    with pytest.raises(ClickException, match="another sign-in"):
        checked(begun, "state=\u00e9&code=c")


@pytest.mark.parametrize("kept", range(len("http://localhost:8888/oauth-callback?state=") + 1, 87))
def test_an_address_that_a_line_end_cut_is_called_incomplete(kept: int) -> None:
    begun = Begun("u", "a-state-of-thirty-two-letters-xyz", "v")
    whole = f"http://localhost:8888/oauth-callback?state={begun.state}&code=4/0code&scope=email"
    cut = whole[: min(kept, whole.index("4/0"))]
    with pytest.raises(ClickException, match="incomplete"):
        checked(begun, cut)
