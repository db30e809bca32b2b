"""Each compose file for one daemon: up, used, down."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser, consent, hidden
from support.command import call
from support.containers import (
    COMPOSE_FILES,
    IMAGE,
    KEY,
    OWNER,
    Client,
    chat,
    engine,
    give,
    project,
    remove_images,
    run,
    subnet,
    until,
    volume,
)
from support.documents import blocks
from support.volumes import copy_of, expected, reader_of, trace

from antigravity_proxy.simulator.consent import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.containers

#: of a daemon behind an init, once SIGTERM has ended it in order
ENDED = 128 + signal.SIGTERM


def events(answer: Any) -> list[str]:
    """A stream's data lines, read to the end."""
    return [line[6:] for line in answer.read().decode().splitlines() if line.startswith("data: ")]


def use(client: Client, accounts: int) -> None:
    """What everybody does with a daemon."""
    until(client.is_ready)
    assert client.chat().json["choices"][0]["message"]["content"]
    streamed = events(client.stream())
    assert len(streamed) > 3
    assert streamed[-1] == "[DONE]"
    assert "gemini-3-flash" in {model["id"] for model in client.ask("GET", "/v1/models").json["data"]}
    health = client.ask("GET", "/health")
    assert health.status == 200
    assert health.json["accounts"] == accounts
    assert client.ask("POST", "/v1/chat/completions", chat(), authorization="Bearer wrong").status == 401


def test_the_demo_serves_and_ends(tmp_path: Path) -> None:
    with project(COMPOSE_FILES / "compose.yml", tmp_path, google=False) as found:
        client = Client(found.ports["PROXY"], key="sk-demo")
        use(client, 3)
        [demo] = found.containers("demo")
        until(lambda: f"curl -N http://127.0.0.1:{found.ports['PROXY']}/v1/chat/completions" in demo.logs())
        engine("stop", demo.name)
        assert demo.status() == 0


def test_beside_the_desktop_app_it_serves_reads_and_leaves_everything_as_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    written = volume(directory)
    with project(COMPOSE_FILES / "compose.prod.yml", tmp_path, ANTIGRAVITY_DATA_DIR_HOST=directory) as found:
        client = Client(found.ports["PROXY"])
        until(client.is_ready)
        before = trace(directory)
        use(client, 2)
        assert trace(directory) == before

        # the app adds an account
        began = time.monotonic()
        written.add(2)
        until(lambda: client.ask("GET", "/health").json["accounts"] == 3, every=0.02)
        seconds = time.monotonic() - began
        print(f"an account that was added serves after {seconds:.2f} s")
        assert seconds < 2

        # it is the one that serves: the others are gone
        written.remove(0)
        written.remove(1)
        until(lambda: client.ask("GET", "/health").json["accounts"] == 1)
        before = trace(directory)
        assert client.chat().status == 200
        [daemon] = found.containers("proxy")
        assert daemon.call("touch", "/app/data/written").returncode != 0
        assert daemon.call("antigravity-proxy", "check", "--offline").returncode == 0

        # the pages of the operator, as the host's browser asks for them
        page = Browser().get(f"http://localhost:{found.ports['ADMIN']}/login")
        assert page.status == 200
        assert trace(directory) == before


def test_any_setting_may_stand_in_a_file(tmp_path: Path) -> None:
    volume(tmp_path / "data")
    (tmp_path / "settings.env").write_text("PROXY_MAX_BODY=1KiB\n")
    settings = {"ANTIGRAVITY_DATA_DIR_HOST": tmp_path / "data", "SETTINGS_FILE_HOST": tmp_path / "settings.env"}
    with project(COMPOSE_FILES / "compose.prod.yml", tmp_path, **settings) as found:
        client = Client(found.ports["PROXY"])
        until(client.is_ready)
        assert client.chat().status == 200
        assert client.chat(user="x" * 2000).status == 413


def test_sigterm_lets_an_open_stream_finish(tmp_path: Path) -> None:
    volume(tmp_path / "data")
    with project(COMPOSE_FILES / "compose.prod.yml", tmp_path, ANTIGRAVITY_DATA_DIR_HOST=tmp_path / "data") as found:
        client = Client(found.ports["PROXY"])
        until(client.is_ready)
        found.google(events=30, delay_ms=100)
        answer = client.stream()
        first = answer.readline()
        [daemon] = found.containers("proxy")
        stopping = threading.Thread(target=engine, args=("stop", "--time=40", daemon.name))
        stopping.start()
        until(lambda: "draining" in daemon.logs())
        assert not connects(client)
        rest = events(answer)
        stopping.join()
        assert first
        assert rest[-1] == "[DONE]"
        assert len(rest) >= 30
        assert daemon.status() == ENDED


def connects(client: Client) -> bool:
    """Whether new requests are still taken."""
    try:
        return client.ask("GET", "/health/live").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("name", ["gui-0.9.2", "gui-2026-08", "hot-wal", "linux-v10-key", "raw-key-rollback"])
def test_every_stored_volume_opens_and_stays_untouched(tmp_path: Path, name: str) -> None:
    directory = copy_of(name, tmp_path)
    give(directory)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/proxy_api_key").write_text(KEY)
    give(tmp_path / "secrets")
    before = trace(directory)
    settings = {"ANTIGRAVITY_DATA_DIR_HOST": directory, "PROXY_API_KEY_FILE": "/run/secrets/proxy_api_key"}
    with project(COMPOSE_FILES / "compose.prod.yml", tmp_path, **settings) as found:
        client = Client(found.ports["PROXY"])
        until(lambda: client.ask("GET", "/health").json["accounts"] == len(expected(name)["accounts"]))
        [daemon] = found.containers("proxy")
        assert KEY not in engine("inspect", daemon.name)
        assert client.ask("GET", "/v1/models").status == 200
    assert trace(directory) == before


def test_a_backup_taken_beside_the_daemon_opens_elsewhere(tmp_path: Path) -> None:
    """As operations.md has it: a container of its own, a directory of the host's, the drill."""
    volume(tmp_path / "data")
    for name in ("backup", "drill"):
        (tmp_path / name).mkdir(mode=0o700)
        give(tmp_path / name)
    before = trace(tmp_path / "data")
    with project(COMPOSE_FILES / "compose.prod.yml", tmp_path, ANTIGRAVITY_DATA_DIR_HOST=tmp_path / "data") as found:
        command = ("antigravity-proxy", "backup", "/backup", "--keep", "14")
        found.compose("run", "--rm", "-T", "--volume", f"{tmp_path}/backup:/backup", "proxy", *command)
    assert trace(tmp_path / "data") == before
    [file] = (tmp_path / "backup").glob("*.tar")
    assert call("restore", "--data-dir", tmp_path / "drill", file).exit_code == 0
    assert len(reader_of(tmp_path / "drill").read().accounts) == 2


def test_an_update_is_another_tag_and_the_way_back_the_old_one(tmp_path: Path) -> None:
    volume(tmp_path / "data")
    after = f"test-{os.getpid()}"
    engine("tag", IMAGE, f"{IMAGE}:{after}")
    try:
        with project(
            COMPOSE_FILES / "compose.prod.yml", tmp_path, ANTIGRAVITY_DATA_DIR_HOST=tmp_path / "data"
        ) as found:
            client = Client(found.ports["PROXY"])
            for tag in (after, "latest"):
                found.compose("up", "--detach", ANTIGRAVITY_TAG=tag)
                until(client.is_ready)
                [daemon] = found.containers("proxy")
                assert daemon.inspect("{{.Config.Image}}").endswith(f"{IMAGE}:{tag}")
    finally:
        remove_images(f"{IMAGE}:{after}")


def test_an_account_is_added_through_the_hosts_browser_and_serves_at_once(tmp_path: Path) -> None:
    """In a volume of the container's own, where the mapped port differs from the one inside."""
    (tmp_path / "secrets").mkdir()
    secrets = {"proxy_api_key": KEY, "google_client_id": CLIENT_ID, "google_client_secret": CLIENT_SECRET}
    for name, value in secrets.items():
        (tmp_path / "secrets" / name).write_text(value)
    give(tmp_path / "secrets")
    settings = {f"{name.upper()}_FILE": f"/run/secrets/{name}" for name in secrets}
    settings |= {"ANTIGRAVITY_UID": "1000", "ANTIGRAVITY_GID": "1000"} if OWNER == 1000 else {}
    with project(COMPOSE_FILES / "compose.signin.yml", tmp_path, **settings) as found:
        client, browser = Client(found.ports["PROXY"]), Browser()
        admin = f"http://localhost:{found.ports['ADMIN']}"
        until(lambda: client.ask("GET", "/health/live").status == 200)
        assert client.ask("GET", "/health").status == 503
        form = browser.get(f"{admin}/login")
        assert browser.post(f"{admin}/login", hidden(form) | {"key": KEY}).status == 303
        sent = browser.get(f"{admin}/auth/start")
        assert sent.status == 302, sent.body
        back = consent(browser, sent.headers["location"])
        assert back.startswith(f"{admin}/oauth-callback")
        assert browser.get(back).status == 200
        use(client, 1)
        [daemon] = found.containers("proxy")
        listed = json.loads(daemon.call("antigravity-proxy", "accounts", "list", "--json").stdout)
        assert [row["usable"] for row in listed] == [True]
        assert daemon.call("grep", "-r", "ya29", "/app/data").returncode == 1  # grep looked, and found none


#: as people write it; only its host path is to be exchanged
AS_GIVEN = (Path(__file__).parent / "docker-compose.prod.yml").read_text()


def test_the_file_that_people_have_comes_up_healthy_and_serves(clone: Path, tmp_path: Path) -> None:
    """With its names for settings, its mapped callback port and its health check by curl."""
    directory = tmp_path / "data"
    volume(directory)
    if os.getuid() == 0:
        for path in [directory, *directory.rglob("*")]:
            shutil.chown(path, 1000, 1000)
    file = clone / "docker-compose.prod.yml"
    assert AS_GIVEN.count(r"C:\Users\Laptop\AppData\Roaming\Antigravity") == 1
    file.write_text(AS_GIVEN.replace(r"C:\Users\Laptop\AppData\Roaming\Antigravity", str(directory)))
    beside = {"GOOGLE_CLIENT_ID": CLIENT_ID, "GOOGLE_CLIENT_SECRET": CLIENT_SECRET}
    before = trace(directory)
    with project(file, tmp_path, service="antigravity-proxy", network="antigravity-net", **beside) as found:
        client = Client(8045)
        use(client, 2)
        assert client.ask("GET", "/health").json["readOnly"] is True
        [daemon] = found.containers("antigravity-proxy")
        check = re.search(r"test: (\[.*\])", AS_GIVEN)
        assert check is not None
        assert daemon.call(*json.loads(check[1])[1:]).returncode == 0
        assert Browser().get("http://localhost:8889/login").status == 200
    assert trace(directory) == before


def test_the_documents_lines_for_replicas_work_from_the_root_of_a_clone(clone: Path, tmp_path: Path) -> None:
    """With everything where the lines put it: no path is given from outside."""
    directory = tmp_path / "data"
    volume(directory, accounts=4)
    (clone / "compose/.env").write_text((clone / "compose/.env.example").read_text())
    (clone / "compose/settings.env").unlink(missing_ok=True)
    (clone / "compose/secrets/proxy_api_key").unlink(missing_ok=True)
    section = (clone / "docs/deployment.md").read_text().partition("## Replicas behind Caddy")[2]
    shell = section.partition("```sh\n")[2].partition("```")[0]
    secret = next(line for line in shell.splitlines() if line.startswith("echo "))
    up = next(line for line in shell.splitlines() if line.startswith("docker compose "))
    run(["sh", "-euc", secret], cwd=clone)
    give(clone / "compose/secrets")
    with project(
        Path("compose/compose.scale.yml"), tmp_path, network="egress", root=clone, up=up,
        ANTIGRAVITY_DATA_DIR_HOST=directory, FRONT_SUBNET=subnet(),
    ) as found:  # fmt: skip
        replicas = found.containers("proxy")
        assert len(replicas) == 4
        for replica in replicas:
            until(lambda each=replica: each.call("antigravity-proxy", "healthcheck").returncode == 0, 60)
            assert replica.call("sh", "-c", "cat $REDIS_URL_FILE").stdout.startswith("redis://antigravity:")
    assert not (clone / "compose/compose").exists()


def test_the_readmes_lines_serve_the_apps_accounts_from_the_root_of_a_clone(clone: Path, tmp_path: Path) -> None:
    """Only the directory is named, as the first line says."""
    directory = tmp_path / "data"
    volume(directory)
    (lines,) = blocks("README.md", "### With the app's accounts, in a container")
    copy, up = lines.splitlines()
    run(["sh", "-euc", copy], cwd=clone)
    settings = clone / "compose/.env"
    settings.write_text(settings.read_text().replace("DATA_DIR_HOST=\n", f"DATA_DIR_HOST={directory}\n"))
    with project(Path("compose/compose.prod.yml"), tmp_path, root=clone, up=up) as found:
        use(Client(found.ports["PROXY"]), 2)
