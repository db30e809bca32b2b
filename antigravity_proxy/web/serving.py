"""Serves a decoded request of any dialect: chooses its model, generates, sees to the client's end of the answer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Protocol

from msgspec.structs import replace
from twisted.logger import Logger

from antigravity_proxy import errors
from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Usage
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.estimate import input_tokens
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.router import Route, Router
from antigravity_proxy.dialect.base import Answer, Decoded, Stamp
from antigravity_proxy.http1.fields import ReceivedFields
from antigravity_proxy.logs import one_line
from antigravity_proxy.relay.context import Client, Place, RelayContext, work_at
from antigravity_proxy.relay.conversation import ConversationSignatures
from antigravity_proxy.relay.counting import count_tokens
from antigravity_proxy.relay.embedding import vectors
from antigravity_proxy.relay.fanout import FanOut
from antigravity_proxy.relay.generation import Generation
from antigravity_proxy.telemetry.record import Ledger, Record
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.gate import ApiAdmission
from antigravity_proxy.web.limits import Limits
from antigravity_proxy.web.session_headers import session_of

log = Logger()

#: names without a model that are logged, and characters of one
_MOST_UNKNOWN, _SHOWN = 256, 128


#: after these the next target of an operator's chain is tried: no quota, no capacity, no available account
_NOBODY_CAN = (errors.RateLimited, errors.UpstreamOverloaded, errors.Unavailable)


class AnsweredClient(Client, Protocol):
    """The receiver of an answer. ``head_sent``: an error can no longer be a status."""

    head_sent: bool

    def prepare(self, headers: tuple[tuple[bytes, bytes], ...], keepalive: bytes | None) -> None:
        """Before the answer: its headers, and what fills long silences (None: it is collected first)."""
        ...

    def finish(self, data: bytes | None) -> None:
        """The last bytes of the answer; None: it is broken off."""
        ...


class Serving:
    """The common part of all requests for a model."""

    def __init__(
        self,
        context: RelayContext,
        router: Callable[[], Router],
        limits: Limits,
        hex_digits: Callable[[int], str],
        ledger: Ledger,
    ) -> None:
        self._context = context
        self._router = router
        self._limits = limits
        self._hex = hex_digits
        self._ledger = ledger
        self._unknown: set[str] = set()  # names that were warned of

    async def generate(
        self,
        admission: ApiAdmission,
        headers: ReceivedFields,
        decoded: Decoded,
        client: AnsweredClient,
        place: Place = None,
    ) -> None:
        """Has the request answered to the client; raises a ProxyError as long as nothing has been sent.

        ``place`` is where it is prepared.
        """
        if name := session_of(headers):  # wins over the body
            decoded = replace(decoded, call=replace(decoded.call, session=name))
        del headers  # a long stream needs them no more
        context, call, record = self._context, decoded.call, client.record
        route, *others = self.routes(admission, call, record)
        if admission.key is not None and decoded.asks_upstream:
            await self._admit(admission.key, record, (call, *decoded.more), place)
        if call.stream:
            self._ledger.streams(record)
        if place is None:
            memory = ConversationSignatures(context.signatures, record.key, call, route[0])
        else:
            memory = await place(partial(ConversationSignatures, context.signatures, record.key, call, route[0]))
        stamp = Stamp(int(context.epoch()), self._hex, admission.id, context.epoch, memory.call_signed)
        new_answer = decoded.new_answer
        if not decoded.asks_upstream:
            answer = new_answer(stamp)
            client.prepare(_headers(answer.content_type), None)
            client.finish(answer.close())
            return
        if context.signatures.is_shared:
            await memory.recall(call)
        make = partial(new_answer, stamp)
        generation = self._begin(decoded, memory, make, client, place, route)
        # which keeps the prompt: only a chain needs it
        again = partial(self._begin, decoded, memory, make, client, place) if others else None
        answer = generation.answer
        streamed = call.stream
        client.prepare(_headers(answer.content_type), answer.keepalive if streamed else None)
        del decoded, call, answer, make, memory, new_answer, stamp, place
        try:
            while True:
                try:
                    await generation.prepare()
                    await generation.attempts()
                    tail = generation.close()
                    break
                except _NOBODY_CAN:
                    following = next((each for each in others if self._is_free(each)), None)
                    if following is None or again is None or client.head_sent:
                        raise
                    others = others[others.index(following) + 1 :]
                    generation = again(following)
        except errors.ProxyError as e:
            if not client.head_sent:
                raise
            record.error = e.code
            client.finish(generation.answer.fail(e))
        else:
            client.finish(tail)
        finally:
            _count_tokens(record, generation.usage)

    def _begin(
        self,
        decoded: Decoded,
        memory: ConversationSignatures,
        new_answer: Callable[[], Answer],
        client: AnsweredClient,
        place: Place,
        route: Route,
    ) -> Generation | FanOut:
        """What serves the request by one route."""
        context, call = self._context, decoded.call
        if not decoded.more and call.choices == 1:
            return Generation(context, call, route, memory, new_answer, client, place)
        calls, any_will_do = (call, *decoded.more), decoded.any_will_do
        return FanOut(context, calls, route, memory, new_answer, client, any_will_do=any_will_do, place=place)

    async def count(self, admission: ApiAdmission, call: Call, client: AnsweredClient, place: Place = None) -> int:
        """The tokens of a call; raises a ProxyError. ``place`` is where the request is prepared."""
        route, *_ = self.routes(admission, call, client.record)
        if admission.key is not None:
            await self._limits.admit(admission.key, client.record, 1, None)
        return await count_tokens(self._context, call, route, client, place)

    async def embed(self, admission: ApiAdmission, call: EmbeddingCall, client: AnsweredClient) -> Vectors:
        """The vectors of a call; raises a ProxyError."""
        route, record = self._router().special(call.model, "vectors"), client.record
        record.asked, record.model, record.family = call.model, route[0].id, route[0].family
        self._check(admission, route[0])
        if admission.key is not None:
            await self._limits.admit(admission.key, record, 1, 0)
        found = await vectors(self._context, call, route, client)
        record.tokens_in = found.tokens
        return found

    async def _admit(self, key: ClientKey, record: Record, calls: tuple[Call, ...], place: Place) -> None:
        """Whether the client's key may make these requests, with these tokens in them. Raises ClientLimited."""
        count = sum(each.choices for each in calls)
        tokens = await work_at(place, partial(_estimate, calls)) if key.has_budget else 0
        await self._limits.admit(key, record, count, tokens)

    @staticmethod
    def _check(admission: ApiAdmission, model: Model) -> None:
        if admission.key is not None and not admission.key.may_use(model.id):
            raise errors.Forbidden(f"This API key may not use the model {model.id}.", param="model")

    def routes(self, admission: ApiAdmission, call: Call, record: Record) -> tuple[Route, ...]:
        """The models that may serve the call, by upstream; as far as the client may use them. Raises Forbidden.

        Of a chain that the operator wrote a route for each target, from the first that somebody is free for: it is gone
        on to the next one where that turns out to have no quota or no capacity, and nothing has been sent yet.
        """
        router = self._router()
        routes = every = router.routes(call)
        if call.model not in router.known and not router.knows(call.model):
            self._warn_of(call.model, every[0][0])
        key = admission.key
        if key is not None and key.models:
            allowed = (tuple(each for each in route if key.may_use(each.id)) for route in every)
            routes = tuple(filter(None, allowed))
        if len(routes) > 1:
            routes = routes[next((at for at, route in enumerate(routes) if self._is_free(route)), 0) :]
        model = (routes or every)[0][0]
        record.asked, record.model, record.family, record.upstream = call.model, model.id, model.family, model.upstream
        if not routes:
            raise errors.Forbidden(f"This API key may not use the model {model.id}.", param="model")
        return routes

    def _is_free(self, route: Route) -> bool:
        return any(self._context.of(model).pool.free_in(model.id) == 0 for model in route)

    def _warn_of(self, name: str, model: Model) -> None:
        """An unknown name is served all the same: it is logged once."""
        if name not in self._unknown and len(self._unknown) < _MOST_UNKNOWN:
            self._unknown.add(name)
            shown = one_line(name[:_SHOWN])
            log.warn("unknown model {name}: {model} is used instead", name=shown, model=model.id)


def _estimate(calls: tuple[Call, ...]) -> int:
    return sum(map(input_tokens, calls))


def _count_tokens(record: Record, usage: Usage) -> None:
    record.tokens_in, record.tokens_out = usage.input_tokens, usage.output_tokens
    record.tokens_cached, record.tokens_thinking = usage.cached_content_token_count, usage.thoughts_token_count


@functools.lru_cache(maxsize=16)  # of the few types that answers have
def _headers(content_type: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"content-type", content_type),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    )
