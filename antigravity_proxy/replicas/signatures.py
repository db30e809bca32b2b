"""Thought signatures, for whichever replica a conversation lands at next: asked for where they are missing.

They are large and seldom needed elsewhere, so Redis alone keeps them; other replicas get no message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.link import PATIENCE, Link
from antigravity_proxy.replicas.outbox import Outbox
from antigravity_proxy.replicas.vault import Vault
from antigravity_proxy.replicas.wire import Keys

#: what they are sealed for
_USE = "g"
#: most that are fetched at once, the last ones: an answer of the longest is still half of what a connection accepts
MOST = 250


class SharedSignatures:
    """Of one volume, by the digests that ``relay.signatures`` knows them by. ``hurry`` has the outbox sent soon."""

    def __init__(self, link: Link, keys: Keys, vault: Vault, outbox: Outbox, hurry: Callable[[], None]) -> None:
        self._link = link
        self._keys = keys
        self._vault = vault
        self._outbox = outbox
        self._hurry = hurry

    def remember(self, digest: bytes, signature: str) -> None:
        """All are to find it for an hour."""
        name = self._vault.signature(digest)
        self._outbox.sign(name, self._vault.seal(name, _USE, signature.encode("utf-8", "replace")))
        self._hurry()

    def touch(self, digest: bytes) -> None:
        """It is used: an hour from now."""
        self._outbox.touch(self._vault.signature(digest))
        self._hurry()

    def forget(self, digest: bytes) -> None:
        """Upstream refused it."""
        self._outbox.sign(self._vault.signature(digest), b"")
        self._hurry()

    async def find(self, digests: Sequence[bytes]) -> dict[bytes, str]:
        """Redis' values of these, empty where it has none; nothing if it doesn't answer in a moment."""
        link, asked = self._link, digests[-MOST:]
        if not link.status.well:
            return {}
        names = [self._vault.signature(digest) for digest in asked]
        try:
            answers = await link.ask([(b"MGET", *map(self._keys.signature, names))], PATIENCE)
        except Lost:
            return {}
        (values,) = answers
        if not link.note(answers) or not isinstance(values, list) or len(values) != len(names):
            return {}
        return {digest: self._opened(*each) for digest, *each in zip(asked, names, values, strict=True)}

    def _opened(self, name: str, sealed: object) -> str:
        plain = self._vault.open(name, _USE, sealed) if isinstance(sealed, bytes) else None
        return (plain or b"").decode("utf-8", "replace")
