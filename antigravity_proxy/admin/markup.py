"""Small pieces of HTML, by ``twisted.web.template``, which escapes whatever is put into a tag. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from twisted.web.template import Comment, Tag, flattenString

#: seconds in a minute, an hour, a day
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class _Tags:
    """Makes any element by its name; Twisted's own ``tags`` knows none that is newer than 2010."""

    def __getattr__(self, name: str) -> Tag:
        return Tag(name)


tags = _Tags()


def flat(tag: Tag) -> str:
    """The tag as text. Nothing in our tags waits for anything, so it is there at once."""
    done: list[bytes] = []
    failed: list[BaseException] = []
    flattenString(None, tag).addCallbacks(done.append, lambda failure: failed.append(failure.value))
    if failed:
        raise failed[0]
    return done[0].decode()


def hole(name: str) -> Comment:
    """A place for HTML that is drawn apart; nobody else's text can be one, since its angle brackets are escaped."""
    return Comment(f"hole {name}")


def filled(html: str, parts: Mapping[str, str]) -> str:
    """The HTML with its holes filled; what is put into them is not looked at."""
    return re.sub("<!--hole ([a-z]+)-->", lambda found: parts[found[1]], html)


def until(epoch: float, now: float) -> Tag:
    """How long until a moment (epoch seconds), with the moment itself; the page's script counts it down."""
    return _time(epoch, span(epoch - now), "until")


def since(epoch: float, now: float) -> Tag:
    """How long ago a moment was; the page's script counts it up."""
    return _time(epoch, span(now - epoch), "since")


def span(seconds: float) -> str:
    """A length of time, in its two largest units."""
    whole = max(0, round(seconds))
    for unit, smaller, name, smaller_name in (
        (_DAY, _HOUR, "d", "h"),
        (_HOUR, _MINUTE, "h", "min"),
        (_MINUTE, 1, "min", "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name} {rest} {smaller_name}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def moment(epoch: float) -> str:
    """A moment as text, in UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def dot(kind: str) -> Tag:
    """A coloured mark beside words that say the same."""
    return tags.span(class_=f"dot {kind}", **{"aria-hidden": "true"})


def number(count: int, one: str, many: str = "") -> str:
    """``1 account``, ``2 accounts``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _time(epoch: float, words: str, which: str) -> Tag:
    stamp = datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")
    return tags.time(words, datetime=stamp, title=moment(epoch), **{f"data-{which}": str(round(epoch))})
