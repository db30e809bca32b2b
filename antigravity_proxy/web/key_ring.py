"""The API keys in force: where a request carries one, and whether it is one of them. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from urllib.parse import parse_qsl

from antigravity_proxy.errors import Unauthorized
from antigravity_proxy.http1.fields import HeaderFields
from antigravity_proxy.secret import SecretBytes
from antigravity_proxy.web.client_keys import ClientKey, digest


class KeyRing:
    """The keys in force: plain ones, and clients' own. With ``open`` every request passes; with no key and not open,
    none does (fail closed).
    """

    def __init__(self, keys: Iterable[str] = (), clients: Iterable[ClientKey] = (), *, open: bool = False) -> None:
        self._keys = tuple(key.encode() for key in keys)
        self._clients = tuple((key.sha256.encode("ascii"), key) for key in clients)
        self.open = open and not self._keys and not self._clients

    @property
    def closed(self) -> bool:
        """Whether no key at all would pass."""
        return not self._keys and not self._clients and not self.open

    @property
    def has_plain(self) -> bool:
        """Whether there is a plain key: no other opens the admin pages."""
        return bool(self._keys)

    def same_as(self, other: KeyRing) -> bool:
        """Whether both let the same plain keys pass."""
        return (self._keys, self.open) == (other._keys, other.open)

    def has(self, shown: Iterable[bytes]) -> bool:
        """Whether one of the keys shown is one of the plain ones, which may do everything.

        Compares encoded bytes in constant time, against every key whatever the outcome of the first.
        """
        found = False
        for candidate in shown:
            for key in self._keys:
                found |= hmac.compare_digest(candidate, key)
        return found

    def client_of(self, shown: Iterable[bytes]) -> ClientKey | None:
        """The client whose key is shown. Compares hashes, each with every one, in constant time."""
        found = None
        for hashed in map(digest, shown if self._clients else ()):
            for known, key in self._clients:
                if hmac.compare_digest(hashed, known):
                    found = key
        return found

    def check(self, headers: HeaderFields, query: bytes) -> ClientKey | None:
        """The client whose own key the request shows, None where it is a plain one or none is needed.

        Raises Unauthorized unless the request shows a key in force, in any place where clients put theirs.
        """
        if self.open:
            return None
        shown = keys_shown(headers, query)
        if not shown:
            raise Unauthorized(
                "Missing API key. Send it as 'Authorization: Bearer KEY', 'x-api-key', 'x-goog-api-key' or '?key='."
            )
        is_plain, client = self.has(shown), self.client_of(shown) if self._clients else None
        if is_plain or client is not None:
            return None if is_plain else client
        if self.closed:
            raise Unauthorized("No API key is in force here, so none is accepted; /health says why.")
        raise Unauthorized("Wrong API key.")

    def accepted(self, headers: HeaderFields, query: bytes) -> SecretBytes:
        """The key in force that the request shows; empty where none is needed."""
        if self.open:
            return SecretBytes()
        for key in keys_shown(headers, query):
            if self.has((key,)) or self.client_of((key,)) is not None:
                return SecretBytes(key)
        return SecretBytes()


def keys_shown(headers: HeaderFields, query: bytes = b"") -> list[bytes]:
    """Every key that the request shows: clients send one, in one of four places (clients.md 2)."""
    shown = []
    for value in headers.getRawHeaders(b"authorization", ()):
        scheme, _, key = value.partition(b" ")
        if scheme.lower() == b"bearer":
            shown.append(key.strip())
    shown += headers.getRawHeaders(b"x-api-key", ())
    shown += headers.getRawHeaders(b"x-goog-api-key", ())
    if b"key=" in query:
        fields = parse_qsl(query.decode("latin-1"), errors="surrogateescape")
        shown += [value.encode("utf-8", "surrogateescape") for name, value in fields if name == "key"]
    return shown
