"""Which OAuth client renews which token, and what a refusal is called."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected, RejectionKind
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.table import OAuthPair
from antigravity_proxy.upstream.clients import refreshed

OWN, PLAIN = OAuthPair("own", Secret("s")), OAuthPair("plain", Secret("s"))
GRANT = IssuedToken(Secret("ya29.new"), 1.0)


def outcome(clients: dict[str, OAuthPair], named: str, error: RefreshRejected | None = None) -> tuple[str, str, str]:
    """The client that was asked, and the refusal's kind and words."""
    asked = []

    async def refresh(client: OAuthPair) -> IssuedToken:
        asked.append(client.id)
        if error is not None:
            raise error
        return GRANT

    found: list[object] = []
    Deferred.fromCoroutine(refreshed(clients, named, refresh)).addBoth(found.append)
    value = getattr(found[0], "value", None)
    assert value is None or isinstance(value, RefreshRejected)
    return "".join(asked), value.kind if value is not None else "", str(value) if value is not None else ""


@pytest.mark.parametrize(
    ("clients", "named", "asked"),
    [
        ({"k": OWN, "": PLAIN}, "k", "own"),
        ({"k": OWN, "": PLAIN}, "", "plain"),
        ({"k": OWN, "": PLAIN}, "other", "plain"),
        ({"k": OWN}, "k", "own"),
    ],
)
def test_the_named_client_is_asked_else_the_plain_one(clients: dict[str, OAuthPair], named: str, asked: str) -> None:
    assert outcome(clients, named) == (asked, "", "")


@pytest.mark.parametrize(("named", "setting"), [("k", "GOOGLE_CLIENT_ID__K"), ("", "GOOGLE_CLIENT_ID")])
def test_without_a_client_the_setting_is_named(named: str, setting: str) -> None:
    assert outcome({"x": OWN}, named) == ("", "misconfigured", f"no OAuth client is configured: set {setting}")


@pytest.mark.parametrize("kind", ["dead", "misconfigured"])
def test_a_refusal_of_the_plain_client_in_anothers_place_is_not_the_accounts_fault(kind: RejectionKind) -> None:
    asked, told, words = outcome({"": PLAIN}, "k", RefreshRejected(kind, "refused"))
    assert (asked, told) == ("plain", "misconfigured")
    assert words == "refused; the token belongs to another client: set GOOGLE_CLIENT_ID__K"


@pytest.mark.parametrize(
    ("named", "kind"), [("k", "temporary"), ("", "dead"), ("", "misconfigured"), ("", "temporary")]
)
def test_other_refusals_stay_what_they_are(named: str, kind: RejectionKind) -> None:
    assert outcome({"": PLAIN}, named, RefreshRejected(kind, "refused"))[1:] == (kind, "refused")
