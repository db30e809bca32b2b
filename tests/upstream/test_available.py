"""Asking for an account's models over sockets: with its project, and without where it may name none."""

from __future__ import annotations

import pytest
from support.account_calls import answer, methods
from support.cut import upstream
from support.deferreds import deferred
from support.simulated import running

from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.simulator import faults
from antigravity_proxy.upstream.account_methods import AccountMethodFailed
from antigravity_proxy.upstream.available import available_models

FULL, HALF = {"quotaInfo": {"remainingFraction": 1}}, {"quotaInfo": {"remainingFraction": 0.5}}


@deferred()
async def test_its_project_is_named_if_it_is_known() -> None:
    async with running() as simulator, methods(simulator.url) as calls:
        simulator.available = {"ya29.x": {"models": {"full": FULL, "half": HALF}}}
        with_project = await available_models(calls, "p")
        without = await available_models(calls, None)
        assert await available_models(calls, "") == without
        assert [look.json for look in simulator.looks] == [{"project": "p"}, {}, {}]
    assert [offer.id for offer in without.offers.models] == ["full", "half"]
    assert with_project.offers == without.offers
    assert without.quotas == {"half": ModelQuota(0.5)}
    assert with_project.quotas == {"full": ModelQuota(1.0), "half": ModelQuota(0.5)}


@deferred()
async def test_who_may_not_name_it_is_asked_once_without() -> None:
    async with running() as simulator, methods(simulator.url) as calls:
        simulator.projectless = {"ya29.x"}
        assert (await available_models(calls, "p")).offers.models
        simulator.models_fault = faults.forbidden()
        with pytest.raises(AccountMethodFailed):
            await available_models(calls, "p")
        assert [look.json for look in simulator.looks] == [{"project": "p"}, {}] * 2


@pytest.mark.parametrize("status", ["401 No", "429 Slow", "503 Busy"])
@deferred()
async def test_another_refusal_is_no_reason_to_ask_again(status: str) -> None:
    async with upstream(answer(status, b"")) as server, methods(server.url) as calls:
        with pytest.raises(AccountMethodFailed, match=status[:3]):
            await available_models(calls, "p")
        assert len(server.requests) == 1
