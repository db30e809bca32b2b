"""Notices that Code Assist sends as if they were answers: short, without usage, with a known sentence. Pure.

The table is all there is to it: a row for each sentence (upstream.md 6.4). Nothing else makes an answer a notice.
"""

from __future__ import annotations

import re

from msgspec import Struct

from antigravity_proxy.canonical.verdict import Cause

#: characters of the longest notice: a longer text is an answer
LONGEST = 600
#: characters after which a sentence has been said, if it is one of the table
_DECIDED = 200


class Sentence(Struct, frozen=True):
    """A sentence that makes a short answer a notice of this cause.

    ``begins``: how such an answer may begin, in lower case; what ``pattern`` matches begins with two of their letters.
    """

    cause: Cause
    pattern: re.Pattern[str]
    begins: tuple[str, ...] = ()


_PRODUCT = r"(?:antigravity|gemini code assist|gemini cli|this client|your client)"
#: the first that matches decides
SENTENCES = (
    Sentence(
        Cause.OLD_CLIENT,
        re.compile(rf"\A(?:this|your) version of {_PRODUCT}\b[^\n]{{0,80}}\bno longer supported\b", re.I),
        ("this version of ", "your version of "),
    ),
    Sentence(
        Cause.OLD_CLIENT,
        re.compile(rf"\A{_PRODUCT}\b[^\n]{{0,60}}\bversion\b[^\n]{{0,40}}\bno longer supported\b", re.I),
        ("antigravity ", "gemini code assist ", "gemini cli ", "this client", "your client"),
    ),
    Sentence(
        Cause.OLD_CLIENT,
        re.compile(rf"\Aplease (?:update|upgrade) (?:to the latest version of )?{_PRODUCT}\b", re.I),
        ("please update ", "please upgrade "),
    ),
    Sentence(
        Cause.WITHDRAWN_MODEL,
        re.compile(
            r"\A(?:the model )?(?:gemini|claude|gpt)[\w .()-]{0,60}\b"
            r"(?:is no longer (?:available|supported)|has been (?:retired|discontinued|deprecated))\b",
            re.I,
        ),
        ("the model ", "gemini ", "gemini-", "claude ", "claude-", "gpt-"),
    ),
    Sentence(
        Cause.WITHDRAWN_MODEL,
        re.compile(
            r"\A(?:this|the (?:selected|requested)) model\b[^\n]{0,80}\b"
            r"(?:is no longer (?:available|supported)|has been (?:retired|discontinued|deprecated))\b",
            re.I,
        ),
        ("this model", "the selected model", "the requested model"),
    ),
)


#: up to two letters with which each of them begins: most answers begin otherwise, and need no further look
_STARTS = frozenset(begin[:length] for each in SENTENCES for begin in each.begins for length in range(3))


def find(text: str) -> Cause | None:
    """The notice in the text of a complete answer without usage; None: it is an answer."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    return next((sentence.cause for sentence in SENTENCES if sentence.pattern.search(text)), None)


def may_become_one(text: str) -> bool:
    """Whether a text that goes on may be a notice in the end: the answer is held back as long as that is so."""
    text = text.lstrip()
    if text[:2].lower() not in _STARTS or len(text) > LONGEST:
        return False
    if find(text) is not None:
        return True
    line, low = text.partition("\n")[0], text.lower()
    if len(line) < len(text) or len(line) > _DECIDED:
        return False
    return any(low.startswith(begin) or begin.startswith(low) for each in SENTENCES for begin in each.begins)
