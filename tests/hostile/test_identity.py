"""Who is let in, what is shown to whom, and what a page in a browser can do."""

from __future__ import annotations

import hmac
import itertools
import json
import re
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from processes import free_port
from support.farend import FarEnd, answer, far_end
from support.stack import KEY
from support.target import CHAT, GENERATE, MESSAGES, STREAM, Target, Upstream, body, post, statuses, target
from twisted.web.http_headers import Headers

from antigravity_proxy.errors import Unauthorized
from antigravity_proxy.web.key_ring import KeyRing

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
DIALECTS = (CHAT, MESSAGES, GENERATE)
#: where each dialect says what kind of error it is
_KINDS = {CHAT: ("type", "invalid_request_error"), MESSAGES: ("type", "authentication_error")}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, FarEnd]]:
    """A daemon with one account on an upstream that says anything."""
    with far_end() as upstream:
        upstream.act = answer()
        with target(tmp_path_factory.mktemp("raw"), upstream.url, accounts=1) as daemon:
            yield daemon, upstream


@pytest.mark.row("keyless")
def test_no_key_a_wrong_one_an_empty_one(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    before, count = upstream.requests, 0
    for path in (*DIALECTS, STREAM, "/v1/responses", "/v1/models"):
        for key in ("", "sk-wrong", " "):
            method = "GET" if path == "/v1/models" else "POST"
            answered = daemon.ask(method, path, body(path) if method == "POST" else None, x_api_key=key)
            name, kind = _KINDS.get(path, ("status", "UNAUTHENTICATED") if "v1beta" in path else _KINDS[CHAT])
            assert answered.status == 401
            assert answered.json["error"][name] == kind
            count += 1
    assert upstream.requests == before
    observe(f"{count}/18 refused, upstream 0")


@pytest.mark.row("spellings")
def test_spellings_of_paths_reach_nothing(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    protected = ("/v1/models", CHAT, MESSAGES, GENERATE, "/capacity", "/v1/responses")
    spellings: list[Callable[[str], str]] = [
        lambda path: f"/{path}",
        lambda path: f"/.{path}",
        lambda path: f"/health/..{path}",
        lambda path: f"/health/%2e%2e{path}",
        lambda path: path.replace("/", "%2f"),
        lambda path: path.replace("o", "%6f"),
        lambda path: path.upper(),
        lambda path: f"{path}/",
        lambda path: f"{path}%00",
        lambda path: f"{path};/health",
        lambda path: f"{path}?/health",
        lambda path: f"http://x{path}",
    ]
    before, count = upstream.requests, 0
    for path, spell in itertools.product(protected, spellings):
        for method in ("GET", "POST"):
            found = daemon.ask(method, spell(path), body(path) if method == "POST" else None, x_api_key="").status
            assert 400 <= found < 500, (method, spell(path), found)
        count += 1
    assert upstream.requests == before
    observe(f"{count} spellings, each read and posted to, none served keyless")
    assert count >= 57


@pytest.mark.row("false keys")
def test_false_keys(daemon: Target, observe: Observe) -> None:
    wrong = [
        KEY[:-1],
        KEY + "x",
        KEY.upper(),
        KEY[1:],
        f"x{KEY}",
        f"{KEY},other",
        f"[{KEY}]",
        f'"{KEY}"',
        f"{KEY};",
        KEY[::-1],
        "*",
    ]
    sent: list[dict[str, str]] = []
    for key in wrong:
        sent += [{"x_api_key": key}, {"authorization": f"Bearer {key}"}, {"x_goog_api_key": key}]
    sent += [{"authorization": f"{scheme} {KEY}"} for scheme in ("Basic", "Token", "Digest", "ApiKey", "Bearerx", "")]
    sent += [
        {"authorization": KEY},
        {"cookie": f"key={KEY}"},
        {"api_key": KEY},
        {"proxy_authorization": f"Bearer {KEY}"},
    ]
    for name in ("x_forwarded_for", "x_real_ip", "forwarded", "client_ip", "x_client_ip", "true_client_ip", "via"):
        sent += [{name: "127.0.0.1"}, {name: "localhost"}]
    sent += [{"host": "127.0.0.1"}, {"origin": "http://127.0.0.1"}]
    queries = ["?key=", "?key=x", f"?Key={KEY}", f"?api_key={KEY}", f"?key[]={KEY}", f"?key={KEY}x"]
    refused = sum(daemon.ask("GET", "/v1/models", **{"x_api_key": ""} | each).status == 401 for each in sent)
    refused += sum(daemon.ask("GET", f"/v1/models{query}", x_api_key="").status == 401 for query in queries)
    nul = f"GET /v1/models HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\0\r\n\r\n".encode()
    refused += statuses(daemon.talk(nul, patience=1)) == [400]
    right: list[tuple[str, dict[str, str]]] = [
        ("", {"x_api_key": KEY}),
        ("", {"authorization": f"Bearer {KEY}"}),
        ("", {"authorization": f"bearer {KEY}"}),
        ("", {"x_goog_api_key": KEY}),
        (f"?key={KEY}", {}),
    ]
    accepted = sum(
        daemon.ask("GET", f"/v1/models{query}", **{"x_api_key": ""} | each).status == 200 for query, each in right
    )
    total = len(sent) + len(queries) + 1
    observe(f"{refused}/{total} refused, {accepted}/5 accepted")
    assert refused == total >= 59
    assert accepted == 5


@pytest.mark.row("timing")
def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, observe: Observe) -> None:
    compared: list[tuple[Any, Any]] = []

    def compare(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    ring = KeyRing(["sk-öne", "sk-two", "sk-three"])
    ring.check(Headers({"x-api-key": ["sk-öne"]}), b"")
    with pytest.raises(Unauthorized):
        ring.check(Headers({"x-api-key": ["ö"]}), b"")
    assert len(compared) == 6
    assert all(isinstance(each, bytes) for pair in compared for each in pair)
    observe("hmac.compare_digest on bytes, with every key, also behind a match")


@pytest.mark.row("guessing")
def test_a_refusal_is_cheap(daemon: Target, observe: Observe) -> None:
    took = []
    for _ in range(200):
        began = time.monotonic()
        assert daemon.ask("POST", CHAT, body(CHAT), x_api_key="sk-guess").status == 401
        took.append(time.monotonic() - began)
    observe(f"median {statistics.median(took) * 1000:.1f} ms")
    assert statistics.median(took) <= 0.02


@pytest.mark.row("read-only")
def test_nothing_is_written_in_read_only_mode(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    admin = free_port()
    with target(tmp_path, upstream.url, OAUTH_LISTEN_PORT=str(admin)) as daemon:
        pages = Target.__new__(Target)
        pages.port = admin
        count = 0
        for method, path in itertools.product(
            ("POST", "PUT", "PATCH", "DELETE"),
            ("/auth/start", "/oauth-callback?code=x&state=y", "/accounts", "/accounts/1", "/settings"),
        ):
            for where in (pages, daemon):
                found = where.ask(method, path, b"action=pause&id=1", content_type="application/x-www-form-urlencoded")
                assert found.status in (403, 404, 405), (method, path, found.status)
                count += 1
        for path in ("/auth/start", "/oauth-callback?code=x&state=y"):
            assert pages.ask("GET", path).status == 403
        assert "token" not in " ".join(upstream.stats())
    observe(f"{count}/40 refused; 0 token exchanges")
    assert count == 40


@pytest.mark.row("redaction")
def test_what_upstream_repeats_is_removed(raw: tuple[Target, FarEnd], observe: Observe) -> None:
    daemon, upstream = raw
    said = [
        "token ya29.secret-token-1 is bad",
        "account-0@example.com may not",
        "Bearer ya29.sim-0 refused",
        "refresh 1//sim-0-token is gone",
        "projects/project-0 is disabled",
        "see https://example.com/?key=AIzaSyA-secret-key-0123456789abcdefghi",
        "x@y.example and ya29.another_token",
        "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789",
    ]
    shown = re.compile(r"ya29|@|1//|AIza|project-0|abcdefghijklmnop")
    count = 0
    for words, path in itertools.product(said, DIALECTS):
        error = json.dumps({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": words}}).encode()
        upstream.act = answer(b"400 Bad Request", b"application/json", error)
        answered = daemon.chat(path)
        assert answered.status == 400
        assert not shown.search(answered.body.decode()), answered.body
        count += 1
    upstream.act = answer()
    assert not shown.search(daemon.log), daemon.log
    observe(f"{count}/24 removed, from the log too")


@pytest.mark.row("tracebacks")
def test_nothing_shows_how_it_is_built(daemon: Target, observe: Observe) -> None:
    shown = re.compile(
        rb"Traceback|\.py\b|site-packages|/usr/|/root/|/home/|Twisted|twisted|Python|python|klein|object at 0x"
    )
    asked: list[tuple[str, str, Any]] = [
        (method, path, None)
        for method in ("TRACE", "OPTIONS", "PROPFIND", "HEAD")
        for path in ("/", "/v1/models", CHAT, "/nowhere", "/health")
    ]
    asked += [("POST", path, broken) for path in DIALECTS for broken in (b"{", b"[" * 5000)]
    asked += [("GET", "/%ff", None), ("POST", "/v1beta/models/%00:generateContent", b"{}")]
    for method, path, content in asked:
        found = daemon.ask(method, path, content, x_marker="sk-trace-marker")
        everything = found.body + str(found.headers).encode()
        assert not shown.search(everything), (method, path, everything)
        assert b"sk-trace-marker" not in everything
    observe(f"{len(asked)}/28 show none")
    assert len(asked) == 28


@pytest.mark.row("public pages")
def test_public_pages_name_nobody(daemon: Target, observe: Observe) -> None:
    assert daemon.well()
    shown = re.compile(rb"@|ya29|1//|/tmp|00000000-0000|sk-test|project-|account-\d")
    pages = ("/", "/health", "/health/live", "/health/ready", "/metrics")
    for page in pages:
        found = daemon.ask("GET", page, x_api_key="")
        assert found.status == 200
        assert not shown.search(found.body), (page, shown.search(found.body))
    observe(f"{len(pages)} pages clean")


@pytest.mark.row("ssrf")
def test_nothing_is_fetched_and_upstreams_path_is_fixed(raw: tuple[Target, FarEnd], observe: Observe) -> None:
    daemon, upstream = raw
    upstream.seen.clear()
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(1)
        port = canary.getsockname()[1]
        urls = [
            f"http://127.0.0.1:{port}/x.png", f"http://localhost:{port}/", f"http://[::ffff:127.0.0.1]:{port}/",
            f"http://2130706433:{port}/", f"http://0x7f000001:{port}/", f"http://127.1:{port}/",
            "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", f"gopher://127.0.0.1:{port}/_x",
        ]  # fmt: skip
        for url in urls:
            image = {"type": "image_url", "image_url": {"url": url}}
            source = {"type": "image", "source": {"type": "url", "url": url}}
            file = {"fileData": {"fileUri": url, "mimeType": "image/png"}}
            daemon.ask("POST", CHAT, body(CHAT) | {"messages": [{"role": "user", "content": [image]}]})
            daemon.ask("POST", MESSAGES, body(MESSAGES) | {"messages": [{"role": "user", "content": [source]}]})
            daemon.ask("POST", GENERATE, {"contents": [{"role": "user", "parts": [file]}]})
        elsewhere = f"http://127.0.0.1:{port}"
        fields = dict.fromkeys(("base_url", "api_base", "endpoint", "url", "proxy"), elsewhere)
        daemon.ask(
            "POST", CHAT, body(CHAT) | fields, x_base_url=elsewhere, x_forwarded_host=elsewhere, x_upstream=elsewhere
        )
        for model in (
            "../../etc/passwd",
            f"{elsewhere}/x",
            "gemini-3-flash/../../x",
            "gemini-3-flash?x=1",
            "a\r\nHost: b",
        ):
            daemon.ask("POST", CHAT, body(CHAT) | {"model": model})
        daemon.ask("POST", "/v1beta/models/..%2f..%2fx:generateContent", body(GENERATE))
        contacts = 0
        with suppress(TimeoutError):
            canary.accept()
            contacts += 1
    paths = {request.split(b" ", 2)[1].partition(b"?")[0] for request in upstream.seen}
    observe(f"{contacts} contacts; upstream saw {len(upstream.seen)} requests, all for {len(paths)} fixed paths")
    assert not contacts
    assert paths <= {
        b"/v1internal:streamGenerateContent",
        b"/v1internal:generateContent",
        b"/v1internal:loadCodeAssist",
    }


@pytest.mark.row("injection")
def test_line_ends_make_no_header(raw: tuple[Target, FarEnd], observe: Observe) -> None:
    daemon, upstream = raw
    upstream.seen.clear()
    evil = "x\r\nX-Evil: 1"
    told = [
        daemon.talk(b"GET /v1/models/a%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: x\r\nx-api-key: sk-test\r\n\r\n", patience=1),
        daemon.talk(post(CHAT, json.dumps(body(CHAT) | {"model": evil}).encode()), patience=1),
        daemon.talk(post(CHAT, json.dumps(body(CHAT)).encode(), "X-Request-Id: a%0d%0aX-Evil: 1"), patience=1),
        daemon.talk(post("/v1beta/models/a%0d%0aX-Evil:%201:generateContent", b'{"contents":[]}'), patience=1),
    ]
    upstream.act = lambda s: s.sendall(
        b"HTTP/1.1 429 X\r\nContent-Type: a\r\nRetry-After: 1\rX-Evil: 1\r\nX-B: a\nX-Evil: 1\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    told.append(daemon.talk(post(MESSAGES, json.dumps(body(MESSAGES)).encode()), patience=10, timeout=20))
    upstream.act = answer()
    clean = sum(b"x-evil:" not in each.partition(b"\r\n\r\n")[0].lower() and bool(each) for each in told)
    assert all(b"x-evil:" not in request.partition(b"\r\n\r\n")[0].lower() for request in upstream.seen)
    observe(f"{clean}/5 vectors clean")
    assert clean == 5


@pytest.mark.row("origins")
def test_foreign_origins_get_nothing(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    origins = (
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "https://chat.example.evil.example",
        "http://chat.example",
    )
    count = 0
    with target(tmp_path, upstream.url, PROXY_CORS_ORIGINS="https://chat.example") as daemon:
        for origin, (method, path) in itertools.product(
            origins, (("GET", "/v1/models"), ("POST", CHAT), ("OPTIONS", CHAT))
        ):
            found = daemon.ask(
                method,
                path,
                body(path) if method == "POST" else None,
                origin=origin,
                access_control_request_method="POST",
            )
            assert "access-control-allow-origin" not in found.headers
            count += 1
    observe(f"{count}/15 without")


@pytest.mark.row("html")
def test_html_from_upstream_is_never_html(raw: tuple[Target, FarEnd], observe: Observe) -> None:
    daemon, upstream = raw
    page = b"<html><script>alert(1)</script></html>"
    count = 0
    for status, path in itertools.product((b"200 OK", b"400 Bad Request", b"404 Not Found"), DIALECTS):
        upstream.act = answer(status, b"text/html; charset=utf-8", page)
        found = daemon.chat(path)
        assert found.headers["content-type"] == "application/json", (status, path)
        assert found.headers["x-content-type-options"] == "nosniff"
        assert b"<script>" not in found.body
        count += 1
    upstream.act = answer()
    observe(f"{count}/9 as JSON with nosniff, no word of it shown")
