"""``generationConfig``: how the answer is made, by the client's settings and the model. Pure (upstream.md 4.3)."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, Sampling
from antigravity_proxy.canonical.content import ABSENT
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Fix, Quirk
from antigravity_proxy.generatecontent import schema
from antigravity_proxy.generatecontent.thinking import ThinkingConfig, fit_output, thinking_config

#: configurations that are kept, each of a few dozen bytes: a client asks with the same settings again and again
KEPT = 512


class GenerationConfig(Sampling, frozen=True, rename="camel", omit_defaults=True):
    """``generationConfig``: the sampling settings and what is decided here."""

    thinking_config: ThinkingConfig | None = None
    response_mime_type: str = ""
    response_json_schema: Raw = ABSENT
    response_schema: Raw = ABSENT


def generation_config(
    call: Call, model: Model, quirks: frozenset[Fix], *, may_think: bool, tools: bool, system: list[str]
) -> Raw:
    """The configuration; absent where there is nothing to say.

    ``may_think``: the conversation allows it. ``tools``: functions are declared. What upstream has no field for is
    added to ``system``, in words.
    """
    sampling = call.sampling
    if call.output.kind == "text" and not call.extra_config:
        if sampling.stop_sequences or sampling.seed is not None:  # words, and what seldom comes twice, are not kept
            return plain_config(sampling, call.reasoning, model, quirks, may_think)
        return kept_config(sampling, call.reasoning, model, quirks, may_think)
    mime, json_schema, short_schema = "", ABSENT, ABSENT
    if call.output.kind != "text":
        mime, json_schema, short_schema = _output(call, model, quirks, tools, system)
    config = _config(sampling, call.reasoning, model, quirks, may_think, mime, json_schema, short_schema)
    text = msgspec.json.encode(config)
    if call.extra_config:
        text = msgspec.json.encode({**msgspec.json.decode(text, type=dict[str, Raw]), **call.extra_config})
    return _said(text)


def plain_config(
    sampling: Sampling, reasoning: Reasoning, model: Model, quirks: frozenset[Fix], may_think: bool
) -> Raw:
    """The configuration of a call for plain text, which depends on nothing else."""
    return _said(msgspec.json.encode(_config(sampling, reasoning, model, quirks, may_think)))


kept_config = functools.lru_cache(maxsize=KEPT)(plain_config)


def _said(text: bytes) -> Raw:
    return Raw(text) if text != b"{}" else ABSENT


def _config(
    sampling: Sampling,
    reasoning: Reasoning,
    model: Model,
    quirks: frozenset[Fix],
    may_think: bool,
    mime: str = "",
    json_schema: Raw = ABSENT,
    short_schema: Raw = ABSENT,
) -> GenerationConfig:
    output, thinking = fit_output(
        sampling.max_output_tokens, thinking_config(reasoning, model) if may_think else None, model
    )
    if thinking is not None and Quirk.PLAIN_THINKING in quirks:
        thinking = ThinkingConfig(thinking.include_thoughts)
    temperature, top_p, top_k = samplers(sampling, claude=model.family == "claude", thinks=thinking is not None)
    no_logprobs = Quirk.NO_LOGPROBS in quirks
    return GenerationConfig(
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        max_output_tokens=output,
        stop_sequences=() if Quirk.NO_STOP_SEQUENCES in quirks else sampling.stop_sequences[:5],
        seed=sampling.seed,
        presence_penalty=None if Quirk.NO_PRESENCE_PENALTY in quirks else sampling.presence_penalty,
        frequency_penalty=None if Quirk.NO_FREQUENCY_PENALTY in quirks else sampling.frequency_penalty,
        response_logprobs=sampling.response_logprobs and not no_logprobs,
        logprobs=None if no_logprobs else sampling.logprobs,
        thinking_config=thinking,
        response_mime_type=mime,
        response_json_schema=json_schema,
        response_schema=short_schema,
    )


def samplers(sampling: Sampling, *, claude: bool, thinks: bool) -> tuple[float | None, float | None, int | None]:
    """Temperature, top-p and top-k as a model takes them: Claude one of the first two, and little while it thinks."""
    thinking_claude = claude and thinks
    temperature = None if thinking_claude or sampling.temperature is None else _within(sampling.temperature, 0, 2)
    top_p = None if sampling.top_p is None or (claude and temperature is not None) else _within(sampling.top_p, 0, 1)
    if thinking_claude and (top_p or 0) < 0.95:
        top_p = None
    top_k = None if thinking_claude or sampling.top_k is None else max(sampling.top_k, 1)
    return temperature, top_p, top_k


def _within(value: float, low: float, high: float) -> float:
    """Out of range is brought into it, as upstream would refuse it (upstream.md 8.4)."""
    return value if low <= value <= high else min(max(value, low), high)


def _output(call: Call, model: Model, quirks: frozenset[Fix], tools: bool, system: list[str]) -> tuple[str, Raw, Raw]:
    """Mime type, schema, schema by the short list.

    Where upstream has no field, the prompt says it (translation.md 2.5).
    """
    output = call.output
    if model.family == "claude" or (tools and not model.formats_beside_tools):
        system.append(output_in_words(output))
        return "", ABSENT, ABSENT
    if output.kind == "enum":
        return "text/x.enum", ABSENT, Raw(msgspec.json.encode(schema.clean_response(output.schema, short=True)))
    if output.kind == "json" or not isinstance(output.schema, dict):
        return "application/json", ABSENT, ABSENT
    if Quirk.SHORT_SCHEMA in quirks:
        short = schema.clean_response(output.schema, short=True)
        return "application/json", ABSENT, Raw(msgspec.json.encode(short))
    return "application/json", Raw(msgspec.json.encode(schema.clean_response(output.schema))), ABSENT


def output_in_words(output: OutputFormat) -> str:
    """The prompt for the form of an answer, for a model that has no field for it."""
    return _one_of(output.schema) if output.kind == "enum" else _in_words(output.schema)


def _one_of(wanted: Any) -> str:
    values = wanted.get("enum") if isinstance(wanted, dict) else None
    return f"Answer with exactly one of these texts, and nothing else: {msgspec.json.encode(values or []).decode()}"


def _in_words(wanted: Any) -> str:
    if not isinstance(wanted, dict):
        return "Answer with one JSON value only, no prose, no code fence."
    return (
        "Answer with one JSON value only, valid against this JSON Schema, no prose, no code fence:\n"
        + msgspec.json.encode(wanted).decode()
    )
