"""Headers that report the rest of limits to clients, as the vendors' SDKs and agents read them. Does no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, structs

from antigravity_proxy.canonical.windows import FIVE_HOURS, SECONDS, WEEK, Window
from antigravity_proxy.web.budgets import Left

Headers = tuple[tuple[bytes, bytes], ...]

#: from this used part on a window is said to be nearly used up (contract.md 11)
_WARNING = 0.9
#: seconds by which a stated moment may be too early
_LATE = 0.05
_UNIFIED = ((FIVE_HOURS, b"5h"), (WEEK, b"7d"))


def of_key(dialect: str, requests: Left | None, tokens: Left | None, epoch: float) -> Headers:
    """A client key's own limits: requests a minute and tokens; ``epoch``: now, in seconds."""
    return tuple(_of_key(dialect, requests, tokens, epoch))


def _of_key(dialect: str, requests: Left | None, tokens: Left | None, epoch: float) -> Iterator[tuple[bytes, bytes]]:
    for what, left in ((b"requests", requests), (b"tokens", tokens)):
        if left is None:
            continue
        if dialect == "anthropic":
            name = b"anthropic-ratelimit-" + what
            yield name + b"-limit", b"%d" % left.limit
            yield name + b"-remaining", b"%d" % left.remaining
            yield name + b"-reset", _moment(epoch + left.seconds)
        elif dialect == "openai":
            yield b"x-ratelimit-limit-" + what, b"%d" % left.limit
            yield b"x-ratelimit-remaining-" + what, b"%d" % left.remaining
            yield b"x-ratelimit-reset-" + what, _span(left.seconds)


def unified(windows: Mapping[str, Window], epoch: float) -> Headers:
    """Both windows of the account that served, as Claude Code reads them (clients.md 12.8).

    Of a window that has begun again since, nothing is said.
    """
    found: list[tuple[bytes, bytes]] = []
    worst, until = b"", 0
    for name, called in _UNIFIED:
        window = windows.get(name)
        if window is None or window.resets_at is None or window.resets_at <= epoch:
            continue
        used, reset = 1.0 - window.remaining, math.ceil(window.resets_at)
        status = b"rejected" if used >= 1.0 else b"allowed_warning" if used >= _WARNING else b"allowed"
        prefix = b"anthropic-ratelimit-unified-" + called
        found.append((prefix + b"-utilization", f"{used:.4g}".encode()))
        found.append((prefix + b"-reset", b"%d" % reset))
        found.append((prefix + b"-status", status))
        if not worst or _SEVERITY[status] > _SEVERITY[worst]:
            worst, until = status, reset
    if worst:
        found.append((b"anthropic-ratelimit-unified-status", worst))
        found.append((b"anthropic-ratelimit-unified-reset", b"%d" % until))
    return tuple(found)


def codex(windows: Mapping[str, Window], epoch: float) -> Headers:
    """Both windows of the account that served, as Codex reads them over HTTP (clients.md 12.4)."""
    found: list[tuple[bytes, bytes]] = []
    for called, window in _of_codex(windows, epoch):
        for name, value in structs.asdict(window).items():
            found.append((f"x-codex-{called}-{name.replace('_', '-')}".encode(), str(value).encode()))
    return tuple(found)


def codex_event(windows: Mapping[str, Window], epoch: float) -> bytes:
    """The same as the event that Codex reads on a WebSocket (clients.md 12.4); empty where nothing is known."""
    found = dict(_of_codex(windows, epoch))
    return msgspec.json.encode({"type": "codex.rate_limits", "rate_limits": found}) if found else b""


class _CodexWindow(Struct):
    used_percent: float
    window_minutes: int
    reset_at: int


def _of_codex(windows: Mapping[str, Window], epoch: float) -> Iterator[tuple[str, _CodexWindow]]:
    for called, name in (("primary", FIVE_HOURS), ("secondary", WEEK)):
        window = windows.get(name)
        if window is not None and window.resets_at is not None and window.resets_at > epoch:
            used = round(100 * (1.0 - window.remaining), 1)
            yield called, _CodexWindow(used, int(SECONDS[name] // 60), math.ceil(window.resets_at))


_SEVERITY = {b"allowed": 0, b"allowed_warning": 1, b"rejected": 2}


def _moment(epoch: float) -> bytes:
    whole = math.ceil(epoch - _LATE)  # a little time passes between two looks at the clock
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _span(seconds: float) -> bytes:
    """A length of time as OpenAI writes it: ``120ms``, ``6m0s``, ``23h59m59s``."""
    if seconds < 1:
        return b"%dms" % max(0, math.ceil(seconds * 1000))
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, rest)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest
