"""Reads a volume whole: accounts, keys, configuration. Blocking; keeps the last good state when a round fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy.volume import database, guiconfig, keys, snapshot
from antigravity_proxy.volume.accounts import Account, AccountReader, RowProblem
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.volume.keys import KeyFinding
from antigravity_proxy.volume.layout import Layout


class VolumeState(Struct, frozen=True):
    """What is known of the volume after a round.

    ``read_at`` (epoch seconds) is when the accounts were last read well, None if never; ``error`` is why this round
    could not. ``config`` is the last good one, None if none was ever read; ``config_error`` why not this time.
    ``config_absent``: there is no such file.
    """

    accounts: tuple[Account, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    key_findings: tuple[KeyFinding, ...] = ()
    key_count: int = 0
    read_at: float | None = None
    error: str = ""
    config: GuiConfig | None = None
    config_error: str = ""
    config_absent: bool = False


class VolumeReader:
    """Reads one volume, again and again. ``configured_key`` is tried before the volume's own."""

    def __init__(
        self,
        layout: Layout,
        configured_key: bytes | None,
        *,
        monotonic: Callable[[], float],
        epoch: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._layout = layout
        self._configured_key = configured_key
        self._monotonic = monotonic
        self._epoch = epoch
        self._sleep = sleep
        self._accounts = AccountReader()
        self._state = VolumeState()

    def read(self) -> VolumeState:
        """Reads everything now; what can't be read keeps its last good value."""
        self._state = self._read_accounts(self._read_config(self._state))
        return self._state

    def read_config(self) -> VolumeState:
        """Reads the configuration alone: what the start needs before anything else."""
        self._state = self._read_config(self._state)
        return self._state

    def signature(self) -> object:
        """Changes whenever one of the files may have; cheap (credential-volume.md 2.5)."""
        layout = self._layout
        key_files = [path for place in layout.keys for path in _key_files(place)]
        try:
            database_state: object = snapshot.probe(layout.database)
        except OSError as e:
            database_state = str(e)
        return database_state, tuple(map(_identity, [*layout.configs, *key_files]))

    def _read_config(self, before: VolumeState) -> VolumeState:
        for path in self._layout.configs:
            try:
                config = guiconfig.parse(path.read_bytes())
            except FileNotFoundError:
                continue
            except (OSError, guiconfig.Unreadable) as e:
                return replace(before, config_error=_words(e), config_absent=False)
            return replace(before, config=_keeping_key(config, before.config), config_error="", config_absent=False)
        return replace(before, config_error="", config_absent=True)

    def _read_accounts(self, before: VolumeState) -> VolumeState:
        found = [keys.find(place, self._configured_key) for place in self._layout.keys]
        material = tuple(dict.fromkeys(key for each in found for key in each.keys))
        findings = tuple(finding for each in found for finding in each.findings)
        before = replace(before, key_findings=findings, key_count=len(material))
        try:
            copy = snapshot.take(self._layout.database, monotonic=self._monotonic, epoch=self._epoch, sleep=self._sleep)
            read = self._accounts.read(database.rows(copy), material)
        except snapshot.VolumeError as e:
            return replace(before, error=str(e))
        return replace(before, accounts=read.accounts, problems=read.problems, read_at=self._epoch(), error="")


def _keeping_key(config: GuiConfig, before: GuiConfig | None) -> GuiConfig:
    """A key in force stays when the file loses it (contract.md 2)."""
    if config.api_key is None and before is not None and before.api_key is not None:
        return replace(config, api_key=before.api_key)
    return config


def _words(e: Exception) -> str:
    return f"gui_config.json can't be read: {e.strerror}" if isinstance(e, OSError) else str(e)


def _key_files(place: Path) -> list[Path]:
    inside = place / ".keys"
    try:
        names = sorted(os.listdir(inside))
    except OSError:
        names = []
    return [*(inside / name for name in names), place / "master-key.v2.file", place / ".mk"]


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode, found.st_uid
