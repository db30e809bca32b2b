"""The image: what is in it, how it runs, what its health check says."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shlex
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.containers import (
    CONTAINER,
    IMAGE,
    KEY,
    OWNER,
    ROOT,
    ULIMITS,
    Client,
    Container,
    container,
    engine,
    named,
    run,
    until,
    volume,
)
from support.stack import free_port

from antigravity_proxy.simulator.volume import write_volume

pytestmark = pytest.mark.containers

#: our part of the image, unpacked and packed
OWN_SIZE, PACKED_SIZE = 80e6, 120e6
START_SECONDS, IDLE_MEMORY = 5.0, 110e6


class Layers:
    """What the image adds to its base: names with their contents."""

    def __init__(self, saved: Path) -> None:
        base = json.loads(engine("image", "inspect", "python:3.13-slim-trixie"))[0]["RootFS"]["Layers"]
        self.files: dict[str, bytes] = {}
        self.packed = self.own = 0
        with tarfile.open(saved) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
            self.config = archive.extractfile(manifest["Config"]).read()  # type: ignore[union-attr]
            for number, name in enumerate(manifest["Layers"]):
                layer = archive.extractfile(name).read()  # type: ignore[union-attr]
                self.packed += len(gzip.compress(layer, 6))
                if number >= len(base):
                    self._add(layer)

    def _add(self, layer: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            for member in archive:
                if member.isfile():
                    self.files[member.name.lstrip("./")] = archive.extractfile(member).read()  # type: ignore[union-attr]
                    self.own += member.size


@pytest.fixture(scope="module")
def layers(image: str, tmp_path_factory: pytest.TempPathFactory) -> Layers:
    path = tmp_path_factory.mktemp("image") / "image.tar"
    run([*CONTAINER, "save", "--output", str(path), IMAGE])
    return Layers(path)


def test_the_image_is_small(layers: Layers) -> None:
    print(f"own part {layers.own / 1e6:.0f} MB; whole image packed {layers.packed / 1e6:.0f} MB")
    assert layers.own < OWN_SIZE
    assert layers.packed < PACKED_SIZE


def test_its_layers_hold_nothing_but_the_daemon(layers: Layers) -> None:
    """No package manager's or pip's leftovers, no compiler, no source tree, and nothing of the cloner's own."""
    places = ("opt/antigravity/", "usr/local/bin/curl", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow")
    also = ("etc/subuid", "etc/subgid", "etc/.pwd.lock", "var/log/lastlog", "var/log/faillog")
    assert [name for name in layers.files if not name.startswith((*places, *also))] == []
    tools = ("/pip", "/gcc", "/cc", "/ld", "/make", "/uv")
    assert [name for name in layers.files if name.endswith((*tools, ".a", ".whl", ".egg-info"))] == []
    assert [name for name in layers.files if "site-packages/pip" in name or "site-packages/setuptools" in name] == []
    everything = b"".join([layers.config, *layers.files.values()])
    assert b"canary-that-no-image-may-hold" not in everything


def test_no_secret_stands_in_its_configuration(layers: Layers) -> None:
    variables = dict(line.partition("=")[::2] for line in json.loads(layers.config)["config"]["Env"])
    assert not [name for name in variables if any(word in name for word in ("KEY", "SECRET", "CLIENT", "TOKEN"))]


@pytest.fixture(scope="module")
def running(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Container, Client]]:
    """The daemon on a volume, read-only."""
    directory = tmp_path_factory.mktemp("volume") / "data"
    volume(directory)
    with serving(directory) as found:
        yield found


@contextmanager
def serving(directory: Path, *options: str) -> Iterator[tuple[Container, Client]]:
    """The daemon on a directory, read-only; it answers, whatever it says."""
    port = free_port()
    mounted = (f"--volume={directory}:/app/data:ro", f"--publish=127.0.0.1:{port}:8045", "--env=READONLY_MODE=true")
    with container(*mounted, *options) as found:
        client = Client(port)
        until(lambda: client.ask("GET", "/health/live").status == 200)
        yield found, client


def test_it_starts_fast_and_takes_little_memory(image: str, tmp_path: Path) -> None:
    volume(tmp_path / "data")
    began = time.monotonic()
    with serving(tmp_path / "data") as (found, client):
        until(client.is_ready, every=0.02)
        seconds = time.monotonic() - began
        fields = dict(line.split(":", 1) for line in found.call("cat", "/proc/1/status").stdout.splitlines())
        memory = int(fields["VmRSS"].split()[0]) * 1024
    print(f"ready after {seconds:.1f} s; {memory / 1e6:.0f} MB when idle")
    assert seconds < START_SECONDS
    assert memory < IDLE_MEMORY


def test_it_runs_as_nobody_in_particular_without_any_privilege(running: tuple[Container, Client]) -> None:
    found, _ = running
    fields = dict(line.split(":", 1) for line in found.call("cat", "/proc/1/status").stdout.splitlines())
    assert fields["Uid"].split() == [str(OWNER)] * 4
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert fields["NoNewPrivs"].strip() == "1"
    assert engine("image", "inspect", "--format={{.Config.User}}", IMAGE) == "1000:1000"


def test_it_can_write_nowhere(running: tuple[Container, Client]) -> None:
    """The code belongs to root, the file system is read-only, the volume too; /tmp alone takes anything."""
    found, _ = running
    for place in ("/", "/app", "/app/data", "/opt/antigravity", "/opt/antigravity/lib", "/etc", "/usr/local/bin"):
        assert found.call("touch", f"{place}/written").returncode != 0, place
    assert found.call("touch", "/tmp/written").returncode == 0
    assert found.call("find", "/opt/antigravity", "!", "-user", "root").stdout == ""
    assert found.call("find", "/opt/antigravity", "-perm", "/022", "!", "-type", "l").stdout == ""


def test_it_logs_a_json_object_a_line_and_no_warning_of_its_own(running: tuple[Container, Client]) -> None:
    found, _ = running
    lines = [json.loads(line) for line in found.logs().splitlines() if line.startswith("{")]
    assert len(lines) == len(found.logs().splitlines())
    warnings = [line["message"] for line in lines if line["level"] == "warn"]
    assert all("GOOGLE_CLIENT_ID" in words for words in warnings), warnings


def test_any_other_user_runs_it_too(image: str, tmp_path: Path) -> None:
    """A uid that no passwd file knows."""
    volume(tmp_path / "data")
    for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]:
        shutil.chown(path, 4242, 4242)
    with serving(tmp_path / "data", "--user=4242:4242") as (found, client):
        until(client.is_ready)
        assert found.call("antigravity-proxy", "check", "--offline").returncode == 0


def health_check(found: Container) -> int:
    """The exit status of the image's own HEALTHCHECK."""
    test = json.loads(engine("image", "inspect", "--format={{json .Config.Healthcheck.Test}}", IMAGE))
    assert test[0] == "CMD"
    return found.call(*test[1:]).returncode


def test_its_health_check_fails_until_a_volume_was_read_and_holds_when_that_is_taken_away(
    image: str, tmp_path: Path
) -> None:
    data, kept = tmp_path / "data", tmp_path / "kept"
    volume(kept)
    data.mkdir()
    with serving(data, f"--env=PROXY_API_KEY={'k' * 20}") as (found, client):
        assert health_check(found) == 1
        assert client.ask("GET", "/health").json["status"] == "unhealthy"
        for path in kept.iterdir():
            path.rename(data / path.name)
        until(lambda: health_check(found) == 0)
        assert client.ask("GET", "/health").json["status"] == "healthy"
        for path in data.iterdir():
            path.rename(kept / path.name)
        until(lambda: client.ask("GET", "/health").json["status"] == "degraded")
        assert health_check(found) == 0
        assert found.call("curl", "-f", "http://localhost:8045/health").returncode == 0


def test_a_key_file_that_its_user_cant_read_is_named_as_such(image: str, tmp_path: Path) -> None:
    volume(tmp_path / "data")
    shutil.chown(tmp_path / "data/.keys/master.key", 4242, 4242)
    with serving(tmp_path / "data") as (found, client):
        told = found.call("antigravity-proxy", "check", "--offline")
        words = f"owned by uid 4242, mode 0600; this process has uid {OWNER}"
        assert told.returncode == 1
        assert "master.key" in told.stdout
        assert words in told.stdout
        assert health_check(found) == 1
        warnings = until(lambda: client.ask("GET", "/health").json["warnings"])
        assert any(words in warning for warning in warnings), warnings


def test_the_documented_command_serves(image: str, tmp_path: Path) -> None:
    """As it stands there, by a shell, in the home of somebody with the app."""
    write_volume(tmp_path / ".antigravity-agent", accounts=1, api_key=KEY)  # theirs, whoever runs this
    command = re.search(
        r"^docker run .*?(?:\\\n.*?)*antigravity-proxy$", (ROOT / "docs/deployment.md").read_text(), re.M
    )
    assert command is not None
    with named("antigravity-proxy"):
        words = command[0].replace("docker run ", f"{shlex.join(CONTAINER)} run {shlex.join(ULIMITS)} ", 1)
        run(["sh", "-c", words], env={**os.environ, "HOME": str(tmp_path)})
        until(Client(8045).is_ready)


def test_the_apps_port_moves_no_port_of_the_container(image: str, tmp_path: Path) -> None:
    """What the app's settings say is for the machine that it runs on."""
    written = volume(tmp_path / "data")
    written.configure(api_key=KEY, port=8317)
    with serving(tmp_path / "data") as (found, client):
        until(client.is_ready)
        assert health_check(found) == 0
        assert "0.0.0.0:8045" in found.logs()
        assert "8317" not in found.logs()


@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.6, 0.9])
def test_with_an_init_it_can_be_stopped_from_the_first_moment(image: str, tmp_path: Path, seconds: float) -> None:
    volume(tmp_path / "data")
    mounted = (f"--volume={tmp_path / 'data'}:/app/data:ro", "--env=READONLY_MODE=true", "--init")
    with container(*mounted) as found:
        time.sleep(seconds)
        began = time.monotonic()
        engine("stop", "--time=20", found.name)
        took = time.monotonic() - began
        assert found.status() != 137  # killed, after the grace time
        assert took < 10


def test_it_leaves_no_core_file(image: str, tmp_path: Path) -> None:
    volume(tmp_path / "data")
    with serving(tmp_path / "data", "--ulimit=core=0") as (found, _):
        limits = found.call("cat", "/proc/1/limits").stdout
        assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
