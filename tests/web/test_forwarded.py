"""The client's address behind proxies."""

from __future__ import annotations

import pytest

from antigravity_proxy.http1.fields import ReceivedFields
from antigravity_proxy.settings.parse import networks
from antigravity_proxy.web.forwarded import address_of, client_address, network_of


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("1.2.3.4", ["9.9.9.9"], "1.2.3.4"),  # whoever says so is not trusted
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["8.8.8.8, 9.9.9.9"], "9.9.9.9"),  # the client may have written what stands before
        ("10.0.0.1", ["8.8.8.8", "9.9.9.9, 10.0.0.2"], "9.9.9.9"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9:5123"], "203.0.113.9"),  # gateways that add the port
        ("10.0.0.1", ["[2001:db8::9]:5123"], "2001:db8::9"),
        ("10.0.0.1", ["[2001:db8::9]"], "2001:db8::9"),
        ("10.0.0.1", ['fe80::1%x" key=admin \x1b[31m'], "10.0.0.1"),  # a zone may be any text
        ("10.0.0.1", ["203.0.113.9:x"], "10.0.0.1"),
        ("::1", ["2001:DB8::1"], "2001:db8::1"),
        ("", ["9.9.9.9"], ""),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(peer: str, forwarded: list[str], found: str) -> None:
    assert client_address(peer, forwarded, networks("10.0.0.0/8,::1")) == found


@pytest.mark.parametrize(("trusted", "found"), [("", "10.0.0.1"), ("10.0.0.0/8", "9.9.9.9")])
def test_an_ipv4_peer_of_a_socket_for_both_ips_is_one(trusted: str, found: str) -> None:
    headers = ReceivedFields({b"x-forwarded-for": [b"9.9.9.9"]})
    assert address_of("::ffff:10.0.0.1", headers, networks(trusted)) == found


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_address_counts_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
