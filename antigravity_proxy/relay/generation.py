"""Serves one call: prepares it for its model, sends it, passes the answer's chunks to the client.

While an answer streams this waits in few coroutines: each takes memory, thousands of times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.replication import session_key
from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Usage
from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.router import Route
from antigravity_proxy.canonical.wire import Fix, Prepared, Quirk, is_lasting
from antigravity_proxy.dialect.base import Answer
from antigravity_proxy.relay import attempt
from antigravity_proxy.relay.attempt import AttemptFailed
from antigravity_proxy.relay.context import Client, ClientGone, Place, RelayContext
from antigravity_proxy.relay.conversation import ConversationSignatures
from antigravity_proxy.relay.failover import Failover, Leg
from antigravity_proxy.relay.reader import AnswerReader
from antigravity_proxy.relay.repairs import NOTHING

#: one object for all requests of which upstream has counted nothing yet
_NOT_COUNTED = Usage()


class Generation:
    """One call on its way: ``prepare`` it, await its ``attempts``, ``close`` it; each once.

    ``answer`` is the one that has begun, for ``fail``; ``usage`` what upstream counted, as far as it has. ``place`` is
    where the request is prepared.
    """

    __slots__ = (
        "_begun",
        "_call",
        "_client",
        "_context",
        "_cured",
        "_last",
        "_memory",
        "_model",
        "_name",
        "_new_answer",
        "_place",
        "_prepared",
        "_quirks",
        "_route",
        "_shared_by",
        "_upstream",
        "answer",
        "usage",
    )

    def __init__(
        self,
        context: RelayContext,
        call: Call,
        route: Route,
        memory: ConversationSignatures,
        new_answer: Callable[[], Answer],
        client: Client,
        place: Place = None,
    ) -> None:
        self._context = context
        self._call: Call | None = call
        self._memory = memory
        self._route = route
        first = route[0]
        self._name = call.session or ("" if first.image else memory.conversation)
        #: the conversation's key for the model that several upstreams can serve; and which of them did so before
        self._shared_by = session_key(self._name, f"any/{first.id}") if len(route) > 1 and self._name else b""
        self._last: str | None = None
        self._new_answer = new_answer
        self._client = client
        self._place = place
        self._cured: frozenset[Fix] = NOTHING  # what was refused as such, and is left out since
        self._prepared: Prepared | None = None
        self._begun = False
        self._use(first)
        self.answer = new_answer()
        self.usage = _NOT_COUNTED

    def prepare(self) -> Awaitable[object]:
        """Prepares the call for the first of its models that somebody is free for. Raises a ProxyError."""
        if self._shared_by:
            self._order()
        route, at = self._route, 0
        if len(route) > 1:
            at = next((i for i, model in enumerate(route) if self._context.of(model).pool.free_in(model.id) == 0), 0)
        return self._prepare(route[at])

    def attempts(self) -> Awaitable[None]:
        """Delivers the answer to the client, but for its last bytes.

        Raises a ProxyError that the client must still get: by its status if nothing has started, else by the
        answer's ``fail``. Raises ClientGone.
        """
        context = self._context
        legs = [Leg(context.of(model), model.id, self._session(model)) for model in self._route]
        return Failover(context, legs, self._client, self._repair, self._system).run(self._attempt)

    def close(self) -> bytes:
        """The answer's last bytes. Raises a ProxyError where it is none after all."""
        if self._shared_by:
            self._stay()
        if self._cured:
            self._remember()
        return self.answer.close()

    def _system(self) -> Sequence[str]:
        """The request's system text; empty once the first byte has left, since a long stream keeps no prompt."""
        return () if self._call is None else self._call.system

    def _order(self) -> None:
        """A conversation stays with the upstream that served it, while that can serve: for each model by itself."""
        last = self._context.legs.account_of(self._shared_by, self._context.clock.seconds())
        staying = [model for model in self._route if model.upstream == last]
        self._route = (*staying, *(model for model in self._route if model.upstream != last))
        self._last = last

    def _stay(self) -> None:
        """The conversation is this upstream's from now on."""
        self._context.legs.bind(self._shared_by, self._model.upstream, self._context.clock.seconds())

    def _session(self, model: Model) -> bytes:
        """The key under which the conversation keeps its account at a model's upstream; empty for none."""
        if not self._name:
            return b""
        return session_key(self._name, model.id if model.upstream == ACCOUNTS else f"{model.upstream}/{model.id}")

    def _use(self, model: Model) -> None:
        """From now on the call is for this model."""
        self._model, self._upstream = model, self._context.of(model)
        self._quirks = self._upstream.repairs.of(model.id, self._context.clock.seconds())
        self._cured = NOTHING
        self._memory.model = model
        if self._last not in (None, model.upstream):  # whose signatures mean nothing here
            self._quirks |= {Quirk.LOST_SIGNATURES}

    async def _prepare(self, model: Model) -> Prepared:
        """Prepares the call for a model, at its place."""
        if self._call is None:  # never: nothing is tried again after the first byte
            raise ClientGone
        if model is not self._model:
            self._use(model)
        memory, wire = self._memory, self._upstream.wire
        call = memory.restored(self._call)  # what is remembered is put back here and now
        if self._place is None:
            prepared = wire.prepare(call, model, self._quirks, memory.conversation)
        else:
            prepared = await self._place(partial(wire.prepare, call, model, self._quirks, memory.conversation))
        self._prepared = prepared
        return prepared

    async def _attempt(self, lease: Lease, base: bytes, at: int) -> None:
        """One attempt, from the request to the answer's end. Raises AttemptFailed, and ClientGone."""
        model = self._route[at]
        prepared = self._prepared if model is self._model else None
        if prepared is None:
            prepared = await self._prepare(model)
        if self._begun:
            self.answer = self._new_answer()
        self._begun = True
        context, upstream, client = self._context, self._upstream, self._client
        reader = AnswerReader(
            prepared,
            prepared.events(),
            self.answer,
            client,
            self._memory,
            self._started,
            upstream.notices,
            upstream.drift,
        )
        state, record = lease.state, client.record
        token = upstream.tokens.live(state)
        if token is None or state.project is None:
            token = await attempt.made_ready(upstream, state)
        access = attempt.access_of(upstream, lease, base, token)
        record.model, record.family, record.upstream = model.id, model.family, model.upstream
        request = prepared.request(access)
        exchange, response = await attempt.post(context, upstream, lease, access, request, client)
        is_stream = (response.field(b"content-type") or "").startswith("text/event-stream")
        del prepared, request, access, response, record  # a long stream keeps no prompt in memory, and no fields
        try:
            if is_stream:
                ending = exchange.pipe(reader, client.consumer)
                if ending is not None:
                    await ending
                reader.end()
            else:
                reader.whole(await exchange.read(attempt.MAX_DOCUMENT))
        except attempt.BREAKS as e:
            failed = attempt.broken(context, upstream, state, token, exchange, reader, e)
            if failed is not None:
                raise failed from e
        else:
            if not (reader.finished or reader.blocked):
                raise attempt.not_an_answer(upstream, reader)
        finally:
            if reader.usage is not None:
                self.usage = reader.usage

    def _started(self) -> None:
        """The first byte has left: the request won't be needed again."""
        self._call = None
        self._prepared = None
        if self._shared_by:
            self._stay()
        if self._cured:
            self._remember()

    def _remember(self) -> None:
        """The repaired request was taken: others for this model need not be refused first."""
        for fix in self._cured:
            self._upstream.repairs.remember(self._model.id, fix, self._context.clock.seconds())
        self._cured = NOTHING

    def _repair(self, failed: AttemptFailed) -> bool:
        """Leaves out of this request what upstream refused to read (upstream.md 4.3, 6.3 row 17)."""
        said = failed.failure
        if said is None or self._call is None:
            return False
        fixes = self._upstream.wire.fixes_for(self._model, said.message) - self._quirks
        if not fixes:
            return False
        if failed.verdict.about_signature:  # a matter of this conversation, not of the model
            self._memory.forget()
        else:
            self._cured = frozenset(fix for fix in fixes if is_lasting(fix, said.message))
        self._quirks |= fixes
        self._prepared = None  # the next attempt prepares it again, at its place
        return True
