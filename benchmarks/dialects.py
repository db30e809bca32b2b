"""What each dialect's own part costs: decoding a request, encoding an answer's events; and cleaning an agent's tools.

Pure code, CPU time. Prints two tables. Run with ``tests`` on the path, where the agent's tools are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from support.agent_tools import agent_tools

from antigravity_proxy.canonical.call import Call, FunctionDeclaration
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.daemon.process import tune_garbage_collection
from antigravity_proxy.dialect.anthropic import request as anthropic
from antigravity_proxy.dialect.base import Decoded, Stamp
from antigravity_proxy.dialect.gemini import request as gemini
from antigravity_proxy.dialect.openai import chat_request, completions_request, responses_request
from antigravity_proxy.generatecontent import tools
from antigravity_proxy.generatecontent.events import read_event
from antigravity_proxy.generatecontent.names import NameMap

EVENTS = 1_000
TURNS = 20
SCHEMA = {
    "type": "object",
    "properties": {f"field_{n}": {"type": "string", "description": "What it is for. " * 5} for n in range(8)},
    "required": ["field_0"],
}
TEXT = "Some words of an ordinary length, as people write them to each other. " * 6


def turns(key: str, role: str, wrap: Callable[[str, str], Any]) -> list[Any]:
    """A conversation of TURNS turns, in a dialect's form."""
    roles = ("user", role)
    return [{"role": roles[n % 2], key: wrap(roles[n % 2], f"{n}. {TEXT}")} for n in range(TURNS + 1)]


def bodies() -> dict[str, tuple[bytes, Callable[[bytes], Decoded]]]:
    """The same request in each dialect, and its decoder."""
    tools = [{"name": f"tool_{n}", "description": TEXT, "parameters": SCHEMA} for n in range(10)]
    chat = {
        "model": "gemini-3-flash",
        "stream": True,
        "messages": [{"role": "system", "content": TEXT}, *turns("content", "assistant", lambda role, text: text)],
        "tools": [{"type": "function", "function": tool} for tool in tools],
    }
    responses = {
        "model": "gemini-3-flash",
        "stream": True,
        "instructions": TEXT,
        "input": turns(
            "content",
            "assistant",
            lambda role, text: [{"type": "input_text" if role == "user" else "output_text", "text": text}],
        ),
        "tools": [{"type": "function", **tool} for tool in tools],
    }
    messages = {
        "model": "gemini-3-flash",
        "stream": True,
        "max_tokens": 1000,
        "system": TEXT,
        "messages": turns("content", "assistant", lambda role, text: [{"type": "text", "text": text}]),
        "tools": [{"name": tool["name"], "description": TEXT, "input_schema": SCHEMA} for tool in tools],
    }
    generate = {
        "systemInstruction": {"parts": [{"text": TEXT}]},
        "contents": turns("parts", "model", lambda role, text: [{"text": text}]),
        "tools": [
            {
                "functionDeclarations": [
                    {"name": t["name"], "description": TEXT, "parametersJsonSchema": SCHEMA} for t in tools
                ]
            }
        ],
    }
    completions = {"model": "gemini-3-flash", "stream": True, "prompt": TEXT * TURNS}
    encode = msgspec.json.encode
    return {
        "OpenAI chat": (encode(chat), chat_request.decode),
        "OpenAI completions (no turns, no tools)": (encode(completions), completions_request.decode),
        "OpenAI Responses": (encode(responses), responses_request.decode),
        "Anthropic": (encode(messages), anthropic.decode),
        "Gemini": (encode(generate), partial(gemini.decode, model="gemini-3-flash", stream=True, alt="sse")),
    }


def events() -> list[list[Chunk]]:
    """Upstream's events, one by one, read already."""
    found = []
    for number in range(EVENTS):
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": f"word {number} "}]}}
        if number == EVENTS - 1:
            candidate["finishReason"] = "STOP"
        usage = {"promptTokenCount": 10, "candidatesTokenCount": number, "totalTokenCount": 10 + number}
        event = {"response": {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3-flash"}}
        found.append([read_event(msgspec.json.encode(event))])
    return found


def best(function: Callable[[], object], times: int) -> float:
    """The least CPU time of a call in seconds: what it costs when nothing disturbs."""
    least = float("inf")
    for _ in range(times):
        began = time.process_time()
        function()
        least = min(least, time.process_time() - began)
    return least


def cost(body: bytes, decode: Callable[[bytes], Decoded], chunks: list[list[Chunk]]) -> tuple[float, float]:
    """Seconds for a request, and for the events of an answer to it."""
    stamp = Stamp(0, lambda count: "0" * count)
    decoded = decode(body)

    def encode() -> None:
        answer = decoded.new_answer(stamp)
        for each in chunks:
            answer.feed(each)
        answer.close()

    return best(lambda: decode(body), 200), best(encode, 30)


def cleaning() -> tuple[int, float, float]:
    """The size of an agent's tools as JSON, and the seconds that cleaning them costs at first and from then on."""
    declared = agent_tools()
    functions = tuple(FunctionDeclaration(t["name"], t["description"], t["input_schema"]) for t in declared)
    call, model = Call("gemini-3-flash", (), tools=functions), BUNDLED.accounts["gemini-3-flash"]

    def clean() -> None:
        tools.declarations(call, model, NameMap(tool.name for tool in functions))

    def anew() -> None:
        tools._cleaned = tools._Cleaned(tools.CACHE_BYTES)
        clean()

    return len(msgspec.json.encode(declared)), best(anew, 20), best(clean, 200)


def main() -> None:
    """Prints the tables."""
    chunks = events()
    tune_garbage_collection()
    print("| dialect | request of 21 turns and 10 tools | 1,000 events |")
    print("|---|---|---|")
    for name, (body, decode) in bodies().items():
        request, stream = cost(body, decode, chunks)
        print(f"| {name} | {request * 1e6:.0f} µs ({len(body) / 1000:.0f} kB) | {stream * 1e3:.2f} ms |")
    size, first, later = cleaning()
    print("\n| an agent's 25 tools | first request | further ones |")
    print("|---|---|---|")
    print(f"| {size / 1000:.0f} kB | {first * 1e3:.1f} ms | {later * 1e3:.2f} ms |")


if __name__ == "__main__":
    main()
