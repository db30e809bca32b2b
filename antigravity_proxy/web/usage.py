"""``GET /usage``: who used how much, for the operator (contract.md 11)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from twisted.internet.defer import Deferred

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.errors import BadRequest, Forbidden
from antigravity_proxy.state.usage import UsageLedger
from antigravity_proxy.state.usage_report import BadColumns, Report, as_data, columns
from antigravity_proxy.web.client_keys import ClientKey

#: days that a report goes back to at most: ten years
MAX_DAYS = 3660
DEFAULT_DAYS = 30
DEFAULT_BY = "day"


def answer(usage: UsageLedger, key: ClientKey | None, query: Mapping[str, str]) -> Deferred[Rendered]:
    """The report that the query asks for. ``key``: the client's own, which may not see it. Raises ProxyError."""
    if key is not None:
        raise Forbidden("Usage needs the operator's API key: a client key is not accepted.")
    try:
        by = columns(query.get("by", DEFAULT_BY))
    except BadColumns as e:
        raise BadRequest(f"'by' is invalid: {e}.", param="by") from None
    return usage.report(by, _days(query.get("days", str(DEFAULT_DAYS)))).addCallback(_rendered)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_DAYS)) and 1 <= int(text) <= MAX_DAYS):
        raise BadRequest(f"'days' takes a number from 1 to {MAX_DAYS}.", param="days")
    return int(text)


def _rendered(report: Report) -> Rendered:
    headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
    return Rendered(200, msgspec.json.encode(as_data(report)), headers)
