"""Clients' keys on the page: made with limits, shown once, used, revoked; and where that may not be."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from support.admin import Site, is_guarded, site
from support.browser import Browser, hidden
from support.deferreds import deferred, in_thread, until
from support.stack import Answer

CHAT = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "Hello"}]}


async def send(here: Site, browser: Browser | None = None, **fields: str) -> Answer:
    """The page's form, filled in and sent."""
    browser = browser or here.browser
    page = await here.get("/", browser)
    answer: Answer = await in_thread(browser.post, here.url + "/client-keys", hidden(page) | fields)
    return answer


def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text('{"version": 1, "keys": []}')
    return path


@deferred(40)
async def test_a_key_is_made_with_limits_shown_once_used_and_revoked(tmp_path: Path) -> None:
    path = file(tmp_path)
    async with site(tmp_path, PROXY_CLIENT_KEYS_FILE=str(path)) as here:
        made = await send(here, name="ann", per_minute="60", tokens_per_day="100000", expires="90d", client="claude")
        assert made.status == 200
        assert is_guarded(made)
        text = unescape(made.body.decode())
        found = re.search(r"sk-ag-[\w-]+", text)
        assert found is not None
        assert "ANTHROPIC_BASE_URL" in text
        assert f'"ANTHROPIC_AUTH_TOKEN": "{found[0]}"' in text
        answer = await here.stack.request("POST", "/v1/chat/completions", CHAT, authorization=f"Bearer {found[0]}")
        assert answer.status == 200
        assert answer.headers["x-ratelimit-limit-tokens"] == "100000"
        page = unescape((await here.get("/")).body.decode())
        assert found[0] not in page
        assert found[0] not in path.read_text()
        assert "60 requests a minute" in page
        assert re.search(r"[1-9]\d* of 100k today", page)
        asked = await send(here, revoke="ann")
        assert "Revoke this key?" in asked.body.decode()
        assert here.stack.daemon.client_keys.keys
        revoked = await send(here, revoke="ann", confirmed="yes")
        assert revoked.status == 303
        await until(lambda: not here.stack.daemon.client_keys.keys)
        answer = await here.stack.request("POST", "/v1/chat/completions", CHAT, authorization=f"Bearer {found[0]}")
        assert answer.status == 401


@deferred(40)
async def test_what_can_not_be_changes_nothing_and_is_said(tmp_path: Path) -> None:
    path = file(tmp_path)
    async with site(tmp_path, PROXY_CLIENT_KEYS_FILE=str(path)) as here:
        for fields in (
            {"name": ""},
            {"name": "<b>"},
            {"name": "ann", "per_minute": "0"},
            {"name": "ann", "tokens_per_day": "-5"},
            {"name": "ann", "expires": "soon"},
            {"revoke": "nobody", "confirmed": "yes"},
        ):
            refused = await send(here, **fields)
            assert refused.status == 400, fields
        assert (await send(here, Browser(), name="ann")).status in (401, 403)
        forged = await in_thread(here.browser.post, here.url + "/client-keys", {"token": "x", "name": "ann"})
        assert forged.status == 403
        assert path.read_text() == '{"version": 1, "keys": []}'


@deferred(40)
async def test_without_a_file_and_read_only_it_is_said_why_not(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        assert "name one with PROXY_CLIENT_KEYS_FILE" in unescape((await here.get("/")).body.decode())
        assert (await send(here, name="ann")).status == 400
    inside = tmp_path / "second" / "volume" / "keys.json"
    given = {"PROXY_CLIENT_KEYS_FILE": str(inside), "READONLY_MODE": "true"}
    async with site(tmp_path / "second", **given) as here:
        assert "READONLY_MODE is true" in unescape((await here.get("/")).body.decode())
        assert (await send(here, name="ann")).status == 400
        assert not inside.exists()
