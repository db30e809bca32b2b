"""OpenAI's Responses with memory (contract.md 8): what requests refer to is looked up, what they bring is kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from msgspec import Raw, Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.dialect.base import Answer, Decoded, Rendered, Stamp
from antigravity_proxy.dialect.openai import responses_listing, responses_request
from antigravity_proxy.dialect.openai.responses_compaction import MAX_LENGTH
from antigravity_proxy.dialect.openai.responses_document import Response
from antigravity_proxy.dialect.openai.responses_items import Memory
from antigravity_proxy.dialect.openai.responses_request import References, ResponsesRequest
from antigravity_proxy.errors import BadRequest, BodyTooLarge, NotFound
from antigravity_proxy.responses.items import Items, text_length
from antigravity_proxy.responses.record import Record, read_record, record_of
from antigravity_proxy.responses.seal import Seal
from antigravity_proxy.responses.store import ResponseStore, StoredResponse
from antigravity_proxy.secret import SecretBytes
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.web.bodies import LARGE, check_shape
from antigravity_proxy.web.decoding import Decoding

#: an item's id holds the digits of its response's, and its number; ``i``: it is one of those that were asked
_ITEM_ID = re.compile(r"[a-z]{1,8}_([0-9a-f]{24})(i?)([0-9a-f]{4,8})")
#: input that is less than this part of its body is copied from it, so that it doesn't hold the rest
_WORTH_HOLDING = 0.5
#: most that sockets keep if nothing is stored: each its own conversation, as long as it is open
_SOCKETS_BYTES = 64 << 20
#: seconds between two messages to other replicas that one is in use
_TOUCHED_EACH = 600.0


class SharedResponses(Protocol):
    """The store in which all replicas find responses, as bytes. Functions that are not async return at once."""

    def put(self, owner: bytes, identity: str, data: bytes) -> None:
        """All are to find it from now on, as long as it is used."""
        ...

    def touch(self, owner: bytes, identities: Sequence[str]) -> None:
        """They are used: their life begins again."""
        ...

    async def get(self, owner: bytes, identity: str) -> bytes | None:
        """The stored value; None: there is none, or it doesn't arrive soon."""
        ...


class Asking(Struct, frozen=True):
    """The owner: the API key that was sent, empty if none is needed; and a name of the socket, if it is one."""

    key: SecretBytes
    socket: bytes = b""

    @property
    def owner(self) -> bytes:
        """The name that the key's responses are kept under: not the key."""
        return hashlib.sha256(b"responses\0" + self.key).digest()

    @property
    def seal(self) -> Seal:
        """Seals and opens summaries for this key."""
        return Seal(self.key, MAX_LENGTH)


class Responses:
    """The memory behind ``/v1/responses``. ``limit`` and ``longest`` (a whole conversation) in bytes."""

    def __init__(
        self,
        ticker: Ticker,
        decoding: Decoding,
        limit: int,
        longest: int,
        shared: Callable[[], SharedResponses] | None = None,
    ) -> None:
        self.store = ResponseStore(limit)
        self._of_sockets = ResponseStore(limit or _SOCKETS_BYTES)
        self._ticker = ticker
        self._decoding = decoding
        self._longest = longest
        self._shared = shared

    async def understand(
        self, body: bytes, client: Asking, *, framed: bool = False, generate: bool = True
    ) -> tuple[Decoded, Callable[[], None]]:
        """The request in a body, with what it refers to; and what is to be called when it is over.

        ``framed``: as one message of a socket; unless ``generate`` it is only to be kept. Raises BadRequest, NotFound,
        BodyTooLarge.
        """
        request, named, before, memory = await self._read(responses_request.read, body, client)
        keeps = self.store.limit > 0 and request.store is not False
        size = len(body) + (before.length if before is not None else 0)
        read = partial(responses_request.understand, request, memory, stored=keeps, framed=framed, generate=generate)
        found = await self._decoding.run(size, read)
        store, owner = (self.store, client.owner) if keeps else (self._of_sockets, client.socket)
        if not owner:
            return found.decoded, _nothing
        kept, earlier = self._begin(store, owner, before, found.own, named, len(body))
        complete = partial(self._complete, store, kept, earlier)
        make = found.decoded.new_answer

        def new_answer(stamp: Stamp) -> Answer:
            return make(replace(stamp, completed=complete))

        return replace(found.decoded, new_answer=new_answer), partial(_end, store, kept)

    def closed(self, client: Asking) -> None:
        """A socket is closed: what was kept for it alone is gone."""
        self._of_sockets.forget(client.socket)

    async def call(self, body: bytes, client: Asking) -> Call | None:
        """The request in a body as the call whose tokens are to be counted; raises as ``understand``.

        None: it says nothing.
        """
        request, _, before, memory = await self._read(responses_request.read_count, body, client)
        if not request.input and not request.instructions and not request.previous_response_id:
            return None
        request.input = request.input or []
        size = len(body) + (before.length if before is not None else 0)
        found = await self._decoding.run(size, partial(responses_request.understand, request, memory))
        return found.decoded.call

    async def compaction(self, body: bytes, client: Asking) -> Decoded:
        """The request in a body as one for a summary, in a document of its own; raises as ``understand``."""
        request, _, before, memory = await self._read(responses_request.read, body, client)
        size = len(body) + (before.length if before is not None else 0)
        return await self._decoding.run(size, partial(responses_request.compaction, request, memory))

    async def retrieved(self, identity: str, client: Asking) -> Rendered:
        """The response as it was; raises NotFound."""
        return responses_listing.render((await self._found(client, identity)).document)

    async def deleted(self, identity: str, client: Asking) -> Rendered:
        """The answer to its deletion; raises NotFound. Responses that continue it stay unchanged."""
        found = await self._found(client, identity)
        self.store.drop(found)
        if self._shared is not None:
            self._shared().put(client.owner, identity, _record(found, deleted=True))
        return responses_listing.render_deleted(identity)

    async def cancelled(self, identity: str, client: Asking) -> Rendered:
        """Never: what could be has come whole before it is found; raises NotFound, BadRequest."""
        await self._found(client, identity)
        raise BadRequest("Only a response that is made in the background can be cancelled, and none is here.")

    async def input_items(self, identity: str, client: Asking, query: Mapping[str, str]) -> Rendered:
        """A page of all that the response answers; raises NotFound, BadRequest."""
        items = (await self._found(client, identity)).asked
        return await self._decoding.run(
            items.length, partial(responses_listing.render_items, list(items), identity, query)
        )

    def tick(self, now: float) -> None:
        """Lets go what is too old; ``now`` in monotonic seconds."""
        self.store.expire(now)
        self._of_sockets.expire(now)
        if not len(self.store) and not len(self._of_sockets):
            self._ticker.leave(self)

    async def _read(
        self, read: Callable[[bytes], ResponsesRequest], body: bytes, client: Asking
    ) -> tuple[ResponsesRequest, References, Items | None, Memory]:
        """The request in a body, what it refers to, and what is remembered of that."""

        def parse() -> tuple[ResponsesRequest, References]:
            if len(body) > LARGE:
                check_shape(body)
            request = read(body)
            return request, responses_request.references(request)

        request, named = await self._decoding.run(len(body), parse)
        return request, named, *(await self._memory(named, client, len(body)))

    async def _memory(self, named: References, client: Asking, size: int) -> tuple[Items | None, Memory]:
        """The references of a request of ``size`` bytes; raises NotFound, BodyTooLarge."""
        before = None
        if named.response and (earlier := await self._take(client, named.response)) is not None:
            before = earlier.said
        items: dict[str, Raw] = {}
        for identity in named.items:
            if identity not in items and (item := await self._item(client, identity)) is not None:
                items[identity] = item
        whole = size + text_length(items.values()) + (before.length if before is not None else 0)
        if whole > self._longest:
            raise BodyTooLarge(f"The conversation is larger than {self._longest} bytes.")
        seal = client.seal
        return before, Memory(() if before is None else list(before), items, seal.seal, seal.open)

    def _begin(
        self,
        store: ResponseStore,
        owner: bytes,
        before: Items | None,
        own: list[Raw],
        named: References,
        size: int,
    ) -> tuple[StoredResponse, Response | None]:
        """Enters a response; and gives the document of the one it goes on from, if it is here."""
        now = self._ticker.clock.seconds()
        earlier = None
        if before is not None:
            earlier = store.take(owner, named.response, now)
            if earlier is None:  # it is kept elsewhere, where what it takes is counted
                before = Items(None, list(before), before.length)
        # everything is published again: what is here already counts
        elif (found := _ITEM_ID.fullmatch(named.last)) is not None:
            earlier = store.take(owner, f"resp_{found[1]}", now)
            if earlier is not None:
                chains = (earlier.said, earlier.asked)  # with what was said, or with the client's own copies of that
                before = next((chain for chain in chains if chain is not None and chain.begins(own)), None)
                own = own[before.count :] if before is not None else own
        length = text_length(own)
        if length < size * _WORTH_HOLDING:
            own = [item.copy() for item in own]
        else:
            length = size
        self._ticker.watch(self)
        kept = store.begin(owner, before, own, length, now)
        return kept, earlier.document if earlier is not None else None

    def _complete(
        self, store: ResponseStore, kept: StoredResponse, earlier: Response | None, document: Response
    ) -> None:
        document, size = responses_listing.sharing(document, earlier)
        output = list(document.output)
        store.finish(kept, document.id, output, text_length(output), document, size)
        if self._shared is not None and store is self.store and kept.identity:
            shared, owner = self._shared(), kept.owner
            shared.put(owner, kept.identity, _record(kept))
            shared.touch(owner, _unheard_of(kept, self._ticker.clock.seconds()))

    async def _take(self, client: Asking, identity: str) -> StoredResponse | None:
        now = self._ticker.clock.seconds()
        if client.socket and (found := self._of_sockets.take(client.socket, identity, now)) is not None:
            return found
        found = self.store.take(client.owner, identity, now)
        if found is not None or self._shared is None or not self.store.limit:
            return found
        return await self._fetched(self._shared(), client.owner, identity)

    async def _fetched(self, shared: SharedResponses, owner: bytes, identity: str) -> StoredResponse | None:
        """A response that another replica keeps, with all that it goes on with; both are here then."""
        records: list[tuple[str, Record]] = []
        base, wanted, length = None, identity, 0
        while base is None and wanted:
            data = await shared.get(owner, wanted)
            record = read_record(data) if data is not None else None
            length += len(data or b"")
            if record is None or length > self._longest or (record.deleted and wanted == identity):
                return None
            records.append((wanted, record))
            wanted = record.parent
            base = self.store.take(owner, wanted, self._ticker.clock.seconds()) if wanted else None
        deleted = []
        for name, record in reversed(records):
            base = self._entered(owner, base, name, record)
            if record.deleted:
                deleted.append(base)
        for each in deleted:
            self.store.drop(each)
        return base

    def _entered(self, owner: bytes, base: StoredResponse | None, name: str, record: Record) -> StoredResponse:
        before = None if base is None else base.said if record.after_answer else base.asked
        own, said = record.items, record.said
        now = self._ticker.clock.seconds()
        self._ticker.watch(self)
        found = self.store.begin(owner, before, own, text_length(own), now)
        document = responses_listing.read_document(record.document, said)
        self.store.finish(found, name, said, text_length(said), document, len(record.document))
        return found

    async def _found(self, client: Asking, identity: str) -> StoredResponse:
        found = await self._take(client, identity)
        if found is None:
            raise NotFound(f"Response with id '{identity[:80]}' not found.")
        return found

    async def _item(self, client: Asking, identity: str) -> Raw | None:
        place = _ITEM_ID.fullmatch(identity)
        response = await self._take(client, f"resp_{place[1]}") if place is not None else None
        if place is None or response is None or response.said is None:
            return None
        items: Iterable[Raw] = response.asked if place[2] else response.said.own
        return next((item for n, item in enumerate(items) if n == int(place[3], 16)), None)


def _end(store: ResponseStore, kept: StoredResponse) -> None:
    """A request is over: of one that brought no whole response nothing is kept."""
    if not kept.identity:
        store.drop(kept)


def _nothing() -> None:
    """Nothing was kept."""


def _record(response: StoredResponse, *, deleted: bool = False) -> bytes:
    return record_of(response, responses_listing.document_of(response.document), deleted=deleted)


def _unheard_of(response: StoredResponse, now: float) -> list[str]:
    """The response's chain, as far as its use was not published for a while."""
    found = []
    for link in response.asked.links():
        if link.response and link.response != response.identity and now - link.touched > _TOUCHED_EACH:
            link.touched = now
            found.append(link.response)
    return list(dict.fromkeys(found))
