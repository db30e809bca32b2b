"""Vertex's own rows: what each covers and what follows (official-upstreams.md 6.3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antigravity_proxy.canonical.verdict import Cause, Scope, Step
from antigravity_proxy.vertex.decision_table import TABLE
from antigravity_proxy.vertex.wire import Vertex

ERRORS = json.loads((Path(__file__).parents[1] / "data/official/errors.json").read_text())
WIRE = Vertex()


@pytest.mark.parametrize(
    ("row", "cause", "scope", "step", "ladder"),
    [
        ("O7-shared-capacity", Cause.NO_CAPACITY, Scope.LOCATION_MODEL, Step.NEXT_LOCATION, (5.0, 10.0, 15.0)),
        ("O8-base-model-quota", Cause.RATE_LIMIT, Scope.GROUP_LOCATION_MODEL, Step.NEXT_LOCATION, (60.0, 60.0, 3600.0)),
        ("O9-provisioned", Cause.RATE_LIMIT, Scope.ACCOUNT_MODEL, Step.NEXT_ACCOUNT, (10.0,)),
        ("O12-token-expired", Cause.UNAUTHENTICATED, Scope.ACCOUNT, Step.REFRESH, (300.0,)),
        ("O16-service-disabled", Cause.API_DISABLED, Scope.GROUP, Step.NEXT_ACCOUNT, (600.0,)),
        ("O17-billing", Cause.NO_BILLING, Scope.GROUP, Step.NEXT_ACCOUNT, (3600.0,)),
        ("O18-user-project", Cause.WRONG_PROJECT, Scope.ACCOUNT, Step.OWN_PROJECT, (600.0,)),
        ("O19-iam", Cause.FORBIDDEN, Scope.ACCOUNT_MODEL, Step.NEXT_ACCOUNT, (600.0,)),
        ("O23-publisher-model", Cause.NO_ACCESS, Scope.ACCOUNT_MODEL, Step.NEXT_ACCOUNT, (3600.0,)),
        ("O25-no-publisher-model", Cause.NO_SUCH_MODEL, Scope.LOCATION_MODEL, Step.NEXT_LOCATION, (3600.0,)),
        ("O29-overloaded", Cause.NO_CAPACITY, Scope.UPSTREAM_MODEL, Step.NEXT_UPSTREAM, (5.0, 10.0, 15.0)),
        ("O32-claude-overloaded", Cause.NO_CAPACITY, Scope.UPSTREAM_MODEL, Step.NEXT_UPSTREAM, (5.0, 10.0, 15.0)),
    ],
)
def test_each_row(row: str, cause: Cause, scope: Scope, step: Step, ladder: tuple[float, ...]) -> None:
    body = json.dumps(ERRORS[row]["body"]).encode()
    found = WIRE.judge(WIRE.read_failure(body, 1795867200.0, http_status=ERRORS[row]["http"]))
    assert (found.cause, found.scope, found.step, found.ladder) == (cause, scope, step, ladder)


def test_a_refused_key_is_no_expired_token() -> None:
    found = WIRE.judge(WIRE.read_failure(b"{}", 0.0, http_status=401))
    assert found.with_key is not None
    assert (found.with_key.cause, found.with_key.scope) == (Cause.BAD_KEY, Scope.UNTIL_CHANGED)


def test_every_status_has_a_row() -> None:
    assert TABLE[-1].statuses is None
    for status in (302, 400, 401, 402, 403, 404, 409, 413, 429, 500, 503, 504, 529):
        assert WIRE.judge(WIRE.read_failure(b"", 0.0, http_status=status)).operator_words
    assert WIRE.verdict(Cause.SILENT).cause is Cause.SILENT
