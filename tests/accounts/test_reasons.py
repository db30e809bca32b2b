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
OLD = {"expiry_timestamp": 5.0}


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
        (why({"own"}, oauth_client_key="own", **OLD), ""),
        (why({""}, provider="anthropic"), "provider 'anthropic' is listed, but never used"),
        (why({""}, paused=True, status="expired"), "it is paused for this proxy"),
        (why({""}, status="expired"), "the desktop app has marked it as expired"),
        (why({""}, {"barred": "Google has barred it"}), "Google has barred it"),
        (why({""}, upstream_proxy_url=Secret("http://proxy.example:3128")), ""),
        (why({""}, upstream_proxy_url=Secret("nonsense://proxy")), "its own proxy can't be used"),
        (why({""}, refresh_token=Secret(""), **OLD), "it has no refresh token: sign in again"),
        (why(set(), **OLD), "set GOOGLE_CLIENT_ID"),
        (why({"other"}, oauth_client_key="own", **OLD), "set GOOGLE_CLIENT_ID__OWN or GOOGLE_CLIENT_ID"),
        (why({""}, {"refresh_after": 105.0}, **OLD), "could not be renewed"),
    ],
)
def test_each_reason_has_its_words(found: str, words: str) -> None:
    assert words in found
    assert bool(found) == bool(words)
