"""The interface to systemd: listening sockets, readiness, the watchdog.

The protocols are sd_listen_fds(3) and sd_notify(3). Without systemd nothing here does anything.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.settings.table import Settings

log = Logger()

#: FileDescriptorName= of the API's socket and the admin pages'; sockets without a name come in this order
NAMES = ("api", "admin")


class Listening(Struct, frozen=True):
    """A socket that listens already: its descriptor, and where it listens."""

    descriptor: int
    family: socket.AddressFamily
    host: str
    port: int


class Sockets(Struct, frozen=True):
    """The sockets that systemd handed over; None: the daemon binds its own."""

    api: Listening | None = None
    admin: Listening | None = None

    def told(self, settings: Settings) -> Settings:
        """The settings with the addresses that the sockets really have: what depends on them must not go by others."""
        changes: dict[str, Any] = {}
        if self.api is not None:
            changes |= {"host": self.api.host, "port": self.api.port}
        if self.admin is not None:
            changes |= {"oauth_listen_host": self.admin.host, "oauth_listen_port": self.admin.port}
        return replace(settings, **changes, sources={**settings.sources, **dict.fromkeys(changes, "systemd")})


def sockets(reactor: Any) -> Sockets:
    """The sockets that were passed to this process. Raises SettingsError for one that can't be used."""
    by_name = {name: _descriptor(reactor, f"name={name}") for name in NAMES}
    if not any(by_name.values()):
        by_name = {name: _descriptor(reactor, f"index={index}") for index, name in enumerate(NAMES)}
    return Sockets(*(None if found is None else _listening(name, found) for name, found in by_name.items()))


def _descriptor(reactor: Any, which: str) -> int | None:
    """The descriptor by Twisted's endpoint: its module takes the variables out of the environment when imported."""
    try:
        descriptor: int = serverFromString(reactor, f"systemd:domain=INET:{which}").fileno
    except LookupError:
        return None
    return descriptor


def _listening(name: str, descriptor: int) -> Listening:
    try:
        handed = socket.socket(fileno=os.dup(descriptor))
    except OSError as e:
        raise SettingsError(f"systemd's socket {name!r} can't be used: {e.strerror}") from None
    with handed:
        takes_tcp = handed.family in (socket.AF_INET, socket.AF_INET6) and handed.type == socket.SOCK_STREAM
        if not takes_tcp or not handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise SettingsError(f"systemd's socket {name!r} is not a listening TCP socket: give ListenStream= a port")
        host, port = handed.getsockname()[:2]
        return Listening(descriptor, handed.family, host, port)


class Notifier(Service):
    """Tells systemd when the daemon is ready, that it is alive, and that it stops."""

    def __init__(self, reactor: Any, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._beat = LoopingCall(self._say, "WATCHDOG=1")
        self._beat.clock = reactor
        self._interval = _watchdog(environ) / 2

    def startService(self) -> None:
        """Alive as long as the reactor turns."""
        super().startService()
        if self._interval:
            self._beat.start(self._interval, now=False)

    def ready(self) -> None:
        """Clients are served from now on."""
        self._say("READY=1\nSTATUS=Serving")

    def stopping(self) -> None:
        """The drain begins. The watchdog goes on: a long drain does not count as a hang."""
        self._say("STOPPING=1\nSTATUS=Finishing open answers")

    def stopService(self) -> None:
        """The last word."""
        super().stopService()
        if self._beat.running:
            self._beat.stop()

    def _say(self, words: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
                way.setblocking(False)
                way.sendto(words.encode(), self._address)
        except OSError as e:
            log.warn("systemd can't be notified of {words!r}: {reason}", words=words, reason=e.strerror)


def _watchdog(environ: Mapping[str, str]) -> float:
    """Seconds within which systemd wants a sign of life; 0: it doesn't."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1_000_000 if microseconds.isdecimal() else 0.0
