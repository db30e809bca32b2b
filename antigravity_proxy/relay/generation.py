"""Serves one call: prepares it for its model, sends it, passes the answer's chunks to the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.replication import session_key
from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Usage
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Access, Prepared, Quirk, refuses_field
from antigravity_proxy.dialect.base import Answer
from antigravity_proxy.relay.attempt import AttemptFailed, deliver, live_token, post
from antigravity_proxy.relay.context import Client, ClientGone, Place, RelayContext, at_once
from antigravity_proxy.relay.failover import Failover
from antigravity_proxy.relay.reader import AnswerReader
from antigravity_proxy.relay.signatures import ConversationSignatures
from antigravity_proxy.relay.upstream import Upstream


class Generation:
    """One call on its way. ``run`` may be called once; ``answer`` is the one that has begun, for ``fail``.

    ``usage`` is what upstream counted, as far as it has. ``place`` is where the request is prepared.
    """

    __slots__ = (
        "_begun",
        "_call",
        "_client",
        "_context",
        "_cured",
        "_memory",
        "_model",
        "_new_answer",
        "_place",
        "_prepared",
        "_quirks",
        "_upstream",
        "answer",
        "usage",
    )

    def __init__(
        self,
        context: RelayContext,
        call: Call,
        model: Model,
        memory: ConversationSignatures,
        new_answer: Callable[[], Answer],
        client: Client,
        place: Place = at_once,
    ) -> None:
        self._context = context
        self._upstream: Upstream = context.upstream
        self._call: Call | None = call
        self._memory = memory
        self._model = model
        self._new_answer = new_answer
        self._client = client
        self._place = place
        self._quirks = self._upstream.repairs.of(model.id, context.clock.seconds())
        self._cured: Quirk | None = None  # a field that was refused as such, and is left out since
        self._prepared: Prepared | None = None
        self._begun = False
        self.answer = new_answer()
        self.usage = Usage()

    async def run(self) -> bytes:
        """Delivers the answer to the client and returns its last bytes.

        Raises a ProxyError of which the client must still be told: by its status if nothing has started, else by the
        answer's ``fail``. Raises ClientGone.
        """
        system = () if self._call is None else self._call.system
        session = await self._begin()
        failover = Failover(self._context, self._upstream, self._model.id, self._client, self._repair, session, system)
        del system  # a long stream keeps no prompt in memory
        await failover.run(self._attempt)
        self._remember()
        return self.answer.close()

    async def _begin(self) -> bytes:
        """Prepares the call for its model; the key under which its conversation keeps its account, empty for none."""
        call, model = self._call, self._model
        if call is None:  # never: ``run`` is called once
            raise ClientGone
        self._prepared = prepared = await self._place(self._preparing(call, self._quirks))
        name = call.session or prepared.opening
        return session_key(name, model.id) if name else b""

    async def _attempt(self, lease: Lease, base: bytes) -> None:
        prepared = self._prepared
        if prepared is None:  # never: nothing is tried again after the start
            raise ClientGone
        if self._begun:
            self.answer = self._new_answer()
        self._begun = True
        notices, drift = self._upstream.notices, self._upstream.drift
        reader = AnswerReader(
            prepared, prepared.events(), self.answer, self._client, self._memory, self._started, notices, drift
        )
        context, upstream, state = self._context, self._upstream, lease.state
        token = await live_token(upstream, state)
        access = Access(base, token, await upstream.projects.of(state))
        request = prepared.request(access)
        exchange, response = await post(context, upstream, lease, access, request, self._client)
        del prepared, request  # a long stream keeps no prompt in memory
        try:
            await deliver(context, upstream, state, token, exchange, response, reader, self._client)
        finally:
            self.usage = self.usage if reader.usage is None else reader.usage

    def _started(self) -> None:
        """The first byte has left: the request won't be needed again."""
        self._call = None
        self._prepared = None
        self._remember()

    def _remember(self) -> None:
        """The repaired request was taken: others for this model need not be refused first."""
        if self._cured is not None:
            self._upstream.repairs.remember(self._model.id, self._cured, self._context.clock.seconds())
            self._cured = None

    def _repair(self, failed: AttemptFailed) -> bool:
        """Leaves out of this request what upstream refused to read (upstream.md 4.3, 6.3 row 17)."""
        said = failed.failure
        quirk = None if said is None else self._upstream.wire.quirk_for(self._model, said.message)
        if said is None or quirk is None or quirk in self._quirks or self._call is None:
            return False
        if failed.verdict.about_signature:  # a matter of this conversation, not of the model
            self._memory.forget()
        elif refuses_field(quirk, said.message):
            self._cured = quirk
        self._quirks |= {quirk}
        self._prepared = self._preparing(self._call, self._quirks)()
        return True

    def _preparing(self, call: Call, quirks: frozenset[Quirk]) -> Callable[[], Prepared]:
        """The work of preparing the call; what is remembered is put back here and now."""
        memory = self._memory
        return partial(self._upstream.wire.prepare, memory.restored(call), self._model, quirks, memory.conversation)
