"""Why an account can't serve, in words for its operator."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import account

from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.reasons import why_not
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.secret import Secret

NOW = Moment(100.0, 1_000_000.0)
OLD = {"expires_at": 5.0}


def why(clients: set[str], state: dict[str, Any] | None = None, **fields: Any) -> str:
    made = AccountState(account("a", **fields))
    for name, value in (state or {}).items():
        setattr(made, name, value)
    return why_not(made, clients, NOW)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (why({""}), ""),
        (why(set()), ""),
        (why({""}, **OLD), ""),
        (why({"own"}, client="own", **OLD), ""),
        (why({""}, disabled="another provider"), "another provider"),
        (why({""}, paused=True, status="expired"), "it is paused for this proxy"),
        (why({""}, status="expired"), "the desktop app has marked it as expired"),
        (why({""}, {"barred": "Google has barred it"}), "Google has barred it"),
        (why({""}, egress=Secret("http://proxy.example:3128")), ""),
        (why({""}, egress=Secret("nonsense://proxy")), "its own proxy can't be used"),
        (why({""}, refresh_token="", **OLD), "it has no refresh token: sign in again"),
        (why(set(), **OLD), "set GOOGLE_CLIENT_ID"),
        (why({"other"}, client="own", **OLD), "set GOOGLE_CLIENT_ID__OWN or GOOGLE_CLIENT_ID"),
        (why({""}, {"refresh_after": 105.0}, **OLD), "could not be renewed"),
    ],
)
def test_each_reason_has_its_words(found: str, words: str) -> None:
    assert words in found
    assert bool(found) == bool(words)
