"""Replicas behind Caddy and their Redis, under load: one dies, one comes, Redis restarts, all are replaced."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from support.containers import (
    COMPOSE_FILES,
    Client,
    Container,
    Project,
    caddy_version,
    engine,
    project,
    redis_url,
    subnet,
    until,
    volume,
)

pytestmark = pytest.mark.containers

REPLICAS = 4
CLIENTS = 8
ROOT_CERTIFICATE = "/data/caddy/pki/authorities/local/root.crt"


class Outcome:
    """What became of one request."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.status = 0
        self.body = b""
        self.error = ""


class Farm:
    """The replicas and the way to them."""

    def __init__(self, up: Project) -> None:
        self.up = up
        [caddy] = up.containers("caddy")
        self.caddy_version, self.passes_on = caddy_version(caddy)
        self.began = time.monotonic()
        self.client = Client(up.ports["HTTPS"], ca=until(lambda: caddy.call("cat", ROOT_CERTIFICATE).stdout))

    @property
    def replicas(self) -> list[Container]:
        """Those that run, the oldest first."""
        found = self.up.containers("proxy")
        running = [each for each in found if each.inspect("{{.State.Running}}") == "true"]
        return sorted(running, key=lambda each: each.inspect("{{.Created}}"))

    def grow(self, count: int) -> None:
        """Lets there be so many; those that are there stay."""
        self.up.compose("up", "--detach", "--no-recreate", "--scale", f"proxy={count}")

    def health(self, replica: Container) -> Any:
        """What a replica says of itself."""
        said = self.page(replica, "health")
        return json.loads(said) if said.startswith("{") else {}

    def page(self, replica: Container, name: str) -> str:
        """One of its own pages."""
        read = "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())"
        return replica.call("python", "-c", read, f"http://127.0.0.1:8045/{name}").stdout

    def together(self, count: int) -> None:
        """Waits until so many run, and know of each other: engines take a while to tell an address."""
        states: list[Any] = []

        def are() -> bool:
            states[:] = [self.health(each) for each in self.replicas]
            return len(states) == count and all(
                each.get("status") == "healthy" and each.get("replicas") == count for each in states
            )

        try:
            until(are, 60, every=0.5)
        except AssertionError:
            raise AssertionError(f"they never came together: {states}") from None


@pytest.fixture(scope="module")
def farm(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    directory = tmp_path_factory.mktemp("replicas")
    volume(directory / "data", accounts=8)
    redis_url(directory)
    settings = {"ANTIGRAVITY_DATA_DIR_HOST": directory / "data", "FRONT_SUBNET": subnet()}
    file = COMPOSE_FILES / "compose.scale.yml"
    with project(file, directory, "--scale", f"proxy={REPLICAS}", network="egress", **settings) as up:
        found = Farm(up)
        until(found.client.is_ready)
        found.together(REPLICAS)
        yield found


@contextmanager
def load(farm: Farm) -> Iterator[list[Outcome]]:
    """Streams without a pause, from several clients."""
    outcomes: list[Outcome] = []
    over = threading.Event()

    def go() -> None:
        while not over.is_set():
            found = Outcome()
            try:
                answer = farm.client.stream()
                found.status = answer.status
                found.body = answer.read()
            except (OSError, http.client.HTTPException) as e:
                found.error = repr(e)
            outcomes.append(found)

    with ThreadPoolExecutor(CLIENTS) as pool:
        working = [pool.submit(go) for _ in range(CLIENTS)]
        try:
            time.sleep(1)
            yield outcomes
            time.sleep(1)
        finally:
            over.set()
        for each in working:
            each.result()


def lost(farm: Farm, what: str, outcomes: list[Outcome]) -> list[Outcome]:
    """Those that did not come to their end; not those that an older Caddy itself refuses, as it can't connect them."""
    failed = [each for each in outcomes if each.status != 200 or b"data: [DONE]" not in each.body]
    unsent = [each for each in failed if each.status in (502, 503) and not each.body and not farm.passes_on]
    words = [(each.status, round(each.began - farm.began, 1), each.error) for each in failed]
    print(f"Caddy {farm.caddy_version}, {what}: {len(outcomes)} requests, {len(unsent)} unsent, failed: {words}")
    return [each for each in failed if each not in unsent]


def test_all_serve_and_know_of_each_other(farm: Farm) -> None:
    farm.up.google()
    assert {farm.client.chat().status for _ in range(2 * REPLICAS)} == {200}
    google = Client(farm.up.ports["GOOGLE"])
    limited = google.ask("GET", "/__stats").json
    farm.up.google(limit_every=10)
    assert {farm.client.chat().status for _ in range(30)} == {200}
    farm.up.google()
    assert google.ask("GET", "/__stats").json["requests"] > limited["requests"]
    texts = [farm.page(each, "metrics") for each in farm.replicas]
    assert all(f"antigravity_replicas {float(REPLICAS)}" in text for text in texts)


def test_redis_restarts_under_load(farm: Farm) -> None:
    farm.up.google(events=10, delay_ms=50)
    [redis] = farm.up.containers("redis")
    with load(farm) as outcomes:
        engine("restart", "--time", "1", redis.name)
        time.sleep(3)
        farm.together(REPLICAS)
    assert not lost(farm, "Redis restarted", outcomes)


def test_a_replica_is_added_under_load(farm: Farm) -> None:
    farm.up.google(events=10, delay_ms=50)
    with load(farm) as outcomes:
        farm.grow(REPLICAS + 1)
        farm.together(REPLICAS + 1)
    assert not lost(farm, "one added", outcomes)


def test_one_that_is_killed_costs_what_it_was_serving(farm: Farm) -> None:
    farm.up.google(events=10, delay_ms=50)
    victim = farm.replicas[-1]
    with load(farm) as outcomes:
        killed = time.monotonic()
        engine("kill", victim.name)
        time.sleep(12)
        farm.together(REPLICAS)
    failed = lost(farm, "one killed", outcomes)
    later = [each for each in failed if each.began - killed > 1.5]
    assert len(failed) <= 2 * CLIENTS
    assert not later


def test_all_are_replaced_one_by_one_under_load(farm: Farm) -> None:
    farm.up.google(events=10, delay_ms=50)
    old = farm.replicas
    with load(farm) as outcomes:
        farm.grow(2 * REPLICAS + 1)  # the killed one still has its number
        until(lambda: len(farm.replicas) >= 2 * REPLICAS, 60)
        farm.together(len(farm.replicas))
        for each in old:
            engine("stop", "--time", "40", each.name)
        farm.together(len(farm.replicas))
    failed = lost(farm, "all replaced", outcomes)
    assert not {each.name for each in old} & {each.name for each in farm.replicas}
    assert not failed
