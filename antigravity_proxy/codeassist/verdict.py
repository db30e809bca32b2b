"""What an upstream failure means and what to do: the decision table of upstream.md 6.3 as data. Pure.

`judge` reads the table from top to bottom; the first row that recognises the failure decides. Order of evidence:
reason, then status, then HTTP status; the message only where the table has words for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

from msgspec import Struct, structs

from antigravity_proxy import errors
from antigravity_proxy.generatecontent.failure import Failure
from antigravity_proxy.secret import Secret


class Step(Enum):
    """What to try next."""

    NEXT_ACCOUNT = "the next untried account"
    NEXT_BASE = "the next base URL with the next untried account; the retry budget limits these"
    REFRESH = "the next account; with none, a refreshed token on this one, once"
    PROJECT = "the next account; with none, another project on this one, once; then none at all, once"
    OTHER_EGRESS = "one account with another way out, once; any number where the way out is what failed"
    REPAIR = "the same account with a repaired request, once"
    STOP = "nothing: the answer would be the same everywhere"


class Scope(Enum):
    """What a cooldown covers."""

    NONE = "nothing"
    ACCOUNT = "the account"
    ACCOUNT_MODEL = "the account for one model"
    LAST_IN_ORDER = "nothing, but the account is chosen last for a moment"
    UNTIL_CHANGED = "the account, until its row in the volume changes"


class Verdict(Struct, frozen=True):
    """A row of the table, applied to one failure. ``name`` says what it recognises, for logs and metrics.

    ``delay`` is the cooldown in seconds that upstream stated; None: take ``ladder`` (seconds) by the number of
    consecutive failures. ``source`` is where the delay stood, for the log. ``model`` is an upstream id to cool besides
    the one sent. ``error`` is what the client is told when nothing is left to try. ``link`` is where the account's
    owner can act; it identifies the account.
    """

    row: int
    name: str
    step: Step
    scope: Scope
    error: type[errors.ProxyError]
    sentence: str
    ladder: tuple[float, ...] = ()
    delay: float | None = None
    source: str = ""
    model: str = ""
    link: Secret = Secret("")


#: seconds (upstream.md 6.3, column "cooldown")
QUOTA_LADDER = (3600.0, 7200.0, 14400.0)
BURST_LADDER = (10.0,)
PER_MINUTE_LADDER = (60.0,)
CAPACITY_LADDER = (5.0, 10.0, 15.0)
BARE_LADDER = (5.0, 60.0, 300.0)
HOUR = (3600.0,)
TEN_MINUTES = (600.0,)
#: a burst limit that lasts longer than this is a used-up quota (row 2)
LONGEST_BURST = 300.0

_TERMS = re.compile(r"terms of service|has been disabled", re.I)
_PROJECT = re.compile(
    r"Code Assist license|#3501|permission .* on resource project|Invalid project resource name"
    r"|Resource projects/\S* could not be found",
    re.I,
)
_SIGNATURE = re.compile(r"thought_?signature|\bsignature\b|must be 'thinking'", re.I)
_OVERFLOW = re.compile(r"exceeds the maximum number of tokens|too long|input token count", re.I)
_PER_DAY = re.compile(r"PerDay|Daily")
_PER_MINUTE = re.compile(r"PerMinute")


def _quota_used_up(f: Failure) -> bool:
    burst_too_long = _burst(f) and f.delay is not None and f.delay > LONGEST_BURST
    return f.reason == "QUOTA_EXHAUSTED" or any(map(_PER_DAY.search, f.quota_ids)) or burst_too_long


def _burst(f: Failure) -> bool:
    return f.reason == "RATE_LIMIT_EXCEEDED" or _per_minute(f)


def _per_minute(f: Failure) -> bool:
    return any(map(_PER_MINUTE.search, f.quota_ids))


def _no_capacity(f: Failure) -> bool:
    return f.reason == "MODEL_CAPACITY_EXHAUSTED" or "No capacity available" in f.message


def _wrong_project(f: Failure) -> bool:
    return f.reason in {"SERVICE_DISABLED", "CONSUMER_INVALID"} or bool(_PROJECT.search(f.message))


def _barred(f: Failure) -> bool:
    return f.appeal or (bool(_TERMS.search(f.message)) and not _wrong_project(f))


_LIMIT = "All accounts are rate limited for this model."
_BUSY = "The upstream service has no capacity for this model at the moment."
_REFUSED = "No account is allowed to use the upstream service at the moment."

_R = Verdict
_TABLE: tuple[tuple[frozenset[int], Callable[[Failure], bool], Verdict], ...] = tuple(
    (frozenset(statuses), recognised, verdict)
    for statuses, recognised, verdict in (
        (
            {429},
            _quota_used_up,
            _R(1, "quota", Step.NEXT_ACCOUNT, Scope.ACCOUNT_MODEL, errors.RateLimited, _LIMIT, QUOTA_LADDER),
        ),
        (
            {429},
            _per_minute,
            _R(2, "rate_limit", Step.NEXT_ACCOUNT, Scope.ACCOUNT_MODEL, errors.RateLimited, _LIMIT, PER_MINUTE_LADDER),
        ),
        (
            {429},
            _burst,
            _R(2, "rate_limit", Step.NEXT_ACCOUNT, Scope.ACCOUNT_MODEL, errors.RateLimited, _LIMIT, BURST_LADDER),
        ),
        (
            {429},
            lambda f: f.reason == "MODEL_CAPACITY_EXHAUSTED",
            _R(
                3, "no_capacity", Step.NEXT_BASE, Scope.ACCOUNT_MODEL, errors.UpstreamOverloaded, _BUSY, CAPACITY_LADDER
            ),
        ),
        (
            {429},
            lambda f: f.reason == "INSUFFICIENT_G1_CREDITS_BALANCE",
            _R(4, "no_credits", Step.NEXT_ACCOUNT, Scope.ACCOUNT_MODEL, errors.RateLimited, _LIMIT, HOUR),
        ),
        (
            {429},
            lambda f: True,
            _R(5, "exhausted", Step.NEXT_ACCOUNT, Scope.ACCOUNT_MODEL, errors.RateLimited, _LIMIT, BARE_LADDER),
        ),
        (
            {503},
            _no_capacity,
            _R(
                6, "no_capacity", Step.NEXT_BASE, Scope.ACCOUNT_MODEL, errors.UpstreamOverloaded, _BUSY, CAPACITY_LADDER
            ),
        ),
        (
            {408, 499},
            lambda f: True,
            _R(
                8,
                "interrupted",
                Step.NEXT_BASE,
                Scope.LAST_IN_ORDER,
                errors.UpstreamOverloaded,
                "Upstream broke the request off.",
            ),
        ),
        (
            {401},
            lambda f: True,
            _R(
                10,
                "unauthenticated",
                Step.REFRESH,
                Scope.ACCOUNT,
                errors.Unavailable,
                "No account could sign in to upstream.",
                (300.0,),
            ),
        ),
        (
            {403},
            lambda f: f.reason == "VALIDATION_REQUIRED",
            _R(11, "needs_validation", Step.NEXT_ACCOUNT, Scope.ACCOUNT, errors.Unavailable, _REFUSED, TEN_MINUTES),
        ),
        (
            {403},
            _barred,
            _R(12, "barred", Step.NEXT_ACCOUNT, Scope.UNTIL_CHANGED, errors.Unavailable, _REFUSED),
        ),
        (
            {403},
            _wrong_project,
            _R(13, "wrong_project", Step.PROJECT, Scope.ACCOUNT, errors.Unavailable, _REFUSED, TEN_MINUTES),
        ),
        (
            {400, 404},
            lambda f: bool(_PROJECT.search(f.message)),
            _R(14, "wrong_project", Step.PROJECT, Scope.ACCOUNT, errors.Unavailable, _REFUSED, TEN_MINUTES),
        ),
        (
            {403},
            lambda f: True,
            _R(15, "forbidden", Step.NEXT_ACCOUNT, Scope.ACCOUNT, errors.Forbidden, _REFUSED, TEN_MINUTES),
        ),
        (
            {404},
            lambda f: True,
            _R(
                16,
                "no_such_model",
                Step.NEXT_BASE,
                Scope.ACCOUNT_MODEL,
                errors.ModelNotFound,
                "Upstream does not offer this model to the accounts here.",
                TEN_MINUTES,
            ),
        ),
        (
            {400},
            lambda f: bool(_SIGNATURE.search(f.message)),
            _R(17, "bad_signature", Step.REPAIR, Scope.NONE, errors.BadRequest, ""),
        ),
        (
            {400},
            lambda f: f.status == "FAILED_PRECONDITION" and "location is not supported" in f.message,
            _R(18, "bad_location", Step.OTHER_EGRESS, Scope.ACCOUNT, errors.BadRequest, "", TEN_MINUTES),
        ),
        (
            {400},
            lambda f: bool(_OVERFLOW.search(f.message)),
            _R(19, "context_overflow", Step.STOP, Scope.NONE, errors.ContextOverflow, ""),
        ),
        ({400}, lambda f: True, _R(20, "bad_request", Step.REPAIR, Scope.NONE, errors.BadRequest, "")),
        (
            {413},
            lambda f: True,
            _R(
                21,
                "too_large",
                Step.STOP,
                Scope.NONE,
                errors.BodyTooLarge,
                "The request is too large for the upstream service.",
            ),
        ),
    )
)

_TROUBLE = {
    500: _R(
        7, "upstream_error", Step.NEXT_BASE, Scope.LAST_IN_ORDER, errors.UpstreamFailed, "The upstream service failed."
    ),
    503: _R(
        7,
        "upstream_error",
        Step.NEXT_BASE,
        Scope.LAST_IN_ORDER,
        errors.UpstreamOverloaded,
        "The upstream service is overloaded.",
    ),
    504: _R(
        7,
        "upstream_error",
        Step.NEXT_BASE,
        Scope.LAST_IN_ORDER,
        errors.UpstreamTimeout,
        "The upstream service ran out of time.",
    ),
    529: _R(
        7,
        "upstream_error",
        Step.NEXT_BASE,
        Scope.LAST_IN_ORDER,
        errors.UpstreamOverloaded,
        "The upstream service is overloaded.",
    ),
}
_OTHER_5XX = _R(
    7,
    "upstream_error",
    Step.NEXT_BASE,
    Scope.LAST_IN_ORDER,
    errors.UpstreamBroken,
    "The upstream service is in trouble.",
)

#: the row of networks, TLS and time-outs: it is the host that comes last for a while
NETWORK_ROW = 9
#: no answer at all; a connection that could not be made does not even count against the account
UNREACHABLE = _R(
    9, "unreachable", Step.NEXT_BASE, Scope.NONE, errors.UpstreamBroken, "The upstream service could not be reached."
)
#: the same, but the way there is the account's own proxy: that says nothing of upstream, nor of other accounts
NO_WAY_OUT = _R(
    9, "no_way_out", Step.OTHER_EGRESS, Scope.LAST_IN_ORDER, errors.UpstreamBroken, UNREACHABLE.sentence, (60.0,)
)
BROKEN = _R(9, "broken", Step.NEXT_BASE, Scope.LAST_IN_ORDER, errors.UpstreamBroken, "The upstream connection broke.")
SILENT = _R(
    9, "silent", Step.NEXT_BASE, Scope.LAST_IN_ORDER, errors.UpstreamTimeout, "The upstream service did not answer."
)
#: a token that was good is refused: revoked, or older than it claims; a second one in a row is judged by the table
TOKEN_REFUSED = _R(
    10, "token_refused", Step.REFRESH, Scope.NONE, errors.Unavailable, "No account could sign in to upstream."
)
#: the account has no live token and could not get one
NO_TOKEN = _R(
    10, "no_token", Step.NEXT_ACCOUNT, Scope.NONE, errors.Unavailable, "No account could sign in to upstream."
)
#: answered with 200, but with nothing in it, or not to the end, or with a model that failed (rows 23, 24; 5.4)
EMPTY = _R(23, "empty", Step.NEXT_BASE, Scope.LAST_IN_ORDER, errors.UpstreamBroken, "The upstream answer was empty.")
CUT_OFF = _R(24, "cut_off", Step.NEXT_BASE, Scope.NONE, errors.UpstreamBroken, "The upstream answer broke off.")
MODEL_FAILED = _R(
    7, "model_failed", Step.NEXT_BASE, Scope.NONE, errors.UpstreamBroken, "The model failed to produce an answer."
)


def judge(failure: Failure) -> Verdict:
    """The row of upstream.md 6.3 that fits, with the delay and the model that the failure names."""
    code = failure.http_status
    for statuses, recognised, verdict in _TABLE:
        if code in statuses and recognised(failure):
            if not _timed(verdict):
                return structs.replace(verdict, model=failure.model, link=Secret(failure.link))
            return structs.replace(verdict, delay=failure.delay, source=failure.delay_source, model=failure.model)
    if 500 <= code <= 599:
        return _TROUBLE.get(code, _OTHER_5XX)
    if 400 <= code <= 499:
        return _R(20, "bad_request", Step.STOP, Scope.NONE, errors.BadRequest, "")
    return BROKEN  # 1xx, 3xx: never followed


def for_request(verdict: Verdict, failure: Failure | None, model: str, *, own_egress: bool) -> Verdict:
    """The verdict as it applies to a request for ``model``, by an account that has its ``own_egress`` or not.

    A refusal that names the model cools only that (row 15); a location is an account's matter only if its way out is
    its own (row 18), and so is an upstream that can't be reached by it (row 9).
    """
    if verdict is UNREACHABLE and own_egress:
        return NO_WAY_OUT
    if verdict.row == 15 and failure is not None and model in failure.message:
        return structs.replace(verdict, scope=Scope.ACCOUNT_MODEL)
    if verdict.row == 18 and not own_egress:
        return structs.replace(verdict, scope=Scope.NONE)
    return verdict


def _timed(verdict: Verdict) -> bool:
    """Stated times are about quota: they set the cooldowns of the 429 and 503 rows only."""
    return verdict.row <= 6
