"""Meanings of failures of Google's official upstreams (official-upstreams.md 6.3): the rows that they share. Pure."""

from __future__ import annotations

import re

from msgspec import structs

from antigravity_proxy import errors
from antigravity_proxy.canonical.verdict import Cause, Failure, Row, Scope, Step, Verdict
from antigravity_proxy.generatecontent import verdicts
from antigravity_proxy.generatecontent.verdicts import anything, message, reason

#: a limit of nothing, in the message: no digit or decimal after it
_LIMIT_ZERO = re.compile(r"\blimit: 0(?![\d.])")
_SPEND = re.compile(r"spend(?:ing)? (?:cap|limit)|billing tier", re.I)
_LEAKED = re.compile(r"reported as leaked", re.I)
_OF_ANOTHER_PROJECT = re.compile(r"\bfiles/|\bcachedContents/|\bthe File\b|\bCachedContent\b")
_LOCATION = re.compile(r"location is not supported|free tier is not available in your country", re.I)
_OUR_FAULT = re.compile(r"Multiple authentication credentials|Unknown name \"(?:sessionId|requestType|project)\"")

_MINUTE, _TEN_MINUTES, _HOUR = (60.0,), (600.0,), (3600.0,)

_NO_CREDENTIAL = "No credential is allowed to use the upstream service at the moment."
_LIMITED = "All credentials are rate limited for this model."

EXHAUSTED = structs.replace(
    verdicts.EXHAUSTED,
    scope=Scope.GROUP_MODEL,
    client_words=_LIMITED,
    takes_app_backoff=False,
    skips_group=True,
)
NO_ACCESS = structs.replace(
    EXHAUSTED,
    cause=Cause.NO_ACCESS,
    error=errors.ModelNotFound,
    operator_words="its tier has no quota for the model",
    client_words="The model is not offered to the credentials here.",
    ladder=(86_400.0,),
    takes_stated_delay=False,
    is_temporary=False,
    not_offered=True,
)
DAILY_QUOTA = structs.replace(
    EXHAUSTED,
    cause=Cause.QUOTA,
    operator_words="its quota of the day is used up",
    ladder=_HOUR,
    resets_daily=True,
)
RATE_LIMIT = structs.replace(
    EXHAUSTED, cause=Cause.RATE_LIMIT, operator_words="it reached a rate limit", ladder=_MINUTE
)
SPENT = structs.replace(
    EXHAUSTED,
    cause=Cause.SPENT,
    scope=Scope.GROUP,
    operator_words="its project's spend limit is reached",
    ladder=(60.0, 300.0, 600.0),
)
NO_CREDITS = Verdict(
    cause=Cause.SPENT,
    step=Step.NEXT_ACCOUNT,
    scope=Scope.GROUP,
    error=errors.Unavailable,
    operator_words="the prepaid credit of its billing account is used up: add credit",
    client_words=_NO_CREDENTIAL,
    ladder=_HOUR,
    blames_account=True,
    needs_owner=True,
    skips_group=True,
)
_CREDENTIAL = Verdict(
    cause=Cause.FORBIDDEN,
    step=Step.NEXT_ACCOUNT,
    scope=Scope.ACCOUNT,
    error=errors.Unavailable,
    operator_words="upstream forbids it what was asked",
    client_words=_NO_CREDENTIAL,
    ladder=_TEN_MINUTES,
    blames_account=True,
    is_fault=True,
)
BAD_KEY = structs.replace(
    _CREDENTIAL,
    cause=Cause.BAD_KEY,
    operator_words="upstream says that its key is not valid: is it deleted or expired?",
    ladder=(60.0, 3600.0),
    flagged_after=2,
)
KEY_KIND = structs.replace(
    _CREDENTIAL,
    cause=Cause.BAD_KEY,
    scope=Scope.UNTIL_CHANGED,
    operator_words="keys of this kind are no longer accepted: make an auth key in AI Studio",
    ladder=(),
    needs_owner=True,
    is_fault=False,
)
KEY_RESTRICTED = structs.replace(
    KEY_KIND, cause=Cause.KEY_RESTRICTED, operator_words="its key is restricted to something else"
)
KEY_ADDRESS = structs.replace(
    _CREDENTIAL, cause=Cause.KEY_RESTRICTED, operator_words="its key does not allow this machine's IP address"
)
SUSPENDED = structs.replace(
    KEY_KIND,
    scope=Scope.GROUP_UNTIL_CHANGED,
    operator_words="its project is suspended",
    skips_group=True,
)
LEAKED = structs.replace(KEY_KIND, operator_words="its key was reported as leaked: make another")
API_DISABLED = structs.replace(
    NO_CREDITS,
    cause=Cause.API_DISABLED,
    operator_words="the API is not enabled in its project",
    ladder=_TEN_MINUTES,
)
NO_BILLING = structs.replace(NO_CREDITS, cause=Cause.NO_BILLING, operator_words="its project has no billing")
WRONG_PROJECT = structs.replace(
    _CREDENTIAL, cause=Cause.WRONG_PROJECT, operator_words="its project, or the one that is billed, can't be used"
)
POLICY = structs.replace(
    KEY_KIND,
    cause=Cause.FORBIDDEN,
    operator_words="its organisation's security policy (VPC service controls) forbids it",
)
FORBIDDEN = structs.replace(_CREDENTIAL, error=errors.Forbidden)
LOCATION = structs.replace(
    verdicts.BAD_LOCATION, scope=Scope.ACCOUNT, operator_words="upstream doesn't serve its location on its tier"
)
NO_SUCH_MODEL = Verdict(
    cause=Cause.NO_SUCH_MODEL,
    step=Step.NEXT_UPSTREAM,
    scope=Scope.UPSTREAM_MODEL,
    error=errors.ModelNotFound,
    operator_words="upstream doesn't have the model",
    client_words="The upstream service does not offer this model.",
    ladder=_HOUR,
    model_missing=True,
    not_offered=True,
)
FOREIGN_FILE = Verdict(
    cause=Cause.FOREIGN_FILE,
    step=Step.STOP,
    scope=Scope.NONE,
    error=errors.NotFound,
    operator_words="a request named a file or a cache of another project",
    client_words="A file or cached content that the request names belongs to another project, or has expired.",
    callers_fault=True,
)
OUR_FAULT = Verdict(
    cause=Cause.OUR_FAULT,
    step=Step.STOP,
    scope=Scope.NONE,
    error=errors.InternalError,
    operator_words="upstream could not read what this proxy sent",
    client_words="Upstream could not read what this proxy sent; see its log.",
)
OVERLOADED = Verdict(
    cause=Cause.NO_CAPACITY,
    step=Step.NEXT_UPSTREAM,
    scope=Scope.UPSTREAM_MODEL,
    error=errors.UpstreamOverloaded,
    operator_words="the model is overloaded",
    client_words="The upstream service has no capacity for this model at the moment.",
    ladder=verdicts.CAPACITY_LADDER,
    is_temporary=True,
    about_capacity=True,
)


def _limit_is_zero(f: Failure) -> bool:
    return bool(_LIMIT_ZERO.search(f.message)) or "0" in f.limits


def _spent(f: Failure) -> bool:
    return bool(_SPEND.search(f.message)) or any("spend" in each.lower() for each in f.quota_ids)


def _burst(f: Failure) -> bool:
    return f.reason == "RATE_LIMIT_EXCEEDED" or verdicts.per_minute(f)


def _bad_location(f: Failure) -> bool:
    return f.status == "FAILED_PRECONDITION" and bool(_LOCATION.search(f.message))


_foreign_file = message(_OF_ANOTHER_PROJECT)

#: what a quota or a budget says
QUOTA_ROWS = (
    Row({429}, _limit_is_zero, NO_ACCESS),
    Row({429}, verdicts.per_day, DAILY_QUOTA),
    Row({402}, anything, NO_CREDITS),
    Row({429}, _spent, SPENT),
    Row({429}, _burst, RATE_LIMIT),
)
#: what a credential, its project or its organisation can't
CREDENTIAL_ROWS = (
    Row({400}, reason("API_KEY_INVALID", "API_KEY_EXPIRED"), BAD_KEY),
    Row({403, 404}, _foreign_file, FOREIGN_FILE),
    Row(
        {403},
        reason(
            "API_KEY_SERVICE_BLOCKED",
            "API_KEY_HTTP_REFERRER_BLOCKED",
            "API_KEY_ANDROID_APP_BLOCKED",
            "API_KEY_IOS_APP_BLOCKED",
        ),
        KEY_RESTRICTED,
    ),
    Row({403}, reason("API_KEY_IP_ADDRESS_BLOCKED"), KEY_ADDRESS),
    Row({403}, reason("CONSUMER_SUSPENDED"), SUSPENDED),
    Row({403}, message(_LEAKED), LEAKED),
    Row({403}, reason("SERVICE_DISABLED"), API_DISABLED),
    Row({403}, reason("BILLING_DISABLED"), NO_BILLING),
    Row({403}, reason("CONSUMER_INVALID", "USER_PROJECT_DENIED"), WRONG_PROJECT),
    Row({403}, reason("SECURITY_POLICY_VIOLATED"), POLICY),
)
#: what is wrong with the request itself, and the server's troubles
REQUEST_ROWS = (
    Row({403}, anything, FORBIDDEN),
    Row({400}, _bad_location, structs.replace(LOCATION, with_own_egress=LOCATION)),
    Row({400}, message(_OUR_FAULT), OUR_FAULT),
    Row({400}, verdicts.bad_signature, verdicts.BAD_SIGNATURE),
    Row({400}, verdicts.context_overflow, verdicts.CONTEXT_OVERFLOW),
    Row({400}, anything, verdicts.BAD_REQUEST),
    Row({413}, anything, verdicts.TOO_LARGE),
    Row({503, 529}, anything, OVERLOADED),
    *verdicts.TROUBLE,
)
