"""Where the desktop app's files are (credential-volume.md 1.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct


class Layout(Struct, frozen=True):
    """The places of one volume. With a data directory of its own all three are in it; on a desktop they differ.

    ``configs`` are the candidates for ``gui_config.json``, the first that exists counts; ``keys`` the directories that
    are searched for master keys.
    """

    directory: Path
    configs: tuple[Path, ...]
    keys: tuple[Path, ...]

    @property
    def database(self) -> Path:
        """The database file."""
        return self.directory / "cloud_accounts.db"


def single(directory: Path) -> Layout:
    """One directory that holds everything."""
    return Layout(directory, (directory / "gui_config.json",), (directory,))


def of_desktop(platform: str, environ: Mapping[str, str], home: Path, windows_homes: Iterable[Path] = ()) -> Layout:
    """The desktop app's own places on this machine; ``platform`` as ``sys.platform``. The newer config place first.

    ``windows_homes``: on WSL, the home directories on the Windows side, where old versions keep their configuration.
    """
    agent = home / ".antigravity-agent"
    if platform == "win32":
        roaming = Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
        ide, manager = roaming / "Antigravity", roaming / "Antigravity Manager"
    elif platform == "darwin":
        support = home / "Library" / "Application Support"
        ide, manager = support / "Antigravity", support / "Antigravity Manager"
    else:
        # the key's directory is Electron's, which heeds the variable; the other one is spelled out in the app
        ide = home / ".config" / "Antigravity"
        manager = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "Antigravity Manager"
    ides = (ide, *(other / "AppData" / "Roaming" / "Antigravity" for other in windows_homes))
    return Layout(agent, tuple(place / "gui_config.json" for place in (agent, *ides)), (agent, manager))


def described(directory: Path) -> str:
    """A data directory for an operator's eyes."""
    name = str(directory)
    return name if directory.is_absolute() else f"{name}, relative to the directory that the process was started in"
