"""Stored responses, for whichever replica a conversation lands at next: sealed, by names that say nothing.

They are large, so Redis alone keeps them, and each replica bounds what it has put there; other replicas get no message.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from twisted.internet.defer import Deferred

from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.link import Link
from antigravity_proxy.replicas.vault import Vault
from antigravity_proxy.replicas.wire import RESPONSE_SECONDS, Command, Keys

#: what they are sealed for
_USE = "v"
#: bytes of the largest one that is shared: an answer of it holds up the connection for no longer than a moment
LARGEST = 4 << 20
#: seconds that a request waits for one
_PATIENCE = 0.5


class SharedResponses:
    """Of one volume. ``limit``: bytes that this process keeps in Redis, of which the oldest go first."""

    def __init__(self, link: Link, keys: Keys, vault: Vault, limit: int) -> None:
        self._link = link
        self._keys = keys
        self._vault = vault
        self.limit = limit
        self._mine: OrderedDict[bytes, int] = OrderedDict()
        self.size = 0

    def put(self, owner: bytes, identity: str, data: bytes) -> None:
        """All are to find it for an hour; one that is too large is not shared."""
        if len(data) > LARGEST or not self._link.status.well:
            return
        name = self._name(owner, identity)
        key, sealed = self._keys.response(name), self._vault.seal(name, _USE, data)
        commands: list[Command] = [(b"SET", key, sealed, b"EX", RESPONSE_SECONDS)]
        self.size += len(sealed) - self._mine.pop(key, 0)
        self._mine[key] = len(sealed)
        while self.size > self.limit:
            oldest, size = self._mine.popitem(last=False)
            self.size -= size
            commands.append((b"DEL", oldest))
        self._tell(commands)

    def touch(self, owner: bytes, identities: Sequence[str]) -> None:
        """They are used: an hour from now."""
        if identities and self._link.status.well:
            keys = (self._keys.response(self._name(owner, identity)) for identity in identities)
            self._tell([(b"EXPIRE", key, RESPONSE_SECONDS) for key in keys])

    async def get(self, owner: bytes, identity: str) -> bytes | None:
        """The stored value; None: there is none, or Redis doesn't answer in a moment."""
        if not self._link.status.well:
            return None
        name = self._name(owner, identity)
        try:
            answers = await self._link.ask([(b"GET", self._keys.response(name))], _PATIENCE)
        except Lost:
            return None
        sealed = answers[0] if self._link.note(answers) else None
        return self._vault.open(name, _USE, sealed) if isinstance(sealed, bytes) else None

    def _name(self, owner: bytes, identity: str) -> str:
        return self._vault.signature(hashlib.blake2b(identity.encode(), key=owner[:64], digest_size=32).digest())

    def _tell(self, commands: list[Command]) -> None:
        told: Deferred[list[object]] = self._link.ask(commands)
        told.addCallbacks(self._link.note, _lost)


def _lost(_: object) -> None:
    """Redis is away: changes that it did not get are not found by others."""
