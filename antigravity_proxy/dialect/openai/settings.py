"""Settings that the OpenAI endpoints share: sampling, reasoning effort (translation.md 2.7, 2.11). Pure."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.canonical.call import Effort, Reasoning, Sampling
from antigravity_proxy.dialect.numbers import MAX_INT, Whole, whole, within

MAX_CHOICES = 8
MAX_TOP_LOGPROBS = 20
#: what upstream takes; OpenAI allows four
_MAX_STOPS = 5


class _StreamOptions(Struct):
    include_usage: bool | None = None


class CompletionSettings(Struct, kw_only=True):
    """What chat and legacy completions have in common in their bodies; null is absent."""

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
        temperature=temperature(settings.temperature),
        top_p=top_p(settings.top_p),
        top_k=whole(settings.top_k, "top_k", 0),
        max_output_tokens=limit,
        stop_sequences=tuple(filter(None, stops))[:_MAX_STOPS],
        seed=_seed(settings.seed),
        presence_penalty=within(settings.presence_penalty, "presence_penalty", -2, 2),
        frequency_penalty=within(settings.frequency_penalty, "frequency_penalty", -2, 2),
        response_logprobs=logprobs,
        logprobs=top_logprobs if logprobs else None,
    )


def choices(settings: CompletionSettings) -> int:
    """How many answers are wanted; raises BadRequest."""
    return whole(settings.n, "n", 1, MAX_CHOICES) or 1


def temperature(value: float | None) -> float | None:
    """``temperature``; raises BadRequest."""
    return within(value, "temperature", 0, 2)


def top_p(value: float | None) -> float | None:
    """``top_p``; raises BadRequest."""
    return within(value, "top_p", 0, 1)


def by_effort(effort: Effort, *, show: bool) -> Reasoning:
    """Reasoning by an effort word; ``none`` means off."""
    return thinking_off() if effort == "none" else Reasoning("on", effort=effort, show=show)


def thinking_off() -> Reasoning:
    """No reasoning."""
    return Reasoning("off", show=False)


def _seed(seed: Whole | None) -> int | None:
    """Upstream's is 32 bits wide; larger ones are folded."""
    found = whole(seed, "seed", None, None)
    return found if found is None else found & MAX_INT
