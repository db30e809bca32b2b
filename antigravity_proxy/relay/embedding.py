"""Embeddings from upstream: one request after the other, each with an available credential."""

from __future__ import annotations

from collections.abc import Sequence

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.router import Route
from antigravity_proxy.canonical.wire import Embeds
from antigravity_proxy.errors import UpstreamBroken
from antigravity_proxy.relay.attempt import access_of, made_ready, unary
from antigravity_proxy.relay.context import Client, RelayContext
from antigravity_proxy.relay.failover import Failover, Leg


async def vectors(context: RelayContext, call: EmbeddingCall, route: Route, client: Client) -> Vectors:
    """The vectors of a call, in its order. Raises a ProxyError, and ClientGone."""
    legs = [(model, wire) for model in route if isinstance(wire := context.of(model).wire, Embeds)]
    found: list[tuple[float, ...]] = []
    tokens = 0
    while len(found) < len(call.contents):
        part = await _next(context, legs, call.part(len(found)), client)
        found += part.values
        tokens += part.tokens
    return Vectors(tuple(found), tokens)


async def _next(
    context: RelayContext, legs: Sequence[tuple[Model, Embeds]], call: EmbeddingCall, client: Client
) -> Vectors:
    """The vectors of the first contents, as many as one request to the upstream that serves may have."""

    async def attempt(lease: Lease, base: bytes, at: int) -> Vectors:
        model, wire = legs[at]
        upstream, record = context.of(model), client.record
        record.model, record.family, record.upstream = model.id, model.family, model.upstream
        access = access_of(upstream, lease, base, await made_ready(upstream, lease.state))
        asked = call.part(0, wire.at_once(model))
        request = wire.embed(access, model, wire.embedding(asked, model))
        found = wire.read_vectors(await unary(context, upstream, lease, access, request, client), model)
        if len(found.values) != len(asked.contents):
            raise UpstreamBroken("Upstream's answer holds another number of vectors than was asked for.")
        return found

    failover = Failover(context, [Leg(context.of(model), model.id) for model, _ in legs], client)
    return await failover.run(attempt)
