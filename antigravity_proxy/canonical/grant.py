"""How a credential comes by the token that a request carries, and what a token endpoint answers. Pure data."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antigravity_proxy.secret import Secret

RejectionKind = Literal["dead", "misconfigured", "temporary"]


class RefreshToken(Struct, frozen=True, gc=False):
    """A refresh token (RFC 6749 1.5); empty: the access token can't be renewed.

    ``client`` is the key of the OAuth client that it belongs to, empty for the plain one.
    """

    token: Secret
    client: str = ""

    @property
    def is_renewable(self) -> bool:
        """Whether a new token can be asked for."""
        return bool(self.token.reveal())

    def rotated(self, token: Secret) -> RefreshToken:
        """The grant after the token endpoint has replaced the refresh token."""
        return RefreshToken(token, self.client)


class StaticKey(Struct, frozen=True, gc=False):
    """An API key: the credential's access token is the key itself, and never expires."""

    @property
    def is_renewable(self) -> bool:
        """No: there is nothing to ask for."""
        return False

    def rotated(self, token: Secret) -> StaticKey:
        """Nothing replaces a key."""
        return self


class AuthorizedUser(Struct, frozen=True, gc=False):
    """A user's application default credentials: a refresh token with the OAuth client that it belongs to."""

    client_id: str
    client_secret: Secret
    token: Secret

    @property
    def is_renewable(self) -> bool:
        """Yes: by the refresh token."""
        return True

    def rotated(self, token: Secret) -> AuthorizedUser:
        """The grant after the token endpoint has replaced the refresh token."""
        return AuthorizedUser(self.client_id, self.client_secret, token)


class ServiceAccount(Struct, frozen=True, gc=False):
    """A service account's key, which signs assertions (RFC 7523). ``private_key`` is PEM; ``token_uri`` Google's."""

    email: Secret
    private_key: Secret
    key_id: str
    token_uri: str

    @property
    def is_renewable(self) -> bool:
        """Yes: the key asks for a token whenever one is needed."""
        return True

    def rotated(self, token: Secret) -> ServiceAccount:
        """Nothing replaces the key."""
        return self


class Metadata(Struct, frozen=True, gc=False):
    """Google Cloud's metadata server at ``host`` gives tokens to whatever runs on its machine."""

    host: str

    @property
    def is_renewable(self) -> bool:
        """Yes: the server gives a new token whenever it is asked."""
        return True

    def rotated(self, token: Secret) -> Metadata:
        """There is nothing to replace."""
        return self


Grant = RefreshToken | StaticKey | AuthorizedUser | ServiceAccount | Metadata


class IssuedToken(Struct, frozen=True):
    """A new access token; ``expires_at`` in epoch seconds. ``refresh_token`` only where upstream rotated it.

    ``scopes``: what was granted; None where the answer does not say: then it is what was asked for (RFC 6749 5.1).
    """

    access_token: Secret
    expires_at: float
    refresh_token: Secret | None = None
    scopes: frozenset[str] | None = None


class RefreshRejected(Exception):
    """No new token. ``kind``: ``dead`` account, ``misconfigured`` client, or ``temporary`` trouble. No token in it.

    ``pause``: seconds until it is worth another try, where that is known. ``clock`` says how this machine's clock is
    wrong, where that is the reason.
    """

    def __init__(self, kind: RejectionKind, message: str, *, pause: float | None = None, clock: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.pause = pause
        self.clock = clock
