"""Where the app's files are on each platform."""

from __future__ import annotations

from pathlib import Path

from antigravity_proxy.volume import layout

HOME = Path("/home/x")


def test_a_data_directory_holds_everything() -> None:
    found = layout.single(Path("/data"))
    assert found.database == Path("/data/cloud_accounts.db")
    assert found.configs == (Path("/data/gui_config.json"),)
    assert found.keys == (Path("/data"),)


def test_linux() -> None:
    found = layout.of_desktop("linux", {}, HOME)
    assert found.database == HOME / ".antigravity-agent/cloud_accounts.db"
    assert found.configs == (
        HOME / ".antigravity-agent/gui_config.json",
        HOME / ".config/Antigravity/gui_config.json",
    )
    assert found.keys == (HOME / ".antigravity-agent", HOME / ".config/Antigravity Manager")


def test_linux_with_another_config_directory() -> None:
    found = layout.of_desktop("linux", {"XDG_CONFIG_HOME": "/xdg"}, HOME)
    assert found.keys[1] == Path("/xdg/Antigravity Manager")
    assert found.configs[1] == HOME / ".config/Antigravity/gui_config.json"
    assert layout.of_desktop("linux", {"XDG_CONFIG_HOME": ""}, HOME) == layout.of_desktop("linux", {}, HOME)


def test_macos() -> None:
    found = layout.of_desktop("darwin", {"XDG_CONFIG_HOME": "/xdg"}, HOME)
    support = HOME / "Library/Application Support"
    assert found.database == HOME / ".antigravity-agent/cloud_accounts.db"
    assert found.configs[1] == support / "Antigravity/gui_config.json"
    assert found.keys == (HOME / ".antigravity-agent", support / "Antigravity Manager")


def test_windows() -> None:
    found = layout.of_desktop("win32", {"APPDATA": "/roaming"}, HOME)
    assert found.database == HOME / ".antigravity-agent/cloud_accounts.db"
    assert found.configs[1] == Path("/roaming/Antigravity/gui_config.json")
    assert found.keys[1] == Path("/roaming/Antigravity Manager")
    assert layout.of_desktop("win32", {}, HOME).keys[1] == HOME / "AppData/Roaming/Antigravity Manager"
