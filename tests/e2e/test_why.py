"""``why``: by the command and on the page, of a request that really failed over."""

from __future__ import annotations

import json
from pathlib import Path

from support.admin import is_guarded, site
from support.browser import Browser
from support.command import call
from support.deferreds import deferred, in_thread
from support.stack import KEY

from antigravity_proxy.simulator import faults

CANARY = "canary in the prompt"


@deferred(40)
async def test_a_failover_is_explained_by_the_command_and_on_the_page(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="2") as here:
        here.simulator.script(faults.quota_exhausted_for("3600s"))
        answer = await here.stack.chat(CANARY)
        assert answer.status == 200
        identity = answer.headers["x-request-id"]

        def ask(*argv: str) -> object:
            return call("why", *argv, "--url", here.url, PROXY_API_KEY=KEY, ANTIGRAVITY_DATA_DIR=str(here.directory))

        result = await in_thread(ask, identity, "--json")
        assert result.exit_code == 0, result.output
        known = json.loads(result.stdout)
        first, second = (each["outcome"] for each in known["attempts"])
        assert (first != "served", second) == (True, "served")
        accounts = [each["account"] for each in known["attempts"]]
        assert len(set(accounts)) == 2
        (board,) = known["standings"]
        assert {line["account"] for line in board["lines"]} == set(accounts)
        assert all(line["tried"] for line in board["lines"])
        text = (await in_thread(ask, identity)).stdout
        assert accounts[0] in text
        assert "served" in text
        page = await here.get(f"/why?id={identity}")
        assert page.status == 200
        assert is_guarded(page)
        assert accounts[0] in page.body.decode()
        assert CANARY not in page.body.decode() + text

        unknown = await in_thread(ask, "nobody")
        assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)
        assert "in memory" in unknown.stderr
        assert (await here.get("/why?id=%3Cscript%3E")).status == 404
        assert (await here.get("/why")).status == 200
        stranger = await here.get("/why?id=x", Browser())
        assert stranger.status == 401


@deferred(30)
async def test_a_failed_request_leads_there_from_the_page(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.simulator.script(faults.quota_exhausted_for("3600s"))
        answer = await here.stack.chat()
        assert answer.status == 429
        page = (await here.get("/")).body.decode()
        assert f"/why?id={answer.headers['x-request-id']}" in page
