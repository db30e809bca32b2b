"""Code Assist's decision table (upstream.md 6.3): every failure once, those without an error body too. Pure.

The only file for a new rule: a row here, its `Cause` if it is a new one, and a line in the test of this table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec import structs

from antigravity_proxy import errors
from antigravity_proxy.canonical import verdict
from antigravity_proxy.canonical.verdict import Cause, Failure, Row, Scope, Step, Verdict

#: seconds by consecutive failures, where upstream states no delay (upstream.md 6.3, column "cooldown")
_QUOTA_LADDER = (3600.0, 7200.0, 14400.0)
_BURST_LADDER = (10.0,)
_PER_MINUTE_LADDER = (60.0,)
_CAPACITY_LADDER = (5.0, 10.0, 15.0)
_BARE_LADDER = (5.0, 60.0, 300.0)
_MINUTE, _FIVE_MINUTES, _TEN_MINUTES, _HOUR = (60.0,), (300.0,), (600.0,), (3600.0,)
#: a burst limit that lasts longer than this, in seconds, is a used-up quota
_LONGEST_BURST = 300.0

_TERMS = re.compile(r"terms of service|has been disabled", re.I)
_PROJECT = re.compile(
    r"Code Assist license|#3501|permission [^\n]{0,200} on resource project|Invalid project resource name"
    r"|Resource projects/\S* could not be found",
    re.I,
)
_SIGNATURE = re.compile(r"thought_?signature|\bsignature\b|must be 'thinking'", re.I)
_OVERFLOW = re.compile(r"exceeds the maximum number of tokens|too long|input token count", re.I)
_PER_DAY = re.compile(r"PerDay|Daily")
_PER_MINUTE = re.compile(r"PerMinute")


def _anything(f: Failure) -> bool:
    return True


def _quota_used_up(f: Failure) -> bool:
    burst_too_long = _burst(f) and f.delay is not None and f.delay > _LONGEST_BURST
    return f.reason == "QUOTA_EXHAUSTED" or any(map(_PER_DAY.search, f.quota_ids)) or burst_too_long


def _burst(f: Failure) -> bool:
    return f.reason == "RATE_LIMIT_EXCEEDED" or _per_minute(f)


def _per_minute(f: Failure) -> bool:
    return any(map(_PER_MINUTE.search, f.quota_ids))


def _reason(reason: str) -> Callable[[Failure], bool]:
    return lambda f: f.reason == reason


def _message(pattern: re.Pattern[str]) -> Callable[[Failure], bool]:
    return lambda f: bool(pattern.search(f.message))


_names_project = _message(_PROJECT)
_bad_signature = _message(_SIGNATURE)
_context_overflow = _message(_OVERFLOW)
_no_capacity = _reason("MODEL_CAPACITY_EXHAUSTED")
_no_credits = _reason("INSUFFICIENT_G1_CREDITS_BALANCE")
_scope_missing = _reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT")
_needs_validation = _reason("VALIDATION_REQUIRED")


def _no_capacity_in_words(f: Failure) -> bool:
    return _no_capacity(f) or "No capacity available" in f.message


def _wrong_project(f: Failure) -> bool:
    return f.reason in {"SERVICE_DISABLED", "CONSUMER_INVALID"} or _names_project(f)


def _barred(f: Failure) -> bool:
    return f.appeal or (bool(_TERMS.search(f.message)) and not _wrong_project(f))


def _bare(f: Failure) -> bool:
    return f.status == "RESOURCE_EXHAUSTED" and not f.reason and not f.quota_ids and f.delay is None


def _caller_refused(f: Failure) -> bool:
    return not f.reason and "caller does not have permission" in f.message


def _is_googles(f: Failure) -> bool:
    return bool(f.status)


def _bad_location(f: Failure) -> bool:
    return f.status == "FAILED_PRECONDITION" and "location is not supported" in f.message


_BUSY = "The upstream service has no capacity for this model at the moment."
_LIMITED = "All accounts are rate limited for this model."
_NO_SIGN_IN = "No account could sign in to upstream."
_NOT_ALLOWED = "No account is allowed to use the upstream service at the moment."
_OVERLOADED = "The upstream service is overloaded."
_REFUSED = "Upstream refused the request."
_UNREACHABLE = "The upstream service could not be reached."

_EXHAUSTED = Verdict(
    cause=Cause.EXHAUSTED,
    step=Step.NEXT_ACCOUNT,
    scope=Scope.ACCOUNT_MODEL,
    error=errors.RateLimited,
    operator_words="upstream refused it for now (429)",
    client_words=_LIMITED,
    ladder=_BARE_LADDER,
    takes_stated_delay=True,
    takes_app_backoff=True,
    is_temporary=True,
)
_QUOTA = structs.replace(
    _EXHAUSTED, cause=Cause.QUOTA, operator_words="its quota is used up", ladder=_QUOTA_LADDER, uses_quota=True
)
_RATE_LIMIT = structs.replace(
    _EXHAUSTED,
    cause=Cause.RATE_LIMIT,
    operator_words="it reached a rate limit",
    ladder=_BURST_LADDER,
    takes_app_backoff=False,
)
_NO_CREDITS = structs.replace(
    _EXHAUSTED,
    cause=Cause.NO_CREDITS,
    operator_words="its credits are used up",
    ladder=_HOUR,
    takes_app_backoff=False,
)
_NO_CAPACITY = Verdict(
    cause=Cause.NO_CAPACITY,
    step=Step.NEXT_BASE,
    scope=Scope.ACCOUNT_MODEL,
    error=errors.UpstreamOverloaded,
    operator_words="upstream had no capacity",
    client_words=_BUSY,
    ladder=_CAPACITY_LADDER,
    takes_stated_delay=True,
    is_temporary=True,
    about_capacity=True,
)
_UPSTREAM_ERROR = Verdict(
    cause=Cause.UPSTREAM_ERROR,
    step=Step.NEXT_BASE,
    scope=Scope.LAST_IN_ORDER,
    error=errors.UpstreamBroken,
    operator_words="upstream had trouble",
    client_words="The upstream service is in trouble.",
    is_temporary=True,
)
_INTERRUPTED = Verdict(
    cause=Cause.INTERRUPTED,
    step=Step.NEXT_BASE,
    scope=Scope.LAST_IN_ORDER,
    error=errors.UpstreamOverloaded,
    operator_words="upstream broke a request off",
    client_words="Upstream broke the request off.",
    is_temporary=True,
)
_UNAUTHENTICATED = Verdict(
    cause=Cause.UNAUTHENTICATED,
    step=Step.REFRESH,
    scope=Scope.ACCOUNT,
    error=errors.Unavailable,
    operator_words="upstream refused its token",
    client_words=_NO_SIGN_IN,
    ladder=_FIVE_MINUTES,
    blames_account=True,
)
_NEEDS_VALIDATION = Verdict(
    cause=Cause.NEEDS_VALIDATION,
    step=Step.NEXT_ACCOUNT,
    scope=Scope.ACCOUNT,
    error=errors.Unavailable,
    operator_words="Google asks its owner to verify it",
    client_words=_NOT_ALLOWED,
    ladder=_TEN_MINUTES,
    blames_account=True,
    needs_owner=True,
)
_BARRED = structs.replace(
    _NEEDS_VALIDATION,
    cause=Cause.BARRED,
    scope=Scope.UNTIL_CHANGED,
    operator_words="Google has barred it from this service",
    ladder=(),
)
#: no time mends it: the person who signed in left out access that every call needs
_SCOPE_MISSING = structs.replace(
    _BARRED,
    cause=Cause.SCOPE_MISSING,
    operator_words="its sign-in leaves out access to Google Cloud: sign in again, and tick that",
)
_WRONG_PROJECT = Verdict(
    cause=Cause.WRONG_PROJECT,
    step=Step.PROJECT,
    scope=Scope.ACCOUNT,
    error=errors.Unavailable,
    operator_words="its project can't be used",
    client_words=_NOT_ALLOWED,
    ladder=_TEN_MINUTES,
    blames_account=True,
)
_FORBIDDEN = Verdict(
    cause=Cause.FORBIDDEN,
    step=Step.NEXT_ACCOUNT,
    scope=Scope.ACCOUNT,
    error=errors.Forbidden,
    operator_words="upstream forbids it what was asked",
    client_words=_NOT_ALLOWED,
    ladder=_TEN_MINUTES,
    blames_account=True,
    narrows_to_model=True,
)
_NO_SUCH_MODEL = Verdict(
    cause=Cause.NO_SUCH_MODEL,
    step=Step.NEXT_BASE,
    scope=Scope.ACCOUNT_MODEL,
    error=errors.ModelNotFound,
    operator_words="upstream doesn't offer it the model",
    client_words="Upstream does not offer this model to the accounts here.",
    ladder=_TEN_MINUTES,
    model_missing=True,
)
_BAD_SIGNATURE = Verdict(
    cause=Cause.BAD_SIGNATURE,
    step=Step.REPAIR,
    scope=Scope.NONE,
    error=errors.BadRequest,
    operator_words="upstream refused a thought signature",
    client_words=_REFUSED,
    callers_fault=True,
    about_signature=True,
)
#: where the daemon is; with an egress proxy of its own the account's matter
_BAD_LOCATION = Verdict(
    cause=Cause.BAD_LOCATION,
    step=Step.OTHER_EGRESS,
    scope=Scope.NONE,
    error=errors.BadRequest,
    operator_words="upstream doesn't serve its location",
    client_words=_REFUSED,
    ladder=_TEN_MINUTES,
    callers_fault=True,
)
_CONTEXT_OVERFLOW = Verdict(
    cause=Cause.CONTEXT_OVERFLOW,
    step=Step.STOP,
    scope=Scope.NONE,
    error=errors.ContextOverflow,
    operator_words="a request was longer than the model's context",
    client_words=_REFUSED,
    callers_fault=True,
)
_BAD_REQUEST = Verdict(
    cause=Cause.BAD_REQUEST,
    step=Step.REPAIR,
    scope=Scope.NONE,
    error=errors.BadRequest,
    operator_words="upstream could not read a request",
    client_words=_REFUSED,
    callers_fault=True,
)
_TOO_LARGE = Verdict(
    cause=Cause.TOO_LARGE,
    step=Step.STOP,
    scope=Scope.NONE,
    error=errors.BodyTooLarge,
    operator_words="a request was too large for upstream",
    client_words="The request is too large for the upstream service.",
)
_BROKEN = Verdict(
    cause=Cause.BROKEN,
    step=Step.NEXT_BASE,
    scope=Scope.LAST_IN_ORDER,
    error=errors.UpstreamBroken,
    operator_words="its connection to upstream broke, or stayed silent",
    client_words="The upstream connection broke.",
    is_temporary=True,
    about_host=True,
)
_SILENT = structs.replace(
    _BROKEN, cause=Cause.SILENT, error=errors.UpstreamTimeout, client_words="The upstream service did not answer."
)
#: the way there is the account's own proxy: that says nothing of upstream, nor of other accounts
_NO_WAY_OUT = Verdict(
    cause=Cause.NO_WAY_OUT,
    step=Step.OTHER_EGRESS,
    scope=Scope.LAST_IN_ORDER,
    error=errors.UpstreamBroken,
    operator_words="its connection to upstream broke, or stayed silent",
    client_words=_UNREACHABLE,
    ladder=_MINUTE,
    is_temporary=True,
    about_egress=True,
)
#: a connection that could not be made does not even count against the account
_UNREACHABLE_HOST = Verdict(
    cause=Cause.UNREACHABLE,
    step=Step.NEXT_BASE,
    scope=Scope.NONE,
    error=errors.UpstreamBroken,
    operator_words="upstream could not be reached",
    client_words=_UNREACHABLE,
    is_temporary=True,
    about_host=True,
    never_sent=True,
    with_own_egress=_NO_WAY_OUT,
)

#: a box between here and upstream, such as a filter, which answers in upstream's place
_ON_THE_WAY = structs.replace(
    _BROKEN,
    operator_words="something on the way to upstream answered in its place",
    client_words="Something on the way to the upstream service answered in its place.",
)
_REFUSED_REQUEST = Verdict(
    cause=Cause.REFUSED_REQUEST,
    step=Step.OTHER_ACCOUNT,
    scope=Scope.NONE,
    error=errors.UpstreamRefusesRequest,
    operator_words="upstream refused a request although quota was left",
    client_words=(
        "Upstream refuses this request although quota is left. Usually it is the client's system prompt that its "
        "filter refuses: change that, use another client or model, or an official credential."
    ),
)
_REFUSED_CLIENT = Verdict(
    cause=Cause.REFUSED_CLIENT,
    step=Step.OTHER_ACCOUNT,
    scope=Scope.NONE,
    error=errors.UpstreamRefusesClient,
    operator_words="upstream refused this program, whichever account asked",
    client_words="Upstream refuses this proxy, whichever account asks; its operator sees in /health what can be done.",
)

#: failures with an error body, or a status; the first row that fits decides
TABLE: tuple[Row, ...] = (
    Row({429}, _quota_used_up, _QUOTA),
    Row({429}, _per_minute, structs.replace(_RATE_LIMIT, ladder=_PER_MINUTE_LADDER)),
    Row({429}, _burst, _RATE_LIMIT),
    Row({429}, _no_capacity, _NO_CAPACITY),
    Row({429}, _no_credits, _NO_CREDITS),
    Row({429}, _bare, structs.replace(_EXHAUSTED, with_quota_left=_REFUSED_REQUEST)),
    Row({429}, _anything, _EXHAUSTED),
    Row({503}, _no_capacity_in_words, _NO_CAPACITY),
    Row({408, 499}, _anything, _INTERRUPTED),
    Row({401}, _anything, _UNAUTHENTICATED),
    Row({403}, _needs_validation, _NEEDS_VALIDATION),
    Row({403}, _barred, _BARRED),
    Row({403}, _scope_missing, _SCOPE_MISSING),
    Row({403}, _wrong_project, _WRONG_PROJECT),
    Row({400, 404}, _names_project, _WRONG_PROJECT),
    Row({403}, _caller_refused, structs.replace(_FORBIDDEN, from_all=_REFUSED_CLIENT)),
    Row({403}, _anything, _FORBIDDEN),
    Row({404}, _anything, _NO_SUCH_MODEL),
    Row({400}, _bad_signature, _BAD_SIGNATURE),
    Row(
        {400},
        _bad_location,
        structs.replace(_BAD_LOCATION, with_own_egress=structs.replace(_BAD_LOCATION, scope=Scope.ACCOUNT)),
    ),
    Row({400}, _context_overflow, _CONTEXT_OVERFLOW),
    Row({400}, _anything, _BAD_REQUEST),
    Row({413}, _anything, _TOO_LARGE),
    Row(
        {500},
        _anything,
        structs.replace(_UPSTREAM_ERROR, error=errors.UpstreamFailed, client_words="The upstream service failed."),
    ),
    Row(
        {503, 529},
        _anything,
        structs.replace(_UPSTREAM_ERROR, error=errors.UpstreamOverloaded, client_words=_OVERLOADED),
    ),
    Row(
        {504},
        _anything,
        structs.replace(
            _UPSTREAM_ERROR, error=errors.UpstreamTimeout, client_words="The upstream service ran out of time."
        ),
    ),
    Row(range(500, 600), _anything, _UPSTREAM_ERROR),
    Row(range(400, 500), _is_googles, structs.replace(_BAD_REQUEST, step=Step.STOP)),
    Row(range(400, 500), _anything, _ON_THE_WAY),
    Row(None, _anything, _BROKEN),  # 1xx, 3xx: never followed
)

#: failures that have no error body, by their cause
WITHOUT_BODY: Mapping[Cause, Verdict] = {
    row.cause: row
    for row in (
        _UNREACHABLE_HOST,
        _NO_WAY_OUT,
        _BROKEN,
        _SILENT,
        _REFUSED_REQUEST,
        _REFUSED_CLIENT,
        # a token that was good is refused: revoked, or older than it claims; the second in a row is UNAUTHENTICATED
        structs.replace(_UNAUTHENTICATED, cause=Cause.TOKEN_REFUSED, scope=Scope.NONE, ladder=()),
        # the account has no live token and could not get one
        structs.replace(_UNAUTHENTICATED, cause=Cause.NO_TOKEN, step=Step.NEXT_ACCOUNT, scope=Scope.NONE, ladder=()),
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


def judge(failure: Failure) -> Verdict:
    """What upstream's refusal means."""
    return verdict.judge(TABLE, failure)
