"""A pool's member: what it may be used for, and the grants that it comes with."""

from __future__ import annotations

import pytest
from support.accounts import account

from antigravity_proxy.canonical.grant import RefreshToken, StaticKey
from antigravity_proxy.secret import Secret


@pytest.mark.parametrize(
    ("models", "model", "may"),
    [
        ((), "gemini-3-pro", True),
        (("gemini-*",), "gemini-3-pro", True),
        (("gemini-*-flash", "x"), "gemini-3-pro", False),
        (("gemini-3-pro",), "gemini-3-pro", True),
    ],
)
def test_it_may_be_kept_to_some_models(models: tuple[str, ...], model: str, may: bool) -> None:
    assert account(models=models).may_use(model) is may


def test_nothing_private_is_in_its_text() -> None:
    shown = repr(account(label=Secret("me@example.com"), egress=Secret("http://user:pass@h")))
    assert "example.com" not in shown
    assert "pass" not in shown
    assert "ya29" not in shown
    assert "1//" not in shown


def test_a_refresh_token_renews_and_rotates() -> None:
    grant = RefreshToken(Secret("1//a"), "own")
    assert grant.is_renewable
    assert not RefreshToken(Secret("")).is_renewable
    assert grant.rotated(Secret("1//b")) == RefreshToken(Secret("1//b"), "own")


def test_a_key_is_used_as_it_is() -> None:
    key = StaticKey()
    assert not key.is_renewable
    assert key.rotated(Secret("x")) is key
