"""What last went wrong with an account, in words for its operator. Pure."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.canonical.verdict import Scope, Verdict
from antigravity_proxy.secret import Secret


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
    if verdict.scope is Scope.NONE and not verdict.blames_account:
        return None
    link = verdict.link if verdict.needs_owner and verdict.link.reveal().startswith("https://") else Secret("")
    return Trouble(at, verdict.operator_words, model if verdict.scope is Scope.ACCOUNT_MODEL else "", link)
