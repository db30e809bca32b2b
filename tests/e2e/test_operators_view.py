"""What is wrong is said by page, ``/health``, ``/capacity`` and ``check`` alike, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest
from support.admin import Site, site
from support.deferreds import deferred
from support.stack import Stack

from antigravity_proxy.operator import running
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

#: what the official upstreams answer
ERRORS = Path(__file__).parents[1] / "data/official/errors.json"
MODEL, KEY = "gemini-3-flash", "AIzaSyOne-" + "1" * 29


class Trouble(NamedTuple):
    """How it comes about, what the client gets, and what each of them says. ``left``: who of MODEL's could serve."""

    begin: Callable[[Stack], object]
    settings: dict[str, str]
    status: int
    title: str
    page: str
    health: str
    check: tuple[str, str]
    left: int
    model: str = MODEL


def _refused_key(stack: Stack) -> None:
    example = json.loads(ERRORS.read_text())["O10-key-invalid"]
    stack.simulator.script(Fault(example["http"], json.dumps(example["body"]).encode()), times=2)


def _dead(stack: Stack) -> None:
    for state in stack.daemon.pool.states:
        state.bar("its sign-in was revoked")


TROUBLES = {
    "the quota of one model": Trouble(
        lambda stack: stack.simulator.script(faults.quota_exhausted_for("3600s"), times=2), {}, 429,
        "Serving, but needs attention", f"Every account is cooling for {MODEL}: clients get 429 until ",
        "", ("warning", f"accounts: no account or credential can serve {MODEL} until "), 0,
    ),
    "no way to upstream": Trouble(
        lambda stack: None, {"PROXY_INTERNAL_BASE_URLS": "http://127.0.0.1:9"}, 502,
        "Serving, but needs attention", "Upstream (accounts) could not be reached", "Upstream (accounts)",
        ("warning", "Upstream (accounts) could not be reached"), 2,
    ),
    "sign-ins that are dead": Trouble(
        _dead, {}, 503, "No account can serve", "Its sign-in was revoked", "2 of 2 accounts are out of use",
        ("warning", "00000000-0000-4000-8000-000000000001 is out of use: its sign-in was revoked"), 0,
    ),
    "a ban": Trouble(
        lambda stack: stack.simulator.script(faults.barred()), {}, 503,
        "All accounts are on hold: Google has barred one of them", "On hold", "Google has barred an account",
        ("warning", "accounts resume --all"), 0,
    ),
    "a key that is refused": Trouble(
        _refused_key, {"GEMINI_API_KEYS": f"work={KEY}", "PROXY_UPSTREAM_ORDER": "gemini"}, 503,
        "Serving, but needs attention", "is it deleted or expired?", "1 of 1 credentials of gemini need attention",
        ("warning", "work: out: upstream says that its key is not valid"), 0, "gemini/gemini-3.8-flash",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
@deferred(40)
async def test_what_is_wrong_is_said_everywhere(tmp_path: Path, name: str) -> None:
    trouble = TROUBLES[name]
    async with site(tmp_path, ACCOUNTS="2", **trouble.settings) as here:
        trouble.begin(here.stack)
        assert (await here.stack.chat(model=trouble.model)).status == trouble.status
        page = unescape((await here.get("/")).body.decode())
        assert f">{trouble.title}<" in page
        assert trouble.page in page
        assert trouble.health in " ".join((await here.stack.request("GET", "/health")).json["warnings"])
        told = [(each.level, each.message) for each in await running.findings(here.stack.daemon.settings)]
        level, words = trouble.check
        assert [each for each in told if each[0] == level and words in each[1]], told
        await _capacity(here, trouble)


async def _capacity(here: Site, trouble: Trouble) -> None:
    models = (await here.stack.request("GET", "/capacity")).json["models"]
    upstream, _, model = trouble.model.rpartition("/")
    (found,) = [each for each in models if (each["upstream"], each["id"]) == (upstream or "accounts", model)]
    assert found["usable"] == trouble.left


@deferred(40)
async def test_trouble_on_the_way_ends_with_the_next_answer(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="1") as here:
        bases = here.stack.daemon.account_services.bases
        bases.failed(bases.urls[0], here.stack.daemon.pool.now().monotonic)
        assert any("could not be reached" in each for each in here.stack.daemon.health.warnings())
        assert (await here.stack.chat()).status == 200
        assert here.stack.daemon.health.warnings() == ()


@deferred(40)
async def test_check_fails_while_the_daemon_can_serve_nobody(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="1") as here:
        settings = here.stack.daemon.settings
        assert {each.level for each in await running.findings(settings)} == {"ok"}
        _dead(here.stack)
        found = [each.message for each in await running.findings(settings) if each.level == "error"]
        assert "answers at" in found[0]
        assert found[1] == "no model can be served now"
