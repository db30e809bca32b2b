"""What upstream offers an account: ``fetchAvailableModels`` (upstream.md 3.4). Its failure never affects serving."""

from __future__ import annotations

import msgspec

from antigravity_proxy.canonical.offers import Available
from antigravity_proxy.codeassist.available import read_available
from antigravity_proxy.upstream.account_methods import AccountMethodFailed, AccountMethods

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
