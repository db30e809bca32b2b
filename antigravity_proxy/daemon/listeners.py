"""The ports that the daemon binds, or was handed by systemd, and how they are closed without cutting an answer."""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from antigravity_proxy.daemon.systemd import Listening, Sockets
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.web.site import GuardedSite

log = Logger()


class Listeners:
    """The API listener, and the admin listener where the settings want one."""

    def __init__(
        self, reactor: Any, settings: Settings, api: GuardedSite[Any], admin: GuardedSite[Any], handed: Sockets
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._api = api
        self._admin = admin
        self._handed = handed
        self.api_port: Any = None
        self.admin_port: Any = None

    def bind(self) -> None:
        """Binds the ports: who connects waits for ``open``. One that is taken ends the start: one line, status 1."""
        settings = self._settings
        self.api_port = self._listen("PROXY_PORT", settings.host, settings.port, self._api, self._handed.api)
        if settings.oauth_listen_port:
            host, port = settings.oauth_listen_host, settings.oauth_listen_port
            name = "OAUTH_LISTEN_PORT (0 for none)"
            self.admin_port = self._listen(name, host, port, self._admin, self._handed.admin)

    def open(self) -> None:
        """Takes connections."""
        for port in self._ports():
            port.startReading()

    def announce(self) -> None:
        """Logs where clients and browsers connect."""
        log.info("serving on {host}:{port}", host=self._settings.host, port=self.api_port.getHost().port)
        if self.admin_port is not None:
            address = self.admin_port.getHost()
            log.info("admin pages on {host}:{port}", host=address.host, port=address.port)

    def close(self) -> Deferred[Any]:
        """Takes no new connections; those that are there go on."""
        return DeferredList([port.stopListening() for port in self._ports()])

    def _ports(self) -> list[Any]:
        return [port for port in (self.api_port, self.admin_port) if port is not None]

    def _listen(self, setting: str, host: str, port: int, site: GuardedSite[Any], handed: Listening | None) -> Any:
        try:
            if handed is not None:
                os.set_blocking(handed.descriptor, False)
                found = self._reactor.adoptStreamPort(handed.descriptor, handed.family, site)
            else:
                found = self._reactor.listenTCP(port, site, backlog=511, interface=host)
        except CannotListenError as e:
            if sys.__stderr__ is not None:  # sys.stderr is the log by now
                words = f"antigravity-proxy: {setting}: {host}:{port} can't be listened on: {e.socketError}\n"
                sys.__stderr__.write(words)
            sys.exit(1)
        found.stopReading()
        return found
