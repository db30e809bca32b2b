"""Errors in Anthropic's form."""

from __future__ import annotations

import json

import pytest

from antigravity_proxy import errors
from antigravity_proxy.dialect.anthropic.errors import render

CASES = [
    (errors.BadRequest("m"), 400, "invalid_request_error"),
    (errors.Unauthorized("m"), 401, "authentication_error"),
    (errors.Forbidden("m"), 403, "permission_error"),
    (errors.NotFound("m"), 404, "not_found_error"),
    (errors.ModelNotFound("m"), 404, "not_found_error"),
    (errors.MethodNotAllowed("m", allow=("POST",)), 405, "invalid_request_error"),
    (errors.RequestTimeout("m"), 408, "invalid_request_error"),
    (errors.BodyTooLarge("m"), 413, "request_too_large"),
    (errors.RateLimited("m"), 429, "rate_limit_error"),
    (errors.InternalError("m"), 500, "api_error"),
    (errors.UpstreamFailed("m"), 500, "api_error"),
    (errors.UpstreamBroken("m"), 502, "api_error"),
    (errors.UpstreamOverloaded("m"), 529, "overloaded_error"),
    (errors.Unavailable("m"), 503, "api_error"),
    (errors.UpstreamTimeout("m"), 504, "timeout_error"),
]


@pytest.mark.parametrize(("error", "status", "kind"), CASES)
def test_status_and_type(error: errors.ProxyError, status: int, kind: str) -> None:
    rendered = render(error, "req_1")
    assert rendered.status == status
    expected = {"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "req_1"}
    assert json.loads(rendered.body) == expected
    headers = dict(rendered.headers)
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"request-id"] == b"req_1"


def test_retry_after_and_allow_stand_where_they_belong() -> None:
    assert dict(render(errors.UpstreamOverloaded("m", retry_after=3), "r").headers)[b"retry-after"] == b"3"
    assert dict(render(errors.MethodNotAllowed("m", allow=("POST",)), "r").headers)[b"allow"] == b"POST"


@pytest.mark.parametrize(
    ("upstream", "told"),
    [
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "prompt is too long: 1200000 tokens > 1048576 maximum",
        ),
        ("prompt is too long: 205000 tokens > 200000 maximum", "prompt is too long: 205000 tokens > 200000 maximum"),
        ("The input token count exceeds the limit.", "prompt is too long"),
    ],
)
def test_an_overlong_prompt_is_told_in_the_words_that_agents_look_for(upstream: str, told: str) -> None:
    body = json.loads(render(errors.ContextOverflow(upstream), "r").body)
    assert body["error"] == {"type": "invalid_request_error", "message": told}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            errors.BadRequest("The file is empty.", param="messages[0].content"),
            "messages[0].content: The file is empty.",
        ),
        (errors.BadRequest("max_tokens is missing.", param="max_tokens"), "max_tokens is missing."),
        (errors.BadRequest("m"), "m"),
    ],
)
def test_the_field_at_fault_is_named_in_the_message(error: errors.ProxyError, told: str) -> None:
    assert json.loads(render(error, "r").body)["error"]["message"] == told
