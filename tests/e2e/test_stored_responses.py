"""Responses with memory, by the official ``openai`` package over sockets (contract.md 8)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import openai
import pytest
from openai import OpenAI
from support.deferreds import deferred, in_thread
from support.stack import KEY, Stack, stack

from antigravity_proxy.simulator import faults

T = TypeVar("T")
MODEL = "gemini-3-flash"
OTHER = "sk-other"
TIME: Any = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}


async def ask(running: Stack, do: Callable[[OpenAI], T], key: str = KEY) -> T:
    """What the client makes of it, in a thread."""

    def call() -> T:
        with OpenAI(base_url=f"{running.url}/v1", api_key=key, max_retries=0) as client:
            return do(client)

    found: T = await in_thread(call)
    return found


async def create(running: Stack, key: str = KEY, **fields: Any) -> Any:
    """A response; of a streamed one the last event's."""

    def call(client: OpenAI) -> Any:
        answer = client.responses.create(model=MODEL, **fields)
        return list(answer)[-1].response if fields.get("stream") else answer

    return await ask(running, call, key)


def asked(running: Stack, last: int = -1) -> list[tuple[str, str]]:
    """The roles and texts of what upstream was sent."""
    contents = running.simulator.requests[last].json["request"]["contents"]
    return [(turn["role"], part.get("text", "?")) for turn in contents for part in turn["parts"]]


@pytest.mark.parametrize("stream", [False, True])
@deferred()
async def test_a_conversation_goes_on_by_the_id_of_its_last_response(tmp_path: Path, stream: bool) -> None:
    async with stack(tmp_path) as running:
        first = await create(running, input="One", instructions="Be brief.", stream=stream)
        assert first.store
        second = await create(running, input="Two", previous_response_id=first.id, stream=stream)
        assert second.previous_response_id == first.id
        await create(running, input="Three", previous_response_id=second.id, stream=stream)
        assert asked(running) == [
            ("user", "One"),
            ("model", first.output_text),
            ("user", "Two"),
            ("model", second.output_text),
            ("user", "Three"),
        ]
        assert "systemInstruction" not in running.simulator.requests[-1].json["request"]  # those are not carried over


@deferred()
async def test_a_tool_loop_by_references_and_one_by_the_last_id(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        first = await create(running, input="call get_time with {}", tools=[TIME])
        (call,) = [item for item in first.output if item.type == "function_call"]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
        by_id = await create(running, input=[result], previous_response_id=first.id, tools=[TIME])
        references = [{"type": "item_reference", "id": item.id} for item in first.output]
        given: Any = [{"role": "user", "content": "call get_time with {}"}, *references, result]
        by_reference = await create(running, input=given, tools=[TIME])
        assert by_id.output_text == by_reference.output_text
        assert "noon" in by_id.output_text
        assert running.simulator.requests[1].json["request"] == running.simulator.requests[2].json["request"]


@deferred()
async def test_it_is_shown_again_and_deleted(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        first = await create(running, input="One", tools=[TIME], metadata={"a": "b"})
        second = await create(running, input="Two", previous_response_id=first.id)
        assert await ask(running, lambda client: client.responses.retrieve(first.id)) == first
        items = await ask(running, lambda client: client.responses.input_items.list(second.id, order="asc").data)
        assert [item.type for item in items] == ["message"] * 3
        shown: Any = items[0]
        assert shown.content[0].text == "One"
        given: Any = [{"type": "item_reference", "id": shown.id}]
        await create(running, input=given)
        assert asked(running) == [("user", "One")]
        await ask(running, lambda client: client.responses.delete(first.id))
        with pytest.raises(openai.NotFoundError):
            await ask(running, lambda client: client.responses.retrieve(first.id))
        third = await create(running, input="Three", previous_response_id=second.id)  # goes on
        assert third.status == "completed"
        with pytest.raises(openai.BadRequestError, match="background"):
            await ask(running, lambda client: client.responses.cancel(third.id))


@deferred()
async def test_what_is_not_there_or_anothers_is_not_found(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_API_KEY=f"{KEY},{OTHER}") as running:
        mine = await create(running, input="One")
        for key, identity in ((OTHER, mine.id), (KEY, "resp_" + "0" * 24), (KEY, "nonsense")):
            with pytest.raises(openai.NotFoundError):
                await ask(running, lambda client, i=identity: client.responses.retrieve(i), key)  # type: ignore[misc]
            with pytest.raises(openai.NotFoundError):
                await ask(running, lambda client, i=identity: client.responses.delete(i), key)  # type: ignore[misc]
            with pytest.raises(openai.BadRequestError) as caught:
                await create(running, key, input="Two", previous_response_id=identity)
            assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")
        with pytest.raises(openai.NotFoundError) as missing:
            await create(running, OTHER, input=[{"type": "item_reference", "id": mine.output[0].id}])
        assert missing.value.param == "input[0]"
        assert await ask(running, lambda client: client.responses.retrieve(mine.id)) == mine


@deferred()
async def test_nothing_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        alone = await create(running, input="One", store=False)
        assert not alone.store
        with pytest.raises(openai.NotFoundError):
            await ask(running, lambda client: client.responses.retrieve(alone.id))
    async with stack(tmp_path / "off", PROXY_RESPONSES_STORE="0") as running:
        off = await create(running, input="One")
        assert not off.store
        with pytest.raises(openai.NotFoundError):
            await ask(running, lambda client: client.responses.retrieve(off.id))


@deferred()
async def test_of_what_fails_or_is_left_nothing_is_kept(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        store = running.daemon.responses.store
        running.simulator.script(faults.error_in_stream(after=1))
        failed = await create(running, input="One", stream=True)
        assert failed.status == "failed"
        running.simulator.script(faults.refused("no"), times=9)
        with pytest.raises(openai.BadRequestError):
            await create(running, input="One")
        assert (len(store), store.size) == (0, 0)


@deferred()
async def test_a_conversation_is_made_shorter(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_API_KEY=f"{KEY},{OTHER}") as running:
        turns: Any = [{"role": "user", "content": "One"}, {"type": "compaction_trigger"}]
        response = await create(running, input=turns, tools=[TIME], stream=True)
        (item,) = response.output
        assert item.type == "compaction"
        assert "tools" not in running.simulator.requests[-1].json["request"]
        compacted = await ask(running, lambda client: client.responses.compact(model=MODEL, input="One"))
        assert compacted.object == "response.compaction"
        (alone,) = compacted.output
        for kept in (item, alone):
            given: Any = [kept.to_dict(), {"role": "user", "content": "Two"}]
            await create(running, input=given)
            assert "Hello from the simulated model" in asked(running)[0][1]
            await create(running, OTHER, input=given)
            assert "can't be read" in asked(running)[0][1]
        broken: Any = [{"type": "compaction", "encrypted_content": "agpc1.x"}, {"role": "user", "content": "Two"}]
        await create(running, input=broken)
        assert "can't be read" in asked(running)[0][1]


@deferred()
async def test_tokens_are_counted(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        first = await create(running, input="One two three")

        async def count(**fields: Any) -> int:
            counted = await ask(running, lambda client: client.responses.input_tokens.count(**fields))
            return counted.input_tokens

        assert 0 < await count(model=MODEL, input="Hello") < await count(model=MODEL, input="Hello " * 50)
        assert await count(input="Hello", previous_response_id=first.id) > await count(input="Hello")
        assert await count() == 0


@deferred()
async def test_a_conversation_larger_than_a_body_may_be_is_refused(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_MAX_BODY="40000") as running:
        first = await create(running, input="x" * 12_000)
        with pytest.raises(openai.APIStatusError) as caught:
            await create(running, input="x" * 20_000, previous_response_id=first.id)
        assert caught.value.status_code == 413
        assert (await create(running, input="x", previous_response_id=first.id)).status == "completed"


@deferred(60)
async def test_a_long_loop_costs_what_is_new_in_it(tmp_path: Path) -> None:
    """By the last id, and by an agent that sends everything again with references to what we said."""
    async with stack(tmp_path) as running:
        store = running.daemon.responses.store

        async def loop(by_reference: bool) -> int:
            before, last = store.size, None
            history: list[dict[str, Any]] = []
            for n in range(12):
                new = {"role": "user", "content": f"{n}{'x' * 20_000}"}
                body: dict[str, Any] = {"model": MODEL, "tools": [TIME]}
                if by_reference:
                    history.append(new)
                    body["input"] = history
                else:
                    body |= {"input": [new]} | ({"previous_response_id": last} if last else {})
                answer = await running.request("POST", "/v1/responses", body)
                assert answer.status == 200
                last = answer.json["id"]
                history += [{"type": "item_reference", "id": item["id"]} for item in answer.json["output"]]
            return int(store.size - before)

        # what is said twenty times over by the simulated model, which repeats it
        for grown in (await loop(False), await loop(True)):
            assert 12 * 20_000 < grown < 12 * (20_000 + 2 * 20_400 + 5_000)
