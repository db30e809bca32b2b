"""The golden answers as the Python packages' types have them: ``goldens.py <directory of goldens>``.

Each file is named <golden>.<dialect>.json or .sse. Prints a line of JSON: how many objects of each file are valid. One
that is not ends it with what is wrong.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import openai
from anthropic.types import Message, RawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

#: by dialect: the type of the document, and of an event
TYPES: dict[str, tuple[Any, Any]] = {
    "anthropic": (Message, RawMessageStreamEvent),
    "openai-chat": (ChatCompletion, ChatCompletionChunk),
    "openai-responses": (Response, ResponseStreamEvent),
    "gemini": (GenerateContentResponse, GenerateContentResponse),
}


def objects(text: str) -> list[Any]:
    """What the data lines of a stream hold."""
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in data if line != "[DONE]"]


def main(directory: Path) -> dict[str, int]:
    """The count of valid objects by file."""
    counts = {}
    for path in sorted(directory.iterdir()):
        _, dialect, form = path.name.split(".")
        streamed = form == "sse"
        adapter = TypeAdapter(TYPES[dialect][streamed])
        found = objects(path.read_text()) if streamed else [json.loads(path.read_text())]
        for each in found:
            if openai.VERSION.startswith("2.") and each.get("type") == "response.function_call_arguments.done":
                each.setdefault("name", "")  # its type alone wants the name, which the item has
            # errors within a stream are not among the events' types
            if "error" not in each or each.get("object") == "response":
                adapter.validate_python(each)
        counts[path.name] = len(found)
    return counts


print(json.dumps(main(Path(sys.argv[1]))))
