"""Decodes ``POST /v1/completions`` (translation.md 4). Pure."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call, Reasoning
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.estimate import input_tokens
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.numbers import Whole, whole
from antigravity_proxy.dialect.openai.chat_visitor import ChatOptions
from antigravity_proxy.dialect.openai.completions_answer import new_answer
from antigravity_proxy.dialect.openai.settings import (
    MAX_TOP_LOGPROBS,
    CompletionSettings,
    choices,
    completion_sampling,
)
from antigravity_proxy.dialect.parse import parse
from antigravity_proxy.errors import BadRequest

#: answers to one request, all prompts together
_MAX_ANSWERS = 16

Tokens = list[int]


class CompletionRequest(CompletionSettings, kw_only=True):
    """The body; unknown fields are ignored, null is absent."""

    model: str
    prompt: str | list[str | int | Tokens] | None = None
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Whole | None = None


_decoder = msgspec.json.Decoder(CompletionRequest)


def decode(body: bytes) -> Decoded:
    """The request as a call for each prompt; raises BadRequest with the ``param`` at fault."""
    request = parse(body, _decoder)
    prompts = _prompts(request)
    if request.suffix:
        raise BadRequest("suffix is not supported.", param="suffix")
    wanted = choices(request)
    if len(prompts) * wanted > _MAX_ANSWERS:
        raise BadRequest(f"At most {_MAX_ANSWERS} answers in one request.", param="prompt" if wanted == 1 else "n")
    logprobs = whole(request.logprobs, "logprobs", 0, MAX_TOP_LOGPROBS)
    limit = whole(request.max_tokens, "max_tokens", 1)
    call = Call(
        model=request.model,
        contents=(),
        sampling=completion_sampling(request, limit, logprobs=logprobs is not None, top_logprobs=logprobs),
        reasoning=Reasoning(show=False),
        choices=wanted,
        stream=bool(request.stream),
    )
    calls = [replace(call, contents=(Content("user", (Part(text=prompt),)),)) for prompt in prompts]
    options = ChatOptions(
        model=request.model,
        stream=call.stream,
        include_usage=request.include_usage,
        show_thoughts=False,
        echo=tuple(prompt for prompt in prompts for _ in range(wanted)) if request.echo else (),
        input_estimate=sum(map(input_tokens, calls)),
    )
    return Decoded(calls[0], partial(new_answer, options), more=tuple(calls[1:]))


def _prompts(request: CompletionRequest) -> list[str]:
    prompt = request.prompt
    if not prompt:
        raise BadRequest("There is no prompt.", param="prompt")
    if isinstance(prompt, str):
        return [prompt]
    prompts: list[str] = []
    for i, each in enumerate(prompt):
        if not isinstance(each, str):
            raise BadRequest("token ids are not supported: send text.", param="prompt")
        if not each:
            raise BadRequest("This prompt is empty.", param=f"prompt[{i}]")
        prompts.append(each)
    return prompts
