"""One upstream as the relay has it: its wire, its pool of accounts, and what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.canonical.wire import Notices, Wire
from antigravity_proxy.relay.projects import Projects
from antigravity_proxy.relay.refusals import Refusals
from antigravity_proxy.relay.repairs import Repairs
from antigravity_proxy.startup import epoch
from antigravity_proxy.telemetry.drift import Drift

#: seconds that a host which could not be reached is tried last (upstream.md 1.1)
AVOID_FOR = 60.0


class BaseUrls:
    """The upstream base URLs in the configured order, but hosts that failed a moment ago come last."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = [url.encode("ascii") for url in urls]
        self.avoided: dict[bytes, float] = {}

    def in_order(self, now: float) -> list[bytes]:
        """The base URLs to try one after the other; ``now`` in monotonic seconds."""
        if not self.avoided:
            return self.urls
        self.avoided = {url: until for url, until in self.avoided.items() if until > now}
        return sorted(self.urls, key=lambda url: url in self.avoided)

    def trouble(self, now: float) -> bool:
        """Whether each of them failed a moment ago; ``now`` in monotonic seconds."""
        return all(self.avoided.get(url, 0.0) > now for url in self.urls)

    def answered(self, url: bytes) -> None:
        """It has served a request: whatever was wrong is over."""
        self.avoided.pop(url, None)

    def failed(self, url: bytes, now: float) -> None:
        """It could not be reached, or broke off, or gave no answer."""
        self.avoided[url] = now + AVOID_FOR


@dataclass(slots=True)
class Upstream:
    """Where calls go.

    ``repairs`` remembers which fields its models refuse (upstream.md 4.3), ``refusals`` keeps the refusals that are
    not an account's fault (upstream.md 6.4). ``notices`` are those that it sends as if they were answers, ``reasons``
    those of errors that its table knows; empty: any. ``drift`` counts what no table knows.
    """

    wire: Wire
    pool: Pool
    tokens: TokenKeeper
    projects: Projects
    bases: BaseUrls
    repairs: Repairs = field(default_factory=Repairs)
    refusals: Refusals = field(default_factory=Refusals)
    notices: Notices | None = None
    reasons: frozenset[str] = frozenset()
    drift: Drift = field(default_factory=lambda: Drift(epoch))
