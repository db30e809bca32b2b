"""Google bars an account for its terms: the others rest, everybody is told, and one command or button ends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.admin import Site, site
from support.browser import Browser, hidden
from support.deferreds import deferred, in_thread, until
from support.sdks import DIALECTS, QUESTION
from support.stack import KEY, Stack, stack

from antigravity_proxy.operator import admin_client
from antigravity_proxy.secret import Secret
from antigravity_proxy.simulator import faults

TEXT = f"Hello from the simulated model. You said: {QUESTION}"
KINDS = {"openai": "server_error", "anthropic": "api_error", "gemini": "UNAVAILABLE"}


class Key:
    """Settings of whom the command belongs to."""

    api_keys = (Secret(KEY),)


async def command(here: Site) -> str:
    """What 'accounts resume --all' has the daemon do."""
    settings: Any = Key()
    told: str = await in_thread(admin_client.change, settings, here.url, "resume-all", "")
    return told


async def health(running: Stack) -> Any:
    return (await running.request("GET", "/health")).json


async def barred(running: Stack) -> None:
    """A request finds that Google has barred an account."""
    running.simulator.script(faults.barred())
    answer = await running.chat()
    assert answer.status == 503
    assert "Google has barred an account" in answer.json["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_once_one_is_barred_nobody_is_asked(tmp_path: Path, dialect: str, stream: bool) -> None:
    async with stack(tmp_path, accounts=3) as running:
        running.simulator.script(faults.barred())
        with DIALECTS[dialect](running.url) as ask:
            for _ in range(2):
                told = await in_thread(ask, stream)
                assert (told.status, told.kind, told.retry_after) == (503, KINDS[dialect], None)
        assert len(running.simulator.requests) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_continue_serves_on_with_the_others(tmp_path: Path, dialect: str) -> None:
    async with stack(tmp_path, accounts=3, PROXY_ON_TERMS_BAN="continue") as running:
        running.simulator.script(faults.barred())
        with DIALECTS[dialect](running.url) as ask:
            assert (await in_thread(ask, False)).text == TEXT
        assert len(running.simulator.requests) == 2
        assert (await health(running))["status"] == "healthy"


@deferred(30)
async def test_other_refusals_of_an_account_have_nobody_rest(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=4) as running:
        for fault in (faults.scope_missing(), faults.verification_needed(), faults.forbidden()):
            running.simulator.script(fault)
            assert (await running.chat()).status == 200


@pytest.mark.parametrize("read_only", ["false", "true"])
@deferred(30)
async def test_everybody_is_told_and_the_command_ends_it(tmp_path: Path, read_only: str) -> None:
    async with site(tmp_path, ACCOUNTS="3", READONLY_MODE=read_only) as here:
        assert await command(here) == "The accounts were not on hold."
        running = here.stack
        await barred(running)
        told = await health(running)
        assert told["status"] == "degraded"
        assert "accounts resume --all" in told["warnings"][0]
        assert (await running.request("GET", "/health/ready")).status == 200
        assert b"antigravity_accounts_resting 1.0" in (await running.request("GET", "/metrics")).body
        page = (await here.get("/")).body
        assert b"All accounts are on hold: Google has barred one of them" in page
        assert b"Resume all accounts" in page
        assert b"0 of 3 accounts can serve now" in page
        assert page.count(b">On hold<") == 2
        identity = (await running.chat()).headers["x-request-id"]
        why = await here.get(f"/why?id={identity}", Browser(), authorization=f"Bearer {KEY}")
        assert {line["why"] for line in why.json["standings"][0]["lines"]} == {
            "all accounts are on hold: Google has barred one of them for its terms"
        }
        assert why.json["standings"][0]["couldServe"] == 0
        assert await command(here) == "All accounts are used again."
        assert (await running.chat()).status == 200
        assert (await health(running))["status"] == "healthy"
        assert b"Resume all accounts" not in (await here.get("/")).body


@pytest.mark.parametrize("read_only", ["false", "true"])
@deferred(30)
async def test_the_button_ends_it(tmp_path: Path, read_only: str) -> None:
    async with site(tmp_path, ACCOUNTS="2", READONLY_MODE=read_only) as here:
        await barred(here.stack)
        form = hidden(await here.get("/")) | {"resume-all": "all"}
        told = await in_thread(here.browser.post, f"{here.url}/accounts", form)
        assert told.status == 303
        assert b"All accounts are used again." in (await here.get("/")).body
        assert (await here.stack.chat()).status == 200


@deferred(30)
async def test_it_outlasts_a_restart_where_there_is_a_state_directory(tmp_path: Path) -> None:
    kept = {"PROXY_STATE_DIR": str(tmp_path / "state")}
    async with stack(tmp_path / "one", accounts=3, **kept) as running:
        await barred(running)
    async with stack(tmp_path / "two", accounts=3, **kept) as running:
        assert (await running.chat()).status == 503
        assert running.simulator.requests == []
    async with stack(tmp_path / "three", accounts=3, PROXY_ON_TERMS_BAN="continue", **kept) as running:
        assert (await running.chat()).status == 200
    async with stack(tmp_path / "four", accounts=3, **kept) as running:
        assert (await running.chat()).status == 503
        assert running.daemon.pool.terms_rest.end()
        assert (await running.chat()).status == 200
    async with stack(tmp_path / "five", accounts=3, **kept) as running:
        assert (await running.chat()).status == 200


@deferred(30)
async def test_an_account_that_is_barred_later_has_them_rest_again(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=3) as running:
        for _ in range(2):
            await barred(running)
            await until(lambda: bool(running.daemon.pool.terms_rest))
            running.daemon.pool.terms_rest.end()
        assert (await running.chat()).status == 200
        assert len({json.dumps(request.token) for request in running.simulator.requests}) == 3
