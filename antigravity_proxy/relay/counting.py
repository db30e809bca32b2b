"""Counts tokens: upstream's count where it gives one, else an estimate. Never fails for upstream's sake."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec import Struct
from twisted.logger import Logger

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.estimate import around_tokens, input_tokens
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.errors import ProxyError
from antigravity_proxy.generatecontent.request import count_tokens_body
from antigravity_proxy.relay.attempt import AttemptFailed, unary
from antigravity_proxy.relay.client import Client
from antigravity_proxy.relay.failover import Failover
from antigravity_proxy.relay.resources import Place, Resources, at_once

log = Logger()


class _Count(Struct, rename="camel"):
    total_tokens: int = 0


class _Counted(Struct, rename="camel"):
    total_tokens: int = 0
    response: _Count | None = None


async def count_tokens(resources: Resources, call: Call, model: Model, client: Client, place: Place = at_once) -> int:
    """How many tokens a call's input has, at least 1 (upstream.md 4.5, translation.md 8.4). Raises ClientGone only.

    ``place`` is where the request is prepared.
    """
    body = await place(partial(count_tokens_body, call, model))

    async def attempt(lease: Lease, base: bytes) -> int:
        answer = await unary(resources, lease, base + b":countTokens", body, client)
        try:
            counted = msgspec.json.decode(answer, type=_Counted)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return 0
        return counted.total_tokens or (counted.response.total_tokens if counted.response else 0)

    try:
        total = await Failover(resources, model.id, client, _never).run(attempt)
    except ProxyError as e:
        log.debug("tokens are estimated: {code}", code=e.code)
        total = 0
    if total > 0:
        return total + around_tokens(call)
    return max(1, await place(partial(input_tokens, call)))


def _never(failed: AttemptFailed) -> bool:
    return False
