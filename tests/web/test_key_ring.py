"""A key is accepted in every form that clients use, and in no other."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from twisted.web.http_headers import Headers

from antigravity_proxy.errors import Unauthorized
from antigravity_proxy.web.client_keys import ClientKey, digest
from antigravity_proxy.web.key_ring import KeyRing

RING = KeyRing(["sk-right", "sk-sécond"])


def headers(**fields: str | bytes) -> Headers:
    built = Headers()
    for name, value in fields.items():
        built.addRawHeader(name.replace("_", "-").encode(), value if isinstance(value, bytes) else value.encode())
    return built


@pytest.mark.parametrize(
    ("sent", "query"),
    [
        (headers(authorization="Bearer sk-right"), b""),
        (headers(authorization="bearer  sk-right "), b""),
        (headers(x_api_key="sk-right"), b""),
        (headers(X_Api_Key="sk-sécond"), b""),
        (headers(x_goog_api_key="sk-right"), b""),
        (headers(), b"alt=sse&key=sk-right"),
        (headers(), b"key=sk-s%C3%A9cond"),
        (headers(authorization="Bearer wrong", x_api_key="sk-right"), b""),
    ],
)
@pytest.mark.row("false keys")
def test_right_keys_pass(sent: Headers, query: bytes) -> None:
    RING.check(sent, query)
    assert RING.accepted(sent, query)


@pytest.mark.parametrize(
    ("sent", "query"),
    [
        (headers(), b""),
        (headers(authorization="sk-right"), b""),
        (headers(authorization="Basic sk-right"), b""),
        (headers(authorization="Bearer"), b""),
        (headers(authorization="Bearer sk-righ"), b""),
        (headers(authorization="Bearer sk-rightx"), b""),
        (headers(authorization="Bearer SK-RIGHT"), b""),
        (headers(authorization="Bearer sk-right,sk-sécond"), b""),
        (headers(x_api_key=""), b""),
        (headers(x_api_key=b"sk-\xff\xfe"), b""),
        (headers(), b"key="),
        (headers(), b"monkey=sk-right"),
        (headers(x_forwarded_for="127.0.0.1", api_key="sk-right"), b""),
    ],
)
@pytest.mark.row("false keys")
def test_everything_else_is_refused(sent: Headers, query: bytes) -> None:
    with pytest.raises(Unauthorized):
        RING.check(sent, query)


def test_an_open_ring_lets_everybody_pass() -> None:
    KeyRing(open=True).check(headers(), b"")


def test_a_ring_with_a_key_is_never_open() -> None:
    with pytest.raises(Unauthorized):
        KeyRing(["k"], open=True).check(headers(), b"")


def test_a_ring_without_a_key_is_closed_to_all() -> None:
    ring = KeyRing()
    assert ring.closed
    for sent in (headers(), headers(authorization="Bearer "), headers(x_api_key="anything")):
        with pytest.raises(Unauthorized):
            ring.check(sent, b"")


def test_the_refusal_never_repeats_the_key() -> None:
    with pytest.raises(Unauthorized) as e:
        RING.check(headers(x_api_key="sk-secret-guess"), b"")
    assert "guess" not in e.value.message


def test_a_clients_own_key_is_known_by_its_hash_and_a_plain_one_wins() -> None:
    own = ClientKey(name="laptop", sha256=digest(b"sk-ag-1").decode(), created=datetime(2026, 1, 1, tzinfo=UTC))
    ring = KeyRing(["sk-right"], [own])
    assert ring.check(headers(x_api_key="sk-ag-1"), b"") is own
    assert ring.check(headers(x_api_key="sk-right", x_goog_api_key="sk-ag-1"), b"") is None
    for wrong in ("sk-ag-2", own.sha256, "", "sk-ag-1 "):
        with pytest.raises(Unauthorized):
            ring.check(headers(x_api_key=wrong), b"")
    assert not ring.has([b"sk-ag-1"])
    alone = KeyRing(clients=[own], open=True)
    assert (alone.open, alone.closed) == (False, False)


def test_no_key_in_force_is_shown_where_none_is_right_or_none_is_needed() -> None:
    assert not RING.accepted(headers(authorization="Bearer wrong", x_api_key="wronger"), b"key=wrongest")
    assert not KeyRing([]).accepted(headers(authorization="Bearer sk-right"), b"")
