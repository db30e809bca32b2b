"""Signing in, whole, in a real browser: against the simulated provider, through the daemon's own policy of pages."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support.admin import site
from support.chromium import Window
from support.deferreds import deferred, in_thread
from support.stack import KEY, free_port
from support.volumes import trace
from twisted.protocols.portforward import ProxyFactory

pytestmark = pytest.mark.browser


def to_the_provider(window: Window, url: str) -> None:
    """From the first page to the provider's, by way of the login form."""
    window.open(f"{url}/auth/start")
    window.keys(KEY, "\n")  # the field has the focus
    window.shows("someone@example.com allows access?")


@deferred(60)
async def test_somebody_signs_in(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False) as here:

        def go() -> None:
            window.open(f"{here.url}/auth/start")
            window.examine("login")
            window.keys("wrong", "\n")
            window.shows("Wrong API key.")
            window.examine("login-wrong")
            window.keys(KEY, "\n")
            window.shows("someone@example.com allows access?")
            window.click("[value=allow]")
            window.shows("someone@example.com was added")
            window.examine("signed-in")
            window.click("a[href='/']")
            window.shows("All is well", "h1")
            assert "s***@example.com" in window.text()

        await in_thread(go)
        assert here.addresses() == ["account-0@example.com", "someone@example.com"]
        assert len(here.stack.daemon.pool.states) == 2


@deferred(60)
async def test_access_is_denied(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False) as here:

        def go() -> None:
            to_the_provider(window, here.url)
            window.click("[value=deny]")
            window.shows("the access was not allowed")
            window.examine("denied")
            window.click("a[href='/auth/start']")  # and once more from there
            window.shows("allows access?")

        await in_thread(go)
        assert here.exchanges() == 0
        assert here.addresses() == ["account-0@example.com"]


@deferred(60)
async def test_a_forged_state_adds_nothing(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False) as here:

        def go() -> None:
            to_the_provider(window, here.url)
            state = parse_qs(urlsplit(window.driver.current_url).query)["state"][0]
            for forged in ("x" * 43, state[:-1] + ("A" if state[-1] != "A" else "B"), ""):
                window.open(f"{here.url}/oauth-callback?code=4%2F0simulated-1&state={forged}")
                window.shows("This sign-in was not begun here")
            window.examine("forged")

        await in_thread(go)
        assert here.exchanges() == 0


@deferred(60)
async def test_a_read_only_daemon_says_why_and_what_to_do(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False, READONLY_MODE="true") as here:
        before = trace(here.directory)

        def go() -> None:
            window.open(f"{here.url}/auth/start")
            window.shows("This daemon is read-only", "h1")
            window.shows("READONLY_MODE=false")
            window.examine("read-only")

        await in_thread(go)
        assert trace(here.directory) == before


@deferred(60)
async def test_the_browser_comes_through_a_mapped_port(tmp_path: Path, window: Window) -> None:
    """As through a container's ``8889:8888``."""
    from twisted.internet import reactor

    inner = free_port()
    mapping = reactor.listenTCP(0, ProxyFactory("127.0.0.1", inner), interface="127.0.0.1")  # type: ignore[attr-defined]
    outer = mapping.getHost().port
    settings = {"OAUTH_CALLBACK_PORT": str(outer), "OAUTH_LISTEN_PORT": str(inner)}
    async with site(tmp_path, logged_in=False, **settings) as here:

        def go() -> None:
            to_the_provider(window, f"http://localhost:{outer}")
            window.click("[value=allow]")
            window.shows("someone@example.com was added")
            assert urlsplit(window.driver.current_url).port == outer
            window.open("about:blank")

        await in_thread(go)
        assert len(here.addresses()) == 2
    await mapping.stopListening()


@deferred(60)
async def test_under_another_host_name_the_page_says_where_to_go(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False) as here:

        def go() -> None:
            window.open(f"{here.url.replace('localhost', '127.0.0.1')}/auth/start")
            window.shows("Open this page under another address", "h1")
            window.click("main a")
            window.shows("API key")
            assert urlsplit(window.driver.current_url).hostname == "localhost"

        await in_thread(go)
