"""Counts tokens: upstream's count where it gives one, else an estimate. Never fails for upstream's sake."""

from __future__ import annotations

from functools import partial

from twisted.logger import Logger

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.estimate import input_tokens
from antigravity_proxy.canonical.router import Route
from antigravity_proxy.canonical.wire import Count
from antigravity_proxy.errors import ProxyError
from antigravity_proxy.relay.attempt import access_of, made_ready, unary
from antigravity_proxy.relay.context import Client, Place, RelayContext, work_at
from antigravity_proxy.relay.failover import Failover, Leg

log = Logger()


async def count_tokens(context: RelayContext, call: Call, route: Route, client: Client, place: Place = None) -> int:
    """How many tokens a call's input has, at least 1 (upstream.md 4.5, translation.md 8.4). Raises ClientGone only.

    ``place`` is where the request is prepared.
    """
    legs = [Leg(context.of(model), model.id) for model in route]
    counts: dict[int, Count] = {}

    async def attempt(lease: Lease, base: bytes, at: int) -> int:
        upstream = legs[at].upstream
        if at not in counts:
            counts[at] = await work_at(place, partial(upstream.wire.count, call, route[at]))
        access = access_of(upstream, lease, base, await made_ready(upstream, lease.state))
        count = counts[at]
        return count.read(await unary(context, upstream, lease, access, count.request(access), client))

    failover = Failover(context, legs, client)
    try:
        total = await failover.run(attempt)
    except ProxyError as e:
        log.debug("tokens are estimated: {code}", code=e.code)
        total = 0
    return total or max(1, await work_at(place, partial(input_tokens, call)))
