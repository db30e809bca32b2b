"""Sessions, sign-ins under way, the throttle of wrong keys: all bounded in number and time. No I/O, monotonic times."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from typing import Generic, TypeVar

from msgspec import Struct

#: seconds that somebody may take at the provider's pages
ATTEMPT_SECONDS = 600.0
#: seconds that a login lasts
SESSION_SECONDS = 8 * 3600.0
#: wrong keys that one address may show within so many seconds
WRONG_KEYS, WRONG_KEY_SECONDS = 10, 60.0
#: how much of each kind is remembered; the oldest goes first
_MOST = 1000

T = TypeVar("T")


class Attempt(Struct, frozen=True):
    """A sign-in that was begun: its PKCE verifier, and the cookie of the browser that it belongs to."""

    verifier: str
    browser: str

    def is_of(self, browser: str) -> bool:
        """Whether it was begun in the browser that shows this cookie."""
        return hmac.compare_digest(self.browser.encode(), browser.encode())


class Session(Struct):
    """What a browser may do that shows the session's cookie. ``token`` must come with every change (CSRF).

    ``is_login``: it showed an API key. ``notice``: words that the next page shows, once.
    """

    token: str
    is_login: bool
    notice: str = ""

    def is_own(self, token: str) -> bool:
        """Whether a form came from a page of this session."""
        return bool(self.token) and hmac.compare_digest(self.token.encode(), token.encode())

    def take_notice(self) -> str:
        """The notice; the second call returns none."""
        notice, self.notice = self.notice, ""
        return notice


class Expiring(Generic[T]):
    """Values under names that nobody can guess, each for ``seconds``, at most so many at a time."""

    def __init__(self, seconds: float, most: int = _MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()  # the oldest first

    def put(self, name: str, value: T, now: float) -> None:
        """Remembers a value."""
        self._forget(now)
        self._kept.pop(name, None)
        self._kept[name] = (now + self._seconds, value)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def get(self, name: str, now: float) -> T | None:
        """The value, if its time is not over."""
        self._forget(now)
        found = self._kept.get(name)
        return None if found is None else found[1]

    def take(self, name: str, now: float) -> T | None:
        """The value, for the first who asks."""
        self._forget(now)
        found = self._kept.pop(name, None)
        return None if found is None else found[1]

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def _forget(self, now: float) -> None:
        while self._kept:
            name, (until, _) = next(iter(self._kept.items()))
            if until > now:
                return
            del self._kept[name]


class Throttle:
    """Counts wrong keys by address. An address over the limit waits, whatever key it shows."""

    def __init__(self) -> None:
        self._wrong: Expiring[list[float]] = Expiring(WRONG_KEY_SECONDS)

    def wait(self, address: str, now: float) -> float:
        """Seconds until the address may try again; 0: at once."""
        times = self._wrong.get(address, now)
        if times is None or len(times) < WRONG_KEYS:
            return 0.0
        return max(0.0, times[-WRONG_KEYS] + WRONG_KEY_SECONDS - now)

    def wrong(self, address: str, now: float) -> None:
        """The address showed a wrong key."""
        times = [time for time in self._wrong.take(address, now) or () if now - time < WRONG_KEY_SECONDS]
        self._wrong.put(address, [*times, now][-WRONG_KEYS:], now)
