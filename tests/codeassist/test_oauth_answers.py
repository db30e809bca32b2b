"""The token endpoint's answers: a grant, or which kind of refusal (upstream.md 7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.codeassist.oauth import read_answer
from antigravity_proxy.secret import Secret


def test_a_grant_counts_from_the_sending() -> None:
    body = {"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}
    assert read_answer(200, json.dumps(body).encode(), 1000.0) == IssuedToken(Secret("ya29.x"), 4599.0)


def test_a_rotated_refresh_token_is_part_of_it() -> None:
    grant = read_answer(200, b'{"access_token":"a","refresh_token":"1//r"}', 0.0)
    assert grant.refresh_token == Secret("1//r")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant"}, "dead"),
        (403, {"error": "access_denied"}, "dead"),
        (400, {"error": "admin_policy_enforced"}, "dead"),
        (403, {"error": "org_internal"}, "dead"),
        (401, {"error": "invalid_client"}, "misconfigured"),
        (401, {"error": "unauthorized_client"}, "misconfigured"),
        (400, {"error": "invalid_scope"}, "misconfigured"),
        (429, {"error": "slow_down"}, "temporary"),
        (503, {}, "temporary"),
        (400, {"error": "never heard of"}, "temporary"),
        (500, {"error": {"status": "INTERNAL", "message": "x"}}, "temporary"),
        (400, {"error": {"message": "invalid_grant"}}, "dead"),
        (200, {}, "temporary"),
        (200, {"access_token": ""}, "temporary"),
        (200, {"access_token": "a", "expires_in": "soon"}, "temporary"),
    ],
)
def test_each_refusal_is_of_its_kind(status: int, body: Any, kind: str) -> None:
    with pytest.raises(RefreshRejected) as e:
        read_answer(status, json.dumps(body).encode(), 0.0)
    assert e.value.kind == kind


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b"[" * 100_000])
def test_nonsense_is_temporary(body: bytes) -> None:
    with pytest.raises(RefreshRejected) as e:
        read_answer(400, body, 0.0)
    assert e.value.kind == "temporary"
