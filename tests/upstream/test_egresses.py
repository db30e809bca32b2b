"""Which way out a credential takes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from support.accounts import account

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.proxies import UnusableProxy
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.upstream.exchange import NoWayOut


def test_the_configured_proxy_is_in_effect_from_the_next_request_on() -> None:
    made: list[Any] = []

    def make(proxy: Secret | None) -> Any:
        made.append(proxy)
        return f"by {len(made)}"

    ways: Any = Egresses(make, None)
    plain, own = account("a"), structs.replace(account("b"), egress=Secret("http://own:1"))
    assert [ways.of(plain), ways.of(plain), ways.default(), ways.direct()] == ["by 1"] * 4
    assert ways.of(own) == "by 2"
    ways.redirect(Secret("http://all:1"))
    assert [ways.of(plain), ways.of(plain), ways.direct(), ways.of(own)] == ["by 3", "by 3", "by 1", "by 2"]
    ways.redirect(UnusableProxy("it is none"))
    for _ in range(2):
        with pytest.raises(NoWayOut, match="it is none"):
            ways.of(plain)
    ways.redirect(None)
    assert ways.of(plain) == "by 1"
    assert made == [None, Secret("http://own:1"), Secret("http://all:1")]
