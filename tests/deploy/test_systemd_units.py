"""The unit files: what systemd itself says of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from antigravity_proxy.settings.table import TABLE

UNITS = Path(__file__).parents[2] / "deploy/systemd"
SERVICE = (UNITS / "antigravity-proxy.service").read_text()

needs = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


def run(*argv: object) -> str:
    """Runs a command that must succeed; gives what it printed."""
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for path in UNITS.glob("antigravity-proxy*"):
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/antigravity/bin/twistd", sys.executable))
    # a service whose socket units are there, and one alone
    names = ["antigravity-proxy.service", "antigravity-proxy.socket", "antigravity-proxy-admin.socket"]
    assert run("systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in names)) == ""


@needs
@pytest.mark.parametrize("drop_in", [None, "sign-in.conf"])
def test_the_exposure_score_is_at_most_2(tmp_path: Path, drop_in: str | None) -> None:
    unit = tmp_path / "antigravity-proxy.service"
    unit.write_text(SERVICE + (UNITS / drop_in).read_text() if drop_in else SERVICE)
    told = run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
    score = re.search(r"Overall exposure level .*: ([\d.]+)", told)
    assert score is not None
    assert float(score[1]) <= 2.0


@needs
def test_user_and_directories_are_made_as_described(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", UNITS / "sysusers.conf")
    assert "antigravity-proxy:" in (tmp_path / "etc/passwd").read_text()
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create", UNITS / "tmpfiles.conf")
    assert (tmp_path / "var/lib/antigravity-proxy").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "etc/antigravity-proxy/secrets").stat().st_mode & 0o777 == 0o700


def test_every_setting_in_the_units_exists() -> None:
    names = {setting.name for setting in TABLE} | {f"{setting.name}_FILE" for setting in TABLE if setting.secret}
    text = SERVICE + (UNITS / "sign-in.conf").read_text() + (UNITS / "proxy.env.example").read_text()
    set_here = set(re.findall(r"^#?(?:Environment=)?([A-Z_]+)=|(?<= )([A-Z_]+)=", text, re.M))
    found = {first or second for first, second in set_here} - {"PYTHONUNBUFFERED"}
    assert found
    assert found <= names


def test_the_stop_is_longer_than_the_drain() -> None:
    timeout = re.search(r"^TimeoutStopSec=(\d+)$", SERVICE, re.M)
    drain = next(setting.default for setting in TABLE if setting.name == "PROXY_DRAIN_SECONDS")
    assert timeout is not None
    assert drain is not None
    assert int(timeout[1]) > float(drain)
