"""One question asked by each dialect's official client, and what it tells whoever asked. Blocking: for threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from msgspec import Struct
from support.stack import KEY

MODEL = "gemini-3-flash"
QUESTION = "Hello"


class Told(Struct, frozen=True):
    """What a client made of an answer.

    ``text``: what came of it. ``end``: how it ended by itself, in the dialect's word; empty: it did not. ``status``:
    the error's HTTP status, 0 for one within a stream, None: there was no error. ``kind`` is its type, in the dialect's
    word, ``retry_after`` its header.
    """

    text: str = ""
    end: str = ""
    status: int | None = None
    kind: str = ""
    retry_after: str | None = None


Ask = Callable[[bool], Told]  # whether streamed


@contextmanager
def by_openai(url: str) -> Iterator[Ask]:
    """Chat completions."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:

        def ask(stream: bool) -> Told:
            text, end = "", ""
            sent: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}
            try:
                if not stream:
                    choice = client.chat.completions.create(**sent).choices[0]
                    return Told(choice.message.content or "", choice.finish_reason)
                for chunk in client.chat.completions.create(stream=True, **sent):
                    for part in chunk.choices:
                        text += part.delta.content or ""
                        end = part.finish_reason or end
            except openai.APIStatusError as e:
                return Told(text, end, e.status_code, str(e.type), e.response.headers.get("retry-after"))
            except openai.APIError as e:
                return Told(text, end, 0, str(e.type))
            return Told(text, end)

        yield ask


@contextmanager
def by_anthropic(url: str) -> Iterator[Ask]:
    """Messages."""
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=20) as client:

        def ask(stream: bool) -> Told:
            text, end, ended = "", "", ""
            sent: dict[str, Any] = {"model": MODEL, "max_tokens": 4000}
            sent["messages"] = [{"role": "user", "content": QUESTION}]
            try:
                if not stream:
                    message = client.messages.create(**sent)
                    return Told("".join(getattr(b, "text", "") for b in message.content), message.stop_reason or "")
                for event in client.messages.create(stream=True, **sent):
                    if event.type == "content_block_delta" and event.delta.type == "text_delta":
                        text += event.delta.text
                    elif event.type == "message_delta":
                        ended = event.delta.stop_reason or ""
                    elif event.type == "message_stop":
                        end = ended
            except anthropic.APIStatusError as e:
                error: Any = e.body
                status = 0 if e.status_code == 200 else e.status_code
                return Told(text, end, status, error["error"]["type"], e.response.headers.get("retry-after"))
            return Told(text, end)

        yield ask


@contextmanager
def by_genai(url: str) -> Iterator[Ask]:
    """Google's own client for ``generateContent``."""
    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url, timeout=20_000)) as client:

        def ask(stream: bool) -> Told:
            text, end = "", ""
            generate: Any = client.models.generate_content_stream if stream else client.models.generate_content
            try:
                answers = generate(model=MODEL, contents=QUESTION)
                for answer in answers if stream else [answers]:
                    for candidate in answer.candidates or []:
                        parts = (candidate.content and candidate.content.parts) or []
                        text += "".join(part.text or "" for part in parts if not part.thought)
                        end = candidate.finish_reason.value if candidate.finish_reason else end
            except genai_errors.APIError as e:
                response: Any = e.response
                is_within = getattr(response, "status_code", 200) == 200
                retry_after = None if is_within else response.headers.get("retry-after")
                return Told(text, end, 0 if is_within else e.code, e.status or "", retry_after)
            return Told(text, end)

        yield ask


#: how to ask by each dialect, by its name
DIALECTS = {"openai": by_openai, "anthropic": by_anthropic, "gemini": by_genai}
