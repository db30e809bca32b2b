"""Puts back the thought signatures that a conversation's client dropped (translation.md 2.6).

A signature is found by a digest of the client, the conversation, and the part that was signed: so no client gets the
signature of another conversation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.signature import made_by
from antigravity_proxy.generatecontent.request import conversation_id
from antigravity_proxy.generatecontent.turns import merged
from antigravity_proxy.relay.signatures import Signatures

#: finds the signature of a part of that kind, empty: there is none; whether its model needs one there
_Find = Callable[[bytes, bytes, bool], str]


class ConversationSignatures:
    """A conversation's signatures, for one request: puts back what its client dropped, takes what its answer brings.

    ``owner`` is the name of the client's key. ``conversation`` is the call's ``conversation_id``; ``model``
    the one that serves.
    """

    __slots__ = ("_owner", "_restored", "_scope", "_store", "conversation", "model")

    def __init__(self, store: Signatures, owner: str, call: Call, model: Model) -> None:
        self._store = store
        self._owner = owner
        self.model = model
        self._scope = b""
        self._restored: list[bytes] | None = None  # keys of what was put back
        self.conversation = conversation_id(call)

    def beside(self, call: Call) -> ConversationSignatures:
        """The same for another call of the same request."""
        return ConversationSignatures(self._store, self._owner, call, self.model)

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
        if self.model.needs_signatures:
            missing, put_back = _lacks_call, _calls
        elif self.model.family == "claude":
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
        for key in self._restored or ():
            self._store.forget(key)

    def _get(self, kind: bytes, what: bytes, wanted: bool) -> str:
        key = self._key(kind, what)
        signature = self._store.get(key)
        if signature:
            if self._restored is None:
                self._restored = []
            self._restored.append(key)
        return signature

    def _put(self, kind: bytes, what: bytes, signature: str) -> None:
        self._store.put(self._key(kind, what), made_by(self.model.maker, signature))

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
