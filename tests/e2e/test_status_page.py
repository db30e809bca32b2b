"""The operator's page over sockets: what it shows, keeps up to date and changes, and every attack on it."""

from __future__ import annotations

import re
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from support.admin import Site, is_guarded, site
from support.browser import Browser, hidden
from support.deferreds import deferred, in_thread, until, wait
from support.eventstream import EventStream
from support.judging import judge
from support.stack import KEY, Answer
from support.volumes import reader_of, trace, update

from antigravity_proxy import ticker
from antigravity_proxy.admin import sse
from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import mounts
from antigravity_proxy.web.client_keys import ClientKey, digest
from antigravity_proxy.web.key_ring import KeyRing

FIRST, SECOND = (f"00000000-0000-4000-8000-{number:012}" for number in range(2))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is kept up to date every second; that is long for a test."""
    monkeypatch.setattr(ticker, "INTERVAL", 0.1)


async def act(here: Site, browser: Browser | None = None, **fields: str) -> Answer:
    """A button of the page, pressed."""
    browser = browser or here.browser
    page = await here.get("/", browser)
    answer: Answer = await in_thread(browser.post, here.url + "/accounts", hidden(page) | fields)
    return answer


async def ask(here: Site, action: str, account: str, **headers: str) -> Answer:
    """The same by a program."""
    body = f'{{"action": "{action}", "account": "{account}"}}'.encode()
    sent = {"content-type": "application/json", "authorization": f"Bearer {KEY}"} | headers
    answer: Answer = await in_thread(Browser().request, "POST", here.url + "/accounts", body, sent)
    return answer


def paused(here: Site) -> set[str]:
    return {account.id for account in reader_of(here.directory).read().accounts if account.paused}


@pytest.mark.row("page attacks")
@deferred(30)
async def test_the_page_shows_everything_and_nothing_secret(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="2") as here:
        update(here.directory, 1, token_json="nonsense")
        quota = {"models": {"gemini-3-flash": {"percentage": 42, "resetTime": "2099-01-01T00:00:00Z"}}}
        update(here.directory, 0, quota_json=here.stack.volume.seal(quota))
        await until(lambda: bool(here.stack.daemon.state.problems))
        form = await here.get("/")
        assert (form.status, is_guarded(form)) == (401, True)
        answer = await in_thread(here.browser.post, here.url + "/login", hidden(form) | {"key": KEY})
        assert (answer.status, answer.headers["location"]) == (303, "/")
        await here.stack.chat()
        await here.stack.request("POST", "/v1/chat/completions", b"{")
        page = await here.get("/")
        body = page.body.decode()
        assert (page.status, is_guarded(page)) == (200, True)
        for words in (
            "Serving, but needs attention",
            "2 of 2 accounts can serve now",
            "2 requests in the last hour",
            "a***@example.com",
            "42 %",
            "its token has no known form",
            "set, not shown",
            "gui_config.json",
            "Requests a minute",
            "Pause a***@example.com",
        ):
            assert words in body, words
        for secret in ("account-0", "ya29", "1//", KEY, "simulated-secret", "simulated-client", str(here.directory)):
            assert secret not in body.replace(f">{here.directory}<", ""), secret
        for name in re.findall(r'(?:href|src)="(/static/[^"]+)"', body):
            file = await here.get(name, Browser())
            assert file.status == 200
            assert "immutable" in file.headers["cache-control"]
            assert file.headers["x-content-type-options"] == "nosniff"
        links = r'(?:href|src|action)="(?:https?:)?//(?!localhost)'
        assert re.search(rf"\son\w+=|javascript:|{links}", re.sub(r"<td[^>]*>.*?</td>", "", body)) is None


@deferred(30)
async def test_what_changes_is_seen_without_a_reload(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="2") as here:
        stream = await EventStream(here.browser, here.url).open()
        assert stream.shown["headline"].count("All is well")
        assert {f"a-{FIRST}", "figures", "volume", "settings"} <= {
            *stream.shown,
            *re.findall(r'id="([^"]+)"', stream.shown["accounts"]),
        }
        boot = (await here.get("/")).body.decode()
        assert f'data-boot="{stream.boot.split()[0]}"' in boot
        pool = here.stack.daemon.pool
        state = next(state for state in pool.states if state.credential.id == FIRST)
        pool.penalise(state, "m", judge(Failure(401)))
        await stream.until(f"a-{FIRST}", "Cooling")
        assert f"a-{SECOND}" not in stream.last
        assert "settings" not in stream.last
        await ask(here, "pause", SECOND)
        await stream.until("headline", "Every account is cooling")
        here.stack.volume.add(2)
        await stream.until("accounts", "000000000002")
        await here.stack.chat()
        await stream.until("traffic", "1 served")
        here.stack.volume.remove(2)
        await until(lambda: len(here.stack.daemon.state.accounts) == 2)
        await stream.until("figures", "<dd>1</dd>")
        stream.close()
        await until(lambda: not here.stack.daemon.admin.status.live.watchers)


@deferred(30)
async def test_a_stream_ends_with_its_session_and_with_the_daemon(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        stream = await EventStream(here.browser, here.url).open()
        here.stack.daemon.admin.use(KeyRing(["another"]))
        assert await stream.ended()
        here.stack.daemon.admin.use(KeyRing([KEY]))
        await here.log_in()
        stream = await EventStream(here.browser, here.url).open()
    assert await stream.ended()


@deferred(30)
async def test_nobody_watches_without_a_key_and_not_too_many_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path) as here:
        assert (await EventStream(Browser(), here.url).open()).status == 401
        monkeypatch.setattr(sse, "MOST", 1)
        first = await EventStream(here.browser, here.url).open()
        assert (await EventStream(here.browser, here.url).open()).status == 503
        first.close()


@deferred(30)
async def test_a_page_that_stalls_is_sent_nothing_until_it_reads_again(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        stream = await EventStream(here.browser, here.url).open()
        (watcher,) = here.stack.daemon.admin.status.live.watchers
        watcher.pauseProducing()
        await here.stack.chat()
        await wait(0.3)
        assert "1 served" not in str(watcher.shows.get("traffic"))
        watcher.resumeProducing()
        await stream.until("traffic", "1 served")
        stream.close()


@deferred(30)
async def test_a_quiet_line_shows_that_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE", 0.5)
    async with site(tmp_path) as here:
        stream = await EventStream(here.browser, here.url).open()
        line = await in_thread(stream._answer.readline)
        while not line.startswith(b":"):
            line = await in_thread(stream._answer.readline)
        stream.close()


@deferred(30)
async def test_a_row_whose_account_stays_in_use_says_so(tmp_path: Path) -> None:
    other = write_volume(tmp_path / "other", accounts=1)
    with closing(sqlite3.connect(other.directory / "cloud_accounts.db")) as db:
        [[sealed]] = db.execute("SELECT token_json FROM accounts")
    async with site(tmp_path) as here:
        update(here.stack.volume.directory, 0, token_json=sealed)
        await until(lambda: here.stack.daemon.state.kept == 1, 8.0)
        page = unescape((await here.get("/")).body.decode())
        assert "no key opens its token; it stays in use with the sign-in that it had" in page


@deferred(30)
async def test_a_fault_while_the_page_is_drawn_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_leaks: list[Any]
) -> None:
    async with site(tmp_path) as here:
        stream = await EventStream(here.browser, here.url).open()
        with monkeypatch.context() as patch:
            patch.setattr(here.stack.daemon.admin.status.layout, "fragments", lambda _: 1 / 0)
            await until(lambda: bool(no_leaks))
        no_leaks.clear()
        await here.stack.chat()
        await stream.until("traffic", "1 served")
        stream.close()


@deferred(30)
async def test_an_account_is_paused_resumed_reset_and_removed_by_the_page(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="2") as here:
        answer = await act(here, pause=FIRST)
        assert (answer.status, answer.headers["location"]) == (303, f"/#a-{FIRST}")
        page = await here.get("/")
        assert f"a***@example.com ({FIRST}) is paused".encode() in page.body
        assert b"is paused: it gets" not in (await here.get("/")).body  # said once
        assert paused(here) == {FIRST}
        for text in "abc":
            await here.stack.chat(text)
        assert {request.token for request in here.simulator.requests} == {"ya29.sim-1"}
        assert (await act(here, resume=FIRST)).status == 303
        assert paused(here) == set()
        state = next(state for state in here.stack.daemon.pool.states if state.credential.id == FIRST)
        here.stack.daemon.pool.penalise(state, "m", judge(Failure(403, appeal=True)))
        assert b"Google has barred it" in (await here.get("/")).body
        assert (await act(here, reset=FIRST)).status == 303
        assert b"Google has barred it" not in (await here.get("/")).body
        asked = await act(here, remove=FIRST)
        assert (asked.status, is_guarded(asked), b"Remove this account?" in asked.body) == (200, True, True)
        assert len(here.addresses()) == 2
        sent = hidden(asked) | {"remove": FIRST}
        answer = await in_thread(here.browser.post, here.url + "/accounts", sent)
        assert (answer.status, answer.headers["location"]) == (303, "/")
        assert here.addresses() == ["account-1@example.com"]
        assert len(here.stack.daemon.pool.states) == 1
        assert FIRST.encode() not in (await here.get("/")).body.replace(b"(" + FIRST.encode(), b"")


@deferred(30)
async def test_a_pause_survives_a_restart(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="1") as here:
        assert (await ask(here, "pause", FIRST)).status == 200
        health = (await here.stack.request("GET", "/health")).json
        assert (health["status"], health["usable"], health["volume"]["paused"]) == ("degraded", 0, 1)
        metrics = (await here.stack.request("GET", "/metrics")).body
        assert b"antigravity_accounts_paused 1.0" in metrics
        before = here.directory
    assert {account.id for account in reader_of(before).read().accounts if account.paused} == {FIRST}


@deferred(30)
async def test_programs_change_accounts_with_the_key(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="2") as here:
        answer = await ask(here, "pause", "Account-0@Example.com")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json == {
            "id": FIRST,
            "email": "a***@example.com",
            "action": "pause",
            "message": f"a***@example.com ({FIRST}) is paused: it gets no new request.",
        }
        for action, account, status in (
            ("resume", FIRST[:-1], 409 if FIRST[:-1] == SECOND[:-1] else 200),
            ("resume", "nobody@example.com", 404),
            ("resume", "", 404),
            ("resume", "000", 404),
            ("explode", FIRST, 400),
            ("resume", FIRST, 200),
            ("remove", FIRST, 200),
            ("remove", FIRST, 404),
        ):
            answer = await ask(here, action, account)
            assert (answer.status, "error" in answer.json) == (status, status != 200), (action, account)
        for body in (b"", b"[]", b'{"action": "pause"}', b"\xff", b"[" * 9000):
            sent = {"content-type": "application/json", "x-api-key": KEY}
            answer = await in_thread(Browser().request, "POST", here.url + "/accounts", body, sent)
            assert (answer.status, "body is to be" in answer.json["error"]) == (400, True)
        for headers, status in (
            ({"authorization": "Bearer wrong"}, 401),
            ({"authorization": ""}, 401),
            ({"Sec-Fetch-Site": "cross-site"}, 401),
            ({"Origin": "https://evil.example"}, 401),
        ):
            assert (await ask(here, "pause", SECOND, **headers)).status == status
        assert paused(here) == set()


@deferred(30)
async def test_a_row_that_does_not_open_can_be_removed(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="2") as here:
        update(here.directory, 0, token_json="nonsense")
        await until(lambda: bool(here.stack.daemon.state.problems))
        assert (await ask(here, "reset", FIRST)).status == 200  # it serves on with the token that it had
        assert (await ask(here, "remove", FIRST)).status == 200
        assert here.stack.daemon.state.problems == ()
        await until(lambda: [state.credential.id for state in here.stack.daemon.pool.states] == [SECOND])


@deferred(30)
async def test_what_can_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path) as here:
        monkeypatch.setattr(mounts, "is_alone", lambda _: True)
        for answer in (await act(here, pause=FIRST), await ask(here, "remove", FIRST)):
            assert (answer.status, b"Nothing was changed" in answer.body) == (503, True)
        assert "mounted as a single file" in (await ask(here, "remove", FIRST)).json["error"]


@deferred(30)
async def test_read_only_shows_everything_and_changes_nothing(tmp_path: Path) -> None:
    async with site(tmp_path, READONLY_MODE="true", ACCOUNTS="2") as here:
        before = trace(here.directory)
        page = await here.get("/")
        assert (page.status, b"read-only: nothing is written" in page.body, b">Pause<" in page.body) == (
            200,
            True,
            False,
        )
        assert b"/auth/start" not in page.body
        for action in ("pause", "resume", "remove", "reset"):
            for answer in (await act(here, **{action: FIRST}), await act(here, **{action: FIRST, "confirmed": "yes"})):
                assert (answer.status, b"READONLY_MODE=false" in answer.body) == (403, True)
            answer = await ask(here, action, FIRST)
            assert (answer.status, "READONLY_MODE=false" in answer.json["error"]) == (403, True)
        assert trace(here.directory) == before


@pytest.mark.row("page attacks")
@deferred(30)
async def test_no_other_sites_page_changes_anything(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="1") as here:
        token = hidden(await here.get("/"))["token"]
        url = here.url + "/accounts"
        for fields in ({"pause": FIRST}, {"pause": FIRST, "token": ""}, {"pause": FIRST, "token": token[:-1]}):
            assert (await in_thread(here.browser.post, url, fields)).status == 403
        good = {"pause": FIRST, "token": token}
        assert (await in_thread(Browser().post, url, good)).status == 401  # the right token without its session
        other = Browser()
        await here.log_in(browser=other)
        assert (await in_thread(other.post, url, good)).status == 403  # nor with another one
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await in_thread(here.browser.post, url, good, **headers)).status == 403
        for kind in ("text/plain", "multipart/form-data; boundary=x"):
            assert (await in_thread(here.browser.post, url, good, **{"Content-Type": kind})).status == 403
        sent = {"content-type": "application/json"}  # a session alone is not enough for programs
        body = f'{{"action": "pause", "account": "{FIRST}"}}'.encode()
        assert (await in_thread(here.browser.request, "POST", url, body, sent)).status == 401
        assert (await in_thread(here.browser.request, "OPTIONS", url, None, {})).status == 405
        assert paused(here) == set()
        assert (await in_thread(here.browser.post, url, {"token": token})).status == 400
        assert (await in_thread(here.browser.post, url, good)).status == 303


@pytest.mark.row("page attacks")
@deferred(30)
async def test_without_a_key_the_page_is_open_on_loopback_and_its_changes_are_guarded_all_the_same(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, logged_in=False, API_KEY="", ACCOUNTS="1") as here:
        page = await here.get("/")
        assert (page.status, b"Log out" in page.body) == (200, False)
        assert (await in_thread(here.browser.post, here.url + "/accounts", {"pause": FIRST})).status == 403
        assert (await act(here, pause=FIRST)).status == 303
        assert (await ask(here, "resume", FIRST, authorization="")).status == 200
        for path in ("/", "/events", "/auth/start"):
            refused = await here.get(path, Browser(), Host="rebound.example:8888")
            assert (refused.status, is_guarded(refused)) == (400, True)
        assert (await ask(here, "pause", FIRST, authorization="", Host="rebound.example")).status == 400
        assert (await here.get(here.url.replace("localhost", "127.0.0.1") + "/")).status == 200
        assert paused(here) == set()


@pytest.mark.row("page attacks")
@deferred(30)
async def test_a_clients_own_key_opens_the_api_and_no_page(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False) as here:
        own = ClientKey("phone", digest(b"sk-phone").decode(), datetime(2026, 1, 1, tzinfo=UTC))
        here.stack.daemon.gate.keys = KeyRing([KEY], [own])
        here.stack.daemon.admin.use(KeyRing([KEY], [own]))
        assert (await here.stack.request("GET", "/v1/models", authorization="Bearer sk-phone")).status == 200
        assert (await here.log_in("sk-phone")).status == 401
        assert (await here.get("/", Browser(), x_api_key="sk-phone")).status == 401
        assert (await ask(here, "pause", FIRST, authorization="Bearer sk-phone")).status == 401
        here.stack.daemon.admin.use(KeyRing([], [own]))
        assert b"nobody can log in" in (await here.get("/", Browser())).body
        assert paused(here) == set()


@deferred(30)
async def test_programs_that_look_at_the_page_push_nobody_out(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        access = here.stack.daemon.admin.access
        for _ in range(3):
            page = await here.get("/", Browser(), x_api_key=KEY)
            assert (page.status, "set-cookie" in page.headers) == (200, False)
        assert (len(access._sessions), len(access._visitors)) == (1, 0)
        answer = await in_thread(Browser().post, here.url + "/accounts", {"pause": FIRST, "token": ""}, x_api_key=KEY)
        assert answer.status == 403


@pytest.mark.row("page attacks")
@deferred(30)
async def test_a_login_leads_to_pages_of_ours_alone(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False) as here:
        url = here.url + "/login"
        for after, leads in (
            ("/", "/"),
            ("/auth/start", "/auth/start"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("", "/"),
        ):
            form = hidden(await here.get("/login")) | {"key": KEY, "after": after}
            answer = await in_thread(here.browser.post, url, form)
            assert (answer.status, answer.headers["location"]) == (303, leads)
        for query in ("?after=//evil.example", "?next=https://evil.example"):
            assert b"evil" not in (await here.get("/login" + query)).body
            assert b"evil" not in (await here.get("/auth/start" + query, Browser())).body


@deferred(30)
async def test_behind_tls_cookies_go_no_other_way(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False) as here:
        for headers, secure in (
            ({}, False),
            ({"X-Forwarded-Proto": "http"}, False),
            ({"X-Forwarded-Proto": "https"}, True),
        ):
            answer = await here.log_in(**headers)
            cookies = [each.lower() for each in answer.headers.get_all("set-cookie")]
            assert len(cookies) == 2
            for cookie in cookies:
                assert ("secure" in cookie, "httponly" in cookie, "samesite=strict" in cookie) == (secure, True, True)


@deferred(30)
async def test_logging_out_ends_the_session(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        own = hidden(await here.get("/"))
        cookies = dict(here.browser.cookies["localhost"])
        for fields in ({}, {"token": "x"}):
            assert (await in_thread(here.browser.post, here.url + "/logout", fields)).status == 403
        answer = await in_thread(here.browser.post, here.url + "/logout", own)
        assert (answer.status, answer.headers["location"]) == (303, "/login")
        here.browser.cookies["localhost"] = cookies
        assert (await here.get("/")).status == 401


@deferred(30)
async def test_behind_a_reverse_proxy_with_a_path_all_links_carry_it(tmp_path: Path) -> None:
    redirect = "https://proxy.example/ag/oauth-callback"
    async with site(tmp_path, logged_in=False, OAUTH_REDIRECT_URL=redirect) as here:
        for prefix in ("/ag", ""):  # whether or not the reverse proxy takes it away
            browser = Browser()
            form = await here.get(f"{prefix}/", browser)
            assert b'action="/ag/login"' in form.body
            sent = hidden(form) | {"key": KEY}
            answer = await in_thread(browser.post, f"{here.url}{prefix}/login", sent)
            assert (answer.status, answer.headers["location"]) == (303, "/ag/")
            assert all("secure" in cookie.lower() for cookie in answer.headers.get_all("set-cookie"))
            page = (await here.get(f"{prefix}/", browser)).body.decode()
            links = re.findall(r'(?:href|src|action|data-live)="([^"#]*)"', page)
            assert links
            assert all(link.startswith("/ag/") for link in links), links


@deferred(60)
async def test_many_accounts_come_in_pages_and_by_kind(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="120") as here:
        pool = here.stack.daemon.pool
        for state in list(pool.states)[:60]:
            pool.penalise(state, "m", judge(Failure(401)))

        async def page(query: str) -> tuple[int, str]:
            body = (await here.get("/" + query)).body.decode()
            return len(re.findall(r'class="account ', body)), body

        count, body = await page("")
        assert count == 50
        assert ("Page 1 of 3" in body, "Cooling 60" in body, "Ready 60" in body) == (True, True, True)
        assert 'href="/?page=2"' in body
        assert "Page 2 of 2" in (await page("?state=cooling&page=2"))[1]
        assert "Page 3 of 3" in (await page("?page=99"))[1]
        for nonsense in (
            "?page=-1",
            "?page=x",
            "?page=" + "9" * 40,
            "?state=%3Cscript%3E",
            "?page=%D9%A3",
            "?" + "&" * 999,
        ):
            assert "Page 1 of 3" in (await page(nonsense))[1]
        stream = await EventStream(here.browser, here.url, "/events?state=cooling&page=2").open()
        assert "Page 2 of 2" in stream.shown["tabs"]
        assert stream.shown["accounts"].count('class="account cooling"') == 10
        stream.close()


@deferred(30)
async def test_without_an_account_the_page_says_how_to_get_one(tmp_path: Path) -> None:
    async with site(tmp_path, ACCOUNTS="0") as here:
        page = await here.get("/")
        assert b"Can't serve requests" in page.body or b"Can&#39;t serve requests" in page.body
        assert b"No account here" in page.body
        assert b'href="/auth/start"' in page.body


@pytest.mark.row("page attacks")
@deferred(30)
async def test_a_broken_volume_is_told_and_no_query_gets_onto_the_page(tmp_path: Path, no_leaks: list[Any]) -> None:
    async with site(tmp_path) as here:
        (here.directory / "cloud_accounts.db").write_bytes(b"noise" * 100)
        await until(lambda: bool(here.stack.daemon.state.error), 10)
        page = await here.get("/?state=<script>&page=<script>&x=<script>alert(1)</script>")
        assert b"The volume can't be read" in page.body.replace(b"&#39;", b"'")
        assert b"the last good state stays in use" in page.body
        assert b"<script>" not in page.body
    assert no_leaks == ["the volume can't be read: {reason}"]
    no_leaks.clear()


@deferred(30)
async def test_a_raw_line_break_in_a_path_is_no_header(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        port = int(here.url.rpartition(":")[2])

        def go() -> bytes:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
                raw.sendall(b"GET /?page=1%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                found = b""
                while data := raw.recv(65536):
                    found += data
                return found

        assert b"x-evil" not in (await in_thread(go)).lower()
