"""The meaning of an upstream failure, by name: cause, next step, what is set aside, which words. Pure.

A wire has a table of `Row`s (upstream.md 6.3); `judge` reads it from top to bottom, and the first row that recognises
the failure decides. Everybody else reads the fields of the `Verdict`, never the wording of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import Enum

from msgspec import Struct, structs

from antigravity_proxy import errors
from antigravity_proxy.secret import Secret


class Cause(Enum):
    """Why an attempt failed. The value is its label in log, metrics, trace and page (docs/reference/causes.md)."""

    QUOTA = "quota"
    RATE_LIMIT = "rate_limit"
    NO_CAPACITY = "no_capacity"
    NO_CREDITS = "no_credits"
    EXHAUSTED = "exhausted"
    UPSTREAM_ERROR = "upstream_error"
    MODEL_FAILED = "model_failed"
    INTERRUPTED = "interrupted"
    UNREACHABLE = "unreachable"
    NO_WAY_OUT = "no_way_out"
    BROKEN = "broken"
    SILENT = "silent"
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a label
    NO_TOKEN = "no_token"  # noqa: S105 - a label
    NEEDS_VALIDATION = "needs_validation"
    BARRED = "barred"
    SCOPE_MISSING = "scope_missing"
    WRONG_PROJECT = "wrong_project"
    FORBIDDEN = "forbidden"
    NO_SUCH_MODEL = "no_such_model"
    BAD_SIGNATURE = "bad_signature"
    BAD_LOCATION = "bad_location"
    CONTEXT_OVERFLOW = "context_overflow"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    NO_ACCESS = "no_access"
    SPENT = "spent"
    BAD_KEY = "bad_key"
    KEY_RESTRICTED = "key_restricted"
    API_DISABLED = "api_disabled"
    NO_BILLING = "no_billing"
    FOREIGN_FILE = "foreign_file"
    OUR_FAULT = "our_fault"
    EMPTY = "empty"
    CUT_OFF = "cut_off"
    REFUSED_REQUEST = "refused_request"
    REFUSED_CLIENT = "refused_client"
    OLD_CLIENT = "old_client"
    WITHDRAWN_MODEL = "withdrawn_model"


class Step(Enum):
    """The next thing to try."""

    NEXT_ACCOUNT = "the next untried account"
    NEXT_LOCATION = "the same credential at its next location, else the next one; the retry budget limits these"
    NEXT_UPSTREAM = "the next upstream; with none, the next untried credential; the retry budget limits these"
    NEXT_BASE = "the next base URL with the next untried account; the retry budget limits these"
    REFRESH = "the next account; with none, a refreshed token on this one, once"
    OWN_PROJECT = "the same credential without the project that is billed, once; else the next credential"
    PROJECT = "the next account; with none, another project on this one, once; then none at all, once"
    OTHER_EGRESS = "one account with another way out, once; any number where the way out is what failed"
    OTHER_ACCOUNT = "another account, to see whether it is told the same: the row's own verdict holds if not"
    REPAIR = "the same account with a repaired request, once"
    STOP = "nothing: the answer would be the same everywhere"


class Scope(Enum):
    """The scope of a cooldown."""

    NONE = "nothing"
    ACCOUNT = "the account"
    ACCOUNT_MODEL = "the account for one model"
    LOCATION_MODEL = "the account for one model at one location"
    GROUP = "every credential of its quota group"
    GROUP_MODEL = "every credential of its quota group, for one model"
    GROUP_LOCATION_MODEL = "every credential of its quota group, for one model at one location"
    UPSTREAM_MODEL = "one model of the whole upstream"
    LAST_IN_ORDER = "nothing, but the account is chosen last for a moment"
    UNTIL_CHANGED = "the account, until its row in the volume changes"
    GROUP_UNTIL_CHANGED = "every credential of its quota group, until its own line changes"


#: a delay that is stated for a quota of a day and is shorter than this, in seconds, can't be true (official-upstreams
#: 6.2)
SHORTEST_DAY = 300.0


class Failure(Struct, frozen=True):
    """The facts in upstream's refusal.

    ``http_status`` is the answer's own status, or the error object's code inside a 200 stream. ``delay`` is the wait in
    seconds that upstream states, None where it states none, and ``delay_source`` names where it stood. ``model`` is
    the model id that the error names. ``link`` is where the account's owner can verify or appeal. ``limits`` are the
    limits' values as upstream writes them, ``consumer`` the project that it means (``projects/N``). ``daily_resets``:
    seconds until a quota of a day may begin again, the earliest first.
    """

    http_status: int
    status: str = ""
    message: str = ""
    reason: str = ""
    domain: str = ""
    quota_ids: tuple[str, ...] = ()
    delay: float | None = None
    delay_source: str = ""
    model: str = ""
    link: str = ""
    appeal: bool = False
    limits: tuple[str, ...] = ()
    consumer: str = ""
    daily_resets: tuple[float, ...] = ()


class Verdict(Struct, frozen=True, kw_only=True):
    """The meaning and the consequences of one failure.

    ``error`` and ``client_words`` are the client's error when nothing is left to try; where the failure is the
    caller's fault, upstream's own words come before ``client_words``. ``operator_words`` say of an account what
    happened to it.

    How long: ``delay`` is the cooldown in seconds that upstream stated; None: ``ladder`` (seconds) by the number of
    consecutive failures with this cause. ``takes_stated_delay``: a stated delay counts, since it is about a limit or
    capacity. ``takes_app_backoff``: the desktop app's back-off steps, where it has some, replace the ladder.

    Its subject: ``uses_quota``: the account's quota for the model, and for those that share it, is used up.
    ``is_temporary``: time cures it, and nothing is wrong with the account. ``about_capacity``: upstream's, not a quota.
    ``about_host``: the base URL comes last for a while. ``about_egress``: the account's own way out failed.
    ``never_sent``: the account has received nothing. ``blames_account``: its sign-in, its project or its rights.
    ``needs_owner``: time alone does not end it. ``callers_fault``: the request itself. ``about_signature``: a thought
    signature in the history. ``model_missing``: this account or host does not have the model.
    ``about_terms``: Google has barred the account for its terms. ``about_client``: it is this
    program's matter, whichever account asks.

    Of official credentials: ``is_fault``: its cooldown is not for a quota, but its end counts for ``Retry-After``.
    ``not_offered``: the credential has no access to the model at all. ``skips_group``: the others of its quota group
    would be refused too. ``flagged_after``: from that many failures in a row on it needs its owner; 0: never so.
    ``resets_daily``: the failure's ``daily_resets`` are the ladder, exactly, where the stated delay is shorter than
    `SHORTEST_DAY`.

    As it applies to one request (`applied`): ``narrows_to_model``: a message that names the model is about that model
    only. ``with_own_egress``: what it is where the account leaves by a proxy of its own; ``with_key``: where an API key
    was sent, and no token. ``with_quota_left``: what it is where the account is known to have quota left for the model,
    and another is refused alike; ``from_all``: what it is where accounts that are known to be good are all refused
    alike (upstream.md 6.4).

    From the failure: ``source`` is where the delay stood, for the log. ``model`` is an upstream id to cool besides the
    one sent. ``link`` is where the account's owner can act; it identifies the account.
    """

    cause: Cause
    step: Step
    scope: Scope
    error: type[errors.ProxyError]
    operator_words: str
    client_words: str
    ladder: tuple[float, ...] = ()
    takes_stated_delay: bool = False
    takes_app_backoff: bool = False
    uses_quota: bool = False
    is_temporary: bool = False
    about_capacity: bool = False
    about_host: bool = False
    about_egress: bool = False
    never_sent: bool = False
    blames_account: bool = False
    about_terms: bool = False
    about_client: bool = False
    needs_owner: bool = False
    callers_fault: bool = False
    about_signature: bool = False
    model_missing: bool = False
    is_fault: bool = False
    not_offered: bool = False
    skips_group: bool = False
    flagged_after: int = 0
    resets_daily: bool = False
    resets: tuple[float, ...] = ()
    narrows_to_model: bool = False
    with_own_egress: Verdict | None = None
    with_key: Verdict | None = None
    with_quota_left: Verdict | None = None
    from_all: Verdict | None = None
    delay: float | None = None
    source: str = ""
    model: str = ""
    link: Secret = Secret("")

    def applied(self, failure: Failure | None, model: str, *, own_egress: bool) -> Verdict:
        """The verdict for a request for ``model`` (an upstream id), by an account with its ``own_egress`` or not."""
        if own_egress and self.with_own_egress is not None:
            return self.with_own_egress
        if self.narrows_to_model and failure is not None and model in failure.message:
            return structs.replace(self, scope=Scope.ACCOUNT_MODEL)
        return self


class Row(Struct, frozen=True):
    """One row of a table: of failures with one of the HTTP ``statuses`` (None: any) those that ``recognises`` accepts.

    Evidence in order: reason, then status, then HTTP status; the message only if nothing else decides.
    """

    statuses: Collection[int] | None
    recognises: Callable[[Failure], bool]
    verdict: Verdict


def judge(table: Sequence[Row], failure: Failure) -> Verdict:
    """The verdict of the first row that fits, with the delay, the model and the link that the failure names.

    Raises LookupError for a table whose last row does not take everything.
    """
    for row in table:
        if (row.statuses is None or failure.http_status in row.statuses) and row.recognises(failure):
            found = structs.replace(row.verdict, model=failure.model, link=Secret(failure.link))
            if found.resets_daily and (failure.delay is None or failure.delay < SHORTEST_DAY):
                return structs.replace(found, resets=failure.daily_resets)
            if not found.takes_stated_delay:
                return found
            return structs.replace(found, delay=failure.delay, source=failure.delay_source)
    raise LookupError(failure.http_status)
