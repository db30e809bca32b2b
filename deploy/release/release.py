"""Makes a release in dist/ and tries what it made: ``make release``.

Wheel and source package; their bill of materials; the image for each platform and the Debian package, where there is
a container engine; a statement of what it was made from (SLSA provenance in an in-toto statement); checksums, signed
where ``SIGN_KEY`` names a key of GnuPG. The wheel is tried on a bare environment: installed, served from, run by pipx.

``CONTAINER`` names another engine than docker, ``PLATFORMS`` other platforms than linux/amd64 and linux/arm64.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from antigravity_proxy import __version__

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
BARE = ROOT / "build/release/bare"
NAME = "antigravity-proxy"
LOCKS = ("requirements/runtime.lock", "requirements/build.lock")
#: seconds within which the installed daemon must answer
START_SECONDS = 20.0


class ReleaseError(Exception):
    """What stands against a release, in one line."""


def run(*argv: object, **options: Any) -> str:
    """What a command printed. Raises ReleaseError if it fails."""
    done = subprocess.run(list(map(str, argv)), cwd=ROOT, text=True, stdout=subprocess.PIPE, **options)
    if done.returncode:
        raise ReleaseError(f"{shlex.join(map(str, argv))} ended with {done.returncode}\n{done.stdout}".rstrip())
    return done.stdout.strip()


def refuse(version: str, changes: str, status: str, tags: list[str]) -> str:
    """Why a release of this version can't be made now; empty if it can.

    ``status``: what ``git status --porcelain`` says; ``tags``: the tags of the commit.
    """
    if status:
        return "the work tree has changes that no commit has"
    if not re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changes, re.M):
        return f"CHANGELOG.md has no section of {version}: run `make changelog`"
    if (others := [tag for tag in tags if re.match(r"v\d", tag)]) and f"v{version}" not in others:
        return f"this commit is tagged {others[0]}, and the package says {version}"
    return ""


def digest(path: Path) -> str:
    """A file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance(files: Mapping[str, str], locks: Mapping[str, str], commit: str, url: str, times: list[str]) -> bytes:
    """What these files (names with digests) were made from, as an in-toto statement (slsa.dev/spec/v1.0/provenance)."""
    server, repository, number = (
        os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    builder = f"{server}/{repository}/actions/runs/{number}" if number else f"urn:{NAME}:make"
    source = {"uri": f"git+{url}", "digest": {"gitCommit": commit}} if url else {"digest": {"gitCommit": commit}}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": sha}} for name, sha in sorted(files.items())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"urn:{NAME}:make-release:v1",
                "externalParameters": {"target": "release"},
                "internalParameters": {"python": platform.python_version(), "machine": platform.machine()},
                "resolvedDependencies": [
                    source,
                    *({"name": name, "digest": {"sha256": sha}} for name, sha in sorted(locks.items())),
                ],
            },
            "runDetails": {
                "builder": {"id": builder},
                "metadata": dict(zip(("startedOn", "finishedOn"), times, strict=True)),
            },
        },
    }
    return json.dumps(statement, indent=2).encode() + b"\n"


def try_wheel(wheel: Path, version: str) -> None:
    """Installs it into a bare environment, serves from there, and runs it by pipx. Raises ReleaseError."""
    shutil.rmtree(BARE, ignore_errors=True)
    run(sys.executable, "-m", "venv", BARE)
    run(BARE / "bin/pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    told = f"{NAME} {version}"
    if (said := run(BARE / f"bin/{NAME}", "--version")) != told:
        raise ReleaseError(f"the installed command says {said!r}")
    for unit in (ROOT / "deploy/systemd").iterdir():
        if (BARE / f"share/{NAME}/systemd" / unit.name).read_bytes() != unit.read_bytes():
            raise ReleaseError(f"the wheel has another {unit.name}")
    _serves()
    if (said := run(sys.executable, "-m", "pipx", "run", "--no-cache", "--spec", wheel, NAME, "--version")) != told:
        raise ReleaseError(f"pipx's command says {said!r}")


def _serves() -> None:
    volume = BARE / "volume"
    volume.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    environment = {"ANTIGRAVITY_DATA_DIR": str(volume), "PROXY_PORT": str(port), "OAUTH_LISTEN_PORT": "0"}
    daemon = subprocess.Popen(
        [BARE / "bin/twistd", "--nodaemon", "--pidfile=", "antigravity"],
        env=environment | {"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < deadline and daemon.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.1)
    finally:
        daemon.send_signal(signal.SIGTERM)
        said = daemon.communicate(timeout=60)[0]
    raise ReleaseError(f"the installed daemon does not serve:\n{said}")


def bills(version: str) -> None:
    """CycloneDX documents of what the wheel brought with it here, and of what the image has of Python."""
    cyclonedx = [sys.executable, "-m", "cyclonedx_py"]
    form = ["--output-format", "JSON", "--output-reproducible", "--output-file"]
    run(*cyclonedx, "environment", *form, DIST / f"{NAME}-{version}.cdx.json", BARE / "bin/python")
    run(*cyclonedx, "requirements", *form, DIST / f"{NAME}-{version}-image.cdx.json", LOCKS[0])


def containers(engine: list[str], version: str, commit: str, epoch: str, url: str) -> None:
    """The image for each platform, and the Debian package for this machine's. Raises ReleaseError."""
    base = [f"--build-arg=BASE={image}"] if (image := os.environ.get("BASE")) else []
    # no own network for the build: it may need the host's way to the package index
    build = [*engine, "build", "--network=host", f"--build-arg=REVISION={commit}", f"--build-arg=SOURCE={url}", *base]
    for machine in os.environ.get("PLATFORMS", "linux/amd64 linux/arm64").split():
        tag = f"{NAME}:{version}-{machine.rpartition('/')[2]}"
        run(*build, f"--platform={machine}", "--target=production", f"--tag={tag}", ROOT, stderr=subprocess.STDOUT)
        file = DIST / f"{NAME}-{version}-image-{machine.replace('/', '-')}.tar"
        run(*engine, "save", "--output", file, tag)
        run("gzip", "--no-name", "--force", file)
    run("make", "deb", f"SOURCE_DATE_EPOCH={epoch}", stderr=subprocess.STDOUT)


def sign(key: str) -> None:
    """Signs the checksums, and so everything. Raises ReleaseError."""
    run("gpg", "--batch", "--yes", "--local-user", key, "--armor", "--detach-sign", DIST / "SHA256SUMS")


def release() -> None:
    """All of it. Raises ReleaseError."""
    began = _now()
    version, commit = __version__, run("git", "rev-parse", "HEAD")
    changes = (ROOT / "CHANGELOG.md").read_text()
    tags = run("git", "tag", "--points-at", "HEAD").split()
    if reason := refuse(version, changes, run("git", "status", "--porcelain"), tags):
        raise ReleaseError(reason)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    url, epoch = setup["metadata"]["url"], run("git", "log", "-1", "--format=%ct")
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", env=os.environ | {"SOURCE_DATE_EPOCH": epoch})
    (wheel,) = DIST.glob("*.whl")
    try_wheel(wheel, version)
    bills(version)
    engine = shlex.split(os.environ.get("CONTAINER", "docker"))
    if shutil.which(engine[0]) and subprocess.run([*engine, "info"], capture_output=True).returncode == 0:
        containers(engine, version, commit, epoch, url)
    else:
        print("no container engine here: neither image nor Debian package was made")
    made = {path.name: digest(path) for path in sorted(DIST.iterdir())}
    locks = {name: digest(ROOT / name) for name in LOCKS}
    statement = DIST / f"{NAME}-{version}.intoto.json"
    statement.write_bytes(provenance(made, locks, commit, url, [began, _now()]))
    made[statement.name] = digest(statement)
    (DIST / "SHA256SUMS").write_text("".join(f"{sha}  {name}\n" for name, sha in sorted(made.items())))
    if key := os.environ.get("SIGN_KEY"):
        sign(key)
    if not url:
        print("setup.cfg does not say where the project lives (url): packages and image don't either")
    print("\n".join(sorted(path.name for path in DIST.iterdir())))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - a tool, not the daemon


if __name__ == "__main__":
    try:
        release()
    except ReleaseError as e:
        sys.exit(f"no release: {e}")
