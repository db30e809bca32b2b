"""``client-key``: keys are made once, listed without themselves, and revoked."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from support.command import call

from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.web.client_keys import digest
from antigravity_proxy.web.client_keys_file import reader


@pytest.fixture
def at(tmp_path: Path) -> dict[str, str]:
    """The settings: a volume, and a file of keys beside it."""
    write_volume(tmp_path / "volume", accounts=0, api_key="sk-x")
    return {
        "ANTIGRAVITY_DATA_DIR": str(tmp_path / "volume"),
        "PROXY_CLIENT_KEYS_FILE": str(tmp_path / "etc" / "keys.json"),
    }


@pytest.mark.row("key files")
def test_a_key_is_shown_once_and_only_its_hash_is_kept(at: dict[str, str]) -> None:
    done = call("client-key", "add", "laptop", **at)
    assert done.exit_code == 0, done.output
    plain = done.stdout.strip()
    assert plain.startswith("sk-ag-")
    path = Path(at["PROXY_CLIENT_KEYS_FILE"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert plain.encode() not in path.read_bytes()
    assert reader(path).read()[0].sha256 == digest(plain.encode()).decode()
    for listed in (call("client-key", "list", **at), call("client-key", "list", "--json", **at)):
        assert "laptop" in listed.stdout
        assert plain not in listed.output
        assert reader(path).read()[0].sha256 not in listed.output
    assert os.listdir(path.parent) == ["keys.json"]


def test_limits_are_kept_and_told(at: dict[str, str]) -> None:
    limits = ("--expires", "2099-01-31", "--requests-per-minute", "60", "--concurrent", "4", "--models", "gemini-*, x")
    assert call("client-key", "add", "ci", *limits, **at).exit_code == 0
    assert call("client-key", "add", "old", "--expires", "2020-01-01T10:00:00", **at).exit_code == 0
    assert call("client-key", "add", "soon", "--expires", "90d", **at).exit_code == 0
    text = call("client-key", "list", **at).stdout
    assert "until 2099-01-31 00:00 UTC; 60 requests a minute; 4 at a time; models gemini-*, x" in text
    assert "expired 2020-01-01 10:00 UTC" in text
    listed = json.loads(call("client-key", "list", "--json", **at).stdout)
    assert listed[0]["models"] == ["gemini-*", "x"]


def test_a_revoked_key_is_gone(at: dict[str, str]) -> None:
    for name in ("laptop", "ci"):
        call("client-key", "add", name, **at)
    assert call("client-key", "revoke", "laptop", **at).exit_code == 0
    assert [key.name for key in reader(Path(at["PROXY_CLIENT_KEYS_FILE"])).read()] == ["ci"]
    again = call("client-key", "revoke", "laptop", **at)
    assert (again.exit_code, "no client key named" in again.output) == (1, True)
    call("client-key", "revoke", "ci", **at)
    assert "No client has a key" in call("client-key", "list", **at).output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "laptop"), "revoke it first"),
        (("add", "two words"), "can't be added"),
        (("add", "x", "--expires", "soon"), "90d"),
        (("add", "x", "--concurrent", "0"), "range"),
    ],
)
def test_what_can_not_be_is_one_line(at: dict[str, str], arguments: tuple[str, ...], why: str) -> None:
    call("client-key", "add", "laptop", **at)
    done = call("client-key", *arguments, **at)
    assert done.exit_code in (1, 2)
    assert why in done.output
    assert "Traceback" not in done.output


def test_a_broken_file_is_left_alone(at: dict[str, str]) -> None:
    path = Path(at["PROXY_CLIENT_KEYS_FILE"])
    path.parent.mkdir()
    path.write_text("{")
    for arguments in (("add", "x"), ("revoke", "x"), ("list",)):
        done = call("client-key", *arguments, **at)
        assert (done.exit_code, "correct it by hand" in done.output) == (1, True)
    assert path.read_text() == "{"


def test_a_read_only_data_directory_is_not_written(at: dict[str, str], tmp_path: Path) -> None:
    inside = {**at, "READONLY_MODE": "true", "PROXY_CLIENT_KEYS_FILE": str(tmp_path / "volume" / "keys.json")}
    done = call("client-key", "add", "laptop", **inside)
    assert (done.exit_code, "READONLY_MODE" in done.output) == (1, True)
    assert not (tmp_path / "volume" / "keys.json").exists()
    assert call("client-key", "add", "laptop", **{**inside, "READONLY_MODE": "false"}).exit_code == 0


def test_without_a_file_it_says_how_to_name_one(at: dict[str, str], tmp_path: Path) -> None:
    del at["PROXY_CLIENT_KEYS_FILE"]
    assert "PROXY_CLIENT_KEYS_FILE" in call("client-key", "list", **at).output
    assert call("client-key", "add", "x", "--file", tmp_path / "other.json", **at).exit_code == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_the_daemons_user(at: dict[str, str]) -> None:
    path = Path(at["PROXY_CLIENT_KEYS_FILE"])
    path.parent.mkdir()
    os.chown(path.parent, 12345, 12345)
    call("client-key", "add", "x", **at)
    assert path.stat().st_uid == 12345
    os.chown(path, 23456, 23456)
    call("client-key", "add", "y", **at)
    assert path.stat().st_uid == 23456
