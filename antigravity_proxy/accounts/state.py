"""Everything that the process knows of one account beyond its credential: cooldowns, leases, its live token."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from msgspec import Struct

from antigravity_proxy.canonical.credential import EXPIRED, Credential
from antigravity_proxy.canonical.grant import Grant, IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Cause, Scope, Verdict
from antigravity_proxy.canonical.windows import Standing
from antigravity_proxy.secret import Secret

#: the scopes of cooldowns that are about one model
OF_MODEL = frozenset(
    {Scope.ACCOUNT_MODEL, Scope.LOCATION_MODEL, Scope.GROUP_MODEL, Scope.GROUP_LOCATION_MODEL, Scope.UPSTREAM_MODEL}
)


class LastFailure(Struct, frozen=True):
    """One failure: when (epoch seconds), why, and with which model; empty: with any.

    ``link``: where the account's owner verifies or appeals, empty: upstream named no such page. It identifies the
    account.
    """

    at: float
    reason: str
    model: str = ""
    link: Secret = Secret("")


def of_verdict(verdict: Verdict, model: str, at: float) -> LastFailure | None:
    """The verdict about the account; None if it does not concern the account."""
    if verdict.scope is Scope.NONE and not verdict.blames_account:
        return None
    link = verdict.link if verdict.needs_owner and verdict.link.reveal().startswith("https://") else Secret("")
    return LastFailure(at, verdict.operator_words, model if verdict.scope in OF_MODEL else "", link)


#: the bits of `Cooldown.marks`
FLAGGED, FAULT, NOT_OFFERED = 1, 2, 4


class Cooldown(Struct, frozen=True):
    """Until when (monotonic seconds) something is not to be used.

    ``flagged`` cooldowns wait for a person, not for a quota: with only those left the answer is 503, not 429. So it is
    for a ``fault``, whose end counts all the same. ``not_offered``: there is no access to the model; it is flagged too.
    """

    until: float
    flagged: bool = False
    fault: bool = False
    not_offered: bool = False

    @property
    def marks(self) -> int:
        """Its marks, without its end, as one number."""
        return self.flagged * FLAGGED + self.fault * FAULT + self.not_offered * NOT_OFFERED


def marked(until: float, marks: int) -> Cooldown:
    """The cooldown with these ``Cooldown.marks``."""
    return Cooldown(until, bool(marks & FLAGGED), bool(marks & FAULT), bool(marks & NOT_OFFERED))


class OutOfUse(Enum):
    """Why an account serves nothing, whatever the model. All but UNVERIFIED take it out of the usable ones."""

    DISABLED = "disabled"
    PAUSED = "paused"
    EXPIRED = "expired"
    BARRED = "barred"
    NO_REFRESH_TOKEN = "no_refresh_token"  # noqa: S105 - a label
    NOT_RENEWED = "not_renewed"
    UNVERIFIED = "unverified"


class Shortage(Struct, frozen=True):
    """Why there is no lease for a model.

    ``is_busy``: somebody could serve if it were not at the limit of its leases. ``free_in``: seconds until the first
    that merely cools is free, 0: one is free now; None: time alone brings none back. ``accounts``: how many there are.
    ``by_fault``: those that cool do so for faults, none for a quota. ``not_offered``: none has access to the model.
    ``unable``: where time brings none back, how many serve nothing at all, by the reason, of ``in_all`` accounts.
    ``resting``: all of them rest, since Google has barred one for its terms.
    """

    is_busy: bool
    free_in: float | None
    accounts: int
    by_fault: bool = False
    not_offered: bool = False
    unable: Mapping[OutOfUse, int] = {}
    in_all: int = 0
    resting: bool = False

    @property
    def wait(self) -> float:
        """Seconds to wait for somebody; inf: that helps nothing."""
        return 0.0 if self.is_busy else float("inf") if self.free_in is None else self.free_in


def joined(every: Sequence[Shortage]) -> Shortage:
    """Why several pools have no account: the shortest wait counts, and the reasons of all of them."""
    some = [each for each in every if each.accounts and not each.not_offered]
    if not some:
        return next((each for each in every if each.accounts), every[0])
    waits = [each for each in some if each.free_in is not None]
    return Shortage(
        any(each.is_busy for each in some),
        min((each.free_in for each in waits if each.free_in is not None), default=None),
        sum(each.accounts for each in some),
        bool(waits) and all(each.by_fault for each in waits),
    )


#: the cooldown key that covers every model of an account
ALL_MODELS = ""
_UNKNOWN = Standing()
_NO_QUOTA: Mapping[str, ModelQuota] = {}


def unwatched(state: AccountState) -> None:
    """Nobody wants to know."""


class AccountState:
    """The mutable state of one account, on the reactor's thread.

    The pool, its leases and the token keeper change it, and so do the quota poll, what replicas say
    (``replication.ReplicaEvents``) and the relay's look-up of projects.

    ``on_change`` is called when the account may have become better to choose; a change for the worse is noticed at
    the next look. ``serial`` is its place among equals.
    """

    __slots__ = (
        "access_token",
        "barred",
        "cooldowns",
        "credential",
        "expired",
        "expires_at",
        "grant",
        "group",
        "has_served",
        "in_flight",
        "last_failure",
        "last_until",
        "offered",
        "on_change",
        "project",
        "project_asked",
        "project_refused",
        "quota",
        "ranked_with",
        "refresh_after",
        "refresh_failures",
        "refused",
        "serial",
        "served_on",
        "served_today",
        "standing",
        "standing_asked",
        "strikes",
        "tier",
        "virtual_time",
        "without_quota_project",
    )

    def __init__(self, credential: Credential, serial: int = 0) -> None:
        self.credential = credential
        self.serial = serial
        self.on_change: Callable[[AccountState], None] = unwatched
        self.in_flight = 0
        self.ranked_with = 0  # no order of the pool has it further back than with this number of leases
        self.has_served = False  # whether upstream has answered a request of this process with it
        self.group = credential.group  # or the group that upstream's errors have revealed; empty: it has its own
        self.served_on = 0  # the UTC day, by its number since 1970, of the last request; counted where there is a limit
        self.served_today = 0
        self.tier = credential.tier  # or what the ids of its quotas have shown
        self.virtual_time = 0.0  # grows with every lease: the smallest has waited longest for its share
        self.last_until = 0.0  # monotonic seconds: until then chosen after the others
        self.cooldowns: dict[str, Cooldown] = {}
        self.strikes: dict[tuple[str, Cause], int] = {}  # consecutive failures, by cooldown key
        self.last_failure: LastFailure | None = None  # the last
        self.barred = ""  # why it is out of use until its row changes; empty: in use
        self.expired = credential.status == EXPIRED  # the app says so, and its token has not changed since
        self.access_token: Secret = credential.access_token
        self.expires_at = credential.expires_at  # epoch seconds
        self.grant: Grant = credential.grant  # upstream may rotate its refresh token
        self.refresh_after = 0.0  # monotonic seconds: no refresh before that
        self.refresh_failures = 0
        self.refused: Secret | None = None  # the last token that upstream refused, until a success
        #: what was last learnt of its quotas, by model: from the volume or from upstream
        self.quota: Mapping[str, ModelQuota] = credential.quota or _NO_QUOTA
        #: the models that upstream lets it use; None: not known
        self.offered: frozenset[str] | None = None
        #: what upstream said last of its windows, tier and credits, and when tier and credits were asked for
        self.standing = _UNKNOWN
        self.standing_asked = float("-inf")  # monotonic seconds
        self.project: str | None = credential.project
        self.project_asked = float("-inf")  # monotonic seconds: when upstream was last asked for it
        self.without_quota_project = False  # upstream has refused the project that is to be billed
        self.project_refused: str | None = None  # the last that upstream refused

    def __repr__(self) -> str:
        parts = [self.credential.id, f"{self.in_flight} in flight"]
        parts += [f"cools for {model or 'all models'}" for model in self.cooldowns]
        parts += [word for word, is_so in (("barred", self.barred), ("expired", self.expired)) if is_so]
        return f"<AccountState {', '.join(parts)}>"

    @property
    def sign_in(self) -> str:
        """A digest of the part of its credential that a bar refers to: as long as it is unchanged, the bar holds."""
        text = "\0".join(_revealed(part) for part in self.credential.sign_in)
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()

    def strikes_before(self, key: str, cause: Cause, now: float) -> int:
        """How many failures there were in a row before one that comes now (monotonic seconds).

        A failure while the account is set aside belongs to an earlier request: a burst of failures is one strike.
        """
        strikes = self.strikes.get((key, cause), 0)
        cooldown = self.cooldowns.get(key)
        return max(strikes - 1, 0) if cooldown is not None and cooldown.until > now else strikes

    def cool(self, key: str, cooldown: Cooldown, now: float) -> bool:
        """Is set aside for the key, unless it already is for longer; returns whether it was.

        ``on_change`` is not called.
        """
        known = self.cooldowns.get(key)
        if cooldown.until <= (now if known is None else known.until):
            return False
        self.cooldowns[key] = cooldown
        return True

    def bar(self, reason: str) -> None:
        """Out of use until its row changes."""
        self.barred = reason
        self.on_change(self)

    def renewed(self, issued: IssuedToken) -> None:
        """Takes a new access token."""
        self.refresh_failures = 0
        self.access_token = issued.access_token
        self.expires_at = issued.expires_at
        if issued.refresh_token is not None:
            self.grant = self.grant.rotated(issued.refresh_token)
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

    def stands(self, standing: Standing) -> None:
        """Takes what upstream says of its windows, tier and credits."""
        if standing != self.standing:
            self.standing = standing
            self.on_change(self)

    def forgive(self) -> None:
        """Forgets everything that sets the account aside: somebody says that it is worth a new try."""
        self.cooldowns = {}
        self.strikes = {}
        self.last_until = 0.0
        self.expired = False
        self.barred = ""
        self.last_failure = None
        self.refresh_after = 0.0
        self.refresh_failures = 0
        self.on_change(self)

    def update(self, credential: Credential) -> None:
        """Takes the account's new credential. Quotas that differ from the one's before were learnt just now.

        A changed sign-in lifts a bar, the app's own mark too; the new access token is taken if it lives longer than
        ours or belongs to another grant (credential-volume.md 1.8, token merge rule).
        """
        old, self.credential = self.credential, credential
        if credential.quota and credential.quota != old.quota:
            self.quota = {**self.quota, **credential.quota}
        if credential.sign_in == old.sign_in:
            return
        self.expired = credential.status != old.status and credential.status == EXPIRED
        self.barred = ""
        self.last_failure = None
        self.refresh_after = 0.0
        self.refresh_failures = 0
        self.project = credential.project or self.project
        self.group = credential.group
        self.without_quota_project = False
        self.project_asked = float("-inf")
        self.project_refused = None
        has_other_grant = credential.grant != old.grant
        if has_other_grant:
            self.grant = credential.grant
        if has_other_grant or credential.expires_at > self.expires_at:
            self.access_token = credential.access_token
            self.expires_at = credential.expires_at


def _revealed(part: object) -> str:
    """A part of a sign-in as text, secrets too: for a digest."""
    if isinstance(part, Secret):
        return part.reveal()
    if isinstance(part, Struct):
        return "\0".join(_revealed(getattr(part, name)) for name in part.__struct_fields__)
    return str(part)
