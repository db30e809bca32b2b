"""The settings of OpenAI requests: sampling, output format, reasoning (translation.md 2.5, 2.7, 2.11). Pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Raw, Struct

from antigravity_proxy.canonical.call import OutputFormat, Reasoning, Sampling
from antigravity_proxy.dialect.effort import nearest_effort
from antigravity_proxy.dialect.numbers import MAX_INT, Whole, whole, within
from antigravity_proxy.errors import BadRequest

MAX_CHOICES = 8
#: OpenAI's tiers that Google has too, by the same names; the others mean what is usual
_TIERS = {name: {"serviceTier": Raw(b'"%s"' % name.encode())} for name in ("flex", "priority")}
MAX_TOP_LOGPROBS = 20
#: what upstream takes; OpenAI allows four
_MAX_STOPS = 5


#: the settings of a client that says nothing of them
UNSAID = Sampling()


class _StreamOptions(Struct):
    include_usage: bool | None = None


class CompletionSettings(Struct, kw_only=True):
    """The common fields of chat and legacy completions; null is absent."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: Whole | None = None
    max_tokens: Whole | None = None
    stop: str | list[str] | None = None
    seed: Whole | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    n: Whole | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream is to end with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


def completion_sampling(
    settings: CompletionSettings, limit: int | None, *, logprobs: bool, top_logprobs: int | None
) -> Sampling:
    """Sampling settings; ``limit`` in output tokens. Raises BadRequest for values out of range."""
    stop = settings.stop
    stops = [stop] if isinstance(stop, str) else stop or []
    return Sampling(
        temperature=None if settings.temperature is None else temperature(settings.temperature),
        top_p=None if settings.top_p is None else top_p(settings.top_p),
        top_k=None if settings.top_k is None else whole(settings.top_k, "top_k", 0),
        max_output_tokens=limit,
        stop_sequences=tuple(filter(None, stops))[:_MAX_STOPS],
        seed=None if settings.seed is None else _seed(settings.seed),
        presence_penalty=None
        if settings.presence_penalty is None
        else within(settings.presence_penalty, "presence_penalty", -2, 2),
        frequency_penalty=None
        if settings.frequency_penalty is None
        else within(settings.frequency_penalty, "frequency_penalty", -2, 2),
        response_logprobs=logprobs,
        logprobs=top_logprobs if logprobs else None,
    )


def tier(value: Any) -> dict[str, Raw]:
    """``service_tier`` as official upstreams' own field; nothing where it says nothing to them."""
    return _TIERS.get(value, {}) if isinstance(value, str) else {}


def choices(settings: CompletionSettings) -> int:
    """How many answers are wanted; raises BadRequest."""
    return 1 if settings.n is None else whole(settings.n, "n", 1, MAX_CHOICES) or 1


def temperature(value: float | None) -> float | None:
    """``temperature``; raises BadRequest."""
    return within(value, "temperature", 0, 2)


def top_p(value: float | None) -> float | None:
    """``top_p``; raises BadRequest."""
    return within(value, "top_p", 0, 1)


def by_effort(word: str, *, show: bool) -> Reasoning:
    """Reasoning by an effort word; ``none`` means off."""
    effort = nearest_effort(word)
    return thinking_off() if effort == "none" else Reasoning("on", effort=effort, show=show)


def thinking_off() -> Reasoning:
    """No reasoning."""
    return Reasoning("off", show=False)


def _seed(seed: Whole | None) -> int | None:
    """Upstream's is 32 bits wide; larger ones are folded."""
    found = whole(seed, "seed", None, None)
    return None if found is None else found & MAX_INT


# -- chat


class _JsonSchema(Struct):
    schema: dict[str, Any] | None = None


class _ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _Reasoning(Struct):
    """OpenRouter's form."""

    effort: str | None = None
    max_tokens: Whole | None = None
    exclude: bool | None = None


class _Thinking(Struct):
    """Anthropic's form, which litellm passes on."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Whole | None = None


class _GoogleThinking(Struct):
    include_thoughts: bool | None = None
    thinking_budget: Whole | None = None
    thinking_level: str | None = None


class _Google(Struct):
    thinking_config: _GoogleThinking | None = None


class _ExtraBody(Struct):
    google: _Google | None = None


class ChatSettings(CompletionSettings, kw_only=True):
    """The part of the body that says how to generate; null is absent."""

    max_completion_tokens: Whole | None = None
    logprobs: bool | None = None
    top_logprobs: Whole | None = None
    response_format: _ResponseFormat | None = None
    reasoning_effort: str | None = None
    reasoning: _Reasoning | None = None
    thinking: _Thinking | None = None
    google: _Google | None = None
    extra_body: _ExtraBody | None = None


def sampling(settings: ChatSettings) -> Sampling:
    """Sampling settings; raises BadRequest for values out of range."""
    if (
        settings.temperature is None
        and settings.top_p is None
        and settings.max_completion_tokens is None
        and settings.max_tokens is None
        and settings.stop is None
        and settings.seed is None
        and settings.presence_penalty is None
        and settings.frequency_penalty is None
        and settings.top_k is None
        and settings.logprobs is None
        and settings.top_logprobs is None
    ):
        return UNSAID
    limit = top_logprobs = None
    if settings.max_completion_tokens is not None:
        limit = whole(settings.max_completion_tokens, "max_completion_tokens", 1)
    elif settings.max_tokens is not None:
        limit = whole(settings.max_tokens, "max_tokens", 1)
    if settings.top_logprobs is not None:
        top_logprobs = whole(settings.top_logprobs, "top_logprobs", 0, MAX_TOP_LOGPROBS)
    return completion_sampling(settings, limit, logprobs=bool(settings.logprobs), top_logprobs=top_logprobs)


def output_format(settings: ChatSettings) -> OutputFormat:
    """The form of the answer; raises BadRequest."""
    wanted = settings.response_format
    if wanted is None or wanted.type == "text":
        return OutputFormat()
    if wanted.type == "json_object":
        return OutputFormat("json")
    if wanted.json_schema is None or wanted.json_schema.schema is None:
        raise BadRequest("The JSON schema is missing.", param="response_format.json_schema.schema")
    return OutputFormat("schema", wanted.json_schema.schema)


def reasoning(settings: ChatSettings) -> Reasoning:
    """Thinking in all spellings that clients use; the first that says something counts. Raises BadRequest."""
    if settings.reasoning_effort is not None:
        return by_effort(settings.reasoning_effort, show=True)
    if (said := settings.reasoning) is not None:
        show = said.exclude is not True
        if said.effort is not None:
            return by_effort(said.effort, show=show)
        if said.max_tokens is not None:
            return _by_budget(said.max_tokens, show, "reasoning.max_tokens")
        return Reasoning(show=show)
    if (thinking := settings.thinking) is not None:
        if thinking.type == "enabled":
            return _by_budget(thinking.budget_tokens, True, "thinking.budget_tokens")
        return thinking_off() if thinking.type == "disabled" else Reasoning("auto")
    google = settings.google or (settings.extra_body.google if settings.extra_body is not None else None)
    if google is not None and (config := google.thinking_config) is not None:
        show = config.include_thoughts is not False
        if config.thinking_level is not None:
            return by_effort(config.thinking_level, show=show)
        return _by_budget(config.thinking_budget, show, "google.thinking_config.thinking_budget")
    return Reasoning()


def _by_budget(budget: Whole | None, show: bool, param: str) -> Reasoning:
    """A budget of 0 means off, of -1 that the model decides (Google's words)."""
    tokens = whole(budget, param, -1)
    if tokens == 0:
        return thinking_off()
    if tokens == -1:
        return Reasoning("auto", show=show)
    return Reasoning("on", tokens, show=show)
