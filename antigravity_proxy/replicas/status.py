"""The state of Redis, in words, and when to try again. Pure."""

from __future__ import annotations

#: the words before the first connection
NOT_YET = "Redis is not connected yet"
#: replies in a row without trouble after which a trouble is over: it is logged once, not every time
STEADY = 3
#: each trouble that comes back within this many replies doubles the number that is needed, and at most to this
LASTING = 60
#: seconds before the second, third, … attempt to connect; each is shortened by chance by up to a half
BACK_OFF = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
#: seconds after which a connection counts as one that holds
HOLDS = 10.0

#: what Redis' errors mean, by their first word
_ERRORS = {
    "OOM": "Redis is full",
    "MISCONF": "Redis can't save its data and takes no writes",
    "READONLY": "this Redis is a read-only replica",
    "NOREPLICAS": "Redis has too few replicas and takes no writes",
    "LOADING": "Redis is loading its data",
    "BUSY": "Redis is busy with a script",
    "MASTERDOWN": "this Redis has lost its master",
    "WRONGPASS": "Redis refuses the user or the password",
    "NOAUTH": "Redis requires a password",
    "NOPERM": "the Redis user lacks a permission",
    "NOPROTO": "this Redis is too old: version 6.2 is needed",
    "MOVED": "this Redis is part of a cluster, which is not supported",
    "CLUSTERDOWN": "this Redis is part of a cluster, which is not supported",
}


def meaning(error: str) -> str:
    """A Redis error in words that identify nobody."""
    word = error.split(" ", 1)[0]
    if word in _ERRORS:
        return _ERRORS[word]
    if error.startswith("ERR unknown command"):
        return _ERRORS["NOPROTO"]
    if "max number of clients" in error:
        return "Redis takes no more clients"
    return f"Redis refuses a command: {word[:20]}" if word.isalnum() else "Redis refuses a command"


def pause(failures: int, jitter: float) -> float:
    """Seconds before the next attempt after this many failures in a row; ``jitter`` from 0 to 1."""
    return BACK_OFF[min(failures, len(BACK_OFF)) - 1] * (1 - jitter / 2)


class Status:
    """``trouble``: what is wrong, empty: nothing. ``changes``: how often it changed between well and not."""

    __slots__ = ("_needed", "_steady", "changes", "trouble")

    def __init__(self) -> None:
        self.trouble = NOT_YET
        self.changes = 0
        self._steady = STEADY + LASTING  # answers without trouble since the last
        self._needed = STEADY

    @property
    def well(self) -> bool:
        """Whether what is asked will probably be answered."""
        return not self.trouble

    def up(self) -> bool:
        """A connection is up, and accepts everything that is needed; returns whether that is news."""
        return self._become("")

    def down(self, reason: str) -> bool:
        """There is none; returns whether the reason is news."""
        return self._become(reason)

    def answered(self, trouble: str = "") -> bool:
        """Redis has answered, well or not; says whether that changes anything."""
        if trouble:
            if self.well:
                self._needed = STEADY if self._steady >= self._needed + LASTING else min(2 * self._needed, LASTING)
            self._steady = 0
            return self._become(trouble)
        self._steady += 1
        return self._steady >= self._needed and self._become("")

    def _become(self, trouble: str) -> bool:
        news = trouble != self.trouble
        self.changes += bool(trouble) != bool(self.trouble)
        self.trouble = trouble
        return news
