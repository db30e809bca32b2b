"""Which names a daemon without a key answers to."""

from __future__ import annotations

import pytest

from antigravity_proxy.errors import Forbidden
from antigravity_proxy.web.hosts import Hosts

HOSTS = Hosts(["box.example", "0.0.0.0"])


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8045", "localhost.", "app.localhost", "127.0.0.1:8045", "[::1]:8045", "192.168.1.5",
     "box.example:1"],
)  # fmt: skip
def test_names_and_addresses_that_are_ours(host: str) -> None:
    HOSTS.check(host.encode())


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "notlocalhost", "", "box.example.evil.example",
     "box.example@evil.example", "127.1", "2130706433", "0x7f000001", "[::1", "\xff",
     "a@127.0.0.1", "evil\\@localhost", "localhost:", "localhost:x",
     "localhost:8045:1", "localhost/", "127.0.0.1#", " localhost", "[127.0.0.1", "[localhost]", "localhost\n"],
)  # fmt: skip
def test_every_other_name_is_refused(host: str) -> None:
    with pytest.raises(Forbidden, match="PROXY_ALLOWED_HOSTS"):
        HOSTS.check(host.encode("latin-1"))


def test_no_host_is_none_of_ours() -> None:
    with pytest.raises(Forbidden):
        HOSTS.check(None)
