"""Official credentials at two daemons on one Redis: what one learns of them, the other keeps to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until
from support.pair import pair
from support.redis import needs_redis
from support.stack import Stack, replica, stack
from twisted.internet.defer import Deferred

from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.daemon import gemini_models
from antigravity_proxy.simulator.faults import Fault

pytestmark = needs_redis

ERRORS = json.loads((Path(__file__).parents[1] / "data/official/errors.json").read_text())
MODEL = "gemini-3.8-flash"
ONE, TWO = "AIzaSyOne-" + "1" * 29, "AIzaSyTwo-" + "2" * 29
FILE = """
[[credential]]
name = "key"
kind = "gemini-key"
key = "{one}"
[[credential]]
name = "second"
kind = "gemini-key"
key = "{two}"
[[credential]]
name = "key-of-vertex"
kind = "vertex-service-account"
file = "{account}"
locations = ["global", "us"]
[route]
"gemini-3.5-flash" = ["vertex"]
"*" = ["gemini"]
"""


def given(directory: Path, file: str = FILE, **settings: str) -> dict[str, Any]:
    """The settings of a daemon with this credentials file."""
    path, account = directory / "credentials.toml", directory / "account.json"

    def fill(simulator: Any) -> None:
        account.write_text(simulator.service_accounts.make("one", "one-project"))
        text = file.replace("{account}", str(account)).replace("{one}", ONE).replace("{two}", TWO)
        path.write_text(text)

    order = "gemini,vertex,accounts"
    return {"before": fill, "PROXY_CREDENTIALS_FILE": str(path), "PROXY_UPSTREAM_ORDER": order} | settings


def standing(running: Stack) -> list[Any]:
    """What sets which credential aside, at this daemon."""
    found: list[Any] = []
    for name, upstream in running.daemon.account_services.official.upstreams.items():
        found.append((name, {model: each.marks for model, each in upstream.pool.resting_models.models.items()}))
        for state in upstream.pool.states:
            cooldowns = {key: each.marks for key, each in state.cooldowns.items()}
            found.append((state.credential.id, state.group, cooldowns, state.barred))
    return found


def forgive(running: Stack) -> None:
    for upstream in running.daemon.account_services.official.upstreams.values():
        for state in upstream.pool.states:
            upstream.pool.forgive(state.credential.id)


async def asked(running: Stack, model: str) -> tuple[int, str, float]:
    """The status, the error's code and Retry-After of a request for a model."""
    answer = await running.chat(model=model)
    return answer.status, str(answer.json.get("error", {}).get("code")), float(answer.headers["retry-after"] or 0)


VERTEX = "gemini-3.5-flash"
#: an error → the model that is asked for; those of a model of the whole upstream come last, for nobody forgives them
ROWS = {
    "O1-limit-zero": MODEL,
    "O3-per-minute": MODEL,
    "O4-prepay": MODEL,
    "O6-bare": MODEL,
    "O10-key-invalid": MODEL,
    "O11-key-kind": MODEL,
    "O14-ip": MODEL,
    "O15-suspended": MODEL,
    "O17-billing": MODEL,
    "O8-base-model-quota": VERTEX,
    "O19-iam": VERTEX,
    "O24-no-model": "gemini-3.6-flash",
}


def fault(row: str) -> Fault:
    return Fault(ERRORS[row]["http"], json.dumps(ERRORS[row]["body"]).encode())


@deferred(60)
async def test_what_one_was_told_of_a_credential_the_other_asks_nobody_again(tmp_path: Path) -> None:
    async with pair(tmp_path, **given(tmp_path)) as (one, two, _):
        for row, model in ROWS.items():
            one.simulator.script(fault(row), times=4)
            assert (await asked(one, model))[0] >= 400, row
            one.simulator.clear_script()
            one.simulator.requests.clear()
            status, code, after = await asked(one, model)
            before = standing(one)
            await until(lambda: standing(two) == before)  # noqa: B023
            found = await asked(two, model)
            assert found[:2] == (status, code), (row, standing(two), [each.path for each in one.simulator.requests])
            assert found[2] == pytest.approx(after, abs=1.5), row
            assert one.simulator.requests == [], row
            forgive(one)
            await until(lambda: not any(part[2] or part[3] for part in standing(two) if len(part) == 4))


@deferred(30)
async def test_a_conversation_stays_with_the_upstream_that_served_it_at_another_daemon(tmp_path: Path) -> None:
    file = FILE.replace('"*" = ["gemini"]', '"*" = ["gemini", "vertex"]')
    async with pair(tmp_path, **given(tmp_path, file)) as (one, two, _):
        for key in (ONE, TWO):
            one.simulator.script(fault("O3-per-minute"), token=key)
        served = [await one.chat("a conversation", model=MODEL)]
        sessions = two.daemon.account_services.replicas.parts.state.sessions
        await until(lambda: bool(len(sessions)))
        forgive(one)
        await until(lambda: not any(part[2] for part in standing(two) if len(part) == 4))
        served += [await two.chat(text, model=MODEL) for text in ("a conversation", "another one")]
        assert [each.headers["x-antigravity-upstream"] for each in served] == ["vertex", "vertex", "gemini"]


@deferred(30)
async def test_keys_of_one_project_are_known_as_such_at_every_daemon(tmp_path: Path) -> None:
    async with pair(tmp_path, **given(tmp_path)) as (one, two, _):
        pools = [each.daemon.account_services.official.upstreams["gemini"].pool for each in (one, two)]
        for name in ("key", "second"):
            pools[0].groups.learn(pools[0].find(name), Failure(429, consumer="projects/1"))
        await until(lambda: len(pools[1].groups.members(pools[1].find("key"))) == 2)
        async with replica(one) as late:
            pool = late.daemon.account_services.official.upstreams["gemini"].pool
            await until(lambda: len(pool.groups.members(pool.find("second"))) == 2)
            late.simulator.script(fault("O3-per-minute"), times=2)
            assert (await late.chat(model=MODEL)).status == 429
            assert len(late.simulator.requests) == 1, "the other key of the project is not asked"


@pytest.mark.parametrize(("row", "model"), [("O3-per-minute", MODEL), ("O11-key-kind", MODEL), ("O24-no-model", MODEL)])
@deferred(30)
async def test_what_was_told_of_a_credential_outlasts_a_restart(tmp_path: Path, row: str, model: str) -> None:
    async with stack(tmp_path, **given(tmp_path)) as base:
        kept = str(tmp_path / "state")
        async with replica(base, PROXY_STATE_DIR=kept) as first:
            first.simulator.script(fault(row), times=2)
            await asked(first, model)
            status, code, _ = await asked(first, model)
        base.simulator.requests.clear()
        async with replica(base, PROXY_STATE_DIR=kept) as second:
            assert (await asked(second, model))[:2] == (status, code)
        assert base.simulator.requests == []


@deferred(30)
async def test_a_stop_while_models_are_asked_for_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemini_models, "FIRST", 0.0)
    asked_for: list[str] = []

    async def never(*_: Any) -> Any:
        asked_for.append("models")
        await Deferred()

    monkeypatch.setattr(gemini_models, "listed", never)
    async with stack(tmp_path, GEMINI_API_KEYS=f"one={ONE}"):
        await until(lambda: bool(asked_for))
