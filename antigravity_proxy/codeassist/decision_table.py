"""Code Assist's decision table (upstream.md 6.3): every failure once, those without an error body too. Pure.

The only file for a new rule: a row here, its `Cause` if it is a new one, and a line in the test of this table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec import structs

from antigravity_proxy import errors
from antigravity_proxy.canonical.verdict import Cause, Failure, Row, Scope, Step, Verdict
from antigravity_proxy.codeassist import notices
from antigravity_proxy.generatecontent import verdicts
from antigravity_proxy.generatecontent.verdicts import (
    BAD_LOCATION,
    BAD_REQUEST,
    BAD_SIGNATURE,
    CONTEXT_OVERFLOW,
    EXHAUSTED,
    FORBIDDEN,
    HOUR,
    INTERRUPTED,
    NO_CAPACITY,
    NO_SUCH_MODEL,
    NOT_ALLOWED,
    PER_MINUTE_LADDER,
    TEN_MINUTES,
    TOO_LARGE,
    TROUBLE,
    UNAUTHENTICATED,
    anything,
    bad_location,
    bad_signature,
    context_overflow,
    message,
    per_day,
    per_minute,
    reason,
)

#: seconds by consecutive failures, where upstream states no delay (upstream.md 6.3, column "cooldown")
_QUOTA_LADDER = (3600.0, 7200.0, 14400.0)
_BURST_LADDER = (10.0,)
#: a burst limit that lasts longer than this, in seconds, is a used-up quota
_LONGEST_BURST = 300.0

_TERMS = re.compile(r"terms of service|has been disabled", re.I)
_PROJECT = re.compile(
    r"Code Assist license|#3501|permission [^\n]{0,200} on resource project|Invalid project resource name"
    r"|Resource projects/\S* could not be found",
    re.I,
)


def _quota_used_up(f: Failure) -> bool:
    burst_too_long = _burst(f) and f.delay is not None and f.delay > _LONGEST_BURST
    return f.reason == "QUOTA_EXHAUSTED" or per_day(f) or burst_too_long


def _burst(f: Failure) -> bool:
    return f.reason == "RATE_LIMIT_EXCEEDED" or per_minute(f)


_names_project = message(_PROJECT)
_no_capacity = reason("MODEL_CAPACITY_EXHAUSTED")
_no_credits = reason("INSUFFICIENT_G1_CREDITS_BALANCE")
_scope_missing = reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT")
_needs_validation = reason("VALIDATION_REQUIRED")


def _no_capacity_in_words(f: Failure) -> bool:
    return _no_capacity(f) or "No capacity available" in f.message


def _wrong_project(f: Failure) -> bool:
    return f.reason in {"SERVICE_DISABLED", "CONSUMER_INVALID"} or _names_project(f)


def _barred(f: Failure) -> bool:
    return f.appeal or (bool(_TERMS.search(f.message)) and not _wrong_project(f))


def _bare(f: Failure) -> bool:
    return f.status == "RESOURCE_EXHAUSTED" and not f.reason and not f.quota_ids and f.delay is None


def _says(cause: Cause) -> Callable[[Failure], bool]:
    return lambda f: notices.find(f.message) is cause


def _caller_refused(f: Failure) -> bool:
    return not f.reason and "caller does not have permission" in f.message


_QUOTA = structs.replace(
    EXHAUSTED, cause=Cause.QUOTA, operator_words="its quota is used up", ladder=_QUOTA_LADDER, uses_quota=True
)
_RATE_LIMIT = structs.replace(
    EXHAUSTED,
    cause=Cause.RATE_LIMIT,
    operator_words="it reached a rate limit",
    ladder=_BURST_LADDER,
    takes_app_backoff=False,
)
_NO_CREDITS = structs.replace(
    EXHAUSTED,
    cause=Cause.NO_CREDITS,
    operator_words="its credits are used up",
    ladder=HOUR,
    takes_app_backoff=False,
)
_NEEDS_VALIDATION = Verdict(
    cause=Cause.NEEDS_VALIDATION,
    step=Step.NEXT_ACCOUNT,
    scope=Scope.ACCOUNT,
    error=errors.Unavailable,
    operator_words="Google asks its owner to verify it",
    client_words=NOT_ALLOWED,
    ladder=TEN_MINUTES,
    blames_account=True,
    needs_owner=True,
)
_BARRED = structs.replace(
    _NEEDS_VALIDATION,
    cause=Cause.BARRED,
    scope=Scope.UNTIL_CHANGED,
    operator_words="Google has barred it from this service",
    ladder=(),
    about_terms=True,
)
#: waiting does not help: the person who signed in left out access that every call needs
_SCOPE_MISSING = structs.replace(
    _BARRED,
    cause=Cause.SCOPE_MISSING,
    operator_words="its sign-in does not include access to Google Cloud: sign in again and allow it",
    about_terms=False,
)
_WRONG_PROJECT = Verdict(
    cause=Cause.WRONG_PROJECT,
    step=Step.PROJECT,
    scope=Scope.ACCOUNT,
    error=errors.Unavailable,
    operator_words="its project can't be used",
    client_words=NOT_ALLOWED,
    ladder=TEN_MINUTES,
    blames_account=True,
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

_OLD_CLIENT = structs.replace(
    _REFUSED_CLIENT,
    cause=Cause.OLD_CLIENT,
    step=Step.STOP,
    operator_words="upstream said that this program's version is no longer supported",
    client_words="Upstream says that this proxy's version is no longer supported; /health says what helps.",
    about_client=True,
)
_WITHDRAWN_MODEL = Verdict(
    cause=Cause.WITHDRAWN_MODEL,
    step=Step.STOP,
    scope=Scope.NONE,
    error=errors.ModelNotFound,
    operator_words="upstream said that the model is no longer available",
    client_words="Upstream says that this model is no longer available.",
)

#: failures with an error body, or a status; the first row that fits decides
TABLE: tuple[Row, ...] = (
    Row({429}, _quota_used_up, _QUOTA),
    Row({429}, per_minute, structs.replace(_RATE_LIMIT, ladder=PER_MINUTE_LADDER)),
    Row({429}, _burst, _RATE_LIMIT),
    Row({429}, _no_capacity, NO_CAPACITY),
    Row({429}, _no_credits, _NO_CREDITS),
    Row({429}, _bare, structs.replace(EXHAUSTED, with_quota_left=_REFUSED_REQUEST)),
    Row({429}, anything, EXHAUSTED),
    Row({503}, _no_capacity_in_words, NO_CAPACITY),
    Row({503}, _says(Cause.OLD_CLIENT), _OLD_CLIENT),
    Row({503}, _says(Cause.WITHDRAWN_MODEL), _WITHDRAWN_MODEL),
    Row({408, 499}, anything, INTERRUPTED),
    Row({401}, anything, UNAUTHENTICATED),
    Row({403}, _needs_validation, _NEEDS_VALIDATION),
    Row({403}, _barred, _BARRED),
    Row({403}, _scope_missing, _SCOPE_MISSING),
    Row({403}, _wrong_project, _WRONG_PROJECT),
    Row({400, 404}, _names_project, _WRONG_PROJECT),
    Row({403}, _caller_refused, structs.replace(FORBIDDEN, from_all=_REFUSED_CLIENT)),
    Row({403}, anything, FORBIDDEN),
    Row({404}, anything, NO_SUCH_MODEL),
    Row({400}, bad_signature, BAD_SIGNATURE),
    Row(
        {400},
        bad_location,
        structs.replace(BAD_LOCATION, with_own_egress=structs.replace(BAD_LOCATION, scope=Scope.ACCOUNT)),
    ),
    Row({400}, context_overflow, CONTEXT_OVERFLOW),
    Row({400}, anything, BAD_REQUEST),
    Row({413}, anything, TOO_LARGE),
    *TROUBLE,
)

#: failures that have no error body, by their cause; and what a row may prove to be
WITHOUT_BODY: Mapping[Cause, Verdict] = {
    **verdicts.WITHOUT_BODY,
    Cause.REFUSED_REQUEST: _REFUSED_REQUEST,
    Cause.REFUSED_CLIENT: _REFUSED_CLIENT,
    Cause.OLD_CLIENT: _OLD_CLIENT,
    Cause.WITHDRAWN_MODEL: _WITHDRAWN_MODEL,
}

#: the reasons of errors that are known, also those that no row needs (upstream.md 6.1)
REASONS = frozenset(
    {
        "QUOTA_EXHAUSTED",
        "RATE_LIMIT_EXCEEDED",
        "MODEL_CAPACITY_EXHAUSTED",
        "INSUFFICIENT_G1_CREDITS_BALANCE",
        "VALIDATION_REQUIRED",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "SERVICE_DISABLED",
        "CONSUMER_INVALID",
        "ACCOUNT_BARRED",
        "IAM_PERMISSION_DENIED",
        "API_KEY_INVALID",
        "ACCESS_TOKEN_EXPIRED",
        "CREDENTIALS_MISSING",
        "SECURITY_POLICY_VIOLATED",
    }
)
