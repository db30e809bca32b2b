"""Serves one call: prepares it for its model, sends it, passes the answer's chunks to the client."""

from __future__ import annotations

from collections.abc import Callable

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.shared import session_key
from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Usage
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.dialect.base import Answer
from antigravity_proxy.generatecontent.request import Prepared, prepare, quirk_for
from antigravity_proxy.relay.attempt import AttemptFailed, deliver, live_token, post
from antigravity_proxy.relay.client import Client, ClientGone
from antigravity_proxy.relay.failover import Failover
from antigravity_proxy.relay.reader import AnswerReader
from antigravity_proxy.relay.resources import Place, Resources, at_once
from antigravity_proxy.relay.signatures import Memory
from antigravity_proxy.settings.limits import PICTURE_SILENCE

_STREAM = b":streamGenerateContent?alt=sse"
#: a picture comes whole (upstream.md 1.2)
_WHOLE = b":generateContent"


class Generation:
    """One call on its way. ``run`` may be called once; ``answer`` is the one that has begun, for ``fail``.

    ``usage`` is what upstream counted, as far as it has. ``place`` is where the request is prepared.
    """

    __slots__ = (
        "_begun",
        "_call",
        "_client",
        "_memory",
        "_model",
        "_new_answer",
        "_place",
        "_prepared",
        "_resources",
        "answer",
        "usage",
    )

    def __init__(
        self,
        resources: Resources,
        call: Call,
        model: Model,
        memory: Memory,
        new_answer: Callable[[], Answer],
        client: Client,
        place: Place = at_once,
    ) -> None:
        self._resources = resources
        self._call: Call | None = call
        self._memory = memory
        self._model = model
        self._new_answer = new_answer
        self._client = client
        self._place = place
        self._prepared: Prepared | None = None
        self._begun = False
        self.answer = new_answer()
        self.usage = Usage()

    async def run(self) -> bytes:
        """Delivers the answer to the client and returns its last bytes.

        Raises a ProxyError of which the client must still be told: by its status if nothing has started, else by the
        answer's ``fail``. Raises ClientGone.
        """
        session = await self._prepare()
        await Failover(self._resources, self._model.id, self._client, self._repair, session).run(self._attempt)
        return self.answer.close()

    async def _prepare(self) -> bytes:
        """Prepares the call for its model; the key under which its conversation keeps its account, empty for none."""
        model, memory, call = self._model, self._memory, self._call
        if call is None:  # never: ``run`` is called once
            raise ClientGone
        quirks = self._resources.quirks.get(model.id, frozenset())
        restored = memory.restored(call)
        self._prepared = prepared = await self._place(lambda: prepare(restored, model, quirks, memory.conversation))
        name = call.session or prepared.opening
        return session_key(name, model.id) if name else b""

    async def _attempt(self, lease: Lease, base: bytes) -> None:
        prepared = self._prepared
        if prepared is None:  # never: nothing is tried again after the start
            raise ClientGone
        if self._begun:
            self.answer = self._new_answer()
        self._begun = True
        reader = AnswerReader(prepared, self.answer, self._client, self._memory, self._started)
        resources, state = self._resources, lease.state
        token = await live_token(resources, state)
        project = await resources.projects.of(state)
        body = prepared.envelope(project, "agent-" + resources.new_uuid(), resources.product)
        url, silence = (base + _WHOLE, PICTURE_SILENCE) if prepared.is_picture else (base + _STREAM, 0.0)
        exchange, response = await post(resources, lease, token, url, body, self._client, silence)
        del prepared, body  # a long stream keeps no prompt in memory
        try:
            await deliver(resources, state, token, exchange, response, reader, self._client)
        finally:
            self.usage = reader.usage or self.usage

    def _started(self) -> None:
        """The first byte has left: the request won't be needed again."""
        self._call = None
        self._prepared = None

    def _repair(self, failed: AttemptFailed) -> bool:
        """Leaves out what upstream refused to read, and remembers it for the model (upstream.md 4.3, 6.3 row 17)."""
        quirks = self._resources.quirks
        known = quirks.get(self._model.id, frozenset())
        quirk = quirk_for(self._model, failed.failure.message) if failed.failure is not None else None
        if quirk is None or quirk in known or self._call is None:
            return False
        if failed.verdict.about_signature:  # a matter of this conversation, not of the model
            self._memory.forget()
        else:
            quirks[self._model.id] = known | {quirk}
        self._prepared = prepare(
            self._memory.restored(self._call), self._model, known | {quirk}, self._memory.conversation
        )
        return True
