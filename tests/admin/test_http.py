"""Where the pages are, seen through reverse proxies."""

from __future__ import annotations

import pytest

from antigravity_proxy.admin.http import BaseUrl
from antigravity_proxy.settings.resolve import Resolver


def place(url: str = "", **settings: str) -> BaseUrl:
    given = settings | ({"OAUTH_REDIRECT_URL": url} if url else {})
    return BaseUrl.of(Resolver({}, given, lambda path: "").all({}))


def test_by_default_it_is_this_machines_port() -> None:
    found = place(OAUTH_CALLBACK_PORT="8889")
    assert (found.url("/auth/start"), found.is_assumed, found.is_secure) == (
        "http://localhost:8889/auth/start",
        True,
        False,
    )
    assert (found.inner("/"), found.inner("/oauth-callback"), found.inner("/x")) == ("/", "/oauth-callback", "/x")


def test_a_path_of_a_reverse_proxy_is_part_of_every_link() -> None:
    found = place("https://proxy.example/ag/oauth-callback")
    assert (found.path("/"), found.url("/auth/start")) == ("/ag/", "https://proxy.example/ag/auth/start")
    for path, inner in (
        ("/ag/", "/"),
        ("/ag", "/"),
        ("/ag/login", "/login"),
        ("/login", "/login"),
        ("/ag/oauth-callback", "/oauth-callback"),
        ("/agx/login", "/agx/login"),
    ):
        assert found.inner(path) == inner
    assert found.is_secure


def test_a_callback_under_another_name_is_still_one() -> None:
    found = place("https://proxy.example/sign/cb")
    assert (found.inner("/sign/cb"), found.path("/login")) == ("/oauth-callback", "/login")


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("proxy.example", True),
        ("evil.example", False),
        ("", False),
    ],
)
def test_names_that_lead_here_alone(host: str, ours: bool) -> None:
    assert place("https://proxy.example/oauth-callback").is_ours(host) is ours
