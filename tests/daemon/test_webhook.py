"""The webhook over sockets: a real receiver, well and not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.admin import site
from support.browser import Browser
from support.deferreds import deferred, in_thread, until
from support.stack import KEY, Stack, stack
from support.webhooks import Receiver
from twisted.logger import formatEvent, globalLogPublisher

from antigravity_proxy.daemon import notices, webhook
from antigravity_proxy.daemon.notices import Notice
from antigravity_proxy.simulator import faults


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "EVERY", 0.05)
    monkeypatch.setattr(webhook, "APART", 0.0)
    monkeypatch.setattr(webhook, "PAUSES", (0.01, 0.02, 0.03))
    monkeypatch.setattr(notices, "EXHAUSTED_AFTER", 0.1)


def hook(running: Stack) -> webhook.Webhook:
    found: webhook.Webhook = running.daemon.webhook
    return found


@deferred(30)
async def test_an_account_that_is_barred_is_told_without_a_word_of_whose_it_is(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with stack(tmp_path, accounts=2, PROXY_WEBHOOK_URL=receiver.url) as running:
        running.simulator.script(faults.barred())
        assert (await running.chat()).status in (200, 503)
        await until(lambda: len(receiver.posts) == 1)
        (told,) = receiver.posts
        assert told["event"] == "account_barred"
        assert told["account"] in {state.credential.id for state in running.daemon.pool.states}
        assert set(told) == {"event", "title", "message", "text", "time", "account"}
        text = json.dumps(told)
        assert "@" not in text
        assert "ya29" not in text


@deferred(40)
async def test_a_ban_is_told_with_what_it_means_once_over_a_restart_and_ends_by_the_command(
    tmp_path: Path, receiver: Receiver
) -> None:
    given = {"PROXY_WEBHOOK_URL": receiver.url, "PROXY_STATE_DIR": str(tmp_path / "state")}
    async with site(tmp_path, ACCOUNTS="2", **given) as here:
        here.stack.simulator.script(faults.barred())
        assert (await here.stack.chat()).status == 503
        await until(lambda: bool(receiver.posts))
        told = receiver.posts[0]
        assert told["event"] == "account_barred"
        assert told["text"].endswith(notices.ON_HOLD)
    async with site(tmp_path, ACCOUNTS="2", **given) as here:
        assert (await here.stack.chat()).status == 503
        other = next(state for state in here.stack.daemon.pool.states if state.credential.id != told["account"])
        other.bar("its sign-in has expired")
        await until(lambda: any(post["event"] == "sign_in_dead" for post in receiver.posts))
        here.stack.daemon.pool.forgive(other.credential.id)
        body, sent = b'{"action": "resume-all", "account": ""}', {"authorization": f"Bearer {KEY}"}
        ended = await in_thread(
            Browser().request, "POST", f"{here.url}/accounts", body, sent | {"content-type": "application/json"}
        )
        assert ended.status == 200
        assert (await here.stack.chat()).status == 200
    assert [post["event"] for post in receiver.posts].count("account_barred") == 1


@deferred(30)
async def test_a_credential_that_is_refused_is_told_by_its_name(tmp_path: Path, receiver: Receiver) -> None:
    key = "AIzaSyOne-" + "1" * 29
    async with stack(tmp_path, accounts=0, GEMINI_API_KEYS=f"work={key}", PROXY_WEBHOOK_URL=receiver.url) as running:
        running.daemon.account_services.official.upstreams["gemini"].pool.find("work").bar("the key was leaked")
        await until(lambda: bool(receiver.posts))
        (told,) = receiver.posts
        assert (told["event"], told["account"]) == ("account_barred", "work")
        assert told["message"] == "work: the key was leaked"
        assert key not in str(told)


@deferred(30)
async def test_a_model_that_nobody_can_serve_is_told_and_back(tmp_path: Path, receiver: Receiver) -> None:
    async with stack(tmp_path, accounts=1, PROXY_WEBHOOK_URL=receiver.url) as running:
        running.simulator.script(faults.quota_exhausted_for("3600s"))
        assert (await running.chat()).status == 429
        await until(lambda: len(receiver.posts) == 1)
        (state,) = running.daemon.pool.states
        running.daemon.pool.forgive(state.credential.id)
        await until(lambda: len(receiver.posts) == 2)
        assert [(post["event"], post["model"]) for post in receiver.posts] == [
            ("pool_exhausted", "gemini-3-flash"),
            ("pool_back", "gemini-3-flash"),
        ]


@deferred(30)
async def test_a_receiver_that_fails_is_tried_again_and_given_up_and_its_url_is_in_no_log(
    tmp_path: Path, receiver: Receiver
) -> None:
    logged: list[str] = []
    globalLogPublisher.addObserver(lambda event: logged.append(formatEvent(event)))
    async with stack(tmp_path, PROXY_WEBHOOK_URL=receiver.url) as running:
        receiver.statuses = [500, 503]
        hook(running).tell(Notice("account_barred", "one", "words", 0.0))
        await until(lambda: hook(running).sent == 1)
        receiver.statuses = [500] * 4
        hook(running).tell(Notice("account_barred", "two", "words", 0.0))
        await until(lambda: hook(running).failed == 1)
        assert [post["account"] for post in receiver.posts] == ["one"]
        receiver.server.shutdown()
        receiver.server.server_close()
        hook(running).tell(Notice("account_barred", "three", "words", 0.0))
        await until(lambda: hook(running).failed == 2)
        assert (await running.chat()).status == 200
    assert any("could not be posted" in line for line in logged)
    assert "canary-secret" not in "".join(logged)


@deferred(30)
async def test_a_flood_is_bounded_and_the_daemon_ends_in_the_middle_of_it(tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses = [500] * 10_000
    async with stack(tmp_path, PROXY_WEBHOOK_URL=receiver.url) as running:
        for number in range(500):
            hook(running).tell(Notice("account_barred", str(number), "words", 0.0))
        assert hook(running).left_out >= 500 - webhook.MOST - 1
        assert len(hook(running)._waiting) <= webhook.MOST


@pytest.mark.parametrize("event", list(notices.TITLES))
def test_every_event_has_words_for_every_kind_of_receiver(event: notices.Event) -> None:
    told = json.loads(webhook.payload(Notice(event, "thing", "words", 1.5)))
    assert told["event"] == event
    assert told["text"] == f"{told['title']}: {told['message']}"
    assert told["time"] == "1970-01-01T00:00:01Z"
