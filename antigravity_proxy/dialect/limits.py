"""How many of each thing one request may have: far beyond any client, and little enough to be worked off at once. Pure.

A body may be many megabytes of very small things, of which each costs time in every layer.
"""

from __future__ import annotations

from collections.abc import Iterable

from antigravity_proxy.errors import BadRequest

#: bytes; a shorter body can't have too many of anything, so nothing is counted
SMALL_BODY = 50_000
MAX_MESSAGES = 10_000
#: in all messages together; Gemini's clients keep a turn for each piece of an answer
MAX_PARTS = 20_000
#: in all messages together
MAX_CALLS = 10_000
MAX_TOOLS = 4_096


def at_most(limit: int, what: str, param: str, *counts: int) -> None:
    """Raises BadRequest where the counts come to more than ``limit`` of ``what``."""
    found = sum(counts)
    if found > limit:
        raise BadRequest(f"{found} {what} are too many: at most {limit} are taken in one request.", param=param)


def lengths(lists: Iterable[object]) -> int:
    """The items of all that are lists."""
    return sum(len(each) for each in lists if isinstance(each, list))
