"""Meanings of failures on every upstream with Google's error form: rows and parts of rows for decision tables. Pure.

Each upstream's own table has the rest (upstream.md 6.3, official-upstreams.md 6.3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec import structs

from antigravity_proxy import errors
from antigravity_proxy.canonical.verdict import Cause, Failure, Row, Scope, Step, Verdict

#: seconds by consecutive failures, where upstream states no delay (upstream.md 6.3, column "cooldown")
PER_MINUTE_LADDER = (60.0,)
CAPACITY_LADDER = (5.0, 10.0, 15.0)
BARE_LADDER = (5.0, 60.0, 300.0)
MINUTE, FIVE_MINUTES, TEN_MINUTES, HOUR = (60.0,), (300.0,), (600.0,), (3600.0,)
_SIGNATURE = re.compile(r"thought_?signature|\bsignature\b|must be 'thinking'", re.I)
_OVERFLOW = re.compile(r"exceeds the maximum number of tokens|too long|input token count", re.I)
_PER_DAY = re.compile(r"PerDay|Daily")
_PER_MINUTE = re.compile(r"PerMinute")


def anything(f: Failure) -> bool:
    """Every failure with the row's status."""
    return True


def is_googles(f: Failure) -> bool:
    """Whether the error body has Google's form: whatever answers on the way there has not."""
    return bool(f.status)


def per_day(f: Failure) -> bool:
    """A quota of a day."""
    return any(map(_PER_DAY.search, f.quota_ids))


def per_minute(f: Failure) -> bool:
    """A quota of a minute."""
    return any(map(_PER_MINUTE.search, f.quota_ids))


def reason(*reasons: str) -> Callable[[Failure], bool]:
    """Failures for one of these reasons."""
    return lambda f: f.reason in reasons


def message(pattern: re.Pattern[str]) -> Callable[[Failure], bool]:
    """Failures with such words."""
    return lambda f: bool(pattern.search(f.message))


bad_signature = message(_SIGNATURE)
context_overflow = message(_OVERFLOW)


def bad_location(f: Failure) -> bool:
    """Upstream doesn't serve the country that the request seems to come from."""
    return f.status == "FAILED_PRECONDITION" and "location is not supported" in f.message


BUSY = "The upstream service has no capacity for this model at the moment."
LIMITED = "All accounts are rate limited for this model."
NO_SIGN_IN = "No account could sign in to upstream."
NOT_ALLOWED = "No account is allowed to use the upstream service at the moment."
OVERLOADED = "The upstream service is overloaded."
REFUSED = "Upstream refused the request."
UNREACHABLE = "The upstream service could not be reached."

EXHAUSTED = Verdict(
    cause=Cause.EXHAUSTED,
    step=Step.NEXT_ACCOUNT,
    scope=Scope.ACCOUNT_MODEL,
    error=errors.RateLimited,
    operator_words="upstream refused it for now (429)",
    client_words=LIMITED,
    ladder=BARE_LADDER,
    takes_stated_delay=True,
    takes_app_backoff=True,
    is_temporary=True,
)
NO_CAPACITY = Verdict(
    cause=Cause.NO_CAPACITY,
    step=Step.NEXT_BASE,
    scope=Scope.ACCOUNT_MODEL,
    error=errors.UpstreamOverloaded,
    operator_words="upstream had no capacity",
    client_words=BUSY,
    ladder=CAPACITY_LADDER,
    takes_stated_delay=True,
    is_temporary=True,
    about_capacity=True,
)
UPSTREAM_ERROR = Verdict(
    cause=Cause.UPSTREAM_ERROR,
    step=Step.NEXT_BASE,
    scope=Scope.LAST_IN_ORDER,
    error=errors.UpstreamBroken,
    operator_words="upstream had trouble",
    client_words="The upstream service is in trouble.",
    is_temporary=True,
)
INTERRUPTED = Verdict(
    cause=Cause.INTERRUPTED,
    step=Step.NEXT_BASE,
    scope=Scope.LAST_IN_ORDER,
    error=errors.UpstreamOverloaded,
    operator_words="upstream broke a request off",
    client_words="Upstream broke the request off.",
    is_temporary=True,
)
UNAUTHENTICATED = Verdict(
    cause=Cause.UNAUTHENTICATED,
    step=Step.REFRESH,
    scope=Scope.ACCOUNT,
    error=errors.Unavailable,
    operator_words="upstream refused its token",
    client_words=NO_SIGN_IN,
    ladder=FIVE_MINUTES,
    blames_account=True,
)
FORBIDDEN = Verdict(
    cause=Cause.FORBIDDEN,
    step=Step.NEXT_ACCOUNT,
    scope=Scope.ACCOUNT,
    error=errors.Forbidden,
    operator_words="upstream forbids it what was asked",
    client_words=NOT_ALLOWED,
    ladder=TEN_MINUTES,
    blames_account=True,
    narrows_to_model=True,
)
NO_SUCH_MODEL = Verdict(
    cause=Cause.NO_SUCH_MODEL,
    step=Step.NEXT_BASE,
    scope=Scope.ACCOUNT_MODEL,
    error=errors.ModelNotFound,
    operator_words="upstream doesn't offer it the model",
    client_words="Upstream does not offer this model to the accounts here.",
    ladder=TEN_MINUTES,
    model_missing=True,
)
BAD_SIGNATURE = Verdict(
    cause=Cause.BAD_SIGNATURE,
    step=Step.REPAIR,
    scope=Scope.NONE,
    error=errors.BadRequest,
    operator_words="upstream refused a thought signature",
    client_words=REFUSED,
    callers_fault=True,
    about_signature=True,
)
#: where the daemon is; with an egress proxy of its own the account's matter
BAD_LOCATION = Verdict(
    cause=Cause.BAD_LOCATION,
    step=Step.OTHER_EGRESS,
    scope=Scope.NONE,
    error=errors.BadRequest,
    operator_words="upstream doesn't serve its location",
    client_words=REFUSED,
    ladder=TEN_MINUTES,
    callers_fault=True,
)
CONTEXT_OVERFLOW = Verdict(
    cause=Cause.CONTEXT_OVERFLOW,
    step=Step.STOP,
    scope=Scope.NONE,
    error=errors.ContextOverflow,
    operator_words="a request was longer than the model's context",
    client_words=REFUSED,
    callers_fault=True,
)
BAD_REQUEST = Verdict(
    cause=Cause.BAD_REQUEST,
    step=Step.REPAIR,
    scope=Scope.NONE,
    error=errors.BadRequest,
    operator_words="upstream could not read a request",
    client_words=REFUSED,
    callers_fault=True,
)
TOO_LARGE = Verdict(
    cause=Cause.TOO_LARGE,
    step=Step.STOP,
    scope=Scope.NONE,
    error=errors.BodyTooLarge,
    operator_words="a request was too large for upstream",
    client_words="The request is too large for the upstream service.",
)
BROKEN = Verdict(
    cause=Cause.BROKEN,
    step=Step.NEXT_BASE,
    scope=Scope.LAST_IN_ORDER,
    error=errors.UpstreamBroken,
    operator_words="its connection to upstream broke, or stayed silent",
    client_words="The upstream connection broke.",
    is_temporary=True,
    about_host=True,
)
#: a filter or another box between here and Google, which can't know of what it refuses
ON_THE_WAY = structs.replace(
    BROKEN,
    operator_words="something between this proxy and upstream answered in its place",
    client_words="Something on the way to the upstream service answered in its place.",
)
SILENT = structs.replace(
    BROKEN, cause=Cause.SILENT, error=errors.UpstreamTimeout, client_words="The upstream service did not answer."
)
#: the way there is the account's own proxy: that says nothing of upstream, nor of other accounts
NO_WAY_OUT = Verdict(
    cause=Cause.NO_WAY_OUT,
    step=Step.OTHER_EGRESS,
    scope=Scope.LAST_IN_ORDER,
    error=errors.UpstreamBroken,
    operator_words="its connection to upstream broke, or stayed silent",
    client_words=UNREACHABLE,
    ladder=MINUTE,
    is_temporary=True,
    about_egress=True,
)
#: a connection that could not be made does not even count against the account
UNREACHABLE_HOST = Verdict(
    cause=Cause.UNREACHABLE,
    step=Step.NEXT_BASE,
    scope=Scope.NONE,
    error=errors.UpstreamBroken,
    operator_words="upstream could not be reached",
    client_words=UNREACHABLE,
    is_temporary=True,
    about_host=True,
    never_sent=True,
    with_own_egress=NO_WAY_OUT,
)

#: upstream's own trouble, and what nothing else recognises: the end of every table
TROUBLE: tuple[Row, ...] = (
    Row(
        {500},
        anything,
        structs.replace(UPSTREAM_ERROR, error=errors.UpstreamFailed, client_words="The upstream service failed."),
    ),
    Row(
        {503, 529},
        anything,
        structs.replace(UPSTREAM_ERROR, error=errors.UpstreamOverloaded, client_words=OVERLOADED),
    ),
    Row(
        {504},
        anything,
        structs.replace(
            UPSTREAM_ERROR, error=errors.UpstreamTimeout, client_words="The upstream service ran out of time."
        ),
    ),
    Row(range(500, 600), anything, UPSTREAM_ERROR),
    Row(range(400, 500), is_googles, structs.replace(BAD_REQUEST, step=Step.STOP)),
    Row(range(400, 500), anything, ON_THE_WAY),
    Row(None, anything, BROKEN),  # 1xx, 3xx: never followed
)

#: failures that have no error body, by their cause
WITHOUT_BODY: Mapping[Cause, Verdict] = {
    row.cause: row
    for row in (
        UNREACHABLE_HOST,
        NO_WAY_OUT,
        BROKEN,
        SILENT,
        # a token that was good is refused: revoked, or older than it claims; the second in a row is UNAUTHENTICATED
        structs.replace(UNAUTHENTICATED, cause=Cause.TOKEN_REFUSED, scope=Scope.NONE, ladder=()),
        # the account has no live token and could not get one
        structs.replace(UNAUTHENTICATED, cause=Cause.NO_TOKEN, step=Step.NEXT_ACCOUNT, scope=Scope.NONE, ladder=()),
        # answered with 200, but with nothing in it, or not to the end, or by a model that failed (upstream.md 5.4)
        Verdict(
            cause=Cause.EMPTY,
            step=Step.NEXT_BASE,
            scope=Scope.LAST_IN_ORDER,
            error=errors.UpstreamBroken,
            operator_words="upstream sent an empty answer",
            client_words="The upstream answer was empty.",
        ),
        Verdict(
            cause=Cause.CUT_OFF,
            step=Step.NEXT_BASE,
            scope=Scope.NONE,
            error=errors.UpstreamBroken,
            operator_words="upstream's answer broke off",
            client_words="The upstream answer broke off.",
        ),
        Verdict(
            cause=Cause.MODEL_FAILED,
            step=Step.NEXT_BASE,
            scope=Scope.NONE,
            error=errors.UpstreamBroken,
            operator_words="the model failed",
            client_words="The model failed to produce an answer.",
            is_temporary=True,
        ),
    )
}
