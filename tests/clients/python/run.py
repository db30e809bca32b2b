"""One case of one Python package, told as ``javascript/run.mjs`` tells it: ``run.py CLIENT CASE``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

URL, KEY, MODEL = os.environ["URL"], os.environ["KEY"], os.environ["MODEL"]
ONE, BOTH = "call get_weather", "call get_weather and get_time"
RESULTS = {"get_weather": "4 C", "get_time": "noon"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 1},
            "days": {"type": ["integer", "null"], "exclusiveMinimum": 0},
            "unit": {"enum": ["C", "F"]},
        },
        "required": ["city"],
        "additionalProperties": False,
    },
    "get_time": {"type": "object", "properties": {}},
}


def told(text: str, calls: list[tuple[str, Any]], stop: str, model: str, used: tuple[int, int, int]) -> dict[str, Any]:
    """An answer in the form of all clients."""
    return {
        "text": text,
        "calls": [{"name": name, "args": args} for name, args in calls],
        "stop": stop,
        "model": model,
        "usage": dict(zip(("input", "output", "thinking"), used, strict=True)),
    }


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def with_anthropic() -> dict[str, Callable[[], Any]]:
    from anthropic import Anthropic

    client = Anthropic(base_url=URL, api_key=KEY, max_retries=0)
    tools = [{"name": name, "input_schema": schema} for name, schema in SCHEMAS.items()]

    def tell(message: Any) -> dict[str, Any]:
        text = "".join(block.text for block in message.content if block.type == "text")
        calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
        used = (message.usage.input_tokens, message.usage.output_tokens, 0)
        return told(text, calls, message.stop_reason, message.model, used)

    def ask(*messages: Any, **fields: Any) -> Any:
        return client.messages.create(model=MODEL, max_tokens=1000, messages=list(messages), **fields)

    def stream() -> Any:
        with client.messages.stream(model=MODEL, max_tokens=1000, messages=[user("Hello")]) as running:
            pieces = len(list(running.text_stream))
            return tell(running.get_final_message()) | {"pieces": pieces}

    def results() -> Any:
        first = ask(user(BOTH), tools=tools)
        answers = [
            {"type": "tool_result", "tool_use_id": block.id, "content": RESULTS[block.name]}
            for block in first.content
            if block.type == "tool_use"
        ]
        second = ask(user(BOTH), {"role": "assistant", "content": first.content}, user(answers), tools=tools)
        return {"first": tell(first), "second": tell(second)}

    return {
        "plain": lambda: tell(ask(user("Hello"), system="Be brief.")),
        "stream": stream,
        "tools": lambda: tell(ask(user(ONE), tools=tools)),
        "results": results,
    }


def with_openai_chat() -> dict[str, Callable[[], Any]]:
    from openai import OpenAI

    client = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    tools: Any = [
        {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()
    ]

    def tell(answer: Any) -> dict[str, Any]:
        message, usage = answer.choices[0].message, answer.usage
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
        used = (usage.prompt_tokens, usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens)
        return told(message.content or "", calls, answer.choices[0].finish_reason, answer.model, used)

    def ask(*messages: Any, **fields: Any) -> Any:
        return client.chat.completions.create(model=MODEL, messages=list(messages), **fields)

    def stream() -> Any:
        options: Any = {"model": MODEL, "messages": [user("Hello")], "stream_options": {"include_usage": True}}
        with client.chat.completions.stream(**options) as running:
            pieces = sum(event.type == "content.delta" for event in running)
            return tell(running.get_final_completion()) | {"pieces": pieces}

    def results() -> Any:
        first = ask(user(BOTH), tools=tools)
        message = first.choices[0].message
        answers = [
            {"role": "tool", "tool_call_id": call.id, "content": RESULTS[call.function.name]}
            for call in message.tool_calls
        ]
        return {"first": tell(first), "second": tell(ask(user(BOTH), message, *answers, tools=tools))}

    return {
        "plain": lambda: tell(ask({"role": "system", "content": "Be brief."}, user("Hello"))),
        "stream": stream,
        "tools": lambda: tell(ask(user(ONE), tools=tools)),
        "results": results,
    }


def with_openai_responses() -> dict[str, Callable[[], Any]]:
    from openai import OpenAI

    client = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    tools: Any = [{"type": "function", "name": name, "parameters": schema} for name, schema in SCHEMAS.items()]

    def tell(answer: Any) -> dict[str, Any]:
        calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]
        usage = answer.usage
        used = (usage.input_tokens, usage.output_tokens, usage.output_tokens_details.reasoning_tokens)
        return told(answer.output_text, calls, answer.status, answer.model, used)

    def ask(given: Any, **fields: Any) -> Any:
        return client.responses.create(model=MODEL, input=given, **fields)

    def stream() -> Any:
        with client.responses.stream(model=MODEL, input="Hello") as running:
            pieces = sum(event.type == "response.output_text.delta" for event in running)
            return tell(running.get_final_response()) | {"pieces": pieces}

    def results() -> Any:
        first = ask(BOTH, tools=tools)
        answers = [
            {"type": "function_call_output", "call_id": item.call_id, "output": RESULTS[item.name]}
            for item in first.output
            if item.type == "function_call"
        ]
        return {"first": tell(first), "second": tell(ask([user(BOTH), *first.output, *answers], tools=tools))}

    return {
        "plain": lambda: tell(ask("Hello", instructions="Be brief.")),
        "stream": stream,
        "tools": lambda: tell(ask(ONE, tools=tools)),
        "results": results,
    }


def with_genai() -> dict[str, Callable[[], Any]]:
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))
    declared = [types.FunctionDeclaration(name=name, parameters_json_schema=it) for name, it in SCHEMAS.items()]
    functions: dict[str, Any] = {
        "tools": [types.Tool(function_declarations=declared)],
        "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
    }

    def tell(answers: list[Any]) -> dict[str, Any]:
        parts = [part for answer in answers for part in answer.candidates[0].content.parts or ()]
        calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
        last = answers[-1]
        used = (last.usage_metadata.prompt_token_count, last.usage_metadata.candidates_token_count, 0)
        text = "".join(part.text or "" for part in parts)
        return told(text, calls, last.candidates[0].finish_reason.value, last.model_version, used)

    def ask(contents: Any, **config: Any) -> Any:
        settings = types.GenerateContentConfig(**config)
        return client.models.generate_content(model=MODEL, contents=contents, config=settings)

    def stream() -> Any:
        chunks = list(client.models.generate_content_stream(model=MODEL, contents="Hello"))
        return tell(chunks) | {"pieces": len(chunks)}

    def results() -> Any:
        question = types.Content(role="user", parts=[types.Part(text=BOTH)])
        first = ask([question], **functions)
        parts = [
            types.Part.from_function_response(name=call.name, response={"output": RESULTS[call.name]})
            for call in first.function_calls
        ]
        answered = types.Content(role="user", parts=parts)
        second = ask([question, first.candidates[0].content, answered], **functions)
        return {"first": tell([first]), "second": tell([second])}

    return {
        "plain": lambda: tell([ask("Hello", system_instruction="Be brief.")]),
        "stream": stream,
        "tools": lambda: tell([ask(ONE, **functions)]),
        "results": results,
    }


CLIENTS = {
    "anthropic": with_anthropic,
    "genai": with_genai,
    "openai-chat": with_openai_chat,
    "openai-responses": with_openai_responses,
}

if __name__ == "__main__":
    _, client_name, case_name = sys.argv
    sys.stdout.write(json.dumps(CLIENTS[client_name]()[case_name]()))
