"""What last went wrong with an account, in words for its operator. Pure."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.codeassist.verdict import Scope, Verdict
from antigravity_proxy.secret import Secret

#: what the rows of upstream.md 6.3 say about one account
_WORDS = {
    1: "its quota is used up",
    2: "it reached a rate limit",
    3: "upstream had no capacity",
    4: "its credits are used up",
    5: "upstream refused it for now (429)",
    6: "upstream had no capacity",
    7: "upstream had trouble",
    8: "upstream broke a request off",
    9: "its connection to upstream broke, or stayed silent",
    10: "upstream refused its token",
    11: "Google asks its owner to verify it",
    12: "Google has barred it from this service",
    13: "its project can't be used",
    14: "its project can't be used",
    15: "upstream forbids it what was asked",
    16: "upstream doesn't offer it the model",
    18: "upstream doesn't serve its location",
    23: "upstream sent an empty answer",
}
_SIGN_IN = 10
#: rows that wait for the account's owner (upstream.md 6.3)
_OWNERS = frozenset({11, 12})


class Trouble(Struct, frozen=True):
    """One failure: when (epoch seconds), why, and with which model; empty: with any.

    ``link``: where the account's owner verifies or appeals, empty: upstream named no such page. It identifies the
    account.
    """

    at: float
    reason: str
    model: str = ""
    link: Secret = Secret("")


def of_verdict(verdict: Verdict, model: str, at: float) -> Trouble | None:
    """What a verdict says of the account; None where the account has nothing to do with it."""
    if verdict.scope is Scope.NONE and verdict.row != _SIGN_IN:
        return None
    reason = _WORDS.get(verdict.row, "a request failed")
    link = verdict.link if verdict.row in _OWNERS and verdict.link.reveal().startswith("https://") else Secret("")
    return Trouble(at, reason, model if verdict.scope is Scope.ACCOUNT_MODEL else "", link)
