"""Thought signatures for clients that drop them: put back where they belong, and nowhere else; bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace
from support.models import MODELS
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.content import Content, FunctionCall, Part
from antigravity_proxy.relay.conversation import ConversationSignatures, new_digest
from antigravity_proxy.relay.signatures import ABSENT_FOR, KEPT_FOR, MAX_LENGTH, TOUCHED_EACH, Signatures

FLASH, SONNET, OSS = MODELS["gemini-3-flash"], MODELS["claude-sonnet-4-6"], MODELS["gpt-oss-120b-medium"]
IMAGE = MODELS["gemini-3-pro-image"]


def called(identity: str = "c1", signature: str = "") -> Part:
    return Part(function_call=FunctionCall("f", Raw(b"{}"), identity), thought_signature=signature)


def thought(text: str, signature: str = "") -> Part:
    return Part(text=text, thought=True, thought_signature=signature)


def call(*parts: Part, opening: str = "?", **fields: Any) -> Call:
    asked = Content("user", (Part(text=opening),))
    return Call("gemini-3-flash", (asked, Content("model", parts)) if parts else (asked,), **fields)


def memory(store: Signatures, made: Call, model: Any = FLASH, owner: str = "laptop") -> ConversationSignatures:
    return ConversationSignatures(store, owner, made, model)


def restored(store: Signatures, made: Call, model: Any = FLASH, owner: str = "laptop") -> tuple[Part, ...]:
    return memory(store, made, model, owner).restored(made).contents[1].parts


def digest(text: str) -> bytes:
    made = new_digest()
    made.update(text.encode())
    return made.digest()


def test_a_call_gets_its_signature_back() -> None:
    store = Signatures(Clock())
    asked = call(called(), called("c2"), called(""))
    assert restored(store, asked) == (called(), called("c2"), called(""))
    memory(store, call()).call_signed("c1", "U2ln")
    assert restored(store, asked) == (called("c1", "gemini@accounts:U2ln"), called("c2"), called(""))
    assert restored(store, call(called("c1", "own"))) == (called("c1", "own"),)


def test_another_conversation_client_or_family_gets_nothing() -> None:
    store = Signatures(Clock())
    memory(store, call(session="s")).call_signed("c1", "U2ln")
    assert restored(store, call(called(), session="s")) == (called("c1", "gemini@accounts:U2ln"),)
    for other in (
        call(called(), session="t"),
        call(called()),
        call(called(), session="s", opening="another"),
        call(called(), session="s", system=("another",)),
    ):
        assert restored(store, other) == (called(),)
    assert restored(store, call(called(), session="s"), owner="phone") == (called(),)
    for model in (SONNET, OSS, IMAGE):
        assert restored(store, call(called(), session="s"), model) == (called(),)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((thought("hm"), called()), (thought("hm", "claude@accounts:U2ln"), called())),
        ((thought("h"), thought("m"), called()), (thought("hm", "claude@accounts:U2ln"), called())),
        ((thought("h"), thought("m")), (thought("hm", "claude@accounts:U2ln"),)),
        ((Part(text="so"), thought("hm")), (Part(text="so"), thought("hm", "claude@accounts:U2ln"))),
        (
            (thought("hm"), thought("other", "claude:own")),
            (thought("hm", "claude@accounts:U2ln"), thought("other", "claude:own")),
        ),
        # in pieces that bring their signature along
        ((thought("h"), thought("m"), thought("", "claude:own")), None),
        ((thought("hm", "claude:own"), called()), None),
        ((thought("other"), called()), None),
        ((thought("h"), called(), thought("m")), None),
    ],
)
def test_a_thought_gets_its_signature_back(parts: tuple[Part, ...], expected: tuple[Part, ...] | None) -> None:
    store = Signatures(Clock())
    memory(store, call(), SONNET).thought_signed(digest("hm"), "U2ln")
    assert restored(store, call(*parts), SONNET) == (parts if expected is None else expected)
    assert restored(store, call(*parts), FLASH) == parts


def test_a_thought_may_come_back_in_turns_of_its_own() -> None:
    store = Signatures(Clock())
    memory(store, call(), SONNET).thought_signed(digest("hm"), "U2ln")

    def back(*pieces: Part) -> Any:
        made = replace(call(), contents=(*call().contents, *(Content("model", (piece,)) for piece in pieces)))
        return memory(store, made, SONNET).restored(made).contents[1:]

    signed = thought("hm", "claude@accounts:U2ln")
    assert back(thought("h"), thought("m"), called()) == (Content("model", (signed, called())),)
    pieces = (thought("h"), thought("m"), thought("", "claude:own"), called())  # its own comes along
    assert back(*pieces) == (Content("model", pieces),)


def test_what_upstream_refused_is_forgotten() -> None:
    store = Signatures(Clock())
    for identity in ("c1", "c2"):
        memory(store, call()).call_signed(identity, "U2ln")
    asked = call(called("c2"))
    using = memory(store, asked)
    using.restored(asked)
    using.forget()
    assert len(store) == 1
    assert restored(store, asked) == (called("c2"),)


def test_all_that_a_refused_request_got_back_is_forgotten() -> None:
    store = Signatures(Clock())
    turns = (Content("model", (called("c1"),)), Content("user", (Part(text="!"),)), Content("model", (called("c2"),)))
    asked = replace(call(), contents=(*call().contents, *turns))
    memory(store, asked).forget()  # it got nothing back
    for identity in ("c1", "c2"):
        memory(store, asked).call_signed(identity, "U2ln")
    using = memory(store, asked)
    assert using.restored(asked) != asked
    using.forget()
    assert not len(store)


def test_calls_beside_one_another_are_conversations_of_their_own() -> None:
    store = Signatures(Clock())
    one = memory(store, call())
    one.beside(call(opening="another")).call_signed("c1", "U2ln")
    assert restored(store, call(called())) == (called(),)
    assert restored(store, call(called(), opening="another")) == (called("c1", "gemini@accounts:U2ln"),)
    assert one.beside(call()).conversation == one.conversation


def test_an_unused_signature_is_kept_for_an_hour() -> None:
    clock = Clock()
    store = Signatures(clock)
    store.put(b"a", "sig")
    for _ in range(3):
        clock.advance(KEPT_FOR - 1)
        assert store.get(b"a") == "sig"
    clock.advance(KEPT_FOR)
    assert store.get(b"a") == ""
    store.put(b"b", "sig")
    assert len(store) == 1


def test_it_is_bounded_and_the_longest_unused_go_first() -> None:
    store = Signatures(Clock(), entries=3, size=10)
    for key in (b"a", b"b", b"c"):
        store.put(key, "ss")
    store.get(b"a")
    store.put(b"d", "ss")
    assert [store.get(key) for key in (b"a", b"b", b"c", b"d")] == ["ss", "", "ss", "ss"]
    store.put(b"e", "s" * 8)  # with it only one more
    assert (len(store), store.get(b"d"), store.get(b"e")) == (2, "ss", "s" * 8)
    store.put(b"e", "s")
    assert store._size == 3
    store.put(b"f", "s" * 11)  # more than fits at all
    assert (len(store), store._size) == (0, 0)


def test_a_signature_of_no_sensible_length_is_not_kept() -> None:
    store = Signatures(Clock())
    store.put(b"a", "")
    store.put(b"b", "s" * (MAX_LENGTH + 1))
    assert len(store) == 0


def test_nothing_of_a_conversation_stands_in_the_store() -> None:
    store = Signatures(Clock())
    asked = replace(call(), session="its name", system=("secret prompt",))
    memory(store, asked).call_signed("call_id", "U2ln")
    memory(store, asked, SONNET).thought_signed(digest("secret thought"), "U2ln")
    held = repr(store._entries)
    assert "U2ln" in held
    for word in ("secret", "name", "call_id", "laptop"):
        assert word not in held


class Elsewhere:
    """What all replicas find: ``found`` by digest. It says what it was told and asked."""

    def __init__(self) -> None:
        self.found: dict[bytes, str] = {}
        self.touched: list[bytes] = []
        self.asked: list[int] = []
        self.answers = True

    def remember(self, digest: bytes, signature: str) -> None:
        self.found[digest] = signature

    def touch(self, digest: bytes) -> None:
        self.touched.append(digest)

    def forget(self, digest: bytes) -> None:
        self.found.pop(digest, None)

    async def find(self, digests: Sequence[bytes]) -> dict[bytes, str]:
        self.asked.append(len(digests))
        return {digest: self.found.get(digest, "") for digest in digests} if self.answers else {}


class Farm:
    """Two replicas' stores over one ``elsewhere``."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.elsewhere = Elsewhere()
        self.one, self.two = (Signatures(self.clock, lambda: self.elsewhere) for _ in range(2))

    def through(self, store: Signatures, made: Call, model: Any = FLASH) -> tuple[Part, ...]:
        """The parts of a request that comes in there."""
        using = memory(store, made, model)
        recalling = Deferred.fromCoroutine(using.recall(made))
        assert recalling.called
        recalling.addErrback(lambda failure: failure.raiseException())
        return using.restored(made).contents[1].parts


def test_what_one_replica_saw_signed_another_puts_back_and_asks_for_once() -> None:
    farm = Farm()
    memory(farm.one, call()).call_signed("c1", "U2ln")
    memory(farm.one, call(), SONNET).thought_signed(digest("hm"), "U2ln")
    for _ in range(2):
        assert farm.through(farm.two, call(called())) == (called("c1", "gemini@accounts:U2ln"),)
        assert farm.through(farm.two, call(thought("hm")), SONNET) == (thought("hm", "claude@accounts:U2ln"),)
    assert farm.elsewhere.asked == [1, 1]


def test_others_are_asked_only_for_what_the_model_wants_and_nobody_here_has() -> None:
    farm = Farm()
    memory(farm.one, call()).call_signed("c1", "U2ln")
    for parts in ((), (called(),), (called("own", "gemini:own"),), (Part(text="so"), called(), called("beside it"))):
        made = call(Part(text="so"), *parts)
        assert len(farm.through(farm.one, made)) == len(parts) + 1
    farm.through(farm.one, call(called("strange"), thought("hm")), OSS)
    assert farm.elsewhere.asked == []
    farm.through(farm.one, call(called("strange"), called("beside it")))
    assert farm.elsewhere.asked == [1]


def test_what_nobody_has_is_not_asked_for_again_for_a_minute_unless_nobody_answered() -> None:
    farm = Farm()
    farm.elsewhere.answers = False
    farm.through(farm.two, call(called()))
    farm.elsewhere.answers = True
    for _ in range(2):
        assert farm.through(farm.two, call(called())) == (called(),)
    assert farm.elsewhere.asked == [1, 1]
    farm.clock.advance(ABSENT_FOR)
    memory(farm.one, call()).call_signed("c1", "U2ln")
    assert farm.through(farm.two, call(called())) == (called("c1", "gemini@accounts:U2ln"),)


def test_what_is_used_lives_on_elsewhere_and_what_was_refused_does_not() -> None:
    farm = Farm()
    memory(farm.one, call()).call_signed("c1", "U2ln")
    farm.through(farm.one, call(called()))
    assert farm.elsewhere.touched == []  # told a moment ago
    farm.through(farm.two, call(called()))
    farm.through(farm.two, call(called()))
    assert len(farm.elsewhere.touched) == 1
    farm.clock.advance(TOUCHED_EACH)
    using = memory(farm.one, call(called()))
    using.restored(call(called()))
    assert len(farm.elsewhere.touched) == 2
    using.forget()
    assert farm.elsewhere.found == {}


def test_an_answer_that_comes_while_others_are_asked_counts() -> None:
    farm = Farm()
    asking: Deferred[dict[bytes, str]] = Deferred()
    keys: list[bytes] = []

    async def find(digests: Sequence[bytes]) -> dict[bytes, str]:
        keys.extend(digests)
        return await asking

    farm.elsewhere.find = find  # type: ignore[method-assign]
    using = memory(farm.one, call(called()))
    recalling = Deferred.fromCoroutine(using.recall(call(called())))
    using.call_signed("c1", "U2ln")
    asking.callback({keys[0]: ""})
    assert recalling.called
    assert restored(farm.one, call(called())) == (called("c1", "gemini@accounts:U2ln"),)


def test_a_process_alone_asks_nobody() -> None:
    store = Signatures(Clock())
    for coroutine in (memory(store, call(called())).recall(call(called())), store.fetch([b"a"])):
        assert Deferred.fromCoroutine(coroutine).called
    assert len(store) == 0
