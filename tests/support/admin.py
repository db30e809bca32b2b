"""A daemon with its admin listener, and browsers before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.browser import Browser, consent, hidden
from support.deferreds import in_thread
from support.stack import KEY, Answer, Stack, free_port, stack
from support.volumes import reader_of

from antigravity_proxy.simulator.server import Simulator


class Site:
    """A daemon with its admin listener, and a browser that stands before it."""

    def __init__(self, running: Stack, port: int) -> None:
        self.stack = running
        self.simulator = running.simulator
        self.directory = running.volume.directory
        self.url = f"http://localhost:{port}"
        self.browser = Browser()

    async def get(self, path: str, browser: Browser | None = None, **headers: str) -> Answer:
        url = path if path.startswith("http") else self.url + path
        answer: Answer = await in_thread((browser or self.browser).get, url, **headers)
        return answer

    async def log_in(self, key: str = KEY, browser: Browser | None = None, **headers: str) -> Answer:
        browser = browser or self.browser
        form = await self.get("/login", browser, **headers)
        answer: Answer = await in_thread(browser.post, f"{self.url}/login", hidden(form) | {"key": key}, **headers)
        return answer

    async def sent_to(self, **headers: str) -> str:
        """The provider's URL, for a browser that is logged in."""
        answer = await self.get("/auth/start", **headers)
        assert answer.status == 302, answer.body
        return str(answer.headers["location"])

    async def consented(self, decision: str = "allow") -> str:
        """The URL that the provider sends a logged-in browser back to."""
        back: str = await in_thread(consent, self.browser, await self.sent_to(), decision)
        return back

    def exchanges(self) -> int:
        return sum(form.get("grant_type") == "authorization_code" for form in self.simulator.refreshes)

    def addresses(self) -> list[str]:
        """Whose accounts the volume holds, as a reader of its own finds."""
        state = reader_of(self.directory).read()
        return sorted(account.label.reveal() for account in state.accounts)


@asynccontextmanager
async def site(
    directory: Path,
    *,
    logged_in: bool = True,
    before: Callable[[Simulator], object] = lambda simulator: None,
    **settings: str,
) -> AsyncIterator[Site]:
    port = free_port()
    given = {"READONLY_MODE": "false", "OAUTH_CALLBACK_PORT": str(port), "OAUTH_LISTEN_PORT": str(port)} | settings
    api_key, accounts = given.pop("API_KEY", KEY), int(given.pop("ACCOUNTS", "1"))
    async with stack(directory, accounts=accounts, api_key=api_key, before=before, **given) as running:
        found = Site(running, int(given["OAUTH_LISTEN_PORT"]))
        if logged_in:
            assert (await found.log_in()).status == 303
        yield found


def is_guarded(answer: Answer) -> bool:
    """Whether a page carries what keeps it harmless."""
    policy = answer.headers["content-security-policy"]
    return (
        "default-src 'none'" in policy
        and "frame-ancestors 'none'" in policy
        and "unsafe-inline" not in policy
        and answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["cache-control"] == "no-store"
        and answer.headers["referrer-policy"] == "same-origin"
        and b"<script" not in answer.body.replace(b'<script src="/static/', b"")
        and b"style=" not in answer.body
        and b"<style" not in answer.body
    )
