"""Everything in force at the moment: settings, the volume's state, the models, and the names that follow from them."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.logger import Logger

from antigravity_proxy.canonical.catalogue import Catalogue
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.canonical.router import Router, Routing
from antigravity_proxy.settings.proxies import UnusableProxy
from antigravity_proxy.settings.resolve import Given
from antigravity_proxy.settings.table import LIVE, TABLE, Settings
from antigravity_proxy.startup import gui_values
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.volume.reader import VolumeState

log = Logger()


class InForce:
    """Built first and read by all. ``state`` is the last state of the volume that was taken, ``models`` is the table.

    The settings follow gui_config.json and, at a reload, the files of secrets; options and environment stay.
    """

    def __init__(self, settings: Settings, given: Given, state: VolumeState, models: ModelTable) -> None:
        self.settings = self._at_start = self._last = settings
        self.state = state
        self.models = models
        self._given = given
        self._offers = Offers()
        self._routing = Routing(order=settings.upstream_order)
        self._new_catalogue()

    def __repr__(self) -> str:
        return f"<InForce: volume revision {self.state.revision}, {len(self.state.accounts)} accounts>"

    def take(self, state: VolumeState) -> bool:
        """Puts a new state of the volume in force; says whether its gui_config.json is another than before."""
        before, self.state = self.state, state
        if state.config == before.config:
            return False
        self._new_catalogue()
        self._resolve()
        return True

    def reload(self, given: Given) -> None:
        """Puts in force what options, environment and the files that they name say now."""
        self._given = given
        self._resolve()

    def offered(self, offers: Offers) -> None:
        """Puts in force what upstream offers to any of the accounts."""
        self._offers = offers
        self._new_catalogue()
        log.info("upstream offers {count} models", count=len(offers.models))

    def correct(self, models: ModelTable) -> None:
        """Puts another table of models in force."""
        self.models = models
        self._new_catalogue()

    def route(self, routing: Routing) -> None:
        """Puts in force which upstreams serve, in which order, and what the official ones offer."""
        if routing != self._routing:
            self._routing = routing
            self._put(self.catalogue)

    @property
    def routing(self) -> Routing:
        """Which upstreams serve."""
        return self._routing

    def _new_catalogue(self) -> None:
        config = GuiConfig() if self.state.config is None else self.state.config
        mappings = config.custom_mapping, config.anthropic_mapping
        self._put(Catalogue(*mappings, self._offers, self.settings.model_aliases, self.models))

    def _put(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.router = Router(catalogue, self._routing)

    def _resolve(self) -> None:
        """The start's settings, but for those that take effect while the daemon runs."""
        fresh = self._given.settings(gui_values(self.state.config))
        before, self._last = self._last, fresh
        changed = {setting.name: setting.live for setting in TABLE if _differs(setting.field, fresh, before)}
        late = [name for name, live in changed.items() if not live]
        if late:
            log.warn("changed, but applied at the next start only: {names}", names=", ".join(late))
        live = {field: getattr(fresh, field) for field in LIVE}
        if isinstance(fresh.upstream_proxy, UnusableProxy) and self.settings.upstream_proxy is not None:
            live["upstream_proxy"] = self.settings.upstream_proxy  # the last good one
        sources = {**self._at_start.sources, **{field: fresh.sources[field] for field in LIVE}}
        self.settings = replace(self._at_start, **live, clients=fresh.clients, sources=sources, notes=fresh.notes)


def _differs(field: str, one: Settings, other: Settings) -> bool:
    return one.sources[field] != "systemd" != other.sources[field] and getattr(one, field) != getattr(other, field)
