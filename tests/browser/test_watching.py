"""The status page in a real browser: three states, kept up to date, used by keyboard, and without any script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.admin import Site, site
from support.chromium import Window
from support.deferreds import deferred, in_thread, until
from support.judging import judge
from support.stack import KEY
from support.volumes import update

from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.simulator import faults

pytestmark = pytest.mark.browser

ENTER, TAB, SPACE = "\ue007", "\ue004", " "
RESET = "2099-01-01T00:00:00Z"
QUOTA = {
    "gemini-3-flash": 81, "gemini-3-pro-preview": 42, "claude-sonnet-4-6": 6, "claude-opus-4-6-thinking": 0,
    "gemini-2.5-flash": 100, "gemini-2.5-pro": 33, "gemini-3-pro-image": 70,
}  # fmt: skip


def identity(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def log_in(window: Window, url: str) -> None:
    window.open(f"{url}/")
    window.keys(KEY, ENTER)
    window.shows("Live", "#live")


async def used(here: Site) -> None:
    """Some traffic, and quotas."""
    for number in range(2):
        models = {model: {"percentage": left, "resetTime": RESET} for model, left in QUOTA.items()}
        update(here.directory, number, quota_json=here.stack.volume.seal({"models": models}))
    for number in range(8):
        await here.stack.chat(f"request {number}", stream=number % 2 == 0)


def state_of(here: Site, number: int) -> Any:
    return next(state for state in here.stack.daemon.pool.states if state.credential.id == identity(number))


@deferred(60)
async def test_when_all_is_well_one_glance_tells(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="3") as here:
        await used(here)

        def go() -> None:
            log_in(window, here.url)
            window.shows("All is well", "h1")
            window.shows("3 of 3 accounts can serve now. 8 requests in the last hour.")
            window.click("#settings summary")
            assert "READONLY_MODE" in window.text("#settings")
            window.examine("healthy")

        await in_thread(go)


@deferred(60)
async def test_trouble_is_seen_as_it_comes_and_goes(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="6", PROXY_ON_TERMS_BAN="continue") as here:
        await used(here)
        await in_thread(log_in, window, here.url)
        await in_thread(
            window.run, "window.sameAsBefore = true; document.querySelector('#settings details').open = true"
        )
        await in_thread(window.shows, "All is well", "h1")
        pool = here.stack.daemon.pool
        quota_used_up = Failure(429, reason="QUOTA_EXHAUSTED", delay=4000.0)
        for number, failure in enumerate((quota_used_up, Failure(401), Failure(403, reason="VALIDATION_REQUIRED"))):
            pool.penalise(state_of(here, number), "gemini-3-flash", judge(failure))
        pool.penalise(state_of(here, 3), "m", judge(Failure(403, appeal=True)))
        update(here.directory, 4, token_json="nonsense")
        here.simulator.script(faults.refused("of no use"), times=2)
        assert (await here.stack.chat()).status == 400

        def go() -> None:
            window.shows("Serving, but needs attention", "h1")
            window.shows("free again in 1 h", f"#a-{identity(0)}")
            window.shows("Cooling", f"#a-{identity(1)}")
            window.shows("Google asks its owner to verify it", f"#a-{identity(2)}")
            window.shows("Google has barred it", f"#a-{identity(3)}")
            window.shows("its token has no known form", "#volume")
            window.shows("400", "#faults")
            assert window.run("return window.sameAsBefore && document.querySelector('#settings details').open")
            before = window.text(f"#a-{identity(1)} time")
            window.wait(lambda: window.text(f"#a-{identity(1)} time") != before)  # it counts down
            window.examine("degraded")

        await in_thread(go)
        for number in range(4):
            pool.forgive(identity(number))
        here.stack.volume.add(4)
        await in_thread(window.shows, "All is well", "h1")
        assert await in_thread(window.run, "return window.sameAsBefore")


@deferred(60)
async def test_when_nothing_can_serve_it_is_red(tmp_path: Path, window: Window, no_leaks: list[Any]) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="2", PROXY_ON_TERMS_BAN="continue") as here:
        await used(here)
        for number in range(2):
            here.stack.daemon.pool.penalise(state_of(here, number), "m", judge(Failure(403, appeal=True)))
        for number in range(5):
            await here.stack.chat(f"in vain {number}")
        (here.directory / "cloud_accounts.db").write_bytes(b"noise" * 1000)
        await until(lambda: bool(here.stack.daemon.state.error))

        def go() -> None:
            log_in(window, here.url)
            window.shows("No account can serve", "h1")
            window.shows("The volume can't be read", "#headline")
            window.shows("503", "#faults")
            window.examine("broken")

        await in_thread(go)
    assert no_leaks == ["the volume can't be read: {reason}"]
    no_leaks.clear()


@deferred(60)
async def test_accounts_are_changed_by_keyboard_alone(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="2") as here:
        first = identity(0)

        def go() -> None:
            window.open(f"{here.url}/")
            assert window.focused() == "key"
            window.keys(KEY, ENTER)
            window.shows("Live", "#live")
            window.tab_to(f"pause-{first}")
            window.keys(SPACE)
            window.shows("is paused: it gets no new request", ".told")
            window.shows("Paused", f"#a-{first}")
            window.keys(TAB)  # from where the account is, not from the top
            assert window.focused() == f"resume-{first}"
            window.keys(ENTER)
            window.shows("serves again", ".told")
            window.tab_to(f"remove-{first}")
            window.keys(ENTER)
            window.shows("Remove this account?", "h1")
            assert window.run("return document.activeElement.innerText") == "Cancel"
            window.examine("confirm")
            window.keys(ENTER)
            window.shows("2 of 2 accounts can serve now")
            window.tab_to(f"remove-{first}")
            window.keys(ENTER)
            window.shows("Remove this account?", "h1")
            window.find("button.danger").send_keys(ENTER)
            window.shows("was removed", ".told")
            window.shows("1 of 1 account can serve now")

        await in_thread(go)
        assert here.addresses() == ["account-1@example.com"]


@deferred(60)
async def test_what_changes_leaves_the_focus_where_it_is(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="2") as here:
        await in_thread(log_in, window, here.url)
        await in_thread(window.tab_to, f"pause-{identity(1)}")
        here.stack.daemon.pool.penalise(state_of(here, 1), "m", judge(Failure(401)))
        await in_thread(window.shows, "Cooling", f"#a-{identity(1)}")
        here.stack.volume.add(2)
        await in_thread(window.shows, "3 accounts")
        assert await in_thread(window.focused) == f"pause-{identity(1)}"
        assert await in_thread(window.run, "return document.querySelectorAll('.account').length") == 3


@deferred(60)
async def test_a_line_that_breaks_is_told_and_mends_itself(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False) as here:
        await in_thread(log_in, window, here.url)
        here.stack.daemon.admin.status.live.stop()
        await in_thread(window.shows, "Connection lost", "#live")
        await here.stack.chat()
        await in_thread(window.shows, "Live", "#live")
        await in_thread(window.shows, "1 request in the last hour")


@deferred(60)
async def test_everything_works_without_a_script(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="1") as here:

        def go() -> None:
            window.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
            try:
                window.open(f"{here.url}/")
                window.find("#key").send_keys(KEY, ENTER)
                for action, words in (("pause", "Every account is paused"), ("resume", "All is well")):
                    window.click(f"#{action}-{identity(0)}")
                    window.wait(lambda words=words: window.driver.find_elements("xpath", f"//h1[.='{words}']"))
                assert "reload" in window.find("#live").text
            finally:
                window.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

        await in_thread(go)


@deferred(60)
async def test_a_read_only_page_shows_and_changes_nothing(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False, READONLY_MODE="true", ACCOUNTS="2") as here:

        def go() -> None:
            log_in(window, here.url)
            window.shows("read-only: nothing is written", "#volume")
            assert window.run("return document.querySelectorAll('main form[method=post] button').length") == 0
            window.click("header form button")
            window.shows("Log in", "h1")

        await in_thread(go)
