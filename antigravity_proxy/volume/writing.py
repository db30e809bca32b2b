"""Writing in the life of the daemon: in a thread of its own, one transaction after the other."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.secret import Secret
from antigravity_proxy.volume.threads import OwnThread
from antigravity_proxy.volume.writer import BUSY, NewAccount, VolumeWriter, Written


class WriterService(Service):
    """Does a writer's work while it runs. All fail as the writer does."""

    def __init__(self, reactor: Any, writer: VolumeWriter) -> None:
        self._writer = writer
        self._thread = OwnThread(reactor, "volume-writer")

    def startService(self) -> None:
        """Starts the thread."""
        super().startService()
        self._thread.start()

    def stopService(self) -> None:
        """Lets a write that is under way end; it can wait for a lock no longer than that."""
        super().stopService()
        self._thread.stop(BUSY)

    def add(self, account: NewAccount) -> Deferred[Written]:
        """As VolumeWriter's."""
        return self._thread.run(partial(self._writer.add, account))

    def pause(self, identity: str, *, paused: bool) -> Deferred[bool]:
        """As VolumeWriter's."""
        return self._thread.run(partial(self._writer.pause, identity, paused=paused))

    def remove(self, identity: str) -> Deferred[bool]:
        """As VolumeWriter's."""
        return self._thread.run(partial(self._writer.remove, identity))

    def renew(self, identity: str, used: Secret, grant: IssuedToken) -> Deferred[bool]:
        """As VolumeWriter's."""
        return self._thread.run(partial(self._writer.renew, identity, used, grant))
