"""Error bodies in Anthropic's form (official-upstreams.md 6.1)."""

from __future__ import annotations

import pytest

from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.messages.failure import completed

OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'


@pytest.mark.parametrize(("in_stream", "status"), [(True, 529), (False, 503)])
def test_anthropics_kinds(in_stream: bool, status: int) -> None:
    read = failure.read(OVERLOADED, 0.0, http_status=503)
    assert completed(read, OVERLOADED, in_stream=in_stream) == Failure(
        status, "UNAVAILABLE", "Overloaded", "overloaded_error"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"error":"x"}',
        b'{"error":{"type":3}}',
        b'{"error":{"type":"new_error"}}',
        b'{"error":{"code":429}}',
    ],
)
def test_everything_else_is_as_it_was_read(body: bytes) -> None:
    read = failure.read(body, 0.0, http_status=429)
    assert completed(read, body, in_stream=False) is read
