"""The order of turns, the pairing of calls and results, and signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from support.models import MODELS

from antigravity_proxy.canonical.content import Blob, Content, FileData, FunctionCall, FunctionResponse, Part, RichPart
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.generatecontent.names import NameMap
from antigravity_proxy.generatecontent.turns import DUMMY_SIGNATURE, arrange, can_think

GEMINI, GEMINI_2, CLAUDE = MODELS["gemini-3-flash"], MODELS["gemini-2.5-flash"], MODELS["claude-sonnet-4-6"]
GPT, NEWER, IMAGE = MODELS["gpt-oss-120b-medium"], MODELS["gemini-3.6-flash-high"], MODELS["gemini-3-pro-image"]
CONTINUE = "Continue from where the last message ends, without repeating it."
INTERRUPTED = {"error": "no result: the call was interrupted"}
PNG = Part(inline_data=Blob("image/png", "AAAA"))


def text(value: str, **more: Any) -> Part:
    return Part(text=value, **more)


def call(name: str = "f", identity: str = "", signature: str = "", args: bytes = b'{"a":1}') -> Part:
    return Part(function_call=FunctionCall(name, Raw(args), identity), thought_signature=signature)


def result(name: str = "f", identity: str = "", output: str = "ok", *parts: Part) -> Part:
    response = Raw(msgspec.json.encode({"output": output}))
    return Part(function_response=FunctionResponse(name, response, identity, parts))


def thought(signature: str = "", value: str = "hm") -> Part:
    return Part(text=value, thought=True, thought_signature=signature)


def user(*parts: Part) -> Content:
    return Content("user", parts)


def model(*parts: Part) -> Content:
    return Content("model", parts)


def arranged(contents: Sequence[Content], target: Model = GEMINI, names: Sequence[str] = (), **more: Any) -> Any:
    """The turns as plain data: (role, parts)."""
    turns = arrange(contents, target, NameMap(names), **more)
    return [(turn["role"], turn["parts"]) for turn in msgspec.json.decode(msgspec.json.encode(turns))]


def test_neighbours_of_one_role_become_one_turn_and_parts_keep_their_order() -> None:
    signed = text("b", thought_signature="c2ln")
    contents = [
        user(text("1")),
        user(text("2"), PNG),
        model(text("a")),
        model(signed),
        model(text("c")),
        user(text("3")),
    ]
    assert arranged(contents) == [
        ("user", [{"text": "1"}, {"text": "2"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]),
        ("model", [{"text": "a"}, {"text": "b", "thoughtSignature": "c2ln"}, {"text": "c"}]),
        ("user", [{"text": "3"}]),
    ]


@pytest.mark.parametrize("target", MODELS.values(), ids=lambda target: target.id)
def test_plain_talk_stays_as_it_is(target: Model) -> None:
    talk = [user(text("a")), model(text("b")), user(text("c"))]
    assert arrange(talk, target, NameMap([])) == talk
    assert arrange(talk[:1], target, NameMap([])) == talk[:1]


def test_what_gemini_alone_reads_of_a_part_goes_to_gemini_alone() -> None:
    rich = RichPart(text="a", part_metadata=Raw(b'{"x":1}'))
    assert arrange([user(rich)], GEMINI, NameMap([])) == [user(rich)]
    assert arrange([user(rich)], CLAUDE, NameMap([])) == [user(text("a"))]


def test_empty_parts_and_turns_go_and_a_missing_role_is_the_users() -> None:
    contents = [Content("", (text("1"),)), model(text(""), Part()), user(text(" "), text("")), Content("user")]
    assert arranged(contents) == [("user", [{"text": "1"}, {"text": " "}])]


def test_parts_stand_in_the_turns_of_those_whose_they_are() -> None:
    mixed = user(text("q", thought_signature="c2ln"), thought("c2ln"), call("f", "1", "c2ln"), result("f", "1"))
    assert arranged([mixed, model(result("g", "2"), text("a"))]) == [
        ("user", [{"text": "q"}]),
        ("model", [
            {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "f", "args": {"a": 1}, "id": "1"}, "thoughtSignature": "c2ln"},
        ]),
        ("user", [
            {"functionResponse": {"name": "f", "response": {"output": "ok"}, "id": "1"}},
            {"text": "[result of an unknown tool call 2]\nok"},
        ]),
        ("model", [{"text": "a"}]),
    ]  # fmt: skip


def test_parts_of_every_kind_stay() -> None:
    code, outcome = Part(executable_code=Raw(b'{"code":"1"}')), Part(code_execution_result=Raw(b'{"output":"1"}'))
    file = Part(file_data=FileData("gs://x", "text/plain"))
    assert arranged([user(file), model(code, outcome), user(text("?"))]) == [
        ("user", [{"fileData": {"fileUri": "gs://x", "mimeType": "text/plain"}}]),
        ("model", [{"executableCode": {"code": "1"}}, {"codeExecutionResult": {"output": "1"}}]),
        ("user", [{"text": "?"}]),
    ]


@pytest.mark.parametrize("contents", [[], [user()], [model(text("a")), user(text("b"))]])
def test_the_first_turn_is_the_users(contents: list[Content]) -> None:
    first = arranged(contents)[0]
    assert first == ("user", [{"text": "."}])


@pytest.mark.parametrize(
    ("target", "more", "continued"),
    [
        (GEMINI, {}, False),
        (GEMINI, {"prefill": False}, True),
        (NEWER, {}, True),
        (CLAUDE, {}, True),
        (GPT, {}, True),
    ],
)
def test_an_answer_that_is_begun_is_continued(target: Model, more: dict[str, bool], continued: bool) -> None:
    turns = arranged([user(text("q")), model(text("Once "))], target, **more)
    assert turns[1] == ("model", [{"text": "Once "}])
    assert turns[2:] == ([("user", [{"text": CONTINUE}])] if continued else [])


# -- calls and results


def test_results_come_in_the_order_of_calls_whatever_turns_they_came_in() -> None:
    contents = [
        user(text("q")),
        model(call("f", "1"), call("g", "2"), call("f", "3")),
        user(text("by the way"), result("f", "3", "three")),
        user(result("g", "2", "two"), result("f", "1", "one")),
    ]
    answers = [
        {"functionResponse": {"name": name, "response": {"output": output}, "id": identity}}
        for name, output, identity in (("f", "one", "1"), ("g", "two", "2"), ("f", "three", "3"))
    ]
    assert arranged(contents)[2] == ("user", [*answers, {"text": "by the way"}])


def test_without_ids_results_belong_to_calls_by_name_in_order() -> None:
    turns = arranged(
        [user(text("q")), model(call("f"), call("g"), call("f")), user(result("f", "", "1"), result("f", "", "2"))]
    )
    assert [(p["functionResponse"]["name"], p["functionResponse"]["response"]) for p in turns[2][1]] == [
        ("f", {"output": "1"}),
        ("g", INTERRUPTED),
        ("f", {"output": "2"}),
    ]  # fmt: skip


@pytest.mark.parametrize("target", [GEMINI, CLAUDE])
def test_an_id_on_one_side_alone_does_not_part_them(target: Model) -> None:
    for asked, answered in (("", "made_up"), ("1", "")):
        turns = arranged([user(text("q")), model(call("f", asked)), user(result("f", answered))], target)
        assert turns[2][1][0]["functionResponse"]["response"] == {"output": "ok"}


def test_a_call_by_id_is_found_before_one_by_name() -> None:
    turns = arranged(
        [user(text("q")), model(call("f"), call("f", "2")), user(result("f", "2", "two"), result("f", "", "one"))]
    )
    assert [p["functionResponse"]["response"]["output"] for p in turns[2][1]] == ["one", "two"]


def test_missing_results_are_filled_in_the_middle_and_at_the_end() -> None:
    turns = arranged([user(text("q")), model(call("f", "1")), user(text("stop")), model(call("g", "2"))])
    assert turns[2] == (
        "user",
        [{"functionResponse": {"name": "f", "response": INTERRUPTED, "id": "1"}}, {"text": "stop"}],
    )
    assert turns[4] == ("user", [{"functionResponse": {"name": "g", "response": INTERRUPTED, "id": "2"}}])


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        (b'{"output":"4 C"}', "4 C"),
        (b'{"output":4}', '{"output":4}'),
        (b'{"a":"x","b":1}', '{"a":"x","b":1}'),
        (b"", ""),
        (b"{broken", "{broken"),
    ],
)
def test_a_result_without_its_call_becomes_text(response: bytes, shown: str) -> None:
    orphan = Part(function_response=FunctionResponse("f", Raw(response), "9", (PNG,)))
    note = {"text": f"[result of an unknown tool call 9]\n{shown}"}
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    assert arranged([user(orphan)]) == [("user", [note, image])]
    turns = arranged([user(text("q")), model(call("f", "1")), user(orphan, result("f", "1"))])
    assert turns[2][1][1:] == [note, image]


def test_a_result_without_an_id_and_a_call_is_told_by_its_name() -> None:
    assert arranged([user(result("f"))])[0][1] == [{"text": "[result of an unknown tool call f]\nok"}]


def test_media_stand_within_results_for_gemini_3_and_behind_them_for_others() -> None:
    contents = [
        user(text("q")),
        model(thought("RQ=="), call("f", "1"), call("g", "2")),
        user(text("and?"), result("f", "1", "see", PNG), result("g", "2")),
    ]
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    first = {"functionResponse": {"name": "f", "response": {"output": "see"}, "id": "1"}}
    second = {"functionResponse": {"name": "g", "response": {"output": "ok"}, "id": "2"}}
    for target in (GEMINI_2, CLAUDE):
        assert arranged(contents, target)[2][1] == [first, second, image, {"text": "and?"}]
    within = {"functionResponse": {**first["functionResponse"], "parts": [image]}}
    assert arranged(contents)[2][1] == [within, second, {"text": "and?"}]


def test_names_are_rewritten_in_calls_and_results() -> None:
    turns = arranged([user(text("q")), model(call("a b")), user(result("a b"))], names=["a b"])
    assert turns[1][1][0]["functionCall"]["name"] == turns[2][1][0]["functionResponse"]["name"] == "a_b"


def test_claude_gets_ids_that_it_accepts() -> None:
    contents = [
        user(text("q")),
        model(call("f", "a.b/c"), call("f")),
        user(result("f", "a.b/c", "1"), result("f", "", "2")),
    ]
    turns = arranged(contents, CLAUDE)
    assert [p["functionCall"]["id"] for p in turns[1][1]] == ["a_b_c", "call_1_1"]
    assert [(p["functionResponse"]["id"], p["functionResponse"]["response"]["output"]) for p in turns[2][1]] == [
        ("a_b_c", "1"),
        ("call_1_1", "2"),
    ]
    assert "id" not in arranged(contents)[1][1][1]["functionCall"]  # Gemini needs none


def test_missing_arguments_and_responses_are_empty_objects() -> None:
    contents = [user(text("q")), model(call("f", args=b"")), user(Part(function_response=FunctionResponse("f")))]
    turns = arranged(contents, GEMINI_2)
    assert turns[1][1] == [{"functionCall": {"name": "f", "args": {}}}]
    assert turns[2][1] == [{"functionResponse": {"name": "f", "response": {}}}]


# -- signatures


def signatures(turns: Any) -> list[str]:
    return [part.get("thoughtSignature", "") for role, parts in turns if role == "model" for part in parts]


STEPS = [
    user(text("q")),
    model(call("f", "1"), call("g", "2")),
    user(result("f", "1"), result("g", "2")),
    model(text("so"), call("f", "3", "c2ln"), call("f", "4")),
    user(result("f", "3"), result("f", "4")),
]


def test_gemini_3_gets_a_signature_on_the_first_call_of_every_step() -> None:
    assert signatures(arranged(STEPS)) == [DUMMY_SIGNATURE, "", "", "c2ln", ""]
    assert signatures(arranged(STEPS, lost_signatures=True)) == [DUMMY_SIGNATURE, "", "", DUMMY_SIGNATURE, ""]


@pytest.mark.parametrize("target", [GEMINI_2, IMAGE])
def test_where_signatures_are_not_needed_none_is_made_up(target: Model) -> None:
    assert signatures(arranged(STEPS, target)) == ["", "", "", "c2ln", ""]
    assert signatures(arranged(STEPS, target, lost_signatures=True)) == [""] * 5


def test_gemini_keeps_thoughts_that_carry_a_signature() -> None:
    contents = [user(text("q")), model(thought(), thought("c2ln"), text("a")), user(text("b"))]
    assert arranged(contents)[1] == (
        "model",
        [{"text": "hm", "thought": True, "thoughtSignature": "c2ln"}, {"text": "a"}],
    )
    assert arranged(contents, lost_signatures=True)[1] == ("model", [{"text": "a"}])


def test_a_turn_of_thoughts_alone_goes_and_its_neighbours_meet() -> None:
    assert arranged([user(text("q")), model(thought()), user(text("b"))]) == [("user", [{"text": "q"}, {"text": "b"}])]


LOOP = [
    user(text("q")),
    model(thought("Rold"), call("f", "1", "R2VtaW5p")),
    user(result("f", "1")),
    model(text("done")),
    user(text("again")),
    model(thought("Rnew"), thought(), call("f", "2")),
    user(result("f", "2"), text("the user adds a word")),
]


def test_claude_keeps_every_signed_thought() -> None:
    """Of earlier turns too: the prompt cache goes on behind them (translation.md 2.6)."""
    turns = arranged(LOOP, CLAUDE)
    assert signatures(turns) == ["Rold", "", "", "Rnew", ""]
    assert [part.get("thought", False) for _, parts in turns for part in parts if "functionResponse" not in part] == [
        False, True, False, False, False, True, False, False,
    ]  # fmt: skip
    assert signatures(arranged(LOOP, CLAUDE, lost_signatures=True)) == ["", "", ""]
    assert can_think(arrange(LOOP, CLAUDE, NameMap(())), CLAUDE)


def test_claude_is_told_nothing_that_anthropic_refuses() -> None:
    """White space alone, and the id of a call twice; names and ids go back to what they were by themselves."""
    said = [
        user(text("q"), text("  \n")),
        model(text("\n"), call("f", "1"), call("f", "1")),
        user(result("f", "1"), result("f", "1"), text(" ")),
        model(text("\t"), call("f", "1")),
        user(result("f", "1")),
        model(text("  ")),
    ]
    turns = arranged(said, CLAUDE)
    identities = [part["functionCall"]["id"] for _, parts in turns for part in parts if "functionCall" in part]
    assert identities == ["1", "1_2", "1_3"]
    answered = [part["functionResponse"]["id"] for _, parts in turns for part in parts if "functionResponse" in part]
    assert answered == identities
    assert [part["text"] for _, parts in turns for part in parts if "text" in part] == ["q"]
    assert [part["text"] for _, parts in arranged(said, GEMINI) for part in parts if "text" in part] == [
        "q", "  \n", "\n", " ", "\t", "  ",
    ]  # fmt: skip


def test_a_signature_that_came_alone_goes_back_alone() -> None:
    alone = Part(text="", thought_signature="c2ln")
    said = [user(text("q")), model(text("a"), alone), user(text("more"))]
    assert [list(map(dict, parts)) for role, parts in arranged(said, GEMINI) if role == "model"] == [
        [{"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}]
    ]
    assert [parts for role, parts in arranged(said, CLAUDE) if role == "model"] == [[{"text": "a"}]]
    assert [parts for role, parts in arranged([user(alone, text("q"))], GEMINI)] == [[{"text": "q"}]]


@pytest.mark.parametrize(
    ("thoughts", "sent"),
    [
        ([thought("", "Add "), thought("", "them."), thought("R", "")], [("R", "Add them.")]),
        ([thought("", "lost"), thought("R", "whole")], [("R", "whole")]),
        ([thought("", "Add."), thought("R", ""), thought("S", "")], [("R", "Add."), ("S", "")]),
        ([thought("", "lost"), thought("gemini:R", ""), thought("S", "")], [("S", "")]),
        ([thought("", "lost"), text("a"), thought("R", "")], [("R", "")]),
    ],
)
def test_claudes_streamed_thought_is_whole_again(thoughts: list[Part], sent: list[tuple[str, str]]) -> None:
    """It arrives in pieces, the signature alone at the end; Gemini's clients give them back so."""
    pieces = [model(piece) for piece in thoughts]
    turns = arranged([user(text("q")), *pieces, model(call("f", "1")), user(result("f", "1"))], CLAUDE)
    found = [part for part in turns[1][1] if part.get("thought")]
    assert [(part["thoughtSignature"], part["text"]) for part in found] == sent


def test_others_get_neither_thoughts_nor_signatures() -> None:
    for turns in (arranged(LOOP, GPT), arranged(LOOP, CLAUDE, lost_signatures=True)):
        assert signatures(turns) == ["", "", ""]


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (CLAUDE, [("RXM=", "hm"), ("RXM=", "")]),
        (GEMINI, [("R2VtaW5p", "hm")]),
        (GPT, []),
    ],
)
def test_a_signature_goes_to_the_family_that_made_it(target: Model, sent: list[tuple[str, str]]) -> None:
    thoughts = (thought("claude:RXM="), thought("claude:RXM=", ""), thought("gemini:R2VtaW5p"), thought("gemini:R", ""))
    turns = arranged([user(text("q")), model(*thoughts, call("f", "1")), user(result("f", "1"))], target)
    found = [part for part in turns[1][1] if part.get("thought")]
    assert [(part["thoughtSignature"], part["text"]) for part in found] == sent


def test_a_call_that_another_family_signed_counts_as_unsigned() -> None:
    asked = [user(text("q")), model(call("f", "1", "claude:RXM="), call("g", "2")), user(result("f", "1"))]
    assert signatures(arranged(asked)) == [DUMMY_SIGNATURE, ""]
    own = [user(text("q")), model(call("f", "1", "gemini:R2VtaW5p")), user(result("f", "1"))]
    assert signatures(arranged(own)) == ["R2VtaW5p"]
    assert signatures(arranged(own, lost_signatures=True)) == [DUMMY_SIGNATURE]
    assert signatures(arranged(own, CLAUDE)) == [""]


@pytest.mark.parametrize(
    ("contents", "thinks"),
    [
        ([user(text("q"))], True),
        ([user(text("q")), model(text("a")), user(text("b"))], True),
        ([user(text("q")), model(call("f", "1")), user(result("f", "1"))], False),
        ([user(text("q")), model(thought(), call("f", "1")), user(result("f", "1"))], False),
        ([user(text("q")), model(thought("R"), call("f", "1")), user(result("f", "1"))], True),
        ([user(text("q")), model(text("first"), thought("R"), call("f", "1")), user(result("f", "1"))], False),
        ([user(text("q")), model(thought("R"), call("f", "1")), user(result("f", "1", "ok", PNG))], True),
        ([user(text("q")), model(call("f", "1")), user(result("f", "1")), model(text("a")), user(text("b"))], True),
        ([user(text("q")), model(call("f", "1")), user(result("f", "1")), model(text("a"))], True),
        ([user(result("f", "1"))], True),
    ],
)
def test_claude_thinks_unless_the_current_turns_calls_lack_their_thought(contents: list[Content], thinks: bool) -> None:
    assert can_think(arrange(contents, CLAUDE, NameMap(())), CLAUDE) is thinks
    assert can_think(arrange(contents, GEMINI, NameMap(())), GEMINI)


def test_a_conversation_without_a_question_may_think() -> None:
    assert can_think([], CLAUDE)


def test_the_input_is_not_changed() -> None:
    before = msgspec.json.encode(LOOP)
    arrange(LOOP, CLAUDE, NameMap(()))
    assert msgspec.json.encode(LOOP) == before


def test_thousands_of_tiny_turns_take_linear_time() -> None:
    contents = [user(text("q")), *(model(text(str(i))) for i in range(50_000)), user(text("?"))]
    assert len(arranged(contents)[1][1]) == 50_000


def test_a_signature_that_is_lost_takes_its_empty_part_along() -> None:
    said = [user(text("q")), model(text("a"), Part(text="", thought_signature="c2ln")), user(text("more"))]
    for target, lost in ((GEMINI, True), (GPT, False)):
        turns = arranged(said, target, lost_signatures=lost)
        assert [parts for role, parts in turns if role == "model"] == [[{"text": "a"}]]
