"""Every fault, in three dialects, plain and streamed: what the official client sees, and what upstream received.

Once with one account of two that has the fault, and once with all: then the client is told, and upstream left alone.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from support.accounts import account
from support.deferreds import deferred, in_thread, until
from support.sdks import DIALECTS, QUESTION, Ask, Told
from support.stack import Stack, stack

from antigravity_proxy import ticker
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

TEXT = f"Hello from the simulated model. You said: {QUESTION}"
#: how an answer ends by itself: well, or filtered
ENDS = {"openai": ("stop", "content_filter"), "anthropic": ("end_turn", "refusal"), "gemini": ("STOP", "SAFETY")}
#: the error's type in each dialect, by the status of upstream.md 6.3
KINDS = {
    400: ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    403: ("permission_error", "permission_error", "PERMISSION_DENIED"),
    404: ("invalid_request_error", "not_found_error", "NOT_FOUND"),
    413: ("invalid_request_error", "request_too_large", "INVALID_ARGUMENT"),
    429: ("rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    500: ("server_error", "api_error", "INTERNAL"),
    502: ("server_error", "api_error", "UNAVAILABLE"),
    503: ("server_error", "api_error", "UNAVAILABLE"),
    504: ("server_error", "timeout_error", "DEADLINE_EXCEEDED"),
}
#: what Anthropic's dialect says of an overloaded upstream instead of 503
OVERLOADED = (529, "overloaded_error")
DAY = 86_400


class Case(Struct, frozen=True):
    """A fault; what the client is told when all accounts have it; the attempts that upstream sees then.

    ``retry_after``: its bounds in seconds. ``overloaded``: upstream, not this proxy, is short of capacity. ``final``:
    no other account is asked. ``late``: it comes after the first bytes, so that a stream can't begin anew.
    """

    fault: Fault
    status: int
    attempts: int = 2
    retry_after: tuple[int, int] | None = None
    overloaded: bool = False
    final: bool = False
    late: bool = False


def trouble(fault: Fault, status: int = 502, **more: Any) -> Case:
    """Upstream's own trouble: two further attempts, whoever makes them."""
    return Case(fault, status, 3, **more)


def final(fault: Fault, status: int = 400) -> Case:
    """Nobody else would be answered otherwise."""
    return Case(fault, status, 1, final=True)


def events(*payloads: bytes) -> Fault:
    return Fault(events=payloads)


CASES = {
    "quota until": Case(faults.quota_exhausted(4_102_444_800), 429, retry_after=(8 * DAY, 8 * DAY)),
    "quota for": Case(faults.quota_exhausted_for("13h19m1.2s"), 429, retry_after=(47_941, 47_942)),
    "burst": Case(faults.rate_limited(30), 429, retry_after=(29, 30)),
    "per minute": Case(faults.limited_per("Minute"), 429, retry_after=(60, 66)),
    "per day": Case(faults.limited_per("Day"), 429, retry_after=(3600, 3960)),
    "bare 429": Case(faults.bare_limit(), 429, retry_after=(5, 6)),
    "html 429": Case(Fault(429, b"<html>", (("retry-after", "70"),)), 429, retry_after=(69, 70)),
    "credits": Case(faults.no_credits(), 429, retry_after=(3600, 3960)),
    "capacity 429": Case(faults.no_capacity(429), 503, retry_after=(5, 6), overloaded=True),
    "capacity 503": Case(faults.no_capacity(503), 503, retry_after=(5, 6), overloaded=True),
    "401": Case(faults.unauthenticated(), 503, 3),
    "unverified": Case(faults.verification_needed(), 503),
    "barred": Case(faults.barred(), 503),
    "project": Case(faults.project_disabled("p"), 503, 4),
    "403": Case(faults.forbidden(), 403),
    "404": Case(faults.not_found(), 404),
    "400": final(faults.refused("nonsense")),
    "overflow": final(
        faults.refused("The input token count (1200000) exceeds the maximum number of tokens (1048576).")
    ),
    "location": final(faults.refused("User location is not supported for the API use.", "INVALID_ARGUMENT")),
    "413": final(Fault(413, b"<html>"), 413),
    "418": trouble(Fault(418, b"")),
    "451": trouble(Fault(451, b"<html>")),
    "500": trouble(faults.failing(500), 500),
    "502": trouble(faults.failing(502)),
    "503": trouble(faults.failing(503), 503, overloaded=True),
    "504": trouble(faults.failing(504), 504),
    "529": trouble(Fault(529, b""), 503, overloaded=True),
    "408": trouble(Fault(408, b""), 503, overloaded=True),
    "499": trouble(Fault(499, faults.error(499, "CANCELLED", "")), 503, overloaded=True),
    "redirect": trouble(Fault(302, b"", (("location", "http://127.0.0.1:1/"),))),
    "head, then reset": trouble(Fault(reset=True, after=0)),
    "empty": trouble(Fault(events=())),
    "garbage": trouble(events(b"garbage", b"\xff\xfe", b"[]", b'{"response":{}}', b'{"response":7}')),
    "html 200": trouble(Fault(raw=b"<html>no</html>")),
    "model failed": Case(
        events(b'{"response":{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}}'), 502, attempts=2
    ),
    "error at once": trouble(faults.error_in_stream(after=0), 503, overloaded=True),
    "quota in the stream": Case(Fault(error=faults.rate_limited(30).body, after=0), 429, retry_after=(29, 30)),
    "reset, late": trouble(Fault(reset=True, after=2, delay=0.01), late=True),
    "error, late": trouble(faults.error_in_stream(after=2), 503, overloaded=True, late=True),
    "unfinished": trouble(Fault(unfinished=True), late=True),
}


def failed(case: Case, dialect: str) -> tuple[int, str]:
    """The status and the error's type that the client is told before anything has left."""
    if case.overloaded and dialect == "anthropic":
        return OVERLOADED
    return case.status, KINDS[case.status][list(DIALECTS).index(dialect)]


async def asked(running: Stack, ask: Ask, stream: bool, name: str, fault: Fault, times: int) -> tuple[Told, list[str]]:
    """What the client made of it, and the tokens that upstream was asked with: two fresh accounts, none left leased."""
    await running.daemon.pool.update([account(f"{name}.{times}.{n}".replace(" ", "_")) for n in "ab"])
    running.daemon.account_services.bases.avoided.clear()
    running.simulator.clear_script()
    running.simulator.requests.clear()
    running.simulator.script(fault, times=times)
    told = await in_thread(ask, stream)
    await until(lambda: all(not state.in_flight for state in running.daemon.pool.states))
    return told, [request.token for request in running.simulator.requests]


@pytest.mark.row("unfinished")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.row("one bad account")
@deferred(60)
async def test_what_is_told_and_who_is_asked(tmp_path: Path, dialect: str, stream: bool) -> None:
    well = Told(TEXT, ENDS[dialect][0])
    async with stack(tmp_path, PROXY_ON_TERMS_BAN="continue") as running:
        with DIALECTS[dialect](running.url) as ask:
            for name, case in CASES.items():
                told, tokens = await asked(running, ask, stream, name, case.fault, 1)
                if case.late and stream:
                    judge_broken(name, told, dialect, tokens)
                elif case.final:
                    assert (told.status, told.kind) == failed(case, dialect), name
                    assert len(tokens) == 1, name
                else:
                    assert told == well, name
                    assert len(tokens) == len(set(tokens)) == 2, name

                told, tokens = await asked(running, ask, stream, name, case.fault, 9)
                if case.late and stream:
                    judge_broken(name, told, dialect, tokens)
                    continue
                assert (told.status, told.kind, told.text, told.end) == (*failed(case, dialect), "", ""), name
                judge_pause(name, case, told)
                assert len(tokens) == case.attempts, name
                assert len({request.json["requestId"] for request in running.simulator.requests}) == len(tokens), name
                assert len(set(tokens[:2])) == min(case.attempts, 2), name  # nobody twice while another is untried


def judge_broken(name: str, told: Told, dialect: str, tokens: list[str]) -> None:
    """A stream that broke off says so after what had come, never ends by itself, and is not asked for again."""
    assert told.status == 0, name
    assert told.end == "", name
    assert told.kind in {kinds[list(DIALECTS).index(dialect)] for kinds in KINDS.values()} | {OVERLOADED[1]}, name
    assert TEXT.startswith(told.text), name
    assert told.text, name
    assert len(tokens) == 1, name


def judge_pause(name: str, case: Case, told: Told) -> None:
    if case.retry_after is None:
        assert told.retry_after is None, name
    else:
        low, high = case.retry_after
        assert low <= int(told.retry_after or 0) <= high, name


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_what_comes_of_silence_and_of_hard_ends(
    tmp_path: Path, dialect: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that take time, or meet a kept connection: that proves stale once, and costs no account anything."""
    monkeypatch.setattr(ticker, "INTERVAL", 0.05)
    async with stack(tmp_path, PROXY_REQUEST_TIMEOUT="0.4") as running:
        with DIALECTS[dialect](running.url) as ask:
            told, tokens = await asked(running, ask, stream, "silent", Fault(silent=True), 1)
            assert (told.text, told.status, len(set(tokens))) == (TEXT, None, 2)
            reset = Fault(reset=True, before=True)
            told, tokens = await asked(running, ask, stream, "reset", reset, 1)
            assert (told.text, told.status, len(tokens), len(set(tokens))) == (TEXT, None, 2, 1)
            told, tokens = await asked(running, ask, stream, "reset", reset, 9)
            assert (told.status, told.kind) == failed(Case(reset, 502), dialect)
            assert sorted(Counter(tokens).values()) == [1, 3]
            safe = Fault(finish="SAFETY")
            told, tokens = await asked(running, ask, stream, "safety", safe, 9)
            assert (told, len(tokens)) == (Told(TEXT, ENDS[dialect][1]), 1)
