"""Code Assist's decision table (upstream.md 6.3): every failure once, those without an error body too. Pure.

The only file for a new rule: a row here, its `Cause` if it is a new one, and a line in the test of this table.
"""

from __future__ import annotations

import re

from msgspec import structs

from antigravity_proxy.canonical import verdict
from antigravity_proxy.canonical.verdict import Failure, Row, Scope, Verdict
from antigravity_proxy.generatecontent import verdicts
from antigravity_proxy.generatecontent.verdicts import (
    anything,
    bad_signature,
    context_overflow,
    message_has,
    per_day,
    per_minute,
    reason_is,
)

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


_names_project = message_has(_PROJECT)
_no_capacity = reason_is("MODEL_CAPACITY_EXHAUSTED")
_no_credits = reason_is("INSUFFICIENT_G1_CREDITS_BALANCE")
_scope_missing = reason_is("ACCESS_TOKEN_SCOPE_INSUFFICIENT")
_needs_validation = reason_is("VALIDATION_REQUIRED")


def _no_capacity_in_words(f: Failure) -> bool:
    return _no_capacity(f) or "No capacity available" in f.message


def _wrong_project(f: Failure) -> bool:
    return f.reason in {"SERVICE_DISABLED", "CONSUMER_INVALID"} or _names_project(f)


def _barred(f: Failure) -> bool:
    return f.appeal or (bool(_TERMS.search(f.message)) and not _wrong_project(f))


def _bad_location(f: Failure) -> bool:
    return f.status == "FAILED_PRECONDITION" and "location is not supported" in f.message


_BAD_LOCATION = structs.replace(
    verdicts.BAD_LOCATION, with_own_egress=structs.replace(verdicts.BAD_LOCATION, scope=Scope.ACCOUNT)
)

#: failures with an error body, or a status; the first row that fits decides
TABLE: tuple[Row, ...] = (
    Row({429}, _quota_used_up, verdicts.QUOTA),
    Row({429}, per_minute, structs.replace(verdicts.RATE_LIMIT, ladder=verdicts.PER_MINUTE_LADDER)),
    Row({429}, _burst, verdicts.RATE_LIMIT),
    Row({429}, _no_capacity, verdicts.NO_CAPACITY),
    Row({429}, _no_credits, verdicts.NO_CREDITS),
    Row({429}, anything, verdicts.EXHAUSTED),
    Row({503}, _no_capacity_in_words, verdicts.NO_CAPACITY),
    Row({408, 499}, anything, verdicts.INTERRUPTED),
    Row({401}, anything, verdicts.UNAUTHENTICATED),
    Row({403}, _needs_validation, verdicts.NEEDS_VALIDATION),
    Row({403}, _barred, verdicts.BARRED),
    Row({403}, _scope_missing, verdicts.SCOPE_MISSING),
    Row({403}, _wrong_project, verdicts.WRONG_PROJECT),
    Row({400, 404}, _names_project, verdicts.WRONG_PROJECT),
    Row({403}, anything, verdicts.FORBIDDEN),
    Row({404}, anything, verdicts.NO_SUCH_MODEL),
    Row({400}, bad_signature, verdicts.BAD_SIGNATURE),
    Row(
        {400},
        _bad_location,
        structs.replace(
            verdicts.BAD_LOCATION, with_own_egress=structs.replace(verdicts.BAD_LOCATION, scope=Scope.ACCOUNT)
        ),
    ),
    Row({400}, context_overflow, verdicts.CONTEXT_OVERFLOW),
    Row({400}, anything, verdicts.BAD_REQUEST),
    Row({413}, anything, verdicts.TOO_LARGE),
    *verdicts.SERVER_ROWS,
)


WITHOUT_BODY = verdicts.WITHOUT_BODY


def judge(failure: Failure) -> Verdict:
    """What upstream's refusal means."""
    return verdict.judge(TABLE, failure)
