"""The upstream base URLs, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Sequence

#: seconds that a host which could not be reached is tried last (upstream.md 1.1)
AVOID_FOR = 60.0


class BaseUrls:
    """The configured order, but hosts that failed a moment ago come last."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = [url.encode("ascii") for url in urls]
        self._avoid: dict[bytes, float] = {}

    def in_order(self, now: float) -> list[bytes]:
        """The base URLs to try one after the other; ``now`` in monotonic seconds."""
        if not self._avoid:
            return self._urls
        self._avoid = {url: until for url, until in self._avoid.items() if until > now}
        return sorted(self._urls, key=lambda url: url in self._avoid)

    def failed(self, url: bytes, now: float) -> None:
        """It could not be reached, or broke off, or gave no answer (upstream.md 6.3 row 9)."""
        self._avoid[url] = now + AVOID_FOR
