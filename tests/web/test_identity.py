"""Ids of clients' own are taken where they can do no harm."""

from __future__ import annotations

import pytest
from twisted.web.http_headers import Headers

from antigravity_proxy.web.identity import own_id, own_trace

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("good", [b"req_0123456789", b"4bf92f35-77b3-4da6-a3ce-929d0e0e4736", b"a" * 64])
def test_a_harmless_id_is_taken(good: bytes) -> None:
    assert own_id(Headers({b"X-Request-Id": [good]})) == good.decode()


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"short",
        b"a" * 65,
        b"with space in it",
        b"with\x1bescape",
        b"<script>alert(1)</script>",
        "ümläute-und-mehr".encode(),
        b"someone@example.com",
        b"sk-0123456789abcdef",
        b"ya29.0123456789",
        b"-leading-dash",
    ],
)
def test_any_other_is_not(bad: bytes) -> None:
    assert own_id(Headers({b"X-Request-Id": [bad]})) == ""


def test_none_and_two_are_none() -> None:
    assert own_id(Headers()) == ""
    assert own_id(Headers({b"x-request-id": [b"0123456789", b"9876543210"]})) == ""


def test_a_trace() -> None:
    found = own_trace(Headers({b"traceparent": [TRACE]}), "1".__mul__)
    assert found is not None
    assert found.id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert own_trace(Headers({b"traceparent": [TRACE, TRACE]}), "1".__mul__) is None
    assert own_trace(Headers({b"traceparent": [b"\xff"]}), "1".__mul__) is None
    assert own_trace(Headers(), "1".__mul__) is None
