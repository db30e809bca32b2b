"""What a start begins with, where files are not what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from antigravity_proxy import startup
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
