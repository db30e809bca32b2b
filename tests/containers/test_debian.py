"""The Debian package, built, installed, upgraded, removed and purged as apt does it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.containers import (
    CONTAINER,
    KEY,
    ROOT,
    ULIMITS,
    Client,
    Container,
    engine,
    named,
    remove_images,
    run,
    until,
)
from support.stack import free_port

from antigravity_proxy import __version__
from antigravity_proxy.simulator.volume import write_volume

pytestmark = pytest.mark.containers

#: a Debian that the other tests have anyway
BASE = "python:3.13-slim-trixie"
BUILT = "localhost/antigravity-proxy-debian"
NEWER = f"{__version__}+1"
SETTINGS = "/etc/antigravity-proxy/proxy.env"


@pytest.fixture(scope="module")
def package(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package."""
    directory = tmp_path_factory.mktemp("debian")
    file = clone / "deploy/debian/Dockerfile"
    build = ["build", "--network=host", f"--file={file}", f"--build-arg=BASE={BASE}", f"--tag={BUILT}"]
    run([*CONTAINER, *build, str(clone)], 540)
    made = engine("create", BUILT, "true")
    try:
        engine("cp", f"{made}:/.", directory)
    finally:
        engine("rm", made)
        remove_images(BUILT)
    (built,) = directory.glob("antigravity-proxy_*.deb")
    built.rename(directory / "first.deb")
    return directory


@pytest.fixture(scope="module")
def debian(package: Path) -> Iterator[tuple[Container, int]]:
    """A Debian with the package in it, and the port of this machine that its daemon is to take."""
    with named(f"antigravity-debian-{os.getpid()}") as found:
        mounted = ["--network=host", f"--volume={package}:/packages:ro", *ULIMITS]
        engine("run", "--detach", "--init", "--name", found.name, *mounted, BASE, "sleep", "infinity")
        succeeds(found, "apt-get update -qq && apt-get install -qq -y --no-install-recommends /packages/first.deb", 240)
        yield found, free_port()


def succeeds(debian: Container, script: str, seconds: float = 60) -> str:
    """What a script printed that must end well."""
    environment = ("--env", "DEBIAN_FRONTEND=noninteractive")
    return run([*CONTAINER, "exec", *environment, debian.name, "sh", "-ec", script], seconds).stdout.strip()


def serve(debian: Container, port: int) -> None:
    """Starts the unit's command as the unit's user, with the unit's and the user's settings."""
    unit = (ROOT / "deploy/systemd/antigravity-proxy.service").read_text()
    command, given = (
        next(line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{name}="))
        for name in ("ExecStart", "Environment")
    )
    script = f"set -a; . {SETTINGS}; exec setpriv --reuid antigravity-proxy --regid antigravity-proxy --clear-groups"
    script += f" env {given} PROXY_PORT={port} OAUTH_LISTEN_PORT=0 {command}"
    engine("exec", "--detach", debian.name, "sh", "-ec", script)


def test_what_is_installed(debian: tuple[Container, int]) -> None:
    found, _ = debian
    assert succeeds(found, "antigravity-proxy --version") == f"antigravity-proxy {__version__}"
    assert succeeds(found, "getent passwd antigravity-proxy").split(":")[5:] == [
        "/var/lib/antigravity-proxy",
        "/usr/sbin/nologin",
    ]
    places = "/var/lib/antigravity-proxy /etc/antigravity-proxy /etc/antigravity-proxy/secrets"
    assert succeeds(found, f"stat -c '%a %U' {places}").splitlines() == [
        "700 antigravity-proxy",
        "755 root",
        "700 root",
    ]
    assert succeeds(found, "dpkg-query -W -f '${Conffiles}' antigravity-proxy").split()[0] == SETTINGS
    assert succeeds(found, "find /opt/antigravity -not -user root -o -perm /022 -not -type l") == ""
    assert succeeds(found, "systemd-analyze verify --man=no antigravity-proxy.service 2>&1") == ""
    assert succeeds(found, "systemctl is-enabled antigravity-proxy.service") == "enabled"


def test_the_installed_daemon_serves(debian: tuple[Container, int], tmp_path: Path) -> None:
    found, port = debian
    write_volume(tmp_path / "volume", accounts=1, api_key=KEY)
    engine("cp", f"{tmp_path / 'volume'}/.", f"{found.name}:/var/lib/antigravity-proxy/")
    succeeds(found, "chown -R antigravity-proxy: /var/lib/antigravity-proxy; chmod 700 /var/lib/antigravity-proxy")
    serve(found, port)
    until(Client(port).is_ready)
    succeeds(found, "pkill -TERM -x twistd && while pgrep -x twistd; do sleep 0.1; done")


def test_an_upgrade_keeps_the_settings_and_a_purge_all_but_the_accounts(debian: tuple[Container, int]) -> None:
    found, port = debian
    succeeds(found, f"echo PROXY_DRAIN_SECONDS=7 >> {SETTINGS}; mkdir -p /var/lib/antigravity-proxy-state")
    succeeds(found, "dpkg-deb --raw-extract /packages/first.deb /tmp/newer")
    succeeds(found, f"sed -i 's/^Version: .*/Version: {NEWER}/' /tmp/newer/DEBIAN/control")
    succeeds(found, "dpkg-deb --root-owner-group -Znone --build /tmp/newer /tmp/newer.deb")
    succeeds(found, "apt-get install -qq -y --no-install-recommends /tmp/newer.deb", 120)
    assert succeeds(found, "dpkg-query -W -f '${Version}' antigravity-proxy") == NEWER
    assert succeeds(found, f"tail -n 1 {SETTINGS}") == "PROXY_DRAIN_SECONDS=7"
    serve(found, port)
    until(Client(port).is_ready)
    succeeds(found, "pkill -TERM -x twistd && while pgrep -x twistd; do sleep 0.1; done")
    succeeds(found, "apt-get remove -qq -y antigravity-proxy")
    assert succeeds(
        found, f"ls -d {SETTINGS} /opt/antigravity /var/lib/antigravity-proxy 2>/dev/null || true"
    ).split() == [
        SETTINGS,
        "/var/lib/antigravity-proxy",
    ]
    told = succeeds(found, "apt-get purge -qq -y antigravity-proxy")
    assert "The accounts in /var/lib/antigravity-proxy are left" in told
    left = "ls -d /etc/antigravity-proxy /opt/antigravity /var/lib/antigravity-proxy* 2>/dev/null || true"
    assert succeeds(found, left).split() == ["/var/lib/antigravity-proxy"]


def test_no_leftover_where_there_were_no_accounts(debian: tuple[Container, int]) -> None:
    found, _ = debian
    succeeds(found, "rm -r /var/lib/antigravity-proxy")
    succeeds(found, "apt-get install -qq -y --no-install-recommends /packages/first.deb", 120)
    assert (
        subprocess.run(
            [*CONTAINER, "exec", found.name, "apt-get", "purge", "-qq", "-y", "antigravity-proxy"]
        ).returncode
        == 0
    )
    left = "ls -d /etc/antigravity-proxy /opt/antigravity /var/lib/antigravity-proxy* 2>/dev/null || true"
    assert succeeds(found, left) == ""
