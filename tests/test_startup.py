"""What a start begins with, where files are not what they should be."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

import pytest

from antigravity_proxy import startup
from antigravity_proxy.settings import limits
from antigravity_proxy.settings.resolve import SettingsError


def test_a_secrets_file_without_end_ends_the_start_in_words(tmp_path: Path) -> None:
    environment = {"ANTIGRAVITY_DATA_DIR": str(tmp_path), "PROXY_API_KEY_FILE": "/dev/zero"}
    with pytest.raises(SettingsError, match="/dev/zero can't be read: it is larger than the 1 MiB"):
        startup.begin({}, environment)


def test_a_secrets_file_is_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-a\n")
    environment = {"ANTIGRAVITY_DATA_DIR": str(tmp_path), "PROXY_API_KEY_FILE": str(tmp_path / "key")}
    assert [key.reveal() for key in startup.begin({}, environment).settings.api_keys] == ["sk-a"]
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        startup.begin({}, environment)


@pytest.mark.parametrize("inside", ["", "state", "a/b"])
def test_what_lies_in_the_volume_through_links_too(tmp_path: Path, inside: str) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (tmp_path / "link").symlink_to(volume)
    for spelling in (volume / inside, tmp_path / "link" / inside, tmp_path / "x" / ".." / "volume" / inside):
        assert startup.lies_in(spelling, tmp_path / "link")
    assert not startup.lies_in(tmp_path / "volume-state", volume)
    assert not startup.lies_in(tmp_path, volume)


def test_where_links_can_not_be_read_in_a_moment_the_names_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = Event()
    monkeypatch.setattr(limits, "FIRST_READ", 0.0)
    monkeypatch.setattr(os.path, "realpath", lambda path: mended.wait())
    try:
        assert startup.lies_in(tmp_path / "volume" / ".." / "volume" / "state", tmp_path / "volume")
        assert not startup.lies_in(tmp_path / "state", tmp_path / "volume")
    finally:
        mended.set()
