"""What the process knows of one account beyond its row in the volume: cooldowns, leases in flight, its live token."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from antigravity_proxy.accounts.trouble import Trouble
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Cause
from antigravity_proxy.codeassist.oauth import Grant
from antigravity_proxy.secret import Secret
from antigravity_proxy.volume.accounts import Account


class Cooldown(Struct, frozen=True):
    """Until when (monotonic seconds) something is not to be used.

    ``flagged`` cooldowns wait for a person, not for a quota: with only those left the answer is 503, not 429.
    """

    until: float
    flagged: bool = False


#: the status by which the app marks an account that has to sign in again (credential-volume.md 1.6)
EXPIRED = "expired"
#: the cooldown key that covers every model of an account
ALL_MODELS = ""
_NO_QUOTA: Mapping[str, ModelQuota] = {}


def unwatched(state: AccountState) -> None:
    """Nobody keeps an order in which this account stands."""


class AccountState:
    """The mutable state of one account; changed only by the pool and the token keeper, on the reactor's thread.

    ``on_change`` is told when the account may have become better to choose; what makes it worse is seen by whoever
    looks. ``serial`` is its place among equals.
    """

    __slots__ = (
        "access_token",
        "account",
        "barred",
        "cooldowns",
        "expired",
        "expires_at",
        "in_flight",
        "last_until",
        "offered",
        "on_change",
        "project",
        "project_asked",
        "project_refused",
        "quota",
        "refresh_after",
        "refresh_failures",
        "refresh_token",
        "refused",
        "serial",
        "strikes",
        "trouble",
        "turn",
    )

    def __init__(self, account: Account, serial: int = 0) -> None:
        self.account = account
        self.serial = serial
        self.on_change: Callable[[AccountState], None] = unwatched
        self.in_flight = 0
        self.turn = 0.0  # grows with every lease: the smallest has waited longest for its share
        self.last_until = 0.0  # monotonic seconds: until then chosen after the others
        self.cooldowns: dict[str, Cooldown] = {}
        self.strikes: dict[tuple[str, Cause], int] = {}  # consecutive failures, by cooldown key
        self.trouble: Trouble | None = None  # the last
        self.barred = ""  # why it is out of use until its row changes; empty: in use
        self.expired = account.status == EXPIRED  # the app says so, and its token has not changed since
        self.access_token: Secret = account.token.access_token
        self.expires_at = account.token.expiry_timestamp  # epoch seconds
        self.refresh_token: Secret = account.token.refresh_token  # upstream may rotate it
        self.refresh_after = 0.0  # monotonic seconds: no refresh before that
        self.refresh_failures = 0
        self.refused: Secret | None = None  # the last token that upstream refused, until a success
        #: what was last learnt of its quotas, by model: from the volume or from upstream
        self.quota: Mapping[str, ModelQuota] = account.quota or _NO_QUOTA
        #: the models that upstream lets it use; None: not known
        self.offered: frozenset[str] | None = None
        self.project: str | None = account.token.project_id
        self.project_asked = float("-inf")  # monotonic seconds: when upstream was last asked for it
        self.project_refused: str | None = None  # the last that upstream refused

    @property
    def sign_in(self) -> str:
        """A digest of what in its row a bar holds for: as long as it is the same, so is the bar."""
        parts = (self.account.status, *msgspec.structs.astuple(self.account.token))
        text = "\0".join(part.reveal() if isinstance(part, Secret) else str(part) for part in parts)
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()

    def bar(self, reason: str) -> None:
        """Out of use until its row changes."""
        self.barred = reason
        self.on_change(self)

    def renewed(self, grant: Grant) -> None:
        """Takes a new access token."""
        self.refresh_failures = 0
        self.access_token = grant.access_token
        self.expires_at = grant.expires_at
        self.refresh_token = grant.refresh_token or self.refresh_token
        self.on_change(self)

    def offers(self, models: frozenset[str] | None) -> None:
        """Takes the models that upstream lets it use; None: not known."""
        if models != self.offered:
            self.offered = models
            self.on_change(self)

    def observed(self, figures: Mapping[str, ModelQuota]) -> None:
        """Takes what upstream says of its quotas; of models that it doesn't name what was known stays."""
        self.quota = {**self.quota, **figures}
        self.on_change(self)

    def forgive(self) -> None:
        """Forgets everything that sets the account aside: somebody says that it is worth a new try."""
        self.cooldowns = {}
        self.strikes = {}
        self.last_until = 0.0
        self.expired = False
        self.barred = ""
        self.trouble = None
        self.refresh_after = 0.0
        self.refresh_failures = 0
        self.on_change(self)

    def update(self, account: Account) -> None:
        """Takes the account's new row. Quotas that differ from the row's before were learnt just now.

        A changed token lifts a bar, the app's own mark too; the row's access token is taken if it lives longer than
        ours or belongs to another sign-in (credential-volume.md 1.8, token merge rule).
        """
        old, new = self.account.token, account.token
        status_changed = self.account.status != account.status
        if account.quota and account.quota != self.account.quota:
            self.quota = {**self.quota, **account.quota}
        self.account = account
        if new == old and not status_changed:
            return
        self.expired = status_changed and account.status == EXPIRED
        self.barred = ""
        self.trouble = None
        self.refresh_after = 0.0
        self.refresh_failures = 0
        self.project = new.project_id or self.project
        self.project_asked = float("-inf")
        self.project_refused = None
        if new.refresh_token != old.refresh_token:
            self.refresh_token = new.refresh_token
        if new.refresh_token != old.refresh_token or new.expiry_timestamp > self.expires_at:
            self.access_token = new.access_token
            self.expires_at = new.expiry_timestamp
