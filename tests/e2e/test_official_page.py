"""What page, ``/capacity``, ``check`` and ``/health`` say of official credentials: the same, and no key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from support.admin import site
from support.deferreds import deferred
from support.vertex import entry, vertex

from antigravity_proxy.admin.credentials import FREE_TIER
from antigravity_proxy.operator import running
from antigravity_proxy.simulator import faults

GOOD, BAD = "AIzaSyGood-" + "1" * 28, "AIzaSyBadd-" + "2" * 28


@deferred(40)
async def test_page_capacity_and_check_agree(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="1", GEMINI_API_KEYS=f"good={GOOD},bad={BAD}") as here:
        stack = here.stack
        state = stack.daemon.account_services.official.upstreams["gemini"].pool.find("bad")
        state.bar("the key was leaked: Google has blocked it")
        assert (await stack.chat(model="gemini/gemini-3.8-flash")).status == 200
        stack.simulator.script(faults.quota_exhausted_for("60s"))
        page = (await here.get("/")).body.decode()
        capacity = (await stack.request("GET", "/capacity")).json
        told = {each["name"]: each for each in capacity["credentials"]}
        assert (told["good"]["state"], told["good"]["usedToday"], told["good"]["why"]) == ("ready", 1, "")
        assert (told["bad"]["state"], told["bad"]["why"]) == ("out", "the key was leaked: Google has blocked it")
        assert "1 of 1 account and 1 of 2 official credentials can serve now" in page
        assert "The key was leaked: Google has blocked it" in page
        found = await running.findings(stack.daemon.settings)
        said = {each.message.partition(":")[0]: each for each in found if each.subject == "official"}
        assert (said["good"].level, said["good"].message) == ("ok", "good: ready")
        assert said["bad"].message == "bad: out: the key was leaked: Google has blocked it"
        assert said["bad"].level == "warning"
        health = (await stack.request("GET", "/health")).json
        assert "1 of 2 credentials of gemini need attention: the status page" in " ".join(health["warnings"])
        state.tier = "free"  # as the id of one of its quotas may show
        assert "1 of 2 credentials of gemini are on the free tier" in str((await stack.request("GET", "/health")).json)
        assert FREE_TIER in (await here.get("/")).body.decode()
        for text in (page, str(capacity), str(found), str(health)):
            assert GOOD not in text
            assert BAD not in text


@deferred(40)
async def test_without_a_volume_nothing_of_it_is_missed(tmp_path: Path) -> None:
    settings = {"ANTIGRAVITY_DATA_DIR": "", "HOME": str(tmp_path), "PROXY_API_KEY": "sk-test", "GEMINI_API_KEYS": GOOD}
    async with site(tmp_path, ACCOUNTS="1", **settings) as here:
        page = (await here.get("/")).body.decode()
        assert "All is well" in page
        assert "1 of 1 official credential can serve now" in page
        assert "there is none, and none is needed" in page
        assert "can&#39;t be read" not in page
        assert "accounts ready" not in page


@deferred(40)
async def test_upstreams_and_credentials_have_figures_of_their_own(tmp_path: Path) -> None:
    more = entry("limited", "gemini-key", key=f'"{GOOD}"', max_per_day="4", tier='"free"', allow_free="true")
    async with vertex(tmp_path, "machine", more=more, accounts=1, order="accounts,gemini,vertex") as running:
        running.simulator.script(faults.quota_exhausted_for("60s"))
        for model in ("gemini/gemini-3.8-flash", "vertex/claude-sonnet-4-6", "accounts/gemini-3-flash"):
            await running.chat(model=model)
        text = (await running.request("GET", "/metrics", authorization="")).body.decode()
        told: dict[Any, float] = {
            (sample.name.removeprefix("antigravity_"), *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert {
            labels: told.get(labels)
            for labels in (
                ("upstream_requests_total", "failed", "gemini"),
                ("upstream_requests_total", "served", "vertex"),
                ("upstream_requests_total", "accounts", "served"),
                ("attempts_total", "served", "vertex"),
                ("credential_attempts_total", "failed", "gemini", "limited"),
                ("credential_attempts_total", "machine", "served", "vertex"),
                ("credentials", "ready", "vertex"),
                ("credential_usable", "gemini", "limited"),
                ("token_renewals_total", "renewed", "vertex"),
            )
            if told.get(labels) != 1
        } == {}
        assert told["credential_cooling_seconds", "machine", "vertex"] == 0
        assert 50 < told["credential_cooling_seconds", "gemini", "limited"] <= 61
        assert told["credential_day_used_ratio", "gemini", "limited"] == 0.25
        assert 3000 < told["credential_token_seconds", "machine", "vertex"] <= 3600
        assert ("credential_token_seconds", "gemini", "limited") not in told
        assert GOOD not in text
        assert "free tier" not in " ".join(running.daemon.health.warnings()), "its file says so"
        assert running.daemon.account_services.drift.all() == ()
