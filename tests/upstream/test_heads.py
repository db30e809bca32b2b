"""The head of a request to upstream: what is in it, what is kept of it, and that no value begins a line of its own."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from antigravity_proxy.canonical.wire import bearer, carried
from antigravity_proxy.http1.fields import field
from antigravity_proxy.secret import Secret
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egress
from antigravity_proxy.upstream.exchange import head_for

URL = b"https://h.example:8443/v1internal:call?alt=sse"


def egress(user_agent: str = "ua/1") -> Egress:
    endpoints: Any = None
    return Egress(Ticker(Clock()), endpoints, user_agent, 60.0)


@pytest.mark.parametrize(("accept", "sent"), [(b"", b"text/event-stream"), (b"application/json", b"application/json")])
def test_a_head_as_it_is_sent(accept: bytes, sent: bytes) -> None:
    assert egress().head(b"POST", URL, bearer(Secret("ya29.x")), accept).split(b"\r\n") == [
        b"POST /v1internal:call?alt=sse HTTP/1.1",
        b"Host: h.example:8443",
        b"Authorization: Bearer ya29.x",
        b"Content-Type: application/json",
        b"Accept: " + sent,
        b"Accept-Encoding: identity",
        b"User-Agent: ua/1",
    ]


def test_a_tokens_header_is_kept_with_the_token_alone() -> None:
    token, renewed = Secret("ya29.x"), Secret("ya29.y")
    assert bearer(token) is bearer(token)
    assert bearer(renewed) == b"\r\nAuthorization: Bearer ya29.y"
    assert bearer(token) == b"\r\nAuthorization: Bearer ya29.x"
    assert bearer(Secret("ya29.x")) is not bearer(token)
    assert "ya29" not in repr((token, bearer(token), token.sent))


def test_a_secret_goes_in_the_header_that_is_asked_for() -> None:
    key = Secret("AIza\xe9")
    for _ in range(2):
        assert carried(b"x-goog-api-key", key) == b"\r\nx-goog-api-key: AIza\xe9"
        assert bearer(key) == b"\r\nAuthorization: Bearer AIza\xe9"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nX: y", "a\r"])
def test_a_header_never_becomes_two(value: str) -> None:
    secret = Secret(value)
    for refused in (
        lambda: field(b"A", value.encode()),
        lambda: bearer(secret),
        lambda: egress(value),
        lambda: head_for(b"GET", b"http://h/" + value.encode()),
    ):
        with pytest.raises(ValueError, match="line end"):
            refused()
    assert secret.sent is None


def test_a_secret_that_no_header_can_carry() -> None:
    with pytest.raises(UnicodeEncodeError):
        bearer(Secret("\u20ac"))
