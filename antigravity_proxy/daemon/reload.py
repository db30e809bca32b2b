"""Re-reads what the daemon was started with, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.settings.resolve import Settings, SettingsError
from antigravity_proxy.settings.table import TABLE

log = Logger()

#: fields of Settings that take effect while the daemon runs; all others do at its next start
LIVE = frozenset({"api_keys", "clients", "upstream_proxy"})
_NAMES = {setting.field: setting.name for setting in TABLE}


class Follower(Protocol):
    """A part of the daemon that settings can be changed for."""

    def use(self, settings: Settings) -> None:
        """These are in force now."""
        ...


class Reloader:
    """Resolves the settings anew, with the options and the environment of the start.

    So what can change is what stands in files: secrets by their ``…_FILE``, and gui_config. ``resolve`` raises
    SettingsError; then everything stays as it is. ``read_volume`` reads volume and keys now, whatever they look like.
    """

    def __init__(
        self,
        in_force: InForce,
        resolve: Callable[[], Settings],
        read_volume: Callable[[], Deferred[Any]],
        *followers: Follower,
    ) -> None:
        self._in_force = in_force
        self._last = self._at_start = in_force.settings
        self._resolve = resolve
        self._read_volume = read_volume
        self._followers = followers

    def reload(self) -> None:
        """Re-reads everything; what can't be used is told in the log."""
        try:
            fresh = self._resolve()
        except SettingsError as e:
            log.error("the settings stay as they are: {reason}", reason=str(e))
        else:
            self._take(fresh)
        self._read_volume().addErrback(partial(log.failure, "the volume could not be read"))

    def _take(self, fresh: Settings) -> None:
        before, self._last = self._last, fresh
        changed = [name for name in _NAMES if getattr(fresh, name, None) != getattr(before, name, None)]
        if fresh.clients != before.clients:
            changed.append("clients")
        late = [_NAMES[name] for name in changed if name not in LIVE]
        if late:
            log.warn("changed, but in effect at the next start only: {names}", names=", ".join(late))
        self._in_force.settings = settings = self._with_live_of(fresh)
        for follower in self._followers:
            follower.use(settings)
        log.info("settings re-read")

    def _with_live_of(self, fresh: Settings) -> Settings:
        """The start's settings, but for those that take effect while the daemon runs."""
        live = {field: source for field, source in fresh.sources.items() if field in LIVE}
        sources = {**self._at_start.sources, **live}
        return replace(self._at_start, sources=sources, **{field: getattr(fresh, field) for field in LIVE})
