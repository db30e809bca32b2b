"""Re-reads what the daemon was started with, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.settings.resolve import Given, SettingsError
from antigravity_proxy.settings.table import Settings

log = Logger()


class Follower(Protocol):
    """A part of the daemon that settings can be changed for."""

    def use(self, settings: Settings) -> None:
        """These are in force now."""
        ...


class Reloader:
    """Reads files again: secrets by their ``…_FILE``, and the volume with gui_config.json.

    ``resolve`` raises SettingsError; then the settings stay as they are. ``read_volume`` reads volume and keys now,
    whatever they look like. ``followers`` use the settings that are then in force.
    """

    def __init__(
        self,
        in_force: InForce,
        resolve: Callable[[], Given],
        read_volume: Callable[[], Deferred[Any]],
        *followers: Follower,
    ) -> None:
        self._in_force = in_force
        self.resolve = resolve
        self._read_volume = read_volume
        self._followers = followers

    def reload(self) -> None:
        """Re-reads everything; what can't be used is logged."""
        try:
            given = self.resolve()
        except SettingsError as e:
            log.error("the settings were not changed: {reason}", reason=str(e))
        else:
            self._in_force.reload(given)
            for follower in self._followers:
                follower.use(self._in_force.settings)
            log.info("settings re-read")
        self._read_volume().addErrback(partial(log.failure, "the volume could not be read"))
