"""Settings that the OpenAI endpoints share: numbers, sampling, reasoning effort (translation.md 2.7, 2.11). Pure."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.canonical.call import Effort, Reasoning, Sampling
from antigravity_proxy.errors import BadRequest

MAX_INT = 2**31 - 1
MAX_CHOICES = 8
MAX_TOP_LOGPROBS = 20
#: what upstream takes; OpenAI allows four
_MAX_STOPS = 5

#: whole numbers may arrive as ``1`` or ``1.0`` (translation.md 1)
Whole = int | float


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
        presence_penalty=_within(settings.presence_penalty, "presence_penalty", -2, 2),
        frequency_penalty=_within(settings.frequency_penalty, "frequency_penalty", -2, 2),
        response_logprobs=logprobs,
        logprobs=top_logprobs if logprobs else None,
    )


def choices(settings: CompletionSettings) -> int:
    """How many answers are wanted; raises BadRequest."""
    return whole(settings.n, "n", 1, MAX_CHOICES) or 1


def temperature(value: float | None) -> float | None:
    """``temperature``; raises BadRequest."""
    return _within(value, "temperature", 0, 2)


def top_p(value: float | None) -> float | None:
    """``top_p``; raises BadRequest."""
    return _within(value, "top_p", 0, 1)


def by_effort(effort: Effort, *, show: bool) -> Reasoning:
    """Reasoning by an effort word; ``none`` means off."""
    return thinking_off() if effort == "none" else Reasoning("on", effort=effort, show=show)


def thinking_off() -> Reasoning:
    """No reasoning."""
    return Reasoning("off", show=False)


def whole(value: Whole | None, param: str, low: int | None, high: int | None = MAX_INT) -> int | None:
    """A whole number within limits; raises BadRequest."""
    if value is None:
        return None
    if value != value // 1:
        raise BadRequest(f"{param} must be a whole number.", param=param)
    if (low is not None and value < low) or (high is not None and value > high):
        raise BadRequest(f"{param} must be from {low} to {high}.", param=param)
    return int(value)


def _seed(seed: Whole | None) -> int | None:
    """Upstream's is 32 bits wide; larger ones are folded."""
    found = whole(seed, "seed", None, None)
    return found if found is None else found & MAX_INT


def _within(value: float | None, param: str, low: int, high: int) -> float | None:
    if value is not None and not low <= value <= high:
        raise BadRequest(f"{param} must be from {low} to {high}.", param=param)
    return value
