"""The Redis of the compose file and of Kubernetes: one configuration, and rights that scaling.md documents."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.redis import RedisServer, needs_redis

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = (ROOT / "compose/redis.conf", ROOT / "deploy/kubernetes/components/redis/redis.conf")


def scripts() -> list[str]:
    """What starts Redis in each."""
    compose = yaml.safe_load((ROOT / "compose/compose.scale.yml").read_text())["services"]["redis"]["command"]
    pod = yaml.safe_load((ROOT / "deploy/kubernetes/components/redis/deployment.yaml").read_text())
    command = pod["spec"]["template"]["spec"]["containers"][0]["command"]
    assert compose[:2] == command[:2] == ["sh", "-euc"]
    return [compose[2].replace("$$", "$"), command[2]]


def test_both_have_the_same_configuration_and_the_documented_rights() -> None:
    one, other = (path.read_text() for path in CONFIGURATIONS)
    assert one == other
    documented = re.search(r"^user antigravity on .*(?:\n  .*)*", (ROOT / "docs/scaling.md").read_text(), re.M)
    assert documented is not None
    assert " ".join(documented[0].split()).replace(">PASSWORD", "#HASH") in one
    compose, pod = (re.sub(r"/run/secrets/\S*redis_url", "URL", script) for script in scripts())
    assert compose == pod


def started(tmp_path: Path, url: str) -> tuple[subprocess.Popen[str], RedisServer]:
    """The compose file's Redis, with its places moved here."""
    server = RedisServer(tmp_path)
    (tmp_path / "redis_url").write_text(url)
    shutil.copy(CONFIGURATIONS[0], tmp_path / "original.conf")
    script = scripts()[0]
    for there, here in (
        ("/run/secrets/redis_url", f"{tmp_path}/redis_url"),
        ("/etc/antigravity/redis.conf", f"{tmp_path}/original.conf"),
        ("redis-server /tmp/redis.conf", f"redis-server /tmp/redis.conf --port {server.port}"),
        ("/tmp/redis.conf", f"{tmp_path}/redis.conf"),
    ):
        script = script.replace(there, here)
    process = subprocess.Popen(
        ["sh", "-euc", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path
    )
    return process, server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    process, server = started(tmp_path, "redis://antigravity:s3cret@redis:6379/0\n")
    try:
        for _ in range(300):
            try:
                server.ask("PING")
                break
            except OSError:
                time.sleep(0.01)
        yield server
    finally:
        process.kill()
        process.wait()


@needs_redis
def test_only_who_has_the_password_gets_in(redis: RedisServer) -> None:
    assert b"NOAUTH" in str(redis.ask("PING")).encode()
    assert "WRONGPASS" in str(redis.ask("AUTH", "antigravity", "wrong"))
    assert redis.ask("AUTH", "antigravity", "s3cret") == b"OK"
    assert "s3cret" not in (redis.directory / "redis.conf").read_text()
    assert hashlib.sha256(b"s3cret").hexdigest() in (redis.directory / "redis.conf").read_text()


@needs_redis
@pytest.mark.skipif(not os.access("/bin/sh", os.X_OK), reason="no shell here")
def test_a_secret_of_another_form_ends_the_start_and_says_so(tmp_path: Path) -> None:
    process, _ = started(tmp_path, "redis://redis:6379")
    said, _ = process.communicate(timeout=10)
    assert process.returncode == 1
    assert said.strip() == "redis_url is not redis://antigravity:PASSWORD@redis:6379/0"
