"""Upstream's offer to an account: ``fetchAvailableModels`` (upstream.md 3.4). Its failure never affects serving."""

from __future__ import annotations

import msgspec
from twisted.logger import Logger

from antigravity_proxy.canonical.offers import Available
from antigravity_proxy.canonical.windows import Standing
from antigravity_proxy.codeassist import enrolment
from antigravity_proxy.codeassist.available import read_available
from antigravity_proxy.codeassist.windows import read_tier, read_windows
from antigravity_proxy.upstream.account_methods import AccountMethodFailed, AccountMethods

log = Logger()

_METHOD = b"fetchAvailableModels"


async def available_models(methods: AccountMethods, project: str | None) -> Available:
    """The models and quotas of an account; ``project`` is its own, if it is known. Raises AccountMethodFailed.

    Some accounts may not name theirs here: those are asked once without.
    """
    if project:
        try:
            body = msgspec.json.encode({"project": project})
            return read_available(await methods.call(_METHOD, body), with_project=True)
        except AccountMethodFailed as e:
            if e.status != 403:
                raise
    return read_available(await methods.call(_METHOD, b"{}"), with_project=False)


async def standing(methods: AccountMethods, project: str | None, before: Standing, *, ask_tier: bool) -> Standing:
    """The account's windows; with ``ask_tier`` its tier and credits too, else those of ``before``. Raises nothing.

    Values that are refused or can't be fetched stay as they were: these calls are for people to look at.
    """
    tier, credits, windows = before.tier, before.credits, before.windows
    try:
        body = msgspec.json.encode({"project": project} if project else {})
        windows = read_windows(await methods.call(b"retrieveUserQuotaSummary", body))
        if ask_tier:
            tier, credits = read_tier(await methods.call(b"loadCodeAssist", enrolment.load_body()))
    except AccountMethodFailed as e:
        log.debug("an account's windows are not known: {reason}", reason=e)
    return Standing(windows, tier, credits)
