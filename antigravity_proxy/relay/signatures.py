"""Remembers thought signatures for clients that drop them (translation.md 2.6). Bounded; nothing of a prompt is kept.

An entry is found by a digest of the client, the conversation, and the part that was signed: so no client gets
the signature of another conversation, and nothing can be read out of the store but signatures, which are opaque.
Replicas share them: what is not here was perhaps made elsewhere, and is asked for before a request goes on.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.signature import made_by
from antigravity_proxy.generatecontent.request import conversation_id
from antigravity_proxy.generatecontent.turns import merged

#: the longest unused go first
MAX_ENTRIES = 10_000
MAX_BYTES = 32 << 20
MAX_LENGTH = 64 << 10
#: seconds that an unused one is kept
KEPT_FOR = 3600.0
#: seconds for which a signature is not looked up again that other replicas don't have either
ABSENT_FOR = 60.0
#: seconds between two messages to other replicas that one is in use
TOUCHED_EACH = 60.0


class Shared(Protocol):
    """The store in which all replicas find signatures, by the same digests.

    Functions that are not async return at once.
    """

    def remember(self, digest: bytes, signature: str) -> None:
        """All are to find it from now on."""
        ...

    def touch(self, digest: bytes) -> None:
        """It is used: its lifetime starts again."""
        ...

    def forget(self, digest: bytes) -> None:
        """Nobody is to find it any more."""
        ...

    async def find(self, digests: Sequence[bytes]) -> Mapping[bytes, str]:
        """The known ones of these, empty where there is none; soon, and without those that are not known by then."""
        ...


class _Entry(Struct, gc=False):
    signature: str  # empty: others have none either
    until: float
    touched: float  # when others heard of it


class Signatures:
    """All signatures that are remembered, by digests. ``shared`` gives where others are to find them."""

    def __init__(
        self,
        clock: IReactorTime,
        shared: Callable[[], Shared] | None = None,
        entries: int = MAX_ENTRIES,
        size: int = MAX_BYTES,
        seconds: float = KEPT_FOR,
    ) -> None:
        self._clock = clock
        self._shared = shared
        self._max_entries = entries
        self._max_size = size
        self._seconds = seconds
        self._size = 0  # characters of all
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # the longest unused first

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._entries)

    def put(self, key: bytes, signature: str) -> None:
        """Remembers a signature, unless it is too long."""
        if not 0 < len(signature) <= MAX_LENGTH:
            return
        now = self._clock.seconds()
        self._hold(key, _Entry(signature, now + self._seconds, now), now)
        if self._shared is not None:
            self._shared().remember(key, signature)

    def get(self, key: bytes) -> str:
        """The signature, whose lifetime is extended; empty if there is none."""
        entry = self._entries.get(key)
        now = self._clock.seconds()
        if entry is None or entry.until <= now or not entry.signature:
            return ""
        entry.until = now + self._seconds
        self._entries.move_to_end(key)
        if self._shared is not None and now - entry.touched >= TOUCHED_EACH:
            entry.touched = now
            self._shared().touch(key)
        return entry.signature

    def forget(self, key: bytes) -> None:
        """Remembers this one no longer, here or elsewhere."""
        self._drop(key)
        if self._shared is not None:
            self._shared().forget(key)

    @property
    def is_shared(self) -> bool:
        """Whether others may know what is not here."""
        return self._shared is not None

    def lacks(self, key: bytes) -> bool:
        """Whether it is not here, and others may know it."""
        entry = self._entries.get(key)
        return self.is_shared and (entry is None or entry.until <= self._clock.seconds())

    async def fetch(self, keys: Sequence[bytes]) -> None:
        """Takes from others what they know of these; takes a moment at most."""
        found = {} if self._shared is None else await self._shared().find(keys)
        now = self._clock.seconds()
        for key, signature in found.items():
            if self.lacks(key):  # still: an answer may have brought it meanwhile
                life = self._seconds if signature else ABSENT_FOR
                self._hold(key, _Entry(signature, now + life, now - TOUCHED_EACH), now)

    def _hold(self, key: bytes, entry: _Entry, now: float) -> None:
        self._drop(key)
        self._entries[key] = entry
        self._size += len(entry.signature)
        while self._entries and (self._is_full() or next(iter(self._entries.values())).until <= now):
            _, oldest = self._entries.popitem(last=False)
            self._size -= len(oldest.signature)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= len(entry.signature)

    def _is_full(self) -> bool:
        return len(self._entries) > self._max_entries or self._size > self._max_size


#: finds the signature of a part of that kind, empty: there is none; whether its model needs one there
_Find = Callable[[bytes, bytes, bool], str]


class ConversationSignatures:
    """A conversation's signatures, for one request: puts back what its client dropped, takes what its answer brings.

    ``owner`` is the name of the client's key. ``conversation`` is the call's ``conversation_id``.
    """

    __slots__ = ("_model", "_owner", "_restored", "_scope", "_store", "conversation")

    def __init__(self, store: Signatures, owner: str, call: Call, model: Model) -> None:
        self._store = store
        self._owner = owner
        self._model = model
        self._scope = b""
        self._restored: list[bytes] = []
        self.conversation = conversation_id(call)

    def serve(self, model: Model) -> None:
        """From now on it is this model that serves."""
        self._model = model

    def beside(self, call: Call) -> ConversationSignatures:
        """The same for another call of the same request."""
        return ConversationSignatures(self._store, self._owner, call, self._model)

    def call_signed(self, identity: str, signature: str) -> None:
        """A call of this id, as the client knows it, was signed."""
        self._put(b"call", identity.encode("utf-8", "replace"), signature)

    def thought_signed(self, digest: bytes, signature: str) -> None:
        """A thought was signed; ``digest`` is ``new_digest``'s of its text."""
        self._put(b"thought", digest, signature)

    async def recall(self, call: Call) -> None:
        """Has the store ask others for signatures that the call's model wants and that are missing here."""
        missing: list[bytes] = []

        def note(kind: bytes, what: bytes, wanted: bool) -> str:
            key = self._key(kind, what)
            if wanted and self._store.lacks(key):
                missing.append(key)
            return ""

        self._filled(call, note)
        if missing:
            await self._store.fetch(missing)

    def restored(self, call: Call) -> Call:
        """The call with the signatures that its model wants, as far as they are remembered."""
        return self._filled(call, self._get) if len(self._store) else call

    def _filled(self, call: Call, find: _Find) -> Call:
        if self._model.needs_signatures:
            missing, put_back = _lacks_call, _calls
        elif self._model.family == "claude":
            missing, put_back = _lacks_thought, _thoughts
        else:
            return call
        if not any(missing(part) for turn in call.contents for part in turn.parts):
            return call
        turns = merged(call.contents)  # some clients keep a turn for each piece of an answer
        contents = (
            Content(turn.role, tuple(put_back(turn.parts, find))) if any(map(missing, turn.parts)) else turn
            for turn in turns
        )
        return replace(call, contents=tuple(contents))

    def forget(self) -> None:
        """A signature that was put back was refused: it is forgotten."""
        for key in self._restored:
            self._store.forget(key)

    def _get(self, kind: bytes, what: bytes, wanted: bool) -> str:
        key = self._key(kind, what)
        signature = self._store.get(key)
        if signature:
            self._restored.append(key)
        return signature

    def _put(self, kind: bytes, what: bytes, signature: str) -> None:
        self._store.put(self._key(kind, what), made_by(self._model.maker, signature))

    def _key(self, kind: bytes, what: bytes) -> bytes:
        if not self._scope:
            whose = hashlib.blake2b(self._owner.encode(), digest_size=32).digest() + self.conversation.encode()
            self._scope = hashlib.blake2b(whose, digest_size=16).digest()
        return hashlib.blake2b(what, key=self._scope, person=kind, digest_size=16).digest()


def new_digest() -> hashlib.blake2b:
    """Collects the text of a thought, for ``ConversationSignatures.thought_signed``."""
    return hashlib.blake2b(digest_size=16)


def _calls(parts: tuple[Part, ...], find: _Find) -> Iterator[Part]:
    """Of calls side by side the first is signed, seldom another (translation.md 2.6)."""
    is_first = True
    for part in parts:
        if _lacks_call(part) and part.function_call is not None:
            identity = part.function_call.id.encode("utf-8", "replace")
            yield replace(part, thought_signature=find(b"call", identity, is_first))
        else:
            yield part
        is_first = is_first and part.function_call is None


def _thoughts(parts: tuple[Part, ...], find: _Find) -> Iterator[Part]:
    """A thought may come back in pieces. A piece that is signed, or whose next piece is signed, stays unchanged."""
    run: list[Part] = []
    for part in (*parts, None):
        if part is not None and _lacks_thought(part):
            run.append(part)
            continue
        carried = part is not None and part.thought and not part.text
        if run and not carried:
            digest = new_digest()
            for piece in run:
                digest.update((piece.text or "").encode("utf-8", "replace"))
            if signature := find(b"thought", digest.digest(), True):
                text = "".join(piece.text or "" for piece in run)
                run = [Part(text=text, thought=True, thought_signature=signature)]
        yield from run
        run = []
        if part is not None:
            yield part


def _lacks_call(part: Part) -> bool:
    return part.function_call is not None and not part.thought_signature and bool(part.function_call.id)


def _lacks_thought(part: Part) -> bool:
    return part.thought and bool(part.text) and not part.thought_signature
