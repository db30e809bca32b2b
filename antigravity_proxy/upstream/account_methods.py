"""Small calls about an account: ``loadCodeAssist`` (upstream.md 3). Their failure never affects serving."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import ACCOUNT_METHOD_BODY, ACCOUNT_METHOD_SECONDS
from antigravity_proxy.upstream.egress import Egress
from antigravity_proxy.volume.accounts import usable_project_id

_LOAD = b'{"metadata":{"ideType":"ANTIGRAVITY"}}'


class AccountMethodFailed(Exception):
    """The call brought no answer that can be used; the message says why, without secrets."""


async def load_project(clock: IReactorTime, egress: Egress, base: bytes, token: Secret) -> str | None:
    """The account's project as ``loadCodeAssist`` states it, None if it states none (upstream.md 3.1, 3.2).

    Raises AccountMethodFailed; ExchangeError.
    """
    answer = await _call(clock, egress, base + b":loadCodeAssist", token, _LOAD)
    project = answer.get("cloudaicompanionProject")
    if isinstance(project, dict):
        project = project.get("id")
    return usable_project_id(project) if isinstance(project, str) else None


async def _call(clock: IReactorTime, egress: Egress, url: bytes, token: Secret, body: bytes) -> dict[str, Any]:
    exchange = egress.exchange()
    cut = clock.callLater(ACCOUNT_METHOD_SECONDS, exchange.abort)
    try:
        response = await exchange.open(b"POST", url, egress.headers(url, token, b"application/json"), body)
        text = await exchange.read(ACCOUNT_METHOD_BODY)
    finally:
        if cut.active():
            cut.cancel()
    if response.code != 200:
        raise AccountMethodFailed(f"upstream answered {response.code}")
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise AccountMethodFailed("upstream's answer is not JSON") from e
    if not isinstance(answer, dict):
        raise AccountMethodFailed("upstream's answer is not an object")
    return answer
