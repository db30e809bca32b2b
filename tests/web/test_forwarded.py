"""The client's address behind proxies."""

from __future__ import annotations

import pytest

from antigravity_proxy.settings.parse import networks
from antigravity_proxy.web.forwarded import client_address


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("1.2.3.4", ["9.9.9.9"], "1.2.3.4"),  # whoever says so is not trusted
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["8.8.8.8, 9.9.9.9"], "9.9.9.9"),  # the client may have written what stands before
        ("10.0.0.1", ["8.8.8.8", "9.9.9.9, 10.0.0.2"], "9.9.9.9"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("::1", ["2001:DB8::1"], "2001:db8::1"),
        ("", ["9.9.9.9"], ""),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(peer: str, forwarded: list[str], found: str) -> None:
    assert client_address(peer, forwarded, networks("10.0.0.0/8,::1")) == found
