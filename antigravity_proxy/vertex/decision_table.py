"""Vertex AI's decision table (official-upstreams.md 6.3): every failure once. Pure.

The rows that the Gemini API has too are those of ``generatecontent.official``.
"""

from __future__ import annotations

import re

from msgspec import structs

from antigravity_proxy import errors
from antigravity_proxy.canonical.verdict import Cause, Row, Scope, Step, Verdict
from antigravity_proxy.generatecontent import official, verdicts
from antigravity_proxy.generatecontent.verdicts import anything, message, reason

_SHARED = re.compile(r"Resource (?:has been )?exhausted,? please try again later", re.I)
_BASE_MODEL = re.compile(r"Quota exceeded for aiplatform\.googleapis\.com/[^\n]{0,300}base model", re.I)
_RESERVED = re.compile(r"Exceeded the Provisioned Throughput", re.I)
_NOT_ALLOWED = re.compile(r"is not allowed to use Publisher Model", re.I)
_NOT_HERE = re.compile(r"Publisher Model", re.I)
_ROLE = re.compile(r"Permission '?aiplatform", re.I)

#: everybody shares this capacity: no quota of ours (O7)
SHARED_CAPACITY = Verdict(
    cause=Cause.NO_CAPACITY,
    step=Step.NEXT_LOCATION,
    scope=Scope.LOCATION_MODEL,
    error=errors.UpstreamOverloaded,
    operator_words="the location had no capacity",
    client_words="The upstream service has no capacity for this model at the moment.",
    ladder=verdicts.CAPACITY_LADDER,
    is_temporary=True,
    about_capacity=True,
)
#: a true quota of the project; for Claude it is often nothing at all at first (O8)
LOCATION_QUOTA = structs.replace(
    official.RATE_LIMIT,
    step=Step.NEXT_LOCATION,
    scope=Scope.GROUP_LOCATION_MODEL,
    operator_words="its project's quota for the model at this location is used up, or is 0",
    ladder=(60.0, 60.0, 3600.0),
    takes_stated_delay=False,
    flagged_after=3,
)
RESERVED = structs.replace(
    official.RATE_LIMIT,
    scope=Scope.ACCOUNT_MODEL,
    operator_words="its provisioned throughput is used up",
    ladder=(10.0,),
    skips_group=False,
)
#: the terms of a partner's model were not accepted, or the organisation forbids it (O23)
NOT_ENABLED = structs.replace(
    official.NO_ACCESS,
    scope=Scope.ACCOUNT_MODEL,
    operator_words="its project may not use the model: enable it in Model Garden",
    ladder=verdicts.HOUR,
    blames_account=True,
    needs_owner=True,
    skips_group=False,
)
ROLE_MISSING = structs.replace(
    official.FORBIDDEN,
    scope=Scope.ACCOUNT_MODEL,
    error=errors.Unavailable,
    operator_words="it lacks the permission to use the model: give it the role Vertex AI User",
    needs_owner=True,
    is_fault=False,
)
NOT_HERE = structs.replace(
    official.NO_SUCH_MODEL,
    step=Step.NEXT_LOCATION,
    scope=Scope.LOCATION_MODEL,
    operator_words="the location doesn't offer it the model",
)

TABLE: tuple[Row, ...] = (
    Row({429}, message(_SHARED), SHARED_CAPACITY),
    Row({429}, message(_RESERVED), RESERVED),
    Row({429}, message(_BASE_MODEL), LOCATION_QUOTA),
    *official.QUOTA_ROWS,
    Row({429}, anything, official.EXHAUSTED),
    Row({400, 403}, message(_NOT_ALLOWED), NOT_ENABLED),
    Row({401}, reason("ACCESS_TOKEN_TYPE_UNSUPPORTED"), official.KEY_KIND),
    Row({401}, anything, structs.replace(verdicts.UNAUTHENTICATED, with_key=official.KEY_KIND)),
    Row({403}, reason("USER_PROJECT_DENIED"), structs.replace(official.WRONG_PROJECT, step=Step.OWN_PROJECT)),
    *official.CREDENTIAL_ROWS,
    Row({403}, reason("IAM_PERMISSION_DENIED"), ROLE_MISSING),
    Row({403}, message(_ROLE), ROLE_MISSING),
    Row({404}, message(_NOT_HERE), NOT_HERE),
    Row({404}, anything, official.NO_SUCH_MODEL),
    *official.REQUEST_ROWS,
)
