"""The list of accounts: what is told, what is masked, and why a row can't serve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import call
from support.volumes import EPOCH, copy_of, reader_of, update

from antigravity_proxy.operator import accounts
from antigravity_proxy.simulator.volume import VolumeWriter, write_volume
from antigravity_proxy.volume import layout
from antigravity_proxy.volume import writer as writing


@pytest.fixture
def writer(tmp_path: Path) -> VolumeWriter:
    return write_volume(tmp_path / "volume", accounts=2, api_key="sk-a")


def reasons(writer: VolumeWriter, *clients: str) -> list[str]:
    state = reader_of(writer.directory).read()
    return [line.reason for line in accounts.lines(state, clients, EPOCH, show=False)]


def test_addresses_are_masked_also_where_they_are_names(tmp_path: Path) -> None:
    volume = copy_of("gui-0.9.2", tmp_path)
    listed = json.loads(call("accounts", "list", "--json", "--data-dir", volume).output)
    assert [set(line) for line in listed] == [
        {"id", "provider", "email", "name", "status", "readable", "usable", "reason"}
    ] * 3
    assert [line["email"] for line in listed] == ["a***@example.com", "c***@example.com", "b***@example.com"]
    assert [line["name"] for line in listed] == ["Alice Example", "", "b***@example.com"]
    shown = json.loads(call("accounts", "list", "--json", "--show", "--data-dir", volume).output)
    assert [line["email"] for line in shown] == ["alice@example.com", "carol@example.com", "bob@example.com"]


def test_as_text_each_has_a_line(tmp_path: Path) -> None:
    volume = copy_of("hot-wal", tmp_path)
    output = call("accounts", "list", "--data-dir", volume).output
    assert len(output.splitlines()) == 4
    assert "@example.com" in output
    assert "FAKE" not in output


def test_an_empty_table_is_told(tmp_path: Path) -> None:
    write_volume(tmp_path / "volume", accounts=0, api_key="sk-a")
    assert call("accounts", "list", "--data-dir", tmp_path / "volume").output == "No accounts.\n"


def test_a_live_token_lacks_nothing(writer: VolumeWriter) -> None:
    writer.add(0, expires_at=EPOCH + 600)
    writer.add(1, expires_at=EPOCH - 600)
    assert reasons(writer, "") == ["", ""]
    assert sorted(reasons(writer)) == [
        "",
        "its access token has expired, and no OAuth client is there to renew it: set GOOGLE_CLIENT_ID",
    ]


def test_every_reason(writer: VolumeWriter) -> None:
    writer.add(0, expires_at=EPOCH - 600, oauth_client_key="own")
    writer.add(1, expires_at=EPOCH - 600, refresh_token="")
    found = reasons(writer)
    assert any("GOOGLE_CLIENT_ID__OWN or GOOGLE_CLIENT_ID" in reason for reason in found)
    assert "its access token has expired, and it has no refresh token: sign in again" in found
    assert reasons(writer, "own").count("") == 1
    writing.VolumeWriter(layout.single(writer.directory), None, lambda: EPOCH).pause(writer.add(0), paused=True)
    assert any("it is paused for this proxy" in reason for reason in reasons(writer))
    writer.add(1, upstream_proxy_url="http://me:secret@")
    assert "its own proxy can't be used: a proxy URL begins with http://, https:// or socks5:// and names a host" in (
        reasons(writer)
    )
    update(writer.directory, 0, provider="anthropic")
    update(writer.directory, 1, status="expired")
    found = reasons(writer)
    assert "provider 'anthropic' is listed, but never used" in found
    assert "the desktop app has marked it as expired: sign in again" in found


def test_a_row_that_does_not_open_is_listed_with_its_address(writer: VolumeWriter) -> None:
    update(writer.directory, 0, token_json="nonsense")
    state = reader_of(writer.directory).read()
    line = accounts.lines(state, (), EPOCH, show=True)[-1]
    assert (line.readable, line.usable, line.reason) == (False, False, "its token has no known form")
    assert "@" in line.email
