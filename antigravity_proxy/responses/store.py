"""Keeps responses in memory: bounded in bytes, an hour after their last use, each for the key that made it. Pure.

A response is entered when its request begins, so that what waits for an answer counts too. Of too many the longest
unused go first, and of the owner who has the most: nobody pushes out others' responses.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from msgspec import Raw

from antigravity_proxy.responses.items import Items

#: seconds after its last use for which a response is kept
KEPT_FOR = 3600.0
#: bytes that a response takes besides its items and its document's texts
_RESPONSE_BYTES = 3000


class StoredResponse:
    """One response. ``asked`` is the conversation up to its request's input, ``said`` with its output too.

    ``document`` is the response object as its dialect has it. ``identity`` is empty, and there is no document, until
    it is complete.
    """

    __slots__ = ("asked", "document", "document_size", "identity", "owner", "said", "until")

    def __init__(self, owner: bytes, asked: Items, until: float) -> None:
        self.owner = owner
        self.asked = asked
        self.said: Items | None = None
        self.identity = ""
        self.document: Any = None
        self.document_size = _RESPONSE_BYTES
        self.until = until


class _Owner:
    """The responses of one key; ``size`` in bytes."""

    __slots__ = ("by_identity", "responses", "size")

    def __init__(self) -> None:
        self.responses: OrderedDict[StoredResponse, None] = OrderedDict()  # the longest unused first
        self.by_identity: dict[str, StoredResponse] = {}
        self.size = 0


class ResponseStore:
    """All that is kept. ``limit`` in bytes, 0: nothing. Times are in monotonic seconds."""

    def __init__(self, limit: int, seconds: float = KEPT_FOR) -> None:
        self.limit = limit
        self._seconds = seconds
        self._owners: dict[bytes, _Owner] = {}
        self.size = 0

    def __len__(self) -> int:
        """How many are kept, those under way included."""
        return sum(len(owner.responses) for owner in self._owners.values())

    def begin(self, owner: bytes, before: Items | None, own: list[Raw], size: int, now: float) -> StoredResponse:
        """Enters the response to a request with this input; ``size`` is what holding it takes, in bytes."""
        response = StoredResponse(owner, Items(before, own, size), now + self._seconds)
        held = self._owners.setdefault(owner, _Owner())
        held.responses[response] = None
        self._add(held, response.document_size)
        self._hold(held, response.asked)
        self._make_room()
        return response

    def finish(
        self, response: StoredResponse, identity: str, output: list[Raw], size: int, document: Any, document_size: int
    ) -> None:
        """Completes a response with its output of ``size`` bytes; does nothing where it had to make room meanwhile."""
        held = self._owners.get(response.owner)
        if held is None or response not in held.responses:
            return
        response.identity, response.document = identity, document
        response.document_size += document_size
        response.said = Items(response.asked, output, size)
        response.said.holders = 1  # in the response's place it holds what was asked
        response.asked.response = response.said.response = identity
        response.said.is_answered = True
        held.by_identity[identity] = response
        self._add(held, document_size + response.said.size)
        self._make_room()

    def take(self, owner: bytes, identity: str, now: float) -> StoredResponse | None:
        """The response, which is used now; None: this owner has no such response (any more)."""
        held = self._owners.get(owner)
        response = held.by_identity.get(identity) if held is not None else None
        if held is None or response is None or response.until <= now:
            return None
        response.until = now + self._seconds
        held.responses.move_to_end(response)
        return response

    def drop(self, response: StoredResponse) -> None:
        """Keeps it no longer; does nothing where that is so already."""
        held = self._owners.get(response.owner)
        if held is None or response not in held.responses:
            return
        del held.responses[response]
        held.by_identity.pop(response.identity, None)
        self._add(held, -response.document_size)
        self._release(held, response.said or response.asked)
        if not held.responses:
            del self._owners[response.owner]

    def forget(self, owner: bytes) -> None:
        """Lets go all that an owner keeps."""
        held = self._owners.get(owner)
        for response in list(held.responses) if held is not None else ():
            self.drop(response)

    def expire(self, now: float) -> None:
        """Lets go what was not used for too long."""
        for held in list(self._owners.values()):
            while held.responses and (oldest := next(iter(held.responses))).until <= now:
                self.drop(oldest)

    def _make_room(self) -> None:
        while self.size > self.limit:
            most = max(self._owners.values(), key=lambda held: held.size)
            self.drop(next(iter(most.responses)))

    def _hold(self, held: _Owner, items: Items) -> None:
        link: Items | None = items
        while link is not None:
            link.holders += 1
            if link.holders > 1:
                return
            self._add(held, link.size)
            link = link.before

    def _release(self, held: _Owner, items: Items) -> None:
        link: Items | None = items
        while link is not None:
            link.holders -= 1
            if link.holders:
                return
            self._add(held, -link.size)
            link = link.before

    def _add(self, held: _Owner, size: int) -> None:
        held.size += size
        self.size += size
