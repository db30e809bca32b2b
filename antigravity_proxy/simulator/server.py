"""The simulated Google on a port of its own."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.server import Site

from antigravity_proxy.simulator.consent import CLIENT_ID, CLIENT_SECRET
from antigravity_proxy.simulator.load import Load
from antigravity_proxy.simulator.methods import Methods
from antigravity_proxy.simulator.state import State


class Simulator(State):
    """A simulated Google that listens."""

    def __init__(self, reactor: Any, load: Load | None = None) -> None:
        super().__init__(reactor, load)
        self._port: Any = None

    def start(self, port: int = 0, interface: str = "127.0.0.1") -> None:
        """Listens; port 0 takes a free one. Raises CannotListenError."""
        site = _QuietSite(Methods(self), reactor=self.reactor, timeout=None, parsePOSTFormSubmission=False)
        self._port = self.reactor.listenTCP(port, site, interface=interface, backlog=4096)

    def stop(self) -> Deferred[None]:
        """Listens no more."""
        stopped: Deferred[None] = self._port.stopListening()
        return stopped

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port.getHost().port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that send a daemon here."""
        return {
            "PROXY_INTERNAL_BASE_URLS": self.url,
            "PROXY_GEMINI_BASE_URL": self.url,
            "PROXY_VERTEX_BASE_URL": self.url,
            "GCE_METADATA_HOST": self.url.removeprefix("http://"),
            "GOOGLE_AUTH_URL": f"{self.url}/auth",
            "GOOGLE_TOKEN_URL": f"{self.url}/token",
            "GOOGLE_USERINFO_URL": f"{self.url}/userinfo",
            "GOOGLE_CLIENT_ID": CLIENT_ID,
            "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
        }


class _QuietSite(Site):
    noisy = False

    def log(self, request: Any) -> None:
        """Nothing."""
