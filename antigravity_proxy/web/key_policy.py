"""Which API keys are in force: the settings', the desktop app's, the clients' own; or none, where that may be. Pure."""

from __future__ import annotations

import ipaddress

from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.key_ring import KeyRing


class KeyPolicy:
    """Which keys are in force, from the settings, the desktop app's file (contract.md 2, ``PROXY_API_KEY``), and the
    file of clients' own keys.

    ``explicit`` keys of the settings win and never change. Fails closed: a file that can't be read is never "no key",
    and a key in force stays when the file breaks, vanishes or loses it. With ``has_clients`` there is a file of
    clients' keys, so that no key at all is never meant; ``clients`` are its keys, which may be replaced.
    """

    def __init__(
        self, explicit: tuple[str, ...], *, host: str, allow_anonymous: bool, has_clients: bool = False
    ) -> None:
        self._explicit = explicit
        self._has_clients = has_clients
        self._may_be_open = (allow_anonymous or is_loopback(host)) and not has_clients
        self._allow_anonymous = allow_anonymous and not has_clients
        self._host = host
        self.clients: tuple[ClientKey, ...] = ()
        #: whether a gui_config.json that is not there may be one that cannot be seen, and hold a key
        self.needs_config = True

    @classmethod
    def of(cls, settings: Settings) -> KeyPolicy:
        """The policy that the settings describe."""
        explicit = tuple(key.reveal() for key in settings.api_keys) if settings.keys_are_set else ()
        return cls(
            explicit,
            host=settings.host,
            allow_anonymous=settings.allow_anonymous,
            has_clients=settings.client_keys_file is not None,
        )

    def decide(self, config: GuiConfig | None, *, absent: bool) -> KeyRing | None:
        """The ring now. ``config``: the last good file; None: none was ever read; ``absent``: there is no such file.

        None: there is no key, and this address must not be open.
        """
        if self._explicit:
            return KeyRing(self._explicit, self.clients)
        if config is not None and config.api_key is not None:
            return KeyRing([config.api_key.reveal()], self.clients)
        if config is None and absent and not self.needs_config and not self._has_clients:
            return KeyRing(open=True) if self._may_be_open else None
        if config is None or self._has_clients:
            return KeyRing((), self.clients, open=absent and self._allow_anonymous)
        return KeyRing(open=True) if self._may_be_open else None

    def at_start(self, config: GuiConfig | None, *, absent: bool) -> KeyRing:
        """As ``decide``; raises SettingsError where the daemon must not start."""
        ring = self.decide(config, absent=absent)
        if ring is None:
            raise SettingsError(
                f"PROXY_HOST is {self._host}, but there is no API key: set PROXY_API_KEY, listen on 127.0.0.1, "
                "or accept everybody with PROXY_ALLOW_ANONYMOUS=true"
            )
        return ring


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
