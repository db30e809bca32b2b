"""The page with everything on it: official credentials, usage, clients' keys, refusals; full, troubled and empty."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.admin import Site, site
from support.chromium import SHOTS, Window
from support.deferreds import deferred, in_thread, until
from support.judging import judge
from support.stack import KEY
from support.vertex import entry
from support.volumes import update

from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.canonical.windows import Standing
from antigravity_proxy.canonical.windows import Window as QuotaWindow
from antigravity_proxy.geminiapi.wire import GeminiApi
from antigravity_proxy.telemetry.record import Attempt, Record
from antigravity_proxy.vertex.wire import Vertex
from antigravity_proxy.web.client_keys import ClientKey, digest, render

pytestmark = pytest.mark.browser

ENTER = "\ue007"
LONG = "the-credential-of-the-department-for-long-names-and-nothing-else"
FREE, PAID = (f"AIzaSy{name}-{'x' * (32 - len(name))}" for name in ("Free", "Paid"))
CLIENTS = ("laptop", "ci", "team-frontend", "notebook-of-somebody-with-a-long-name")
MODELS = ("gemini-3-flash", "gemini-pro-agent", "claude-sonnet-4-6", "claude-opus-4-6-thinking")
CREDENTIALS = entry(
    "work", "gemini-key", key=f'"{PAID}"', tier='"paid"', max_per_day="500", quota_group='"work"'
) + entry(LONG, "gemini-key", key=f'"{FREE}"', tier='"free"', allow_free="true")
DAY = 86_400


def identity(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


@asynccontextmanager
async def full(
    directory: Path, accounts: int = 3, credentials: str = CREDENTIALS, **settings: str
) -> AsyncIterator[Site]:
    """A daemon with accounts, official credentials of both upstreams, clients' keys and a state directory."""
    made = datetime(2026, 1, 1, tzinfo=UTC)
    limits = {CLIENTS[0]: {"requests_per_minute": 60, "concurrent": 4, "tokens_per_day": 2_000_000}}
    keys = [
        ClientKey(name, digest(f"sk-ag-{name}".encode()).decode(), made, **limits.get(name, {})) for name in CLIENTS
    ]
    (directory / "keys.json").write_bytes(render(tuple(keys)))
    service_account = directory / "service-account.json"
    file = directory / "credentials.toml"
    file.touch(0o600)
    file.write_text(credentials + entry("billing", file=f'"{service_account}"', locations='["europe-west4", "global"]'))
    service_account.write_text("{}")

    def fill(simulator: Any) -> None:
        service_account.write_text(simulator.service_accounts.make("billing", "my-company-billing"))

    given = {
        "PROXY_CLIENT_KEYS_FILE": str(directory / "keys.json"),
        "PROXY_CREDENTIALS_FILE": str(directory / "credentials.toml"),
        "PROXY_STATE_DIR": str(directory / "state"),
        "ACCOUNTS": str(accounts),
    }
    async with site(directory, logged_in=False, before=fill, **given | settings) as here:
        yield here


def used_for_a_month(here: Site, official: tuple[str, str] = ("work", "billing")) -> None:
    """Requests of the last month, as if the daemon had served them; ``official``: a key's and an account's name."""
    ledger, chance = here.stack.daemon.usage, random.Random(1)
    now = ledger._epoch
    served = [*map(identity, range(3)), *official]
    for ago in range(29, -1, -1):
        ledger._epoch = lambda ago=ago: now() - ago * DAY
        weekday = 1.0 if ago % 7 not in (2, 3) else 0.3
        for _ in range(int(60 * weekday * chance.uniform(0.6, 1.2))):
            tokens = int(chance.lognormvariate(9.5, 0.8))
            who = chance.choices(served, (6, 5, 4, 2, 1))[0]
            upstream = dict(zip(official, ("gemini", "vertex"), strict=True)).get(who, "accounts")
            ledger(
                Record(
                    id="", began=0.0, method="POST", key=chance.choices(CLIENTS, (5, 2, 3, 1))[0], upstream=upstream,
                    model=chance.choices(MODELS, (6, 3, 4, 1))[0], attempts=[Attempt(who, 0.0, reason="")],
                    status=200 if chance.random() > 0.03 else 503, tokens_in=tokens, tokens_cached=tokens // 2,
                    tokens_out=tokens // 6, tokens_thinking=tokens // 20,
                )
            )  # fmt: skip
    ledger._epoch = now


def used_for_an_hour(here: Site) -> None:
    """Requests of the last hour, as if the daemon had served them."""
    history, chance = here.stack.daemon.admin.status._overview._sources.history, random.Random(2)
    seconds = history._seconds
    for ago in range(59, -1, -1):
        history._seconds = lambda ago=ago: seconds() - 60 * ago
        for _ in range(int(chance.uniform(0, 6) * (1 + ago % 20 / 10))):
            tokens = int(chance.lognormvariate(9, 0.7))
            history.note(Record(id="", began=0.0, status=200, streamed=chance.random() > 0.3, tokens_in=tokens))
    history._seconds = seconds


def with_windows(here: Site, count: int) -> None:
    """Windows, tier and credits of the first accounts."""
    states = list(here.stack.daemon.pool.states)
    now = here.stack.daemon.pool.now().epoch
    for number, state in enumerate(states[:count]):
        left = (0.82, 0.37, 0.06)[number % 3]
        windows = {"5h": QuotaWindow(left, now + 9000), "weekly": QuotaWindow(1 - left / 2, now + 4 * DAY)}
        state.stands(Standing({"Gemini models": windows, "Claude and GPT models": windows}, "Google AI Pro", 1200))


async def traffic(here: Site) -> None:
    """Some requests by several clients, one of which upstream refuses."""
    for number, client in enumerate((*CLIENTS, *CLIENTS)):
        body = {"model": MODELS[number % 3], "messages": [{"role": "user", "content": f"question {number}"}]}
        await here.stack.request("POST", "/v1/chat/completions", body, authorization=f"Bearer sk-ag-{client}")
    for model in ("gemini/gemini-3.8-flash", "vertex/claude-sonnet-4-6", "gemini/gemini-3.8-flash"):
        await here.stack.chat(model=model)


def log_in(window: Window, url: str) -> None:
    window.open(f"{url}/")
    window.keys(KEY, ENTER)
    window.shows("Live", "#live")


def of_upstream(here: Site, upstream: str, name: str) -> tuple[Any, Any]:
    pool = here.stack.daemon.account_services.official.upstreams[upstream].pool
    return pool, next(state for state in pool.states if state.credential.id == name)


@deferred(60)
async def test_everything_at_once_can_be_read_on_every_screen(tmp_path: Path, window: Window) -> None:
    async with full(tmp_path) as here:
        used_for_a_month(here)
        with_windows(here, 3)
        await traffic(here)
        pool, state = of_upstream(here, "gemini", LONG)
        pool.penalise(
            state, "gemini-3.8-flash", GeminiApi().judge(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=90.0))
        )
        pool, state = of_upstream(here, "vertex", "billing")
        pool.penalise(state, "claude-sonnet-4-6", Vertex().judge(Failure(403, reason="SERVICE_DISABLED")))

        def go() -> None:
            log_in(window, here.url)
            window.shows("Free tier: Google uses prompts and answers", "#official")
            window.shows("2 of 500", "#c-work")
            window.examine("full")

        await in_thread(go)


@deferred(60)
async def test_what_upstream_refuses_is_told_at_a_glance(tmp_path: Path, window: Window) -> None:
    async with full(tmp_path) as here:
        await traffic(here)
        drift = here.stack.daemon.account_services.drift
        drift.saw("model", "gemini-9-ultra")
        drift.saw("finish reason", "BORED")
        for client in ("claude", "claude", "codex"):
            record = here.stack.daemon.ledger.open("req", "POST", "openai", "chat")
            record.error, record.status, record.agent = "upstream_refuses_request", 400, client
            here.stack.daemon.ledger.close(record)
        pool = here.stack.daemon.pool
        pool.penalise(pool.find(identity(0)), "m", judge(Failure(403, appeal=True)))
        answer = await here.stack.chat()

        def go() -> None:
            log_in(window, here.url)
            window.shows("All accounts are on hold", "h1")
            window.shows("claude", "#refused")
            window.examine("refused")
            window.tab_to("resume-all")
            window.keys(ENTER)
            window.shows("Serving, but needs attention", "h1")
            window.open(f"{here.url}/why?id={answer.headers['x-request-id']}")
            window.examine("why")

        await in_thread(go)


@deferred(60)
async def test_without_an_account_the_page_says_what_to_do(tmp_path: Path, window: Window) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="0") as here:

        def go() -> None:
            log_in(window, here.url)
            window.shows("Can't serve requests", "h1")
            window.examine("empty")

        await in_thread(go)


@deferred(60)
async def test_a_key_is_made_and_revoked_by_keyboard_alone(tmp_path: Path, window: Window) -> None:
    async with full(tmp_path, accounts=60) as here:

        def go() -> None:
            log_in(window, here.url)
            window.shows("Page 1 of 2", "#tabs")
            window.find("#clients summary").send_keys(ENTER)
            window.find("#clients input[name=name]").send_keys("tablet")
            window.examine("many")
            window.find("#clients input[name=name]").send_keys(ENTER)
            window.shows("The key of tablet", "h1")
            window.shows("sk-ag-", "#new-key")
            window.examine("key")
            window.open(f"{here.url}/")
            window.find("#revoke-tablet").send_keys(ENTER)
            window.shows("Revoke this key?", "h1")
            window.find("button.danger").send_keys(ENTER)
            window.shows("The key tablet was revoked", ".told")

        await in_thread(go)


@deferred(60)
async def test_a_picture_of_the_page(tmp_path: Path, window: Window) -> None:
    """The picture of the documentation, at ``PICTURE`` where that names a file (``make screenshot``)."""
    credentials = entry("gemini-paid", "gemini-key", key=f'"{PAID}"', tier='"paid"', max_per_day="1000")
    async with full(tmp_path, credentials=credentials) as here:
        for number, name in enumerate(("ann", "bob", "carla")):
            update(here.directory, number, email=f"{name}@example.com", name=name.capitalize(), quota_json=None)
        used_for_a_month(here, ("gemini-paid", "billing"))
        used_for_an_hour(here)
        await until(lambda: all(state.standing.tier for state in here.stack.daemon.pool.states))
        with_windows(here, 3)
        for state in here.stack.daemon.pool.states:
            state.quota = {}  # a picture is small

        def go() -> None:
            log_in(window, here.url)
            window.shows("All is well", "h1")
            window.shows("Ann", "#accounts")
            picture = window.picture((1160, 1500), until="#usage")
            (SHOTS / "page.png").write_bytes(picture)
            assert len(picture) <= 100_000
            if os.environ.get("PICTURE"):
                Path(os.environ["PICTURE"]).write_bytes(picture)

        await in_thread(go)
