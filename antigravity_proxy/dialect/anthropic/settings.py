"""Sampling, thinking and output format (translation.md 2.5, 2.7, 2.11). Pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity_proxy.canonical.call import OutputFormat, Reasoning, Sampling
from antigravity_proxy.dialect.effort import nearest_effort
from antigravity_proxy.dialect.numbers import MAX_INT, Whole, whole, within

_MIN_BUDGET = 1024
_MAX_STOPS = 5

_OFF = Reasoning("off", show=False)
_TEXT = OutputFormat()

Display = Literal["summarized", "omitted"]


class _Enabled(Struct, tag_field="type", tag="enabled"):
    budget_tokens: Whole
    display: Display | None = None


class _Adaptive(Struct, tag_field="type", tag="adaptive"):
    display: Display | None = None


class _BetweenTools(Struct, tag_field="type", tag="between_tools"):
    display: Display | None = None


class _Disabled(Struct, tag_field="type", tag="disabled"):
    display: Display | None = None


class _Format(Struct, tag_field="type", tag="json_schema"):
    schema: dict[str, Any]


class _OutputConfig(Struct):
    effort: str | None = None
    format: _Format | None = None


class _Metadata(Struct):
    user_id: str | None = None


class MessageSettings(Struct, kw_only=True):
    """The part of the body that says how to generate; null is absent. ``output_format`` is the older place."""

    max_tokens: Whole | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Whole | None = None
    stop_sequences: list[str] | None = None
    thinking: _Enabled | _Adaptive | _BetweenTools | _Disabled | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    metadata: _Metadata | None = None


def sampling(settings: MessageSettings) -> Sampling:
    """Sampling settings; raises BadRequest for values out of range."""
    stops = settings.stop_sequences
    return Sampling(
        temperature=None if settings.temperature is None else within(settings.temperature, "temperature", 0, 1),
        top_p=None if settings.top_p is None else within(settings.top_p, "top_p", 0, 1),
        top_k=None if settings.top_k is None else whole(settings.top_k, "top_k", 0),
        max_output_tokens=None if settings.max_tokens is None else whole(settings.max_tokens, "max_tokens", 0),
        stop_sequences=tuple(filter(None, stops))[:_MAX_STOPS] if stops else (),
    )


def reasoning(settings: MessageSettings) -> Reasoning:
    """How to think, and whether the client may be shown it: only if it asked for thinking. Raises BadRequest."""
    if settings.thinking is None and settings.output_config is None:
        return _OFF
    word = settings.output_config.effort if settings.output_config is not None else None
    effort = None if word is None else nearest_effort(word)
    match settings.thinking:
        case _Enabled(budget_tokens=budget):
            return Reasoning("on", whole(budget, "thinking.budget_tokens", _MIN_BUDGET, MAX_INT))
        case _Adaptive() | _BetweenTools():
            return Reasoning("auto") if effort is None else Reasoning("on", effort=effort)
        case None if effort is not None:
            return Reasoning("on", effort=effort, show=False)
        case _:
            return _OFF


def hides_thoughts(settings: MessageSettings) -> bool:
    """Whether thoughts are sent without their text."""
    return settings.thinking is not None and settings.thinking.display == "omitted"


def output_format(settings: MessageSettings) -> OutputFormat:
    """The form of the answer."""
    config = settings.output_config
    wanted = config.format if config is not None and config.format is not None else settings.output_format
    return _TEXT if wanted is None else OutputFormat("schema", wanted.schema)
