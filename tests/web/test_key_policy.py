"""Which keys are in force: fails closed, keeps the last good one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from twisted.web.http_headers import Headers

from antigravity_proxy.errors import Unauthorized
from antigravity_proxy.secret import Secret
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.key_policy import KeyPolicy
from antigravity_proxy.web.key_ring import KeyRing

KEYED, KEYLESS = GuiConfig(api_key=Secret("sk-gui")), GuiConfig()


def passes(ring: KeyRing | None, key: str = "") -> bool:
    assert ring is not None
    try:
        ring.check(Headers({"x-api-key": [key]} if key else {}), b"")
    except Unauthorized:
        return False
    return True


def policy(*explicit: str, host: str = "127.0.0.1", anonymous: bool = False) -> KeyPolicy:
    return KeyPolicy(explicit, host=host, allow_anonymous=anonymous)


def test_explicit_keys_win_over_the_file() -> None:
    ring = policy("sk-mine").decide(KEYED, absent=False)
    assert passes(ring, "sk-mine")
    assert not passes(ring, "sk-gui")


def test_the_files_key_is_taken() -> None:
    ring = policy().decide(KEYED, absent=False)
    assert passes(ring, "sk-gui")
    assert not passes(ring)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_no_key_is_open_on_loopback(host: str) -> None:
    assert passes(policy(host=host).decide(KEYLESS, absent=False))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "proxy.example"])
def test_no_key_elsewhere_is_refused_unless_everybody_is_welcome(host: str) -> None:
    assert policy(host=host).decide(KEYLESS, absent=False) is None
    assert passes(policy(host=host, anonymous=True).decide(KEYLESS, absent=False))


def test_without_a_volume_an_absent_file_holds_no_key() -> None:
    """Official credentials serve alone: there is no file that could not be seen."""
    for host, anonymous, opens in (("127.0.0.1", False, True), ("0.0.0.0", False, None), ("0.0.0.0", True, True)):
        alone = policy(host=host, anonymous=anonymous)
        alone.needs_config = False
        ring = alone.decide(None, absent=True)
        assert (None if ring is None else passes(ring)) is opens


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_file_never_read_is_not_no_key(host: str) -> None:
    assert not passes(policy(host=host).decide(None, absent=False))
    assert not passes(policy(host=host).decide(None, absent=True))
    assert not passes(policy(host=host, anonymous=True).decide(None, absent=False))
    assert passes(policy(host=host, anonymous=True).decide(None, absent=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("absent", [True, False])
def test_with_a_file_of_clients_keys_no_key_is_never_meant(host: str, absent: bool) -> None:
    clients = KeyPolicy((), host=host, allow_anonymous=True, has_clients=True)
    for config in (None, GuiConfig()):
        ring = clients.at_start(config, absent=absent)
        assert ring.closed
    clients.clients = (ClientKey(name="laptop", sha256="0" * 64, created=datetime(2026, 1, 1, tzinfo=UTC)),)
    ring = clients.at_start(GuiConfig(), absent=absent)
    assert not ring.open
    assert not ring.closed
