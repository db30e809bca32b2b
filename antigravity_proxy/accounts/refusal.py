"""Why no account can be leased, in words for the client (upstream.md 6.3, "Rules around it"). Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from antigravity_proxy import errors


def busy(model: str) -> errors.Unavailable:
    """All accounts are at the limit of their leases."""
    return errors.Unavailable(f"All accounts are busy with {model}.", retry_after=1)


def cooling(model: str, seconds: float, now: float) -> errors.RateLimited:
    """The first account is free again in ``seconds``; ``now`` in epoch seconds."""
    whole = max(1, math.ceil(round(seconds, 6)))
    return errors.RateLimited(
        f"All accounts are rate limited for {model}; {_free_again(whole, now)}.", retry_after=whole
    )


def unusable(model: str, accounts: int) -> errors.Unavailable:
    """Time alone brings no account back; there are so many ``accounts``."""
    if not accounts:
        return errors.Unavailable("No account can be read from the credential volume; /health says why.")
    return errors.Unavailable(f"No account is usable for {model} at the moment; /health says why.")


def _free_again(seconds: int, now: float) -> str:
    """The moment in words, for clients that ignore ``Retry-After`` (translation.md 10); ``now`` in epoch seconds."""
    moment = _utc(now + seconds)
    hours, rest = divmod(seconds, 3600)
    minutes = rest // 60
    length = f"{hours} h {minutes} m" if hours else f"{minutes} m {rest % 60} s" if minutes else f"{seconds} s"
    return f"the first is free again at {moment} (in {length})"


def _utc(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
