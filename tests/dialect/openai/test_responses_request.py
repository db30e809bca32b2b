"""Responses requests: every kind of item and tool, the settings, and bodies that are wrong in every possible way."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from support.mutations import WRONG, Path, as_param, at, attempt, is_harmless, of_another_type, paths, replaced

from antigravity_proxy.canonical.call import Call, FunctionDeclaration, OutputFormat, Reasoning, Sampling, ToolChoice
from antigravity_proxy.canonical.catalogue import Catalogue
from antigravity_proxy.canonical.content import Blob, Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai import responses_request
from antigravity_proxy.dialect.openai.responses_request import ResponsesRequest, decode
from antigravity_proxy.errors import BadRequest, NotFound
from antigravity_proxy.generatecontent.request import prepare

STAMP = Stamp(1, lambda digits: "0" * digits)
USER: dict[str, Any] = {"role": "user", "content": "hi"}
PNG = Part(inline_data=Blob("image/png", "AAAA"))
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


def call(**fields: Any) -> Call:
    return decode(body(**fields)).call


def contents(*items: dict[str, Any], **fields: Any) -> tuple[Content, ...]:
    return call(input=list(items), **fields).contents


def refused(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        decode(body(**fields))
    return caught.value


def user(*parts: Part) -> Content:
    return Content("user", parts)


def model(*parts: Part) -> Content:
    return Content("model", parts)


def said(text: str) -> Part:
    return Part(text=text)


def called(name: str, args: bytes = b"{}", identity: str = "c1", signature: str = "") -> Part:
    return Part(function_call=FunctionCall(name, Raw(args), identity), thought_signature=signature)


def answered(name: str, output: str, identity: str = "c1", *files: Part, key: str = "output") -> Part:
    response = Raw(msgspec.json.encode({key: output}))
    return Part(function_response=FunctionResponse(name, response, identity, files))


HI = user(said("hi"))


# --- who says what ----------------------------------------------------------------------------------------------


def test_the_smallest_request_says_nothing_more() -> None:
    expected = Call("m", (HI,), reasoning=Reasoning(show=False))
    assert call() == expected
    assert call(input=[USER]) == expected
    assert call(input=[{"type": "message", **USER}]) == expected


def test_null_is_absent_and_unknown_fields_are_ignored() -> None:
    ignored = {"service_tier": 5, "client_metadata": {"a": 1}, "truncation": "auto", "max_tool_calls": 3}
    nulls = {name: None for name in ResponsesRequest.__struct_fields__ if name not in ("model", "input")}
    assert call(**nulls | ignored) == call()


def test_instructions_come_first_and_later_system_messages_stay_where_they_are() -> None:
    made = call(
        instructions="A",
        input=[
            {"role": "developer", "content": [{"type": "input_text", "text": "B"}]},
            {"role": "system", "content": "C"},
            USER,
            {"role": "developer", "content": "D"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "E"}]},
        ],
    )
    assert made.system == ("A", "B", "C")
    assert made.contents == (HI, user(said("<system>D</system>")), model(said("E")))


def test_system_texts_alone_are_the_users() -> None:
    made = call(instructions="A", input=[{"role": "developer", "content": "B"}])
    assert (made.contents, made.system) == ((user(said("A"), said("B")),), ())


@pytest.mark.parametrize(
    "nothing", ["", [], [{"role": "user", "content": []}], [{"role": "assistant", "content": "x"}]]
)
def test_somebody_must_say_something(nothing: Any) -> None:
    assert refused(input=nothing).param == "input"


def test_a_missing_input_is_named() -> None:
    assert refused(input=None).param == "input"


PARTS: list[tuple[Any, list[Part]]] = [
    ("x", [said("x")]),
    (None, []),
    ([{"type": "input_text", "text": "x"}], [said("x")]),
    ([{"type": "output_text", "text": "x", "annotations": [5], "logprobs": []}], [said("x")]),
    ([{"type": "text", "text": "x"}], [said("x")]),
    ([{"type": "refusal", "refusal": "no"}], [said("no")]),
    ([IMAGE, {"type": "input_text", "text": "x"}], [PNG, said("x")]),
    ([{"type": "input_file", "filename": "a.png", "file_data": "data:image/png;base64,AAAA"}], [PNG]),
    (
        [{"type": "input_file", "filename": "a.pdf", "file_data": "AAAA"}],
        [Part(inline_data=Blob("application/pdf", "AAAA"))],
    ),
    (
        [{"type": "input_file", "filename": "a.txt", "file_url": "data:text/plain,hello"}],
        [said('<document title="a.txt">\nhello\n</document>')],
    ),
    (
        [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}],
        [Part(inline_data=Blob("audio/mp3", "AAAA"))],
    ),
]


@pytest.mark.parametrize(("content", "parts"), PARTS)
def test_the_parts_of_messages(content: Any, parts: list[Part]) -> None:
    for role, speaker in (("user", "user"), ("assistant", "model")):
        expected = (HI, *((Content(speaker, tuple(parts)),) if parts else ()))
        assert contents(USER, {"role": role, "content": content}) == expected


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image", "file_id": "f"}, "file_id"),
        ({"type": "input_image"}, "image_url"),
        ({"type": "input_image", "image_url": "https://a.example/x.png"}, "image_url"),
        ({"type": "input_image", "image_url": "/etc/passwd"}, "image_url"),
        ({"type": "input_file", "file_id": "f"}, "file_id"),
        ({"type": "input_file"}, "file_data"),
        ({"type": "input_file", "file_url": "https://a.example/x.pdf"}, "file_url"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "../x"}}, "input_audio.format"),
        ({"type": "input_video"}, "type"),
    ],
)
def test_what_cant_be_passed_on_is_named(part: dict[str, Any], param: str) -> None:
    assert refused(input=[USER, {"role": "user", "content": [part]}]).param == f"input[1].content[0].{param}"


def test_only_text_instructs() -> None:
    error = refused(input=[{"role": "developer", "content": [{"type": "input_text", "text": "x"}, IMAGE]}])
    assert error.param == "input[0].content[1].type"


# --- calls and their results ------------------------------------------------------------------------------------

SHELL_ACTION = {"type": "exec", "command": ["ls"], "env": {}}
CALLS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "function_call", "name": "f", "arguments": '{"a": 1}', "namespace": None}, called("f", b'{"a": 1}')),
    ({"type": "function_call", "name": "f", "arguments": ""}, called("f")),
    ({"type": "function_call", "name": "f"}, called("f")),
    ({"type": "function_call", "name": "f", "arguments": "[1]"}, called("f", b'{"input":[1]}')),
    ({"type": "function_call", "name": "f", "arguments": "{oops"}, called("f", b'{"input":"{oops"}')),
    ({"type": "function_call", "name": "f", "arguments": "{}", "namespace": "ns"}, called("ns__f")),
    ({"type": "custom_tool_call", "name": "p", "input": "x\n"}, called("p", b'{"input":"x\\n"}')),
    ({"type": "custom_tool_call", "name": "p", "namespace": "ns"}, called("ns__p", b'{"input":""}')),
    ({"type": "local_shell_call", "action": SHELL_ACTION}, called("local_shell", b'{"command":["ls"],"env":{}}')),
    ({"type": "local_shell_call"}, called("local_shell")),
    ({"type": "shell_call", "action": {"commands": ["ls"]}}, called("shell", b'{"commands":["ls"]}')),
    ({"type": "apply_patch_call", "operation": {"path": "a"}}, called("apply_patch", b'{"path":"a"}')),
]


@pytest.mark.parametrize(("item", "part"), CALLS)
def test_calls(item: dict[str, Any], part: Part) -> None:
    assert contents(USER, {"call_id": "c1", "id": "fc_1", "status": "completed", **item}) == (HI, model(part))


CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULTS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "function_call_output", "output": "4 C"}, answered("f", "4 C")),
    ({"type": "function_call_output"}, answered("f", "")),
    (
        {
            "type": "function_call_output",
            "output": [{"type": "input_text", "text": "a"}, IMAGE, {"type": "input_text", "text": "b"}],
        },
        answered("f", "a\nb", "c1", PNG),
    ),
    ({"type": "custom_tool_call_output", "output": "ok"}, answered("f", "ok")),
    ({"type": "local_shell_call_output", "output": "{}"}, answered("f", "{}")),
    ({"type": "shell_call_output", "output": [{"stdout": "é"}]}, answered("f", '[{"stdout":"é"}]')),
    ({"type": "shell_call_output"}, answered("f", "[]")),
    ({"type": "apply_patch_call_output", "status": "completed", "output": "done"}, answered("f", "done")),
    ({"type": "apply_patch_call_output", "status": "failed", "output": "no"}, answered("f", "no", key="error")),
]


@pytest.mark.parametrize(("item", "part"), RESULTS)
def test_results(item: dict[str, Any], part: Part) -> None:
    assert contents(USER, CALL, {"call_id": "c1", **item})[2:] == (user(part),)


def test_a_result_may_name_its_call_by_its_own_id() -> None:
    shell = {"type": "local_shell_call", "id": "c1", "action": SHELL_ACTION}
    result = {"type": "local_shell_call_output", "id": "c1", "output": "ok"}
    assert contents(USER, shell, result)[2] == user(answered("local_shell", "ok"))


def test_a_result_may_name_its_function() -> None:
    result = {"type": "function_call_output", "name": "g", "output": "ok"}
    assert contents(USER, result)[1] == user(answered("g", "ok", ""))


def test_a_result_of_nobodys_call_is_text() -> None:
    result = {"type": "function_call_output", "call_id": "c9", "output": "ok"}
    assert contents(USER, result)[1] == user(said("[result of an unknown tool call c9]\nok"))


# --- thoughts and signatures ------------------------------------------------------------------------------------


def reasoning(encrypted: str | None, *texts: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": encrypted}


def test_a_calls_signature_finds_its_call() -> None:
    other = CALL | {"call_id": "c2"}
    found = contents(USER, reasoning("agp1.g.f.U2ln"), CALL, other)
    assert found[1:] == (model(called("f", signature="gemini:U2ln")), model(called("f", identity="c2")))


@pytest.mark.parametrize("between", [USER, {"type": "function_call_output", "call_id": "c0", "output": "x"}])
def test_a_signature_is_for_its_own_turn_only(between: dict[str, Any]) -> None:
    found = contents(USER, reasoning("agp1.g.f.U2ln"), between, CALL)
    assert found[-1] == model(called("f"))


def test_text_may_stand_between_a_signature_and_its_call() -> None:
    found = contents(USER, reasoning("agp1.g.f.U2ln"), {"role": "assistant", "content": "x"}, CALL)
    assert found[-1] == model(called("f", signature="gemini:U2ln"))


def test_a_signed_thought_comes_back_as_it_was() -> None:
    found = contents(USER, reasoning("agp1.c.t.U2ln", "Add ", "them."), CALL)
    assert found[1] == model(Part(text="Add \nthem.", thought=True, thought_signature="claude:U2ln"))
    assert contents(USER, {"type": "reasoning", "encrypted_content": "agp1.c.t.U2ln"})[1] == model(
        Part(text="", thought=True, thought_signature="claude:U2ln")
    )


@pytest.mark.parametrize(
    "encrypted", [None, "", "agp1.g.n.", "gAAAAABo", "agp1.g.x.U2ln", "agp1.q.t.U2ln", "agp1.g.f."]
)
def test_thoughts_without_a_signature_of_ours_are_unsigned(encrypted: str | None) -> None:
    unsigned = model(Part(text="hm", thought=True))
    assert contents(USER, reasoning(encrypted, "hm"), CALL) == (HI, unsigned, model(called("f")))
    assert contents(USER, reasoning(encrypted), CALL) == (HI, model(called("f")))


# --- other items ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "computer_call_output",
        "mcp_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "something_new",
    ],
)
def test_items_without_a_meaning_upstream_are_dropped(kind: str) -> None:
    item = {"type": kind, "role": "developer", "content": 5, "output": {"a": 1}, "name": [], "action": "x"}
    assert contents(USER, item) == (HI,)


def test_a_generated_image_is_the_models() -> None:
    png = "iVBORw0KGgoAAAAA"
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": png}
    assert contents(USER, item)[1] == model(Part(inline_data=Blob("image/png", png)))
    assert contents(USER, item | {"result": None}) == (HI,)


@pytest.mark.parametrize(
    "item", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}, {"type": None, "id": "x"}]
)
def test_an_item_that_is_not_remembered_is_not_found(item: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match=r"is not stored here .* store: false") as caught:
        decode(body(input=[USER, item]))
    assert caught.value.param == "input[1]"


@pytest.mark.parametrize("item", [{"content": "x"}, {"id": "msg_1", "content": "x"}, {"type": None, "role": None}])
def test_an_item_must_say_what_it_is(item: dict[str, Any]) -> None:
    assert refused(input=[item]).param == "input[0].type"


# --- what would need a store ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
    ],
)
def test_what_there_is_no_place_for_is_refused(fields: dict[str, Any], param: str) -> None:
    error = refused(**fields)
    assert (error.param, "supported" in error.message) == (param, True)


def test_an_earlier_response_must_be_remembered() -> None:
    error = refused(previous_response_id="resp_1")
    assert (error.code, error.param) == ("previous_response_not_found", "previous_response_id")
    assert call(previous_response_id="") == call()


def test_not_in_the_background_is_fine() -> None:
    assert call(background=False) == call()


# --- tools ------------------------------------------------------------------------------------------------------

FREE = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
F = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}


def declared(*tools: dict[str, Any]) -> tuple[FunctionDeclaration, ...]:
    return call(tools=list(tools)).tools


def test_functions_are_declared_in_their_order() -> None:
    found = declared(F, {"type": "function", "name": "g", "description": None, "parameters": None})
    assert found == (FunctionDeclaration("f", "d", {"type": "object"}), FunctionDeclaration("g"))


def test_of_a_name_twice_the_first_counts() -> None:
    custom = {"type": "custom", "name": "f"}
    assert declared(F, custom) == declared(F)
    assert declared(custom, F) == declared(custom)
    assert options(tools=[F, custom]).origins == {}


def options(**fields: Any) -> Any:
    return decode(body(**fields)).new_answer(STAMP)._options  # type: ignore[attr-defined]


def test_free_text_tools_take_one_string_and_tell_their_grammar() -> None:
    lark = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    assert declared({"type": "custom", "name": "p", "description": "d", "format": lark}) == (
        FunctionDeclaration("p", "d\nThe input follows this grammar:\nstart: x", FREE),
    )
    assert declared({"type": "custom", "name": "p", "format": {"type": "text"}}) == (
        FunctionDeclaration("p", "", FREE),
    )
    assert declared({"type": "custom", "name": "p"}) == (FunctionDeclaration("p", "", FREE),)


def test_a_namespaces_functions_have_joined_names() -> None:
    space = {
        "type": "namespace",
        "name": "ns",
        "description": "d",
        "tools": [F, {"type": "custom", "name": "p"}, {"type": "mcp"}],
    }
    found = declared(space, F)
    assert [tool.name for tool in found] == ["ns__f", "ns__p", "f"]
    origins = options(tools=[space, F]).origins
    assert {name: (o.name, o.namespace, o.kind) for name, o in origins.items()} == {
        "ns__f": ("f", "ns", "function"),
        "ns__p": ("p", "ns", "custom"),
    }
    assert declared({"type": "namespace", "tools": [F]}) == declared(F)
    assert declared({"type": "namespace", "name": "ns"}) == ()


def test_a_local_shell_is_a_function() -> None:
    (shell,) = declared({"type": "local_shell"})
    assert (shell.name, sorted(shell.parameters["properties"])) == (
        "local_shell",
        ["command", "env", "timeout_ms", "working_directory"],
    )
    assert declared({"type": "namespace", "name": "ns", "tools": [{"type": "local_shell"}]}) == ()


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "image_generation"},
        {"type": "file_search", "vector_store_ids": ["x"]},
        {"type": "computer_use_preview", "display_width": 1},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "mcp", "server_label": "x"},
        {"type": "tool_search", "parameters": {"type": "object"}},
        {"type": "tool_search", "execution": "server"},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "something_new", "name": 5, "parameters": []},
        {"type": "function"},
        {"type": "custom", "name": ""},
        {"name": "f"},
        {},
    ],
)
def test_tools_without_a_meaning_upstream_are_dropped(tool: dict[str, Any]) -> None:
    made = call(tools=[tool, F])
    assert ([each.name for each in made.tools], made.web_search) == (["f"], False)


@pytest.mark.parametrize(
    "kind", ["web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"]
)
def test_web_search_is_asked_for_by_its_tool(kind: str) -> None:
    made = call(tools=[{"type": kind, "external_web_access": False}])
    assert (made.web_search, made.tools) == (True, ())
    assert options(tools=[{"type": kind}]).search
    assert not options(tools=[{"type": kind}, F]).search  # functions win
    assert not options(tools=[{"type": kind}], tool_choice="none").search


def test_a_function_named_web_search_is_a_function() -> None:
    made = call(tools=[{"type": "function", "name": "web_search"}])
    assert ([tool.name for tool in made.tools], made.web_search) == (["web_search"], False)


NAMED = {"type": "function", "name": "f"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("any")),
        (NAMED, ToolChoice("any", ("f",))),
        (NAMED | {"namespace": "ns"}, ToolChoice("any", ("ns__f",))),
        ({"type": "custom", "name": "p"}, ToolChoice("any", ("p",))),
        ({"type": "local_shell"}, ToolChoice("any", ("local_shell",))),
        ({"type": "function"}, ToolChoice()),
        ({"type": "web_search_preview"}, ToolChoice()),
        ({"type": "mcp", "server_label": "x", "name": "y"}, ToolChoice()),
        ({"type": "allowed_tools", "mode": "auto", "tools": [NAMED]}, ToolChoice("validated", ("f",))),
        ({"type": "allowed_tools", "mode": "required", "tools": [NAMED]}, ToolChoice("any", ("f",))),
        ({"type": "allowed_tools", "tools": [NAMED, {"type": "mcp"}]}, ToolChoice("validated", ("f",))),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}, ToolChoice()),
        ({"type": "allowed_tools"}, ToolChoice()),
    ],
)
def test_tool_choice(choice: Any, expected: ToolChoice) -> None:
    assert call(tools=[F], tool_choice=choice).tool_choice == expected


def test_a_chosen_tool_must_be_declared() -> None:
    made = call(tools=[F], tool_choice={"type": "function", "name": "g"})
    with pytest.raises(BadRequest) as caught:
        prepare(made, Catalogue().serving(made)[0])
    assert caught.value.param == "tool_choice"


def test_parallel_calls_can_be_refused() -> None:
    assert call(parallel_tool_calls=False).parallel_tool_calls is False
    assert call(parallel_tool_calls=True).parallel_tool_calls is True


# --- settings ---------------------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, OutputFormat()),
        ({}, OutputFormat()),
        ({"verbosity": "low"}, OutputFormat()),
        ({"format": None}, OutputFormat()),
        ({"format": {"type": "text"}}, OutputFormat()),
        ({"format": {"type": "json_object"}}, OutputFormat("json")),
        (
            {"format": {"type": "json_schema", "name": "x", "strict": True, "schema": SCHEMA}},
            OutputFormat("schema", SCHEMA),
        ),
    ],
)
def test_the_form_of_the_answer(text: Any, expected: OutputFormat) -> None:
    assert call(text=text).output == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Reasoning(show=False)),
        ({"reasoning": {}}, Reasoning(show=False)),
        ({"reasoning": {"summary": "none"}}, Reasoning(show=False)),
        *(({"reasoning": {"summary": word}}, Reasoning()) for word in ("auto", "concise", "detailed")),
        ({"include": ["reasoning.encrypted_content"]}, Reasoning()),
        ({"include": ["message.output_text.logprobs"]}, Reasoning(show=False)),
        ({"reasoning": {"effort": "none", "summary": "auto"}}, Reasoning("off", show=False)),
        *(
            ({"reasoning": {"effort": effort}}, Reasoning("on", effort=effort, show=False))
            for effort in ("minimal", "low", "medium", "high", "xhigh", "max")
        ),
        ({"reasoning": {"effort": "high", "summary": "auto"}}, Reasoning("on", effort="high", show=True)),
    ],
)
def test_reasoning(fields: dict[str, Any], expected: Reasoning) -> None:
    assert call(**fields).reasoning == expected


def test_sampling() -> None:
    fields = {"temperature": 1, "top_p": 0.5, "max_output_tokens": 100.0, "top_logprobs": 3}
    expected = Sampling(1.0, 0.5, max_output_tokens=100, response_logprobs=True, logprobs=3)
    assert call(**fields).sampling == expected
    assert call(top_logprobs=0).sampling == Sampling()


def test_a_conversation_is_known_by_its_cache_key() -> None:
    assert (call(prompt_cache_key="k").session, call().session) == ("k", "")


def test_the_answer_is_of_the_form_that_was_asked_for() -> None:
    assert decode(body()).new_answer(STAMP).content_type == b"application/json"
    stream = decode(body(stream=True))
    assert stream.call.stream
    assert stream.new_answer(STAMP).content_type == b"text/event-stream; charset=utf-8"


# --- what is wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"type": 5}]}, "input[0].type"),
        ({"input": [{"type": "message", "role": "owner", "content": "x"}]}, "input[0].role"),
        ({"input": [USER, {"type": "function_call", "name": 5}]}, "input[1].name"),
        ({"input": [USER, {"type": "function_call_output", "output": {"a": 1}}]}, "input[1].output"),
        ({"input": [USER, {"type": "function_call_output", "output": [{"type": "x"}]}]}, "input[1].output[0].type"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{"type": 5}]}, "tools[0].type"),
        ({"tools": [F | {"name": 5}]}, "tools[0].name"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [F | {"parameters": 5}]}]},
            "tools[0].tools[0].parameters",
        ),
        ({"tool_choice": 5}, "tool_choice"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": {"type": 5}}, "tool_choice.type"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "x"}}, "tool_choice.mode"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"text": {"verbosity": 5}}, "text.verbosity"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": "1"}, "top_p"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": 5}, "metadata"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_the_model_must_be_there() -> None:
    with pytest.raises(BadRequest, match="missing required field `model`"):
        decode(b'{"input":"hi"}')


RICH: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Really."}]},
        {"role": "user", "content": [content[0] for content, _ in PARTS[2:] if isinstance(content, list)]},
        reasoning("agp1.g.t.U2ln", "hm"),
        reasoning("agp1.g.f.U2ln"),
        *({"call_id": f"c{i}", "id": f"fc_{i}", **item} for i, (item, _) in enumerate(CALLS)),
        *({"call_id": f"c{i}", **item} for i, (item, _) in enumerate(RESULTS)),
        {"type": "image_generation_call", "result": "AAAA"},
        {"type": "web_search_call", "action": {"type": "search"}},
    ],
    "tools": [
        F,
        {"type": "custom", "name": "p", "description": "d", "format": {"type": "grammar", "definition": "start: x"}},
        {"type": "namespace", "name": "ns", "tools": [F]},
        {"type": "local_shell"},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [NAMED]},
    "parallel_tool_calls": True,
    "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 100,
    "temperature": 1,
    "top_p": 0.5,
    "top_logprobs": 3,
    "stream": True,
    "store": False,
    "metadata": {"a": "b"},
    "user": "u",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
}
PATHS = list(paths(RICH))


@pytest.mark.parametrize("path", PATHS, ids=as_param)
def test_a_wrong_value_anywhere_is_a_400_or_harmless(path: Path) -> None:
    for wrong in WRONG:
        assert is_harmless(attempt(decode, replaced(RICH, path, wrong)))


#: what isn't read, or may be anything
UNREAD = {"store", "detail", "annotations", "logprobs", "status", "arguments", "env", "command", "commands", "strict"}


def is_read(path: Path) -> bool:
    way = set(path)
    if way & UNREAD or {"schema", "parameters", "metadata", "action", "operation"} & set(path[:-1]):
        return False
    if path[-1] == "stdout" or path == ("text", "format", "name"):
        return False
    if path[0] == "input" and path[-1] in ("id", "action"):
        return at(RICH, path[:2])["type"] not in ("reasoning", "web_search_call")
    if path[-1] == "type":  # of a summary and a grammar the other fields say what it is
        return "summary" not in way and "format" not in path[2:-1]
    return True


@pytest.mark.parametrize("path", [path for path in PATHS if is_read(path)], ids=as_param)
def test_a_wrong_type_is_refused_and_its_place_named(path: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        decode(json.dumps(replaced(RICH, path, of_another_type(at(RICH, path)))).encode())
    assert caught.value.param == as_param(path)


@given(st.data())
def test_several_wrong_values_at_once_do_no_harm_either(data: st.DataObject) -> None:
    request = RICH
    for _ in range(data.draw(st.integers(1, 3))):
        request = replaced(request, data.draw(st.sampled_from(list(paths(request)))), data.draw(st.sampled_from(WRONG)))
    assert is_harmless(attempt(decode, request))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(ResponsesRequest.__struct_fields__), json_values, max_size=6))
def test_no_json_at_all_does_harm(request: Any) -> None:
    assert is_harmless(attempt(decode, request))
    assert is_harmless(attempt(decode, {"model": "m", "input": "hi"} | request))


@pytest.mark.parametrize(
    "place",
    [
        {"tools": [F | {"parameters": {"enum": "DEEP"}}]},
        {"input": [USER, CALL | {"arguments": {"a": "DEEP"}}]},
        {"input": [USER, {"type": "web_search_call", "x": "DEEP"}]},
        {"metadata": {"a": "DEEP"}},
    ],
)
def test_what_is_too_deep_is_refused(place: dict[str, Any]) -> None:
    request = body(**place)
    for depth in (*range(500, 1000), 3000, 100_000):
        try:
            made = decode(request.replace(b'"DEEP"', b"[" * depth + b"]" * depth))
        except BadRequest as e:
            if e.message != "The body is nested too deeply." or depth <= 500:
                raise
        else:
            assert made.new_answer(STAMP).close()


def test_what_can_be_read_but_not_written_is_too_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(value: Any) -> Raw:
        raise RecursionError

    monkeypatch.setattr(responses_request, "_raw", write)
    assert refused(metadata={"a": "b"}).message == "The body is nested too deeply."


@pytest.mark.parametrize("raw", [b"\xff", b"\\u12", b"\x01"])
@pytest.mark.parametrize(
    "place", [{"input": "RAW"}, {"input": [{"role": "user", "content": "RAW"}]}, {"metadata": {"a": "RAW"}}]
)
def test_text_that_is_no_text_is_refused(raw: bytes, place: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        decode(body(**place).replace(b"RAW", raw))


def test_text_that_is_no_text_does_no_harm_where_it_is_not_read() -> None:
    dropped = body(input=[USER, {"type": "something_new", "x": "RAW"}]).replace(b"RAW", b"\xff")
    assert decode(dropped).call == call()
