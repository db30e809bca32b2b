"""What is in force at the moment: the settings, the volume's state, and the model names that follow from it."""

from __future__ import annotations

from twisted.logger import Logger

from antigravity_proxy.canonical.catalogue import Catalogue
from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.settings.resolve import Settings
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.volume.reader import VolumeState

log = Logger()


class InForce:
    """Built first and read by all. The reload changes ``settings``; the volume and upstream change the rest.

    ``state`` is the last state of the volume that was taken.
    """

    def __init__(self, settings: Settings, state: VolumeState) -> None:
        self.settings = settings
        self.state = state
        self._offers = Offers()
        self.catalogue = _catalogue(state.config, self._offers)

    def __repr__(self) -> str:
        return f"<InForce: volume revision {self.state.revision}, {len(self.state.accounts)} accounts>"

    def take(self, state: VolumeState) -> None:
        """Puts a new state of the volume in force."""
        before, self.state = self.state, state
        if state.config != before.config:
            self.catalogue = _catalogue(state.config, self._offers)

    def offered(self, offers: Offers) -> None:
        """Puts in force what upstream offers to any of the accounts."""
        self._offers = offers
        self.catalogue = _catalogue(self.state.config, offers)
        log.info("upstream offers {count} models", count=len(offers.models))


def _catalogue(config: GuiConfig | None, offers: Offers) -> Catalogue:
    if config is None:
        return Catalogue(offers=offers)
    return Catalogue(config.custom_mapping, config.anthropic_mapping, offers)
