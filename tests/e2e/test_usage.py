"""Who used how much: over sockets, by the command, and on the page; with and without a state directory."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.admin import site
from support.command import call
from support.deferreds import deferred
from support.stack import Stack, stack

from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.web.client_keys import ClientKey, digest, render

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def keys_file(directory: Path, *names: str) -> str:
    """A file of clients' keys, each ``sk-ag-`` and its name."""
    path = directory / "keys.json"
    keys = [ClientKey(name, digest(f"sk-ag-{name}".encode()).decode(), CREATED) for name in names]
    path.write_bytes(render(tuple(keys)))
    return str(path)


async def usage(running: Stack, query: str = "") -> Any:
    answer = await running.request("GET", f"/usage{query}")
    assert answer.status == 200, answer.body
    return answer.json


@deferred(40)
async def test_what_is_answered_is_counted_by_every_dialect_and_kept_over_a_restart(tmp_path: Path) -> None:
    given = {"PROXY_STATE_DIR": str(tmp_path / "state"), "PROXY_CLIENT_KEYS_FILE": keys_file(tmp_path, "ann")}
    async with stack(tmp_path, **given) as running:
        told = (await running.chat()).json["usage"]
        body = {"model": "gemini-3-flash", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}
        for path in ("/v1/messages", "/v1/chat/completions"):
            answer = await running.request("POST", path, body, authorization="Bearer sk-ag-ann")
            assert answer.status == 200
        assert (await running.request("POST", "/v1/chat/completions", b"{")).status == 400
        assert (await running.request("GET", "/v1/models")).status == 200
        assert (await running.request("POST", "/v1/messages", body, authorization="Bearer wrong")).status == 401
        found = await usage(running, "?by=key&days=2")
        rows = {row["key"]: row for row in found["rows"]}
        assert {name: (row["requests"], row["failures"]) for name, row in rows.items()} == {"ann": (2, 0), "": (2, 1)}
        assert (rows[""]["in"], rows[""]["out"]) == (told["prompt_tokens"], told["completion_tokens"])
        assert rows[""]["cached"] <= rows[""]["in"]
        assert rows[""]["thinking"] <= rows[""]["out"]
        by_model = await usage(running, "?by=upstream,model")
        assert {(row["upstream"], row["model"]) for row in by_model["rows"]} >= {("accounts", "gemini-3-flash")}
    async with stack(tmp_path / "again", **given) as running:
        assert (await usage(running))["total"] == found["total"]
        await running.chat()
        assert (await usage(running))["total"]["requests"] == 5


@deferred(30)
async def test_a_failure_is_one(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(Fault(status=400, body=b"{}"))
        assert (await running.chat()).status >= 400
        assert (await usage(running))["total"]["failures"] == 1


@deferred(30)
async def test_only_the_operator_sees_it_and_nonsense_is_said_to_be_that(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_CLIENT_KEYS_FILE=keys_file(tmp_path, "ann")) as running:
        assert (await running.request("GET", "/usage", authorization="")).status == 401
        refused = await running.request("GET", "/usage", authorization="Bearer sk-ag-ann")
        assert refused.status == 403
        assert "operator" in refused.json["error"]["message"]
        for query in ("by=secret", "by=", "days=0", "days=x", "days=99999", "days=-1", "by=key;drop"):
            answer = await running.request("GET", f"/usage?{query}")
            assert answer.status == 400, query
            assert answer.json["error"]["param"] == query.split("=")[0]
        assert (await running.request("POST", "/usage", {})).status == 405


@deferred(40)
async def test_the_command_reads_the_directory_while_no_daemon_runs(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for directory in (one, other):
        async with stack(tmp_path / f"run-{directory.name}", PROXY_STATE_DIR=str(directory)) as running:
            await running.chat()
            live = call("usage", "--state-dir", directory, "--json")
            assert live.exit_code == 0
    data = json.loads(call("usage", "--state-dir", one, "--state-dir", other, "--by", "key,model", "--json").stdout)
    assert data["by"] == ["key", "model"]
    (row,) = data["rows"]
    assert (row["key"], row["model"], row["requests"]) == ("", "gemini-3-flash", 2)
    lines = list(csv.reader(io.StringIO(call("usage", "--by", "model", "--csv", PROXY_STATE_DIR=str(one)).stdout)))
    assert lines[0] == ["model", "requests", "failures", "in", "cached", "thinking", "out"]
    assert lines[1][:2] == ["gemini-3-flash", "1"]
    text = call("usage", "--state-dir", one, "--days", "1").stdout
    assert text.splitlines()[0].split() == ["day", "requests", "failures", "in", "cached", "thinking", "out"]
    assert text.splitlines()[-1].startswith("total")


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["--by", "nonsense"], 2, "use any of day, key"),
        (["--days", "0"], 2, "--days"),
        (["--state-dir", "/nowhere"], 1, "holds no state.db"),
        ([], 1, "PROXY_STATE_DIR"),
    ],
)
def test_what_the_command_can_not_do_is_one_line(argv: list[str], status: int, words: str, tmp_path: Path) -> None:
    result = call("usage", *argv, ANTIGRAVITY_DATA_DIR=str(tmp_path))
    assert result.exit_code == status
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_name_is_no_formula_and_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    from antigravity_proxy.operator.usage import as_csv
    from antigravity_proxy.state.usage_report import Amount, Report, Row

    report = Report("", "", ("model",), (Row(("=1+1",), Amount(1)),), Amount(1))
    assert as_csv(report).splitlines()[1].startswith("'=1+1,")
    (tmp_path / "state.db").write_bytes(b"nonsense" * 1000)
    result = call("usage", "--state-dir", tmp_path)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


@deferred(30)
async def test_the_page_shows_who_what_and_when(tmp_path: Path) -> None:
    async with site(tmp_path, PROXY_CLIENT_KEYS_FILE=keys_file(tmp_path, "ann<b>".removesuffix("<b>"))) as here:
        page = (await here.get("/")).body.decode()
        assert "None in the last 30 days" in page
    async with site(tmp_path / "second", PROXY_CLIENT_KEYS_FILE=keys_file(tmp_path, "ann")) as here:
        body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "Hello"}]}
        await here.stack.request("POST", "/v1/chat/completions", body, authorization="Bearer sk-ag-ann")
        page = (await here.get("/")).body.decode()
        section = page[page.index('id="usage"') :]
        section = section[: section.index("</section>")]
        assert "1 request, 0 of them failed" in section
        for words in ("By client key", "By account", "By model", "ann", "gemini-3-flash"):
            assert words in section
