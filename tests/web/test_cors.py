"""Pages of other origins: closed, but for those that are named exactly."""

from __future__ import annotations

import pytest
from twisted.web.http_headers import Headers

from antigravity_proxy.web.cors import Cors

CORS = Cors(["https://chat.example", "http://localhost:3000"])


def headers(**fields: str) -> Headers:
    return Headers({name.replace("_", "-").encode(): [value.encode()] for name, value in fields.items()})


def allowed(cors: Cors, origin: str) -> bytes | None:
    return dict(cors.headers(headers(origin=origin))).get(b"access-control-allow-origin")


@pytest.mark.parametrize("origin", ["https://chat.example", "http://localhost:3000"])
def test_a_named_origin_may_read(origin: str) -> None:
    assert allowed(CORS, origin) == origin.encode()
    assert allowed(Cors(), origin) is None


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://chat.example", "https://chat.example:8443", "https://chat.example.evil.example",
     "https://chat.example/", "https://CHAT.example", "null", "*", ""],
)  # fmt: skip
def test_no_other_origin_does(origin: str) -> None:
    assert CORS.headers(headers(origin=origin)) == ((b"vary", b"Origin"),)
    assert CORS.preflight(b"OPTIONS", headers(origin=origin, access_control_request_method="POST")) is None


def test_without_named_origins_answers_say_nothing_of_them() -> None:
    assert Cors().headers(headers(origin="https://chat.example")) == ()


def test_two_origins_are_none() -> None:
    sent = Headers({b"origin": [b"https://chat.example", b"https://chat.example"]})
    assert CORS.headers(sent) == ((b"vary", b"Origin"),)


def test_a_preflight_is_told_what_a_page_may_send() -> None:
    asked = headers(
        origin="https://chat.example",
        access_control_request_method="POST",
        access_control_request_headers="authorization, content-type, x-stainless-os",
    )
    told = dict(CORS.preflight(b"OPTIONS", asked) or ())
    assert told[b"access-control-allow-methods"] == b"GET, HEAD, POST, DELETE"
    assert told[b"access-control-allow-headers"] == b"authorization, content-type, x-stainless-os"
    assert CORS.preflight(b"POST", asked) is None


@pytest.mark.parametrize("names", ["a\tb", "x" * 2001, "a;b", "(a)"])
def test_names_that_are_none_are_not_repeated(names: str) -> None:
    asked = headers(
        origin="https://chat.example", access_control_request_method="POST", access_control_request_headers=names
    )
    assert b"access-control-allow-headers" not in dict(CORS.preflight(b"OPTIONS", asked) or ())


def test_an_options_request_that_asks_for_nothing_is_no_preflight() -> None:
    assert CORS.preflight(b"OPTIONS", headers(origin="https://chat.example")) is None
