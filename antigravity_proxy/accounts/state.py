"""What the process knows of one account beyond its row in the volume: cooldowns, leases in flight, its live token."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.secret import Secret
from antigravity_proxy.volume.accounts import Account


class Cooldown(Struct, frozen=True):
    """Until when (monotonic seconds) something is not to be used.

    ``flagged`` cooldowns wait for a person, not for a quota: with only those left the answer is 503, not 429.
    """

    until: float
    flagged: bool = False


#: the cooldown key that covers every model of an account
ALL_MODELS = ""


class AccountState:
    """The mutable state of one account; changed only by the pool and the token keeper, on the reactor's thread."""

    __slots__ = (
        "access_token",
        "account",
        "barred",
        "cooldowns",
        "expires_at",
        "in_flight",
        "last_leased",
        "last_until",
        "project",
        "project_asked",
        "refresh_after",
        "refresh_failures",
        "refresh_token",
        "strikes",
    )

    def __init__(self, account: Account) -> None:
        self.account = account
        self.in_flight = 0
        self.last_leased = 0.0  # monotonic seconds
        self.last_until = 0.0  # monotonic seconds: until then chosen after the others
        self.cooldowns: dict[str, Cooldown] = {}
        self.strikes: dict[str, int] = {}  # consecutive failures, by cooldown key
        self.barred = ""  # why it is out of use until its row changes; empty: in use
        self.access_token: Secret = account.token.access_token
        self.expires_at = account.token.expiry_timestamp  # epoch seconds
        self.refresh_token: Secret = account.token.refresh_token  # upstream may rotate it
        self.refresh_after = 0.0  # monotonic seconds: no refresh before that
        self.refresh_failures = 0
        self.project: str | None = account.token.project_id
        self.project_asked = float("-inf")  # monotonic seconds: when upstream was last asked for it

    def update(self, account: Account) -> None:
        """Takes the account's new row.

        A changed token lifts a bar; the row's access token is taken if it lives longer than ours or belongs to another
        sign-in (credential-volume.md 1.8, token merge rule).
        """
        old, new = self.account.token, account.token
        status_changed = self.account.status != account.status
        self.account = account
        if new == old and not status_changed:
            return
        self.barred = ""
        self.refresh_after = 0.0
        self.refresh_failures = 0
        self.project = new.project_id or self.project
        self.project_asked = float("-inf")
        if new.refresh_token != old.refresh_token:
            self.refresh_token = new.refresh_token
        if new.refresh_token != old.refresh_token or new.expiry_timestamp > self.expires_at:
            self.access_token = new.access_token
            self.expires_at = new.expiry_timestamp
