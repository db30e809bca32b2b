"""The order of base URLs."""

from __future__ import annotations

from antigravity_proxy.relay.upstream import BaseUrls


def test_a_host_that_failed_is_tried_last_for_a_minute() -> None:
    bases = BaseUrls(["http://a", "http://b", "http://c"])
    assert bases.in_order(0.0) == [b"http://a", b"http://b", b"http://c"]
    bases.failed(b"http://a", 0.0)
    assert bases.in_order(59.9) == [b"http://b", b"http://c", b"http://a"]
    assert bases.in_order(60.0) == [b"http://a", b"http://b", b"http://c"]


def test_when_all_failed_the_order_is_as_configured() -> None:
    bases = BaseUrls(["http://a", "http://b"])
    bases.failed(b"http://b", 0.0)
    bases.failed(b"http://a", 0.0)
    assert bases.in_order(1.0) == [b"http://a", b"http://b"]
