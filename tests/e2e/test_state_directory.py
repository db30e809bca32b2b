"""The daemon and its state directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stack import stack

from antigravity_proxy.daemon import service
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.simulator.volume import write_volume


def test_the_volume_is_refused_as_one_at_the_start(tmp_path: Path) -> None:
    volume = write_volume(tmp_path / "volume", accounts=1)
    given = {"ANTIGRAVITY_DATA_DIR": str(volume.directory), "PROXY_STATE_DIR": str(volume.directory / "state")}
    with pytest.raises(SettingsError, match=r"PROXY_STATE_DIR: .* lies in the credential volume"):
        service.make({}, given)
    assert not (volume.directory / "state").exists()


@pytest.mark.parametrize("name", ["PROXY_STATE_DIR", "STATE_DIRECTORY"])
async def test_it_is_made_and_a_missing_one_is_a_warning_while_the_daemon_serves(tmp_path: Path, name: str) -> None:
    async with stack(tmp_path, **{name: str(tmp_path / "state")}) as running:
        assert (tmp_path / "state" / "state.db").exists()
        assert (await running.request("GET", "/health")).json["warnings"] == []
    missing = {name: str(tmp_path / "nowhere" / "state")}
    async with stack(tmp_path / "second", **missing) as running:
        health = (await running.request("GET", "/health")).json
        assert health["status"] == "healthy"
        (warning,) = health["warnings"]
        assert warning.startswith("PROXY_STATE_DIR: No such file or directory;")
        assert (await running.chat()).status == 200
