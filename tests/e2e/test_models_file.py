"""An operator's file of models, over sockets: in force at once, and the last good one while it is broken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.deferreds import deferred, wait
from support.stack import Stack, stack

from antigravity_proxy.accounts import quota_poll
from antigravity_proxy.daemon import service
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.simulator.offered import OFFERED as SIMULATED
from antigravity_proxy.simulator.server import Simulator

LIMITED = '[accounts."gemini-3-flash"]\noutput = 4096\n'
ADDED = LIMITED + '[accounts."gemini-9-ultra"]\noutput = 100\n[[alias]]\nnames = ["house"]\nmodel = "gemini-9-ultra"\n'
OFFERED = {"models": {"gemini-3-flash": {"maxOutputTokens": 50_000}, "gemini-9-ultra": {"maxOutputTokens": 200}}}


def offering(simulator: Simulator) -> None:
    simulator.available = {f"ya29.sim-{i}": OFFERED for i in range(2)}


async def limit_sent(running: Stack, model: str = "gemini-3-flash") -> int:
    """The output limit that upstream gets for a large wish."""
    assert (await running.chat(model=model, max_tokens=60_000)).status == 200
    limit: int = running.simulator.requests[-1].json["request"]["generationConfig"]["maxOutputTokens"]
    return limit


async def warnings(running: Stack, about: str = "PROXY_MODELS_FILE:") -> list[str]:
    found: list[str] = (await running.request("GET", "/health")).json["warnings"]
    return [each for each in found if about in each]


async def becomes(ask: Callable[[], Awaitable[object]], expected: object) -> None:
    """Waits until that is the answer."""
    while await ask() != expected:
        await wait(0.1)


@deferred(30)
async def test_models_are_corrected_and_added_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_poll, "FIRST", 0.0)
    monkeypatch.setitem(SIMULATED, "gemini-9-ultra", replace(SIMULATED["gemini-3-flash"], id="gemini-9-ultra"))
    path = tmp_path / "models.toml"
    path.write_text("")
    async with stack(tmp_path, before=offering, PROXY_MODELS_FILE=str(path)) as running:
        await becomes(lambda: limit_sent(running), 50_000)  # as upstream says
        [unknown] = await warnings(running, "gemini-9-ultra")
        assert unknown.endswith("A newer one may; PROXY_MODELS_FILE can add a model")
        path.write_text(LIMITED)
        await becomes(lambda: limit_sent(running), 4096)
        path.write_text(ADDED)
        await becomes(lambda: limit_sent(running, "house"), 100)
        assert await warnings(running, "gemini-9-ultra") == []

        path.write_text(ADDED.replace("output", "ouput"))
        while not await warnings(running):
            await wait(0.1)
        [warning] = await warnings(running)
        assert warning.startswith("PROXY_MODELS_FILE: line 2 (accounts.gemini-3-flash): 'ouput' is unknown; accepted ")
        assert warning.endswith("; what it held before stays in force")
        assert (await limit_sent(running), await limit_sent(running, "house")) == (4096, 100)

        path.write_text("")
        await becomes(lambda: limit_sent(running), 50_000)
        assert await warnings(running) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "PROXY_MODELS_FILE: it isn't there"),
        (b"\xff", "PROXY_MODELS_FILE: it is not UTF-8"),
        (b"#" * (300 << 10), "PROXY_MODELS_FILE: it can't be read: it is larger than"),
        (b"x = 1", "PROXY_MODELS_FILE: line 1: 'x' is unknown"),
    ],
)
def test_a_file_that_is_wrong_at_the_start_ends_it_with_one_line(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "models.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        service.make({}, {"ANTIGRAVITY_DATA_DIR": str(tmp_path), "PROXY_MODELS_FILE": str(path)})
    assert str(raised.value).startswith(words)
    assert "\n" not in str(raised.value)
