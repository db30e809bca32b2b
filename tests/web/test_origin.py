"""Pages of other sites: refused where no key is asked for, unless their origin is named."""

from __future__ import annotations

import pytest
from support.edge import Edge
from twisted.web.http_headers import Headers

from antigravity_proxy.web.key_ring import KeyRing
from antigravity_proxy.web.origin import is_foreign

FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8045"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "nonsense"},
]
OWN = [
    {},
    {"Origin": "http://127.0.0.1:8045"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8045"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://chat.example"},
    {"Origin": "https://chat.example"},
]


@pytest.mark.row("foreign pages")
@pytest.mark.parametrize(
    "line", [b"POST /v1/chat/completions", b"GET /v1/models", b"POST /v1/messages", b"OPTIONS /v1/models"]
)
@pytest.mark.parametrize(
    ("headers", "refused"), [*((each, True) for each in FOREIGN), *((each, False) for each in OWN)]
)
def test_a_page_uses_a_keyless_daemon_only_from_a_named_origin(
    line: bytes, headers: dict[str, str], refused: bool
) -> None:
    edge = Edge(origins=["https://chat.example"])
    edge.site.gate.keys = KeyRing(open=True)
    channel, transport = edge.connect()
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    channel.dataReceived(line + b" HTTP/1.1\r\nHost: 127.0.0.1:8045\r\nContent-Type: text/plain\r\n" + fields + b"\r\n")
    assert transport.value().startswith(b"HTTP/1.1 403 " if refused else b"HTTP/1.1 200 ")
    assert bool(edge.resource.bodies) is not refused


def test_with_a_key_a_page_may_call_as_before() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nx-api-key: k\r\nOrigin: https://a.example\r\n\r\n")
    assert transport.value().startswith(b"HTTP/1.1 200 ")


def test_two_of_a_header_are_foreign() -> None:
    assert is_foreign(Headers({b"sec-fetch-site": [b"none", b"none"]}))
    assert is_foreign(Headers({b"origin": [b"http://x", b"http://x"], b"host": [b"x"]}))
    assert not is_foreign(Headers({b"origin": [b"https://own.example"], b"host": [b"x"]}), own=[b"https://own.example"])
