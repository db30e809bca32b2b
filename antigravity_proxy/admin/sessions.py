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
#: wrong keys that one network may show, and the seconds in which it may
WRONG_KEYS, WRONG_KEY_SECONDS = 10, 60.0
#: how much of each kind is remembered; the oldest goes first
_MOST = 1000

T = TypeVar("T")


class Login(Struct, frozen=True):
    """What admitted a request, for work that outlives it: a session's name, empty for a key in a header.

    ``key_changes`` counts changes of the API keys: after one, everything begun before is void. ``holder`` names whose
    it is where room is short: the key that was shown, and from which network.
    """

    session: str
    key_changes: int
    holder: str


class Attempt(Struct, frozen=True):
    """A sign-in under way: its PKCE verifier, the cookie of its browser, the login that began it."""

    verifier: str
    browser: str
    login: Login

    def is_of(self, browser: str) -> bool:
        """Whether it was begun in the browser that shows this cookie."""
        return hmac.compare_digest(self.browser.encode(), browser.encode())


class Session(Struct):
    """The rights of a browser with the session's cookie. ``token`` must come with every change (CSRF).

    ``is_login``: it showed an API key. ``holder`` as in ``Login``. ``notice``: words that the next page shows, once.
    """

    token: str
    is_login: bool
    holder: str = ""
    notice: str = ""

    def is_own(self, token: str) -> bool:
        """Whether a form came from a page of this session."""
        return bool(self.token) and hmac.compare_digest(self.token.encode(), token.encode())

    def take_notice(self) -> str:
        """The notice; the second call returns none."""
        notice, self.notice = self.notice, ""
        return notice


class Expiring(Generic[T]):
    """Values under unguessable names, each for ``seconds``, at most ``most`` at a time.

    At the limit the oldest value of the holder with the most is dropped: nobody can push out others' values.
    """

    def __init__(self, seconds: float, most: int = _MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._kept: OrderedDict[str, tuple[float, str, T]] = OrderedDict()  # the oldest first
        self._names: dict[str, OrderedDict[str, None]] = {}  # of each holder, the oldest first

    def put(self, name: str, value: T, now: float, holder: str = "") -> None:
        """Keeps a value."""
        self._forget(now)
        self._drop(name)
        self._kept[name] = (now + self._seconds, holder, value)
        self._names.setdefault(holder, OrderedDict())[name] = None
        if len(self._kept) > self._most:
            most = max(self._names, key=lambda each: len(self._names[each]))
            self._drop(next(iter(self._names[most])))

    def get(self, name: str, now: float) -> T | None:
        """The value, None when its time is over."""
        self._forget(now)
        found = self._kept.get(name)
        return None if found is None else found[2]

    def take(self, name: str, now: float) -> T | None:
        """The value, for the first call only."""
        found = self.get(name, now)
        self._drop(name)
        return found

    def clear(self) -> None:
        """Drops all values."""
        self._kept.clear()
        self._names.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def _drop(self, name: str) -> None:
        found = self._kept.pop(name, None)
        if found is not None:
            names = self._names[found[1]]
            del names[name]
            if not names:
                del self._names[found[1]]

    def _forget(self, now: float) -> None:
        while self._kept:
            name, (until, _, _) = next(iter(self._kept.items()))
            if until > now:
                return
            self._drop(name)


class Throttle:
    """Counts wrong keys by network. One over the limit gets no answer to further wrong keys until it has waited."""

    def __init__(self) -> None:
        self._wrong: Expiring[list[float]] = Expiring(WRONG_KEY_SECONDS)

    def wait(self, network: str, now: float) -> float:
        """Seconds until the network may try another key; 0: at once."""
        times = self._wrong.get(network, now)
        if times is None or len(times) < WRONG_KEYS:
            return 0.0
        return max(0.0, times[-WRONG_KEYS] + WRONG_KEY_SECONDS - now)

    def wrong(self, network: str, now: float) -> None:
        """A wrong key came from the network."""
        times = [time for time in self._wrong.take(network, now) or () if now - time < WRONG_KEY_SECONDS]
        self._wrong.put(network, [*times, now][-WRONG_KEYS:], now)
