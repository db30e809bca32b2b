"""What coding agents do with the Responses API: tools declared in the input, found by search, run by the client, and
conversations made shorter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from antigravity_proxy.canonical.call import Call, FunctionDeclaration, Sampling, ToolChoice
from antigravity_proxy.canonical.chunk import Candidate, Chunk
from antigravity_proxy.canonical.content import Blob, Content, FunctionCall, Part
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.effort import nearest_effort
from antigravity_proxy.dialect.openai import responses_request
from antigravity_proxy.dialect.openai.responses_compaction import MAX_LENGTH, MAX_TOKENS
from antigravity_proxy.dialect.openai.responses_items import Memory
from antigravity_proxy.dialect.openai.responses_request import decode, read, understand
from antigravity_proxy.errors import BadRequest, UpstreamFailed

USER: dict[str, Any] = {"role": "user", "content": "hi"}
EXEC = {"type": "function", "name": "exec", "description": "d", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "patch", "format": {"type": "grammar", "definition": "start: x"}}
MORE = {
    "type": "additional_tools",
    "role": "developer",
    "tools": [{"type": "namespace", "name": "functions", "tools": [EXEC, PATCH]}, {"type": "web_search"}],
}
SEARCH = {"type": "tool_search", "execution": "client", "description": "s", "parameters": {"type": "object"}}
#: the types of openai's package, none of them guessed
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MakeStamp = Callable[..., Stamp]


def body(*items: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": [*items], **fields}).encode()


def call(*items: dict[str, Any], **fields: Any) -> Call:
    return decode(body(*items, **fields)).call


def names(made: Call) -> list[str]:
    return [tool.name for tool in made.tools]


def events(name: str, args: bytes, stamp: Stamp, *items: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """All that is told of one call, each event valid for openai's own types."""
    answer = decode(body(*(items or [USER]), stream=True, **fields)).new_answer(stamp)
    part = Part(function_call=FunctionCall(name, Raw(args), "call_1"))
    stream = answer.feed([Chunk(candidates=(Candidate(content=Content("model", (part,)), finish_reason="STOP"),))])
    stream += answer.close()
    found = [json.loads(event.split(b"data: ")[1]) for event in stream.split(b"\n\n") if event]
    for event in found:
        EVENT.validate_python(event)
    return found


def item(found: list[dict[str, Any]]) -> dict[str, Any]:
    (done,) = found[-1]["response"]["output"]
    assert [event["item"] for event in found if event["type"] == "response.output_item.done"] == [done]
    without: dict[str, Any] = {name: value for name, value in done.items() if name != "id"}
    return without


# --- declared in the input ----------------------------------------------------------------------------------------


def test_tools_that_an_item_declares_count_beside_the_others() -> None:
    plain = {"type": "function", "name": "plain"}
    made = call(MORE, USER, {"type": "additional_tools", "tools": [plain]}, tools=[EXEC])
    assert names(made) == ["exec", "functions__exec", "functions__patch", "plain"]
    assert made.web_search
    assert made.contents == (Content("user", (Part(text="hi"),)),)


def test_a_call_of_such_a_tool_says_its_namespace(stamp: MakeStamp) -> None:
    assert item(events("functions__exec", b'{"a":1}', stamp(), MORE, USER)) == {
        "type": "function_call",
        "call_id": "call_1",
        "name": "exec",
        "namespace": "functions",
        "arguments": '{"a":1}',
        "status": "completed",
    }
    assert item(events("functions__patch", b'{"input":"x"}', stamp(), MORE, USER)) == {
        "type": "custom_tool_call",
        "call_id": "call_1",
        "name": "patch",
        "namespace": "functions",
        "input": "x",
    }


def test_of_a_name_twice_the_first_counts() -> None:
    again = {"type": "additional_tools", "tools": [{"type": "function", "name": "exec", "description": "other"}]}
    assert call(again, USER, tools=[EXEC]).tools == (FunctionDeclaration("exec", "d", {"type": "object"}),)


def test_a_wrong_tool_in_an_item_is_refused_with_its_place() -> None:
    with pytest.raises(BadRequest) as caught:
        call(USER, {"type": "additional_tools", "tools": [{"type": "function", "name": 5}]})
    assert caught.value.param == "input[1].tools[0].name"
    with pytest.raises(BadRequest) as caught:
        call(USER, {"type": "additional_tools", "tools": 5})
    assert caught.value.param == "input[1].tools"
    assert call(USER, {"type": "additional_tools"}).tools == ()


def test_a_chats_nested_tool_is_understood() -> None:
    nested = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    assert call(USER, tools=[nested]).tools == (FunctionDeclaration("f", "d", {"type": "object"}),)
    with pytest.raises(BadRequest) as caught:
        call(USER, tools=[{"type": "function", "function": {"name": 5}}])
    assert caught.value.param == "tools[0].function.name"


# --- found by search ----------------------------------------------------------------------------------------------


def test_a_search_of_the_clients_is_a_function() -> None:
    assert call(USER, tools=[SEARCH]).tools == (FunctionDeclaration("tool_search", "s", {"type": "object"}),)
    bare = {"type": "tool_search", "execution": "client"}
    assert call(USER, tools=[bare]).tools == (FunctionDeclaration("tool_search", "Finds tools to call."),)
    assert call(USER, tools=[SEARCH], tool_choice={"type": "tool_search"}).tool_choice == ToolChoice(
        "any", ("tool_search",)
    )


def test_a_search_is_answered_as_its_item(stamp: MakeStamp) -> None:
    assert item(events("tool_search", b'{"query":"x"}', stamp(), tools=[SEARCH])) == {
        "type": "tool_search_call",
        "call_id": "call_1",
        "execution": "client",
        "arguments": {"query": "x"},
        "status": "completed",
    }


def test_what_was_found_can_be_called_from_then_on() -> None:
    called = {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "x"}}
    found = {"type": "tool_search_output", "call_id": "c", "tools": [*MORE["tools"], EXEC]}
    made = call(USER, called, found, tools=[SEARCH])
    assert names(made) == ["tool_search", "functions__exec", "functions__patch", "exec"]
    assert made.contents[1].parts[0].function_call == FunctionCall("tool_search", Raw(b'{"query":"x"}'), "c")
    response = made.contents[2].parts[0].function_response
    assert response is not None
    assert json.loads(bytes(response.response)) == {
        "output": "These tools can be called now: functions__exec, functions__patch, exec"
    }
    nothing = call(USER, called, {"type": "tool_search_output", "call_id": "c"}, tools=[SEARCH])
    answered = nothing.contents[2].parts[0].function_response
    assert answered is not None
    assert json.loads(bytes(answered.response)) == {"output": "There is no such tool."}


def test_a_search_that_somebody_else_made_is_no_call() -> None:
    called = {"type": "tool_search_call", "execution": "server", "arguments": {}}
    made = call(USER, called, {"type": "tool_search_output", "execution": "server", "tools": [EXEC]})
    assert (names(made), len(made.contents)) == (["exec"], 1)


# --- run by the client --------------------------------------------------------------------------------------------


def test_a_shell_is_the_clients_unless_it_is_in_a_container() -> None:
    assert names(call(USER, tools=[{"type": "shell"}])) == ["shell"]
    assert names(call(USER, tools=[{"type": "shell", "environment": {"type": "local"}}])) == ["shell"]
    assert names(call(USER, tools=[{"type": "shell", "environment": {"type": "container_reference"}}])) == []
    assert call(USER, tools=[{"type": "shell"}], tool_choice={"type": "shell"}).tool_choice.names == ("shell",)


@pytest.mark.parametrize(
    ("args", "commands", "limits"),
    [
        (b'{"commands":["ls","pwd"],"timeout_ms":5}', ["ls", "pwd"], {"timeout_ms": 5, "max_output_length": None}),
        (b'{"commands":"ls"}', ["ls"], {"timeout_ms": None, "max_output_length": None}),
        (b'{"commands":["ls",5]}', ["ls"], {"timeout_ms": None, "max_output_length": None}),
        (b'{"command":"ls","timeout_ms":"x"}', [], {"timeout_ms": None, "max_output_length": None}),
    ],
)
def test_shell_commands(args: bytes, commands: list[str], limits: dict[str, Any], stamp: MakeStamp) -> None:
    found = events("shell", args, stamp(), tools=[{"type": "shell"}])
    action = {"commands": commands, **limits}
    assert item(found) == {"type": "shell_call", "call_id": "call_1", "action": action, "status": "completed"}
    written = [event for event in found if "shell_call_command" in event["type"]]
    assert [event["command"] for event in written if event["type"].endswith("done")] == commands
    assert "".join(event.get("delta", "") for event in written) == "".join(commands)


@pytest.mark.parametrize(
    ("args", "operation"),
    [
        (
            {"type": "create_file", "path": "a", "diff": "+x"},
            {"type": "create_file", "path": "a", "diff": "+x"},
        ),
        ({"type": "delete_file", "path": "a", "diff": "x"}, {"type": "delete_file", "path": "a"}),
        ({"type": "strange", "path": 5}, {"type": "update_file", "path": "", "diff": ""}),
    ],
)
def test_patches(args: dict[str, Any], operation: dict[str, Any], stamp: MakeStamp) -> None:
    found = events("apply_patch", json.dumps(args).encode(), stamp(), tools=[{"type": "apply_patch"}])
    assert item(found) == {
        "type": "apply_patch_call",
        "call_id": "call_1",
        "operation": operation,
        "status": "completed",
    }


def test_tools_of_the_clients_are_in_no_namespace() -> None:
    inner = [SEARCH, {"type": "shell"}, {"type": "apply_patch"}, {"type": "local_shell"}, {"type": "web_search"}]
    made = call(USER, tools=[{"type": "namespace", "name": "ns", "tools": inner}])
    assert (names(made), made.web_search) == ([], False)


# --- made shorter -------------------------------------------------------------------------------------------------

TRIGGER = {"type": "compaction_trigger"}
MEMORY = Memory(seal=lambda text: f"sealed:{text}", unseal=lambda sealed: sealed.removeprefix("sealed:") or None)


def summary(stamp: Stamp, *parts: Part, stream: bool = True) -> Any:
    decoded = understand(read(body(USER, TRIGGER, stream=stream)), MEMORY).decoded
    answer = decoded.new_answer(stamp)
    sent = answer.feed([Chunk(candidates=(Candidate(content=Content("model", parts), finish_reason="MAX_TOKENS"),))])
    sent += answer.close()
    return sent


def test_a_trigger_asks_for_a_summary_without_tools() -> None:
    history = [
        USER,
        {"type": "reasoning", "encrypted_content": "agp1.g.f.U2ln", "summary": []},
        {"type": "function_call", "call_id": "c", "name": "exec", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c", "output": "done"},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
        {"type": "reasoning", "summary": [{"text": "hm"}]},
    ]
    fields = {"tools": [EXEC], "tool_choice": "required", "text": {"format": {"type": "json_object"}}, "top_p": 0.5}
    made = understand(read(body(*history, TRIGGER, **fields)), MEMORY).decoded.call
    assert (made.tools, made.tool_choice, made.output.kind) == ((), ToolChoice(), "text")
    assert made.sampling == Sampling(max_output_tokens=MAX_TOKENS)
    *turns, asked = made.contents
    assert turns == [
        Content("user", (Part(text="hi"),)),
        Content("model", (Part(text='[called exec with {"a":1}]'),)),
        Content("user", (Part(text='[exec answered {"output":"done"}]'),)),
        Content("user", (Part(inline_data=Blob("image/png", "AAAA")),)),
    ]
    assert asked.role == "user"
    assert "summary" in (asked.parts[0].text or "")


def test_the_answer_is_one_compaction_item(stamp: MakeStamp) -> None:
    stream = summary(stamp(), Part(text="hm", thought=True), Part(text="All "), Part(text="done."))
    found = [json.loads(event.split(b"data: ")[1]) for event in stream.split(b"\n\n") if event]
    for event in found:
        EVENT.validate_python(event)
    kinds = [event["type"].removeprefix("response.") for event in found]
    assert kinds == ["created", "in_progress", "output_item.added", "output_item.done", "completed"]
    (made,) = found[-1]["response"]["output"]
    assert made == {"type": "compaction", "id": made["id"], "encrypted_content": "sealed:All done."}
    (same,) = json.loads(summary(stamp(), Part(text="All done."), stream=False))["output"]
    assert same == made


def test_a_summary_is_bounded(stamp: MakeStamp) -> None:
    (made,) = json.loads(summary(stamp(), Part(text="x" * (MAX_LENGTH + 1)), stream=False))["output"]
    assert len(made["encrypted_content"]) == len("sealed:") + MAX_LENGTH


@pytest.mark.parametrize("parts", [(), (Part(text=" \n"),), (Part(text="hm", thought=True),)])
def test_no_summary_is_a_failure(parts: tuple[Part, ...], stamp: MakeStamp) -> None:
    with pytest.raises(UpstreamFailed):
        summary(stamp(), *parts)


def test_a_summary_begins_what_goes_on() -> None:
    def opened(sealed: str | None) -> str:
        found = understand(read(body({"type": "compaction", "encrypted_content": sealed}, USER)), MEMORY)
        text = found.decoded.call.contents[0].parts[0].text
        assert text is not None
        return text

    assert "All done." in opened("sealed:All done.")
    assert "can't be read" in opened("sealed:")
    assert "can't be read" in opened(None)
    assert "can't be read" in (decode(body({"type": "compaction"}, USER)).call.contents[0].parts[0].text or "")


def test_a_trigger_is_the_last() -> None:
    with pytest.raises(BadRequest) as caught:
        understand(read(body(TRIGGER, USER)), MEMORY)
    assert caught.value.param == "input[1]"
    with pytest.raises(BadRequest, match="seal the summary"):
        decode(body(USER, TRIGGER))


def test_after_a_trigger_no_text_goes_on() -> None:
    request = json.dumps({"model": "m", "input": "hi", "previous_response_id": "resp_1"}).encode()
    with pytest.raises(BadRequest, match="must be the last") as caught:
        understand(read(request), Memory(before=[Raw(json.dumps(TRIGGER).encode())], seal=MEMORY.seal))
    assert caught.value.param == "input"


def test_a_trigger_is_no_part_of_what_is_kept() -> None:
    assert [json.loads(bytes(raw)) for raw in understand(read(body(USER, TRIGGER)), MEMORY).own] == [USER]


def test_a_compaction_by_itself(stamp: MakeStamp) -> None:
    decoded = responses_request.compaction(read(body(USER, stream=True)), MEMORY)
    assert not decoded.call.stream
    answer = decoded.new_answer(stamp("A"))
    answer.feed([Chunk(candidates=(Candidate(content=Content("model", (Part(text="Short."),))),))])
    made = json.loads(answer.close())
    assert made.keys() == {"id", "object", "created_at", "output", "usage"}
    assert made["object"] == "response.compaction"
    assert [each["encrypted_content"] for each in made["output"]] == ["sealed:Short."]


# --- lenient ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "effort"),
    [
        ("ultra", "max"),
        ("X-High", "xhigh"),
        ("extra high", "xhigh"),
        ("mediun", "medium"),
        ("?", "medium"),
        ("off", "none"),
    ],
)
def test_an_unknown_effort_is_the_nearest(word: str, effort: str) -> None:
    assert nearest_effort(word) == effort
    mode = "off" if effort == "none" else "on"
    assert call(USER, reasoning={"effort": word}).reasoning.mode == mode


def test_a_pictures_url_as_chat_has_it() -> None:
    part = {"type": "input_image", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert call({"role": "user", "content": [part]}).contents[0].parts == (Part(inline_data=Blob("image/png", "AAAA")),)
