"""What an account's operator is told of its last failure."""

from __future__ import annotations

import pytest
from support.judging import judge

from antigravity_proxy.accounts.state import of_verdict
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.codeassist.decision_table import WITHOUT_BODY
from antigravity_proxy.secret import Secret


@pytest.mark.parametrize(
    ("given", "reason", "model"),
    [
        (judge(Failure(429, reason="QUOTA_EXHAUSTED")), "its quota is used up", "m"),
        (judge(Failure(403, reason="VALIDATION_REQUIRED")), "Google asks its owner to verify it", ""),
        (WITHOUT_BODY[Cause.NO_TOKEN], "upstream refused its token", ""),
        (WITHOUT_BODY[Cause.EMPTY], "upstream sent an empty answer", ""),
    ],
)
def test_the_reason_is_about_the_account_and_the_model_where_only_that_is_concerned(
    given: Verdict, reason: str, model: str
) -> None:
    found = of_verdict(given, "m", 5.0)
    assert found is not None
    assert (found.at, found.model) == (5.0, model)
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("given", [WITHOUT_BODY[Cause.UNREACHABLE], judge(Failure(400)), WITHOUT_BODY[Cause.CUT_OFF]])
def test_what_is_no_matter_of_the_account_is_not_told(given: Verdict) -> None:
    assert of_verdict(given, "m", 5.0) is None


@pytest.mark.parametrize(
    ("failure", "link"),
    [
        (
            Failure(403, reason="VALIDATION_REQUIRED", link="https://accounts.google.com/v"),
            "https://accounts.google.com/v",
        ),
        (Failure(403, appeal=True, link="https://support/appeal"), "https://support/appeal"),
        (Failure(403, reason="VALIDATION_REQUIRED", link="javascript:alert(1)"), ""),
        (Failure(403, reason="VALIDATION_REQUIRED"), ""),
        (Failure(403, link="https://elsewhere"), ""),
    ],
)
def test_the_owners_page_is_told_where_the_owner_has_to_act(failure: Failure, link: str) -> None:
    found = of_verdict(judge(failure), "m", 5.0)
    assert found is not None
    assert found.link == Secret(link)
    assert not link or link not in repr(found)
