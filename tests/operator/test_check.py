"""The check: what it finds in volumes of every state, its exit status, and that it goes on watching."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until, wait
from support.proxies import proxy as egress_proxy
from support.redis import needs_redis, redis_server
from support.stack import free_port
from support.volumes import EPOCH, copy_of, update
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred

from antigravity_proxy.operator import check
from antigravity_proxy.operator.check import Report
from antigravity_proxy.replicas.store import NO_KEY
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.simulator.volume import VolumeWriter, write_volume
from antigravity_proxy.volume import layout
from antigravity_proxy.volume import writer as volume_writer
from antigravity_proxy.web import client_keys


@pytest.fixture
def writer(tmp_path: Path) -> VolumeWriter:
    return write_volume(tmp_path / "volume", accounts=2, api_key="sk-a")


async def checked(volume: Path, **environ: str) -> Report:
    """One report, without upstream."""
    environment = {"ANTIGRAVITY_DATA_DIR": str(volume)} | environ
    return await check.check(reactor, {}, environment, offline=True, epoch=lambda: EPOCH)


def errors(found: Report) -> list[str]:
    return [finding.message for finding in found.findings if finding.level == "error"]


def command(volume: Path, *arguments: str, **environ: str) -> list[Any]:
    environment = {"PATH": os.environ["PATH"], "ANTIGRAVITY_DATA_DIR": str(volume)} | environ
    return [[sys.executable, "-m", "antigravity_proxy.cli", "check", *arguments], environment]


@deferred()
async def test_a_file_of_models_is_told_as_it_is_in_force(writer: VolumeWriter, tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[accounts."gemini-3-flash"]\noutput = 8192\n')
    found = await checked(writer.directory, PROXY_MODELS_FILE=str(path))
    assert found.well
    told = [finding.message for finding in found.findings if finding.subject == "models"]
    assert told == ["PROXY_MODELS_FILE corrects gemini-3-flash"]


@deferred()
async def test_a_volume_that_serves_is_well(writer: VolumeWriter) -> None:
    found = await checked(writer.directory)
    assert found.well
    assert [finding.subject for finding in found.findings][:4] == ["settings", "volume", "keys", "accounts"]
    text = check.as_text(found)
    assert text.endswith("It can serve; see the lines marked WARNING.")
    assert "account-0@" not in text
    assert "ya29" not in check.as_json(found)


@deferred()
async def test_a_paused_account_is_told_and_is_no_trouble_while_others_serve(writer: VolumeWriter) -> None:
    pausing = volume_writer.VolumeWriter(layout.single(writer.directory), None, lambda: EPOCH)
    for number, level, words in ((0, "ok", "2 rows, 1 usable, 1 paused"), (1, "error", "2 rows, 0 usable, 2 paused")):
        pausing.pause(writer.add(number), paused=True)
        (found,) = [each for each in (await checked(writer.directory)).findings if each.subject == "accounts"]
        assert (found.level, found.message) == (level, words)


@deferred()
async def test_what_stands_in_the_way_is_an_error(writer: VolumeWriter, tmp_path: Path) -> None:
    volume = writer.directory
    found = await checked(volume, PROXY_HOST="0.0.0.0")
    assert found.well
    writer.configure(api_key="")
    assert "PROXY_HOST is 0.0.0.0, but there is no API key" in errors(await checked(volume, PROXY_HOST="0.0.0.0"))[0]
    update(volume, 0, token_json="agm_enc_v1:" + "0" * 32 + ":" + "0" * 32 + ":00")
    assert errors(await checked(volume)) == ["1 found; 1 rows stay sealed"]
    (volume / ".keys" / "master.key").write_text("a" * 64)
    assert errors(await checked(volume)) == ["1 found, but none opens any row", "2 rows, 0 usable"]
    (volume / ".restore").mkdir()
    assert any("restore --resume" in words for words in errors(await checked(volume)))
    shutil.rmtree(volume)
    told = f"the data directory is not there: is the volume mounted? (data directory: {volume})"
    assert errors(await checked(volume))[0] == told


@deferred()
async def test_accounts_that_lack_something_are_told_apart(writer: VolumeWriter) -> None:
    writer.add(1, expires_at=EPOCH - 600)
    found = await checked(writer.directory)
    assert found.well
    assert "2 rows, 2 usable; 1 of those can't serve now" in check.as_text(found)
    writer.add(0, expires_at=EPOCH - 600)
    assert not (await checked(writer.directory)).well
    client = {"GOOGLE_CLIENT_ID": "id", "GOOGLE_CLIENT_SECRET": "secret"}
    assert (await checked(writer.directory, **client)).well


@deferred()
async def test_wrong_settings_are_raised(writer: VolumeWriter) -> None:
    with pytest.raises(SettingsError, match="PROXY_PORT"):
        await checked(writer.directory, PROXY_PORT="x")


@needs_redis
@deferred(20)
async def test_the_replicas_redis_is_asked_and_is_no_reason_to_fail(writer: VolumeWriter, tmp_path: Path) -> None:
    simulator = Simulator(reactor)
    simulator.start()
    with redis_server(tmp_path) as redis:
        environment = simulator.environment | {"ANTIGRAVITY_DATA_DIR": str(writer.directory), "REDIS_URL": redis.url}
        there = await check.check(reactor, {}, environment, offline=False, epoch=lambda: EPOCH)
        redis.kill()
        away = await check.check(reactor, {}, environment, offline=False, epoch=lambda: EPOCH)
    said = [next(finding for finding in found.findings if finding.subject == "redis") for found in (there, away)]
    assert [finding.level for finding in said] == ["ok", "warning"]
    assert said[0].message.startswith("Redis answers (")
    assert said[1].message == "Redis refuses connections: replicas do not share their state"
    assert there.well
    assert away.well
    await simulator.stop()


@pytest.mark.parametrize(("key", "shares"), [("", False), ("ab" * 32, True)])
@deferred(20)
async def test_replicas_without_a_volume_need_a_key_to_share(tmp_path: Path, key: str, shares: bool) -> None:
    environment = {
        "HOME": str(tmp_path),
        "GEMINI_API_KEYS": "one=AIza" + "1" * 35,
        "REDIS_URL": "redis://127.0.0.1:1",
        "ANTIGRAVITY_MASTER_KEY": key,
    }
    report = await check.check(reactor, {}, environment, offline=True, epoch=lambda: EPOCH)
    warned = [finding.message for finding in report.findings if "Nothing can be sealed" in finding.message]
    assert [warning.startswith(NO_KEY) for warning in warned] == [True] * (not shares)
    assert report.well


@deferred()
async def test_upstream_is_asked_without_an_account(writer: VolumeWriter) -> None:
    simulator = Simulator(reactor)
    simulator.start()
    environment = {"ANTIGRAVITY_DATA_DIR": str(writer.directory)} | simulator.environment
    found = await check.check(reactor, {}, environment, offline=False, epoch=lambda: EPOCH)
    upstream = [finding for finding in found.findings if finding.subject == "upstream"]
    assert [finding.level for finding in upstream] == ["ok"]
    assert "answers (status 404, " in upstream[0].message
    await simulator.stop()
    environment["PROXY_INTERNAL_BASE_URLS"] = f"http://127.0.0.1:{free_port()}"
    found = await check.check(reactor, {}, environment, offline=False, epoch=lambda: EPOCH)
    assert not found.well
    assert all("can't be reached: Connection was refused" in words for words in errors(found))


def upstream_errors(found: Report) -> list[str]:
    return [finding.message for finding in found.findings if finding.subject == "upstream" and finding.level == "error"]


@pytest.mark.parametrize("kind", ["http", "socks5"])
@deferred()
async def test_an_egress_proxy_that_is_away_is_named_and_not_google(writer: VolumeWriter, kind: str) -> None:
    port = free_port()
    writer.configure(api_key="sk-a", upstream_proxy={"enabled": True, "url": f"{kind}://me:secret@127.0.0.1:{port}"})
    environment = {"ANTIGRAVITY_DATA_DIR": str(writer.directory), "PROXY_INTERNAL_BASE_URLS": "http://google.test"}
    found = await check.check(reactor, {}, environment, offline=False, epoch=lambda: EPOCH)
    (words,) = upstream_errors(found)
    assert words.startswith(f"the egress proxy {kind}://127.0.0.1:{port} (gui_config) can't be reached, so neither can")
    assert "UPSTREAM_PROXY_URL=none" in words
    assert "secret" not in check.as_text(found)


@pytest.mark.parametrize("kind", ["http", "socks5"])
@deferred()
async def test_an_egress_proxy_that_refuses_is_named(writer: VolumeWriter, kind: Any) -> None:
    async with egress_proxy(kind) as proxy:
        environment = {
            "ANTIGRAVITY_DATA_DIR": str(writer.directory),
            "PROXY_INTERNAL_BASE_URLS": "http://google.test",
            "UPSTREAM_PROXY_URL": f"{kind}://wrong:password@127.0.0.1:{proxy.port}",
        }
        found = await check.check(reactor, {}, environment, offline=False, epoch=lambda: EPOCH)
    (words,) = upstream_errors(found)
    assert (
        f"http://google.test can't be reached: the egress proxy {kind}://127.0.0.1:{proxy.port} (environment)" in words
    )
    assert "gave no way to it: " in words
    assert "password@" not in words


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("url", ["127.0.0.1:7890", "socks4://127.0.0.1:1", "socks://127.0.0.1"])
@deferred()
async def test_a_proxy_of_the_apps_that_can_not_be_used_is_an_error_once(
    writer: VolumeWriter, url: str, offline: bool
) -> None:
    writer.configure(api_key="sk-a", upstream_proxy={"enabled": True, "url": url})
    environment = {"ANTIGRAVITY_DATA_DIR": str(writer.directory), "PROXY_INTERNAL_BASE_URLS": "http://google.test"}
    found = await check.check(reactor, {}, environment, offline=offline, epoch=lambda: EPOCH)
    assert not found.well
    assert [words.partition(":")[0] for words in upstream_errors(found)] == [
        "the egress proxy (gui_config) can't be used"
    ]


@deferred()
async def test_watching_says_what_the_next_start_would_say(
    writer: VolumeWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "LOOK", 0.02)
    key = tmp_path / "key"
    key.write_text("sk-a")
    told: list[Report] = []
    environment = {"ANTIGRAVITY_DATA_DIR": str(writer.directory), "PROXY_API_KEY_FILE": str(key)}
    watching = Deferred.fromCoroutine(
        check.watch(reactor, {}, environment, offline=True, epoch=lambda: EPOCH, tell=told.append)
    )
    await until(lambda: len(told) == 1)
    assert told[0].well
    key.write_text("")
    await until(lambda: len(told) == 2)
    assert "PROXY_API_KEY_FILE" in errors(told[1])[0]
    key.write_text("sk-a")
    writer.configure(api_key="sk-a", port=8317)
    await until(lambda: len(told) > 2 and told[-1].well and "8317" in check.as_text(told[-1]))
    watching.cancel()
    with pytest.raises(CancelledError):
        await watching


@deferred()
async def test_watching_tells_of_changes_alone(writer: VolumeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LOOK", 0.02)
    told: list[Report] = []
    environment = {"ANTIGRAVITY_DATA_DIR": str(writer.directory)}
    watching = Deferred.fromCoroutine(
        check.watch(reactor, {}, environment, offline=True, epoch=lambda: EPOCH, tell=told.append)
    )
    for count in (1, 2):
        while len(told) < count:
            await wait(0.01)
        await wait(0.1)
        assert len(told) == count
        writer.add(5 + count)
    watching.cancel()
    with pytest.raises(CancelledError):
        await watching
    assert [len(each.accounts) for each in told[:2]] == [2, 3]


@deferred()
async def test_a_watch_ends_while_it_reads_too(writer: VolumeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "deferToThread", lambda *_: Deferred())
    environment = {"ANTIGRAVITY_DATA_DIR": str(writer.directory)}
    watching = Deferred.fromCoroutine(
        check.watch(reactor, {}, environment, offline=True, epoch=lambda: EPOCH, tell=lambda _: None)
    )
    watching.cancel()
    with pytest.raises(CancelledError):
        await watching


@deferred()
async def test_the_log_that_a_writer_keeps_open_is_no_change(writer: VolumeWriter) -> None:
    before = await checked(writer.directory)
    app = sqlite3.connect(writer.directory / "cloud_accounts.db", isolation_level=None)
    app.execute("UPDATE settings SET value = 1")
    app.execute("CREATE TABLE large AS SELECT hex(randomblob(500000)) AS x")
    after = await checked(writer.directory)
    assert check.as_text(before) != check.as_text(after)
    assert check.gist(before) == check.gist(after)
    app.close()


def test_the_command_ends_with_the_verdict(writer: VolumeWriter, tmp_path: Path) -> None:
    argv, environ = command(writer.directory, "--offline", "--json")
    run = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr, json.loads(run.stdout)["well"]) == (0, "", True)
    argv, environ = command(copy_of("gui-0.9.2", tmp_path), "--offline")
    run = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.splitlines()[-1]) == (1, "Something is wrong: see the lines marked ERROR.")
    argv, environ = command(writer.directory, "--offline", PROXY_PORT="x")
    run = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr.count("\n"), "PROXY_PORT" in run.stderr) == (1, 1, True)


def test_ctrl_c_ends_the_watch(writer: VolumeWriter) -> None:
    argv, environ = command(writer.directory, "--offline", "--watch", "--json")
    with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["well"]
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=10)
        finally:
            process.kill()
    assert "Traceback" not in said


@deferred()
async def test_the_file_of_clients_keys_is_looked_at(writer: VolumeWriter, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    found = await checked(writer.directory, PROXY_CLIENT_KEYS_FILE=str(path))
    assert found.well
    assert "PROXY_CLIENT_KEYS_FILE: it isn't there" in check.as_text(found)
    path.write_bytes(client_keys.render(()))
    found = await checked(writer.directory, PROXY_CLIENT_KEYS_FILE=str(path))
    assert "0 clients have keys of their own" in check.as_text(found)
