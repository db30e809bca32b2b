"""Errors in OpenAI's form."""

from __future__ import annotations

import json

import pytest

from antigravity_proxy import errors
from antigravity_proxy.dialect.openai.errors import render

CASES = [
    (errors.BadRequest("m", param="messages[2].content"), 400, "invalid_request_error", None),
    (errors.ContextOverflow("m"), 400, "invalid_request_error", "context_length_exceeded"),
    (errors.PreviousResponseNotFound("m"), 400, "invalid_request_error", "previous_response_not_found"),
    (errors.ModerationBlocked("m"), 400, "image_generation_user_error", "moderation_blocked"),
    (errors.UpstreamRefusesRequest("m"), 400, "invalid_request_error", "upstream_refuses_request"),
    (errors.UpstreamRefusesClient("m"), 503, "server_error", "upstream_refuses_client"),
    (errors.Unauthorized("m"), 401, "invalid_request_error", "invalid_api_key"),
    (errors.Forbidden("m"), 403, "permission_error", None),
    (errors.NotFound("m"), 404, "invalid_request_error", None),
    (errors.ModelNotFound("m"), 404, "invalid_request_error", "model_not_found"),
    (errors.MethodNotAllowed("m", allow=("GET",)), 405, "invalid_request_error", None),
    (errors.RequestTimeout("m"), 408, "invalid_request_error", None),
    (errors.BodyTooLarge("m"), 413, "invalid_request_error", None),
    (errors.UriTooLong("m"), 414, "invalid_request_error", None),
    (errors.UnsupportedEncoding("m"), 415, "invalid_request_error", None),
    (errors.HeadTooLarge("m"), 431, "invalid_request_error", None),
    (errors.RateLimited("m"), 429, "rate_limit_error", "rate_limit_exceeded"),
    (errors.ClientLimited("m"), 429, "rate_limit_error", "rate_limit_exceeded"),
    (errors.InternalError("m"), 500, "server_error", None),
    (errors.UpstreamFailed("m"), 500, "server_error", None),
    (errors.UpstreamBroken("m"), 502, "server_error", None),
    (errors.UpstreamOverloaded("m"), 503, "server_error", None),
    (errors.Unavailable("m"), 503, "server_error", None),
    (errors.UpstreamTimeout("m"), 504, "server_error", "timeout"),
]


@pytest.mark.parametrize(("error", "status", "kind", "code"), CASES)
def test_status_type_and_code(error: errors.ProxyError, status: int, kind: str, code: str | None) -> None:
    rendered = render(error, "req_1")
    assert rendered.status == status
    expected = {"message": "m", "type": kind, "param": error.param, "code": code}
    assert json.loads(rendered.body) == {"error": expected}
    headers = dict(rendered.headers)
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"x-request-id"] == b"req_1"


def test_the_table_has_every_error() -> None:
    def below(kind: type[errors.ProxyError]) -> set[type[errors.ProxyError]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    assert {type(case[0]) for case in CASES} == below(errors.ProxyError) - {errors.ProxyError}


def test_retry_after_and_allow_stand_where_they_belong() -> None:
    assert dict(render(errors.RateLimited("m", retry_after=17), "r").headers)[b"retry-after"] == b"17"
    refused = dict(render(errors.MethodNotAllowed("m", allow=("GET", "HEAD")), "r").headers)
    assert refused[b"allow"] == b"GET, HEAD"
    assert not {b"retry-after", b"allow"} & dict(render(errors.BadRequest("m"), "r").headers).keys()
