"""An account's small calls over sockets: the hosts in order, refusals, nonsense, silence, and not too many at once."""

from __future__ import annotations

import pytest
from support.account_calls import answer, methods
from support.cut import upstream
from support.deferreds import deferred, wait
from support.simulated import running
from support.stack import free_port
from twisted.internet.defer import Deferred, gatherResults

from antigravity_proxy.settings.limits import ACCOUNT_CALLS_AT_ONCE
from antigravity_proxy.upstream import account_methods
from antigravity_proxy.upstream.account_methods import AccountMethodFailed

BODY = b'{"metadata":{"ideType":"ANTIGRAVITY"}}'


@pytest.mark.parametrize("status", ["404 No", "408 Late", "500 Oops", "503 Busy"])
@deferred()
async def test_a_host_that_can_not_answer_is_passed_over_also_by_later_calls(status: str) -> None:
    async with running() as simulator, upstream(answer(status, b"")) as broken:
        dead = f"http://127.0.0.1:{free_port()}"
        async with methods(dead, broken.url, simulator.url) as calls:
            for _ in range(2):
                assert (await calls.call(b"loadCodeAssist", BODY))["cloudaicompanionProject"] == "simulated-project"
            assert (await calls.operation("operations/one"))["done"]
        assert len(broken.requests) == 1
        assert simulator.loads[0].raw == BODY
        assert simulator.loads[0].token == "ya29.x"


@pytest.mark.parametrize("status", [400, 401, 403, 429])
@deferred()
async def test_a_refusal_is_believed(status: int) -> None:
    said = b'{"error":{"message":"who@example.com","details":[{"@type":"x.ErrorInfo","reason":"NO"}]}}'
    async with upstream(answer(f"{status} No", said)) as first, running() as second:
        async with methods(first.url, second.url) as calls:
            with pytest.raises(AccountMethodFailed, match=f"^upstream answered {status} NO$") as caught:
                await calls.call(b"loadCodeAssist", BODY)
        assert (caught.value.status, caught.value.reason) == (status, "NO")
        assert second.loads == []


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"<html>", "not JSON"), (b"[]", "not an object"), (b"\xff", "not JSON"), (b"[" * 100_000, "not JSON")],
)
@deferred()
async def test_nonsense_is_no_answer(body: bytes, why: str) -> None:
    async with upstream(answer("200 OK", body)) as server, methods(server.url) as calls:
        with pytest.raises(AccountMethodFailed, match=why):
            await calls.call(b"loadCodeAssist", BODY)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
@deferred()
async def test_an_answer_that_never_ends_is_given_up(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_methods, "ACCOUNT_METHOD_SECONDS", 0.1)
    async with upstream(said, "hangs") as server, methods(server.url) as calls:
        with pytest.raises(AccountMethodFailed, match="could not be asked"):
            await calls.call(b"loadCodeAssist", BODY)


@deferred()
async def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
    async with running() as elsewhere, upstream(moved % f"{elsewhere.url}/x".encode()) as server:
        async with methods(server.url) as calls:
            with pytest.raises(AccountMethodFailed, match="302"):
                await calls.call(b"loadCodeAssist", BODY)
        assert elsewhere.loads == []


@deferred()
async def test_only_so_many_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_methods, "ACCOUNT_METHOD_SECONDS", 0.4)
    async with upstream(b"", "hangs") as server, methods(server.url) as calls:
        asking = [Deferred.fromCoroutine(calls.call(b"loadCodeAssist", BODY)) for _ in range(ACCOUNT_CALLS_AT_ONCE + 3)]
        for each in asking:
            each.addErrback(lambda failure: failure.trap(AccountMethodFailed))
        await wait(0.2)
        assert len(server.requests) == ACCOUNT_CALLS_AT_ONCE
        await gatherResults(asking)
        assert len(server.requests) == ACCOUNT_CALLS_AT_ONCE + 3
