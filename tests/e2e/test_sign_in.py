"""Signing in over sockets: browser, daemon, simulated provider, volume; and everything that must not work."""

from __future__ import annotations

import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from msgspec.structs import replace
from support.admin import Site, is_guarded, site
from support.browser import Browser, consent, hidden
from support.deferreds import deferred, in_thread, until
from support.stack import KEY, free_port
from support.volumes import reader_of, trace

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.upstream import oauth
from antigravity_proxy.volume import mounts
from antigravity_proxy.web.key_ring import KeyRing


@pytest.mark.row("sign-in attacks")
@deferred(30)
async def test_somebody_signs_in_and_the_account_serves_at_once(tmp_path: Path, lines: list[str]) -> None:
    async with site(tmp_path, logged_in=False) as here:
        form = await here.get("/auth/start")
        assert (form.status, b'type="password"' in form.body, is_guarded(form)) == (401, True, True)
        answer = await in_thread(here.browser.post, here.url + "/login", hidden(form) | {"key": KEY})
        assert (answer.status, answer.headers["location"]) == (303, "/auth/start")
        cookie = next(c for c in answer.headers.get_all("set-cookie") if c.startswith("antigravity_session_"))
        assert "httponly" in cookie.lower()
        assert "samesite=strict" in cookie.lower()
        url = await here.sent_to()
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["redirect_uri"] == f"{here.url}/oauth-callback"
        assert (query["code_challenge_method"], len(query["state"]) >= 22) == ("S256", True)
        here.simulator.person = {"email": "new<b>@example.com", "name": "New", "verified_email": True}
        page = await here.get(await in_thread(consent, here.browser, url))
        assert (page.status, is_guarded(page)) == (200, True)
        assert b"new&lt;b&gt;@example.com was added" in page.body
        assert b"ya29" not in page.body
        assert b"1//" not in page.body
        assert here.addresses() == ["account-0@example.com", "new<b>@example.com"]
        assert stat.S_IMODE((here.directory / ".keys").stat().st_mode) == 0o700
        assert len(here.stack.daemon.state.accounts) == 2
        await here.stack.chat("one")
        await here.stack.chat("another")
        tokens = {request.token for request in here.simulator.requests}
        assert tokens == {"ya29.sim-0", "ya29.renewed-1"}
        # the same person again
        page = await here.get(await here.consented())
        assert b"is signed in again" in page.body
        assert here.exchanges() == 2
        assert len(here.addresses()) == 2
    assert not [line for line in lines if "ya29" in line or "1//" in line or "@example" in line or "4/0" in line]


@deferred(30)
async def test_a_key_header_serves_instead_of_a_session_and_a_mapped_port_and_another_redirect_work(
    tmp_path: Path,
) -> None:
    mapped = free_port()
    async with site(tmp_path, logged_in=False, OAUTH_CALLBACK_PORT=str(mapped)) as here:
        browser = Browser()
        for name in ("Authorization", "x-api-key", "x-goog-api-key"):
            value = f"Bearer {KEY}" if name == "Authorization" else KEY
            answer = await here.get("/auth/start", browser, **{name: value})
            assert answer.status == 302
        back = str(await in_thread(consent, browser, str(answer.headers["location"])))
        assert back.startswith(f"http://localhost:{mapped}/oauth-callback?")
        assert (await here.get("/oauth-callback?" + urlsplit(back).query, browser)).status == 200
        assert (await here.get("/auth/start?key=" + KEY, Browser())).status == 401
    async with site(tmp_path / "b", logged_in=False, OAUTH_REDIRECT_URL="https://proxy.example/sign/cb") as here:
        browser = Browser()
        answer = await here.get("/auth/start", browser, x_api_key=KEY)
        assert "secure" in answer.headers["set-cookie"].lower()
        back = str(await in_thread(consent, browser, str(answer.headers["location"])))
        assert back.startswith("https://proxy.example/sign/cb?")
        assert (await here.get("/sign/cb?" + urlsplit(back).query, browser)).status == 200
        assert len(here.addresses()) == 2


@pytest.mark.row("sign-in attacks")
@deferred(30)
async def test_a_forged_or_replayed_state_exchanges_nothing(tmp_path: Path, lines: list[str]) -> None:
    async with site(tmp_path) as here:
        back = await here.consented()
        state = parse_qs(urlsplit(back).query)["state"][0]
        forged = ("x" * 43, state[:-1], state + "x", state.upper(), "", "\u00e9", "a" * 5000)
        queries = [urlencode({"state": each, "code": "4/0simulated-1"}) for each in forged]
        queries += ["", "state", f"state={state}&state={state}&code=c", "&" * 5000, "%ff=%ff&state=%ff"]
        for query in queries:
            page = await here.get("/oauth-callback?" + query)
            assert (page.status, is_guarded(page)) == (400, True), query
        assert here.exchanges() == 0
        assert (await here.get(back)).status == 200
        assert (await here.get(back)).status == 400
        assert here.exchanges() == 1
        assert any("its state is unknown, used or too old" in line for line in lines)


@pytest.mark.row("sign-in attacks")
@deferred(30)
async def test_a_state_of_another_browser_or_host_is_refused_and_used_up(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        back = await here.consented()
        page = await here.get(back, Browser())
        assert page.status == 400
        assert f"{here.url}/auth/start".encode() in page.body
        assert (await here.get(back)).status == 400  # nor does it serve its own browser any more
        assert here.exchanges() == 0
        elsewhere = here.url.replace("localhost", "127.0.0.1")
        page = await here.get(elsewhere + "/auth/start", x_api_key=KEY)
        assert page.status == 400
        assert f'<a href="{here.url}/auth/start">'.encode() in page.body
        assert (await here.get("/auth/start", Host="[")).status == 400


@pytest.mark.row("sign-in attacks")
@deferred(30)
async def test_a_state_ages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(tmp_path) as here:
        back = await here.consented()
        for part in (here.stack.daemon.admin.signing_in, here.stack.daemon.admin.access):
            monkeypatch.setattr(part, "_clock", lambda: 1e12)
        assert (await here.get(back)).status == 400
        assert here.exchanges() == 0
        assert (await here.get("/auth/start")).status == 401  # so does a session


@deferred(30)
async def test_two_sign_ins_may_be_under_way_in_one_browser(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        first, second = await here.consented(), await here.consented()
        assert (await here.get(first)).status == 200
        assert (await here.get(second)).status == 200


@pytest.mark.parametrize(
    "vector", ["<script>alert(1)</script>", '"><img src=x onerror=1>', "access_denied", "'\r\nX: y"]
)
@pytest.mark.row("sign-in attacks")
@deferred(30)
async def test_nothing_that_the_query_says_is_shown_as_it_is(tmp_path: Path, vector: str, lines: list[str]) -> None:
    async with site(tmp_path) as here:
        state = parse_qs(urlsplit(await here.sent_to()).query)["state"][0]
        page = await here.get("/oauth-callback?" + urlencode({"state": state, "error": vector, "code": vector}))
        assert (page.status, is_guarded(page)) == (400, True)
        assert vector.encode() not in page.body
        for path in ("/oauth-callback", "/auth/start", "/login", "/none"):
            page = await here.get(f"{path}?{urlencode({'state': vector, 'error': vector})}", Browser())
            assert vector.encode() not in page.body
        assert here.exchanges() == 0
        assert here.addresses() == ["account-0@example.com"]
    assert any("sign-in failed" in line for line in lines)
    assert not any(vector in line for line in lines if vector != "access_denied")


def no_refresh_token(here: Site) -> None:
    consents = here.simulator.consent.codes
    for code, each in consents.items():
        consents[code] = replace(each, offline=False)


def scopes(scope: str) -> Callable[[Site], None]:
    """The person ticked only these."""

    def change(here: Site) -> None:
        consents = here.simulator.consent.codes
        for code, each in consents.items():
            consents[code] = replace(each, scope=scope)

    return change


def somebody(**person: Any) -> Callable[[Site], None]:
    def change(here: Site) -> None:
        consents = here.simulator.consent.codes
        for code, each in consents.items():
            consents[code] = replace(each, person=person)

    return change


def spoil(**fields: Any) -> Callable[[Site], None]:
    return lambda here: [setattr(here.simulator, name, value) for name, value in fields.items()] and None


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (no_refresh_token, 400, b"no refresh token"),
        (scopes("https://www.googleapis.com/auth/userinfo.email openid"), 400, b'tick "See, edit'),
        (scopes(""), 400, b"Nothing was added"),
        (somebody(email="x@example.com", verified_email=False), 400, b"not verified"),
        (spoil(token_fault=faults.invalid_grant()), 400, b"invalid_grant"),
        (spoil(token_fault=faults.unauthorized_client()), 502, b"the OAuth client is refused"),
        (spoil(token_fault=Fault(status=503, body=b"<b>x</b>")), 502, b"the token endpoint answered 503"),
        (spoil(token_fault=Fault(silent=True)), 502, b"could not be asked"),
        (spoil(userinfo_fault=Fault(status=500, body=b"{}")), 502, b"the user info endpoint answered 500"),
        (spoil(userinfo_fault=Fault(silent=True)), 502, b"the user info endpoint could not be asked"),
        (somebody(name="nobody"), 502, b"no e-mail address"),
    ],
)
@deferred(30)
async def test_what_goes_wrong_at_the_provider_is_told_and_nothing_is_stored(
    tmp_path: Path,
    fault: Callable[[Site], None],
    status: int,
    words: bytes,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oauth, "TOKEN_SECONDS", 0.2)
    async with site(tmp_path) as here:
        back = await here.consented()
        fault(here)
        before = trace(here.directory)
        page = await here.get(back)
        assert (page.status, is_guarded(page)) == (status, True), page.body
        assert words in page.body
        assert trace(here.directory) == before
    assert sum("sign-in failed" in line for line in lines) == 1
    assert not [line for line in lines if "ya29" in line or "4/0" in line]


@deferred(30)
async def test_an_endpoint_that_is_not_there(tmp_path: Path) -> None:
    async with site(tmp_path, GOOGLE_TOKEN_URL="http://127.0.0.1:1/token") as here:
        page = await here.get(await here.consented())
        assert (page.status, b"could not be asked" in page.body) == (502, True)
        assert here.addresses() == ["account-0@example.com"]


@deferred(30)
async def test_refused_consent(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        page = await here.get(await here.consented("deny"))
        assert (page.status, b"the access was not allowed" in page.body) == (400, True)
        assert here.exchanges() == 0


@deferred(30)
async def test_a_volume_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        back = await here.consented()
        (here.directory / ".keys/master.key").unlink()
        page = await here.get(back)
        assert (page.status, b"their key is missing" in page.body) == (503, True)


@deferred(30)
async def test_read_only_says_why_and_what_to_do_and_touches_nothing(tmp_path: Path) -> None:
    async with site(tmp_path, READONLY_MODE="true") as here:
        before = trace(here.directory)
        for path in ("/auth/start", "/oauth-callback?code=a&state=b", "/oauth-callback?error=x"):
            for browser in (here.browser, Browser()):
                page = await here.get(path, browser)
                assert (page.status, is_guarded(page)) == (403, True)
                assert b"READONLY_MODE=false" in page.body
        assert here.simulator.refreshes == []
        assert trace(here.directory) == before


@deferred(30)
async def test_without_a_client_the_page_names_the_setting(tmp_path: Path) -> None:
    async with site(tmp_path, GOOGLE_CLIENT_ID="", GOOGLE_CLIENT_SECRET="") as here:
        page = await here.get("/auth/start")
        assert (page.status, b"GOOGLE_CLIENT_ID" in page.body) == (503, True)


@deferred(30)
async def test_a_client_with_a_key_is_named_in_the_token(tmp_path: Path) -> None:
    clients = {"GOOGLE_CLIENT_ID__OWN": "simulated-client", "GOOGLE_CLIENT_SECRET__OWN": "simulated-secret"}
    async with site(tmp_path, GOOGLE_CLIENT_ID="", GOOGLE_CLIENT_SECRET="", **clients) as here:
        assert (await here.get(await here.consented())).status == 200
        (account,) = [a for a in here.stack.daemon.state.accounts if a.label.reveal() == "someone@example.com"]
        assert account.grant.client == "own"


@pytest.mark.row("sign-in attacks")
@pytest.mark.row("page attacks")
@deferred(30)
async def test_a_login_from_another_site_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False) as here:
        url = here.url + "/login"
        form = await here.get("/login")
        own = hidden(form)
        for sent in ({"key": KEY}, {"key": KEY, "token": "x"}, {"key": KEY, "token": ""}):
            assert (await in_thread(here.browser.post, url, sent)).status == 403
        answer = await in_thread(Browser().post, url, own | {"key": KEY})  # the right field without its cookie
        assert (answer.status, "antigravity_session" in str(answer.headers)) == (403, False)
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": here.url},
        ):
            assert (await here.log_in(**headers)).status == 403
        assert (await in_thread(here.browser.post, url, own, **{"Content-Type": "text/plain"})).status == 415
        for good in ({"Origin": here.url}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}):
            assert (await here.log_in(**good)).status == 303


@pytest.mark.row("sign-in attacks")
@pytest.mark.row("page attacks")
@deferred(30)
async def test_a_session_can_not_be_fixed_beforehand(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False) as here:
        jar = here.browser.cookies.setdefault("localhost", {})
        session = f"antigravity_session_{urlsplit(here.url).port}"
        jar[session] = "chosen-by-an-attacker"
        await here.log_in()
        first = here.browser.cookies["localhost"][session]
        assert first != "chosen-by-an-attacker"
        attacker = Browser()
        attacker.cookies["localhost"] = {session: "chosen-by-an-attacker"}
        assert (await here.get("/auth/start", attacker)).status == 401
        await here.log_in()
        assert here.browser.cookies["localhost"][session] != first
        attacker.cookies["localhost"] = {session: first}
        assert (await here.get("/auth/start", attacker)).status == 401  # a new login ends the one before


@pytest.mark.row("page attacks")
@deferred(30)
async def test_guessing_keys_is_slowed_down_for_forms_and_headers_together(tmp_path: Path, lines: list[str]) -> None:
    async with site(tmp_path, logged_in=False) as here:
        for number in range(5):
            assert (await here.log_in(f"sk-{number}")).status == 401
            assert (await here.get("/auth/start", x_api_key=f"sk-{number}")).status == 401
        answer = await here.log_in("sk-wrong")
        assert (answer.status, 0 < int(answer.headers["retry-after"]) <= 61) == (429, True)
        assert (await here.get("/auth/start", x_api_key="sk-wrong")).status == 429
        assert (await here.get("/auth/start", X_Forwarded_For="10.9.9.9", x_api_key="sk-wrong")).status == 429
        # the right key is never kept out by another's guesses
        assert (await here.get("/auth/start", Browser(), x_api_key=KEY)).status == 302
        assert (await here.log_in()).status == 303
    assert not any("sk-" in line for line in lines)


@deferred(30)
async def test_networks_behind_a_trusted_proxy_are_counted_apart(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, PROXY_TRUSTED_PROXIES="127.0.0.1") as here:

        async def wrong(forwarded_for: str) -> int:
            return (await here.get("/auth/start", x_api_key="sk-wrong", X_Forwarded_For=forwarded_for)).status

        for number in range(10):
            assert await wrong("1.1.1.1, 10.9.9.9") == 401
            assert await wrong(f"2001:db8:1:2::{number}") == 401
        assert (await wrong("2.2.2.2, 10.9.9.9"), await wrong("10.9.9.8")) == (429, 401)
        # whoever has one address of an IPv6 /64 has them all
        assert (await wrong("2001:db8:1:2:ffff::1"), await wrong("2001:db8:1:3::1")) == (429, 401)


async def _log_out(here: Site) -> None:
    page = await here.get("/")
    assert (await in_thread(here.browser.post, f"{here.url}/logout", hidden(page))).status == 303


async def _change_key(here: Site) -> None:
    here.stack.daemon.admin.use(KeyRing(["sk-new"]))


async def _log_in_again(here: Site) -> None:
    assert (await here.log_in()).status == 303


@pytest.mark.parametrize("end", [_log_out, _change_key, _log_in_again])
@pytest.mark.row("sign-in attacks")
@deferred(30)
async def test_a_sign_in_ends_with_the_login_that_began_it(
    tmp_path: Path, end: Callable[[Site], Awaitable[None]]
) -> None:
    async with site(tmp_path) as here:
        back = await here.consented()
        await end(here)
        page = await here.get(back)
        assert (page.status, is_guarded(page), b"has ended" in page.body) == (403, True, True)
        assert (here.exchanges(), here.addresses()) == (0, ["account-0@example.com"])


@pytest.mark.row("sign-in attacks")
@deferred(30)
async def test_a_sign_in_begun_with_a_key_ends_with_that_key(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False) as here:
        url = await here.sent_to(x_api_key=KEY)
        back = await in_thread(consent, here.browser, url)
        here.stack.daemon.admin.use(KeyRing(["sk-new"]))
        assert (await here.get(back)).status == 403
        assert here.exchanges() == 0


@pytest.mark.row("sign-in attacks")
@deferred(60)
async def test_one_holder_of_a_key_pushes_out_nobody_elses_sign_in(tmp_path: Path) -> None:
    async with site(tmp_path, PROXY_TRUSTED_PROXIES="127.0.0.1") as here:
        back = await here.consented()
        attempts = here.stack.daemon.admin.signing_in._attempts
        attempts._most = 20
        for _ in range(40):
            answer = await here.get("/auth/start", Browser(), x_api_key=KEY, X_Forwarded_For="10.9.9.9")
            assert answer.status == 302
        assert len(attempts) == 20
        assert (await here.get(back)).status == 200


@pytest.mark.row("page attacks")
@deferred(30)
async def test_two_daemons_on_one_host_do_not_log_each_other_out(tmp_path: Path) -> None:
    async with site(tmp_path / "a") as one, site(tmp_path / "b", logged_in=False) as other:
        other.browser = one.browser
        assert (await other.log_in()).status == 303
        assert [(await each.get("/")).status for each in (one, other)] == [200, 200]
        first, second = await one.consented(), await other.consented()
        assert [(await one.get(first)).status, (await other.get(second)).status] == [200, 200]


@pytest.mark.row("page attacks")
@deferred(30)
async def test_two_daemons_under_one_name_and_port_have_cookies_of_their_own(tmp_path: Path) -> None:
    """Behind a reverse proxy with a path for each."""
    names = []
    for prefix in ("one", "two"):
        redirect = f"http://ops.example/{prefix}/oauth-callback"
        async with site(tmp_path / prefix, logged_in=False, OAUTH_REDIRECT_URL=redirect) as here:
            form = await here.get("/login", Host="ops.example")
            names += [field.partition("=")[0] for field in form.headers.get_all("set-cookie")]
    assert len(set(names)) == 2


@pytest.mark.row("page attacks")
@deferred(30)
async def test_behind_tls_no_other_host_can_set_our_cookies(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, OAUTH_REDIRECT_URL="https://ops.example/oauth-callback") as here:
        behind_tls = {"Host": "ops.example", "X-Forwarded-Proto": "https"}
        form = await here.get("/login", **behind_tls)
        answer = await in_thread(
            here.browser.post,
            f"{here.url}/login",
            hidden(form) | {"key": KEY},
            Origin="https://ops.example",
            **behind_tls,
        )
        cookies = [*form.headers.get_all("set-cookie"), *answer.headers.get_all("set-cookie")]
        start = await here.get("/auth/start", **behind_tls)
        assert (answer.status, start.status) == (303, 302)
        for field in [*cookies, *start.headers.get_all("set-cookie")]:
            words = {word.strip().lower() for word in field.split(";")[1:]}
            assert field.startswith("__Host-antigravity_")
            assert {"secure", "path=/", "httponly"} <= words
            assert not any(word.startswith("domain") for word in words)
        # a cookie without the prefix, which another service of that name may set, counts for nothing
        jar = here.browser.cookies["localhost"]
        bare = {name.removeprefix("__Host-"): value for name, value in jar.items()}
        stranger = Browser()
        stranger.cookies["localhost"] = bare
        assert (await here.get("/", stranger, **behind_tls)).status == 401
        assert (await here.get("/", **behind_tls)).status == 200


@deferred(30)
async def test_a_new_api_key_ends_the_sessions_of_the_old_one(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.stack.volume.configure(api_key="sk-another")
        await until(lambda: here.stack.daemon.gate.keys.has([b"sk-another"]))
        assert (await here.get("/auth/start")).status == 401


@deferred(30)
async def test_without_a_key_the_pages_are_open_on_loopback_under_their_own_name_alone(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, API_KEY="") as here:
        assert (await here.get("/auth/start")).status == 302
        assert (await here.get("/auth/start", Host="rebound.example:8888")).status == 400
    redirect = {"OAUTH_REDIRECT_URL": "http://localhost/cb"}
    async with site(tmp_path / "b", logged_in=False, API_KEY="", OAUTH_LISTEN_HOST="0.0.0.0", **redirect) as here:
        page = await here.get("/auth/start")
        assert (page.status, b"PROXY_API_KEY" in page.body) == (403, True)
        assert (await here.get("/auth/start", Host="rebound.example")).status == 400


@deferred(30)
async def test_without_a_readable_configuration_nobody_gets_in(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False) as here:
        here.stack.daemon.admin.use(KeyRing())
        page = await here.get("/auth/start")
        assert (page.status, b"PROXY_API_KEY" in page.body) == (401, True)
        for key in ("", KEY):
            assert (await here.log_in(key)).status == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/", 405),
        ("GET", "/accounts", 405),
        ("GET", "/static/none.css", 404),
        ("GET", "/static/../gate.py", 404),
        ("GET", "/auth/start/", 404),
        ("GET", "//auth/start", 404),
        ("GET", "/auth/%73tart", 404),
        ("GET", "/%ff", 404),
        ("GET", "/v1/models", 404),
        ("POST", "/auth/start", 405),
        ("HEAD", "/auth/start", 405),
        ("TRACE", "/login", 405),
        ("DELETE", "/oauth-callback", 405),
    ],
)
@deferred(30)
async def test_other_paths_and_methods(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with site(tmp_path, logged_in=False) as here:
        answer = await in_thread(here.browser.request, method, here.url + path, None, {"x-api-key": KEY})
        assert (answer.status, is_guarded(answer)) == (status, True)
        assert ("allow" in answer.headers) == (status == 405)


@deferred(30)
async def test_large_bodies_are_refused(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False) as here:
        answer = await in_thread(here.browser.post, here.url + "/login", {"key": "x" * 100_000})
        assert (answer.status, is_guarded(answer)) == (413, True)


@deferred(30)
async def test_a_fault_of_ours_is_a_page_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_leaks: list[Any]
) -> None:
    async with site(tmp_path) as here:
        monkeypatch.setattr(here.stack.daemon.admin.signing_in._sign_in, "begin", lambda: 1 / 0)
        page = await here.get("/auth/start")
        assert (page.status, is_guarded(page), b"ZeroDivision" in page.body) == (500, True, False)
    assert len(no_leaks) == 1
    no_leaks.clear()


@deferred(30)
async def test_a_browser_that_goes_away_does_not_break_off_a_sign_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path) as here:
        back = urlsplit(await here.consented())
        here.simulator.userinfo_fault = Fault(silent=True)
        monkeypatch.setattr(oauth, "TOKEN_SECONDS", 0.5)
        cookies = "; ".join(f"{k}={v}" for k, v in here.browser.cookies["localhost"].items())
        head = f"GET {back.path}?{back.query} HTTP/1.1\r\nHost: {back.netloc}\r\nCookie: {cookies}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", back.port or 0)) as connection:
            connection.sendall(head.encode())
            await until(lambda: here.exchanges() == 1)
        here.simulator.userinfo_fault = None
        flights = here.stack.daemon.admin.signing_in._flights
        await until(lambda: not flights._work)


async def with_an_old_token(here: Site) -> None:
    """The volume's one account needs a new token before it can serve."""
    here.stack.volume.add(0, expires_at=1000)
    await until(lambda: bool(here.stack.daemon.state.accounts))


@pytest.mark.row("tokens in memory")
@deferred(30)
async def test_a_renewed_token_goes_to_the_volume_unless_it_is_read_only(tmp_path: Path) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="0") as here:
        await with_an_old_token(here)
        assert (await here.stack.chat()).status == 200

        def kept() -> str:
            return reader_of(here.directory).read().accounts[0].access_token.reveal()

        await until(lambda: kept() == "ya29.renewed-1")
    async with site(tmp_path / "b", logged_in=False, ACCOUNTS="0", READONLY_MODE="true") as here:
        await with_an_old_token(here)
        before = trace(here.directory)
        assert (await here.stack.chat()).status == 200
        assert len(here.simulator.refreshes) == 1
    assert trace(here.directory) == before


@deferred(30)
async def test_a_token_that_can_not_be_kept_serves_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    async with site(tmp_path, logged_in=False, ACCOUNTS="0") as here:
        await with_an_old_token(here)
        monkeypatch.setattr(mounts, "is_alone", lambda _: True)
        assert (await here.stack.chat()).status == 200
        await until(lambda: any("its new token stays in memory" in line for line in lines))
        assert (await here.stack.chat()).status == 200
        assert len(here.simulator.refreshes) == 1


@deferred(30)
async def test_the_first_account_of_an_empty_directory_brings_its_key(tmp_path: Path, lines: list[str]) -> None:
    async with site(tmp_path, ACCOUNTS="0") as here:
        for path in (here.directory / "cloud_accounts.db", here.directory / ".keys/master.key"):
            path.unlink()
        assert (await here.get(await here.consented())).status == 200
        assert stat.S_IMODE((here.directory / ".keys/master.key").stat().st_mode) == 0o600
        assert here.addresses() == ["someone@example.com"]
        assert (await here.stack.chat()).status == 200
    assert any("a new master key was made: .keys/master.key" in line for line in lines)
