"""Several answers in one (OpenAI's ``n``, Gemini's ``candidateCount``, several prompts): a request each, side by side.

Whether the service takes ``candidateCount`` is not known for all models; requests of their own work for every one
(translation.md 3.3). Their answers meet in one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Chunk, Usage
from antigravity_proxy.canonical.router import Route
from antigravity_proxy.dialect.base import Answer
from antigravity_proxy.errors import ProxyError
from antigravity_proxy.generatecontent.restore import rewritten
from antigravity_proxy.relay.context import Client, Place, RelayContext
from antigravity_proxy.relay.conversation import ConversationSignatures
from antigravity_proxy.relay.generation import Generation
from antigravity_proxy.telemetry.record import Record


class FanOut:
    """Serves a call for several choices, or several calls; used as a Generation is.

    ``any_will_do`` as in Decoded, ``place`` as in Generation.
    """

    def __init__(
        self,
        context: RelayContext,
        calls: Sequence[Call],
        route: Route,
        memory: ConversationSignatures,
        new_answer: Callable[[], Answer],
        client: Client,
        *,
        any_will_do: bool = False,
        place: Place = None,
    ) -> None:
        self.answer = new_answer()
        self._any_will_do = any_will_do
        memories = (memory, *(memory.beside(call) for call in calls[1:]))
        wanted = [
            (replace(call, choices=1), own)
            for call, own in zip(calls, memories, strict=True)
            for _ in range(call.choices)
        ]
        self._choices = [call.choices for call in calls]
        self._branches = [
            _Branch(self.answer, index, call.stream, client, any_will_do) for index, (call, _) in enumerate(wanted)
        ]
        self._generations = [
            Generation(context, call, route, own, branch.begin, branch, place)
            for (call, own), branch in zip(wanted, self._branches, strict=True)
        ]

    async def prepare(self) -> None:
        """As Generation's; each is prepared when its own attempts begin."""

    async def attempts(self) -> None:
        """As Generation's; the first branch that fails ends the others, unless any will do."""
        running = [Deferred.fromCoroutine(_whole(generation)) for generation in self._generations]
        try:
            if self._any_will_do:
                await at_least_one(running)
            else:
                await gatherResults(running, consumeErrors=True)
        except Exception as e:
            for each in running:
                each.addErrback(lambda _: None)
                each.cancel()
            raise _reason(e) from None

    def close(self) -> bytes:
        """As Generation's."""
        if self._any_will_do:
            return self.answer.close()
        last = self.answer.feed([rewritten(Chunk(raw=b"{}"), (), usage=self.usage)])
        return last + self.answer.close()

    @property
    def usage(self) -> Usage:
        """Upstream's token counts for all answers together, as far as it has reported them."""
        return _sum([generation.usage for generation in self._generations], self._choices)


async def at_least_one(running: list[Deferred[bytes]]) -> None:
    """Waits for all; raises the first's failure if none came well, or what no failed request explains."""
    ended: Any = await DeferredList(running, consumeErrors=True)
    failures: list[Exception] = [result.value for well, result in ended if not well]
    strange = [e for e in failures if not isinstance(e, ProxyError)]
    if strange or len(failures) == len(running):
        raise (strange or failures)[0]


async def _whole(generation: Generation) -> bytes:
    await generation.prepare()
    await generation.attempts()
    return generation.close()


class _Branch:
    """One of the answers on its way into the shared one: both the client and the answer of its generation."""

    content_type = b""
    keepalive = b""

    def __init__(self, shared: Answer, index: int, streamed: bool, client: Client, own_usage: bool) -> None:
        self._shared = shared
        self._index = index
        self._streamed = streamed
        self._client = client
        self._own_usage = own_usage
        self._held: list[Chunk] = []
        self.started = False
        #: one consumer can't slow down several producers; what waits is bounded by the answers' length
        self.consumer: IConsumer | None = None

    @property
    def gone(self) -> bool:
        """As the client's own."""
        return self._client.gone

    @gone.setter
    def gone(self, value: bool) -> None:
        self._client.gone = value

    @property
    def record(self) -> Record:
        """As the client's own: one record for all."""
        return self._client.record

    def begin(self) -> Answer:
        """A new attempt: what an earlier one brought counts no more."""
        self._held = []
        return self

    def send(self, data: bytes) -> None:
        """Sends bytes of the shared answer."""
        self.started = True
        self._client.send(data)

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """Passes chunks on under this branch's index; a collected answer only when it is complete."""
        mine = []
        for chunk in chunks:
            candidates = tuple(replace(candidate, index=self._index) for candidate in chunk.candidates)
            if self._own_usage:  # and maybe a picture of many megabytes, whose JSON text is not copied
                mine.append(replace(chunk, candidates=candidates))
            else:
                mine.append(rewritten(chunk, candidates, usage=None))
        if self._streamed:
            return self._shared.feed(mine)
        self._held += mine
        return b""

    def close(self) -> bytes:
        """This branch is complete; the shared answer goes on."""
        if self._held:
            self._shared.feed(self._held)
        return b""

    def fail(self, error: ProxyError) -> bytes:
        """Never called: the shared answer fails as a whole."""
        return b""


def _sum(usages: list[Usage], choices: list[int]) -> Usage:
    """The sum: every answer's tokens; each prompt once, which the next ``choices`` of the answers share."""
    starts = accumulate(choices[:-1], initial=0)
    prompts = [usages[start] for start in starts]
    total = Usage(
        prompt_token_count=sum(usage.prompt_token_count for usage in prompts),
        candidates_token_count=sum(usage.output_tokens - usage.thoughts_token_count for usage in usages),
        thoughts_token_count=sum(usage.thoughts_token_count for usage in usages),
        cached_content_token_count=sum(usage.cached_content_token_count for usage in prompts),
        tool_use_prompt_token_count=sum(usage.tool_use_prompt_token_count for usage in prompts),
    )
    return replace(total, total_token_count=total.input_tokens + total.output_tokens)


def _reason(e: Exception) -> Exception:
    """The real failure behind ``gatherResults``."""
    inner: Any = getattr(e, "subFailure", None)
    return inner.value if isinstance(inner, Failure) and isinstance(inner.value, Exception) else e
