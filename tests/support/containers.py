"""A container engine and its compose command, as users have them. What a test starts is gone at its end.

``CONTAINER`` and ``COMPOSE`` name other commands than Docker's: ``CONTAINER=podman COMPOSE=podman-compose``.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import secrets
import shlex
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from support.stack import Answer, free_port

from antigravity_proxy.simulator.volume import VolumeWriter, write_volume

ROOT = Path(__file__).parents[2]
CONTAINER = shlex.split(os.environ.get("CONTAINER", "docker"))
COMPOSE = shlex.split(os.environ.get("COMPOSE", "docker compose"))
COMPOSE_FILES = ROOT / "compose"
IMAGE = "antigravity-proxy"
KEY = "sk-test"
#: who owns the volumes of tests, and so who the containers run as
OWNER = os.getuid() or 1000

#: most open files that engines ask for where a container sets limits of its own
_ENGINES_FILES = 1 << 20
#: so what a container must be given where this machine itself has fewer, besides the limits that are tried
FEWER: dict[str, int] = (
    {"nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1], "nproc": 4096}
    if 0 < resource.getrlimit(resource.RLIMIT_NOFILE)[1] < _ENGINES_FILES
    else {}
)
#: the same as options of ``run``
ULIMITS = [f"--ulimit={name}={number}" for name, number in FEWER.items()]

#: the simulated Google as one more service, and the settings that lead there
_GOOGLE = """\
services:
  {service}:
    environment:
      PROXY_INTERNAL_BASE_URLS: http://google:9100
      GOOGLE_AUTH_URL: http://127.0.0.1:{port}/auth
      GOOGLE_TOKEN_URL: http://google:9100/token
      GOOGLE_USERINFO_URL: http://google:9100/userinfo
  google:
    image: antigravity-proxy
    command: [python, -m, antigravity_proxy.simulator, --host, 0.0.0.0, --port, "9100"]
    ports: ["127.0.0.1:{port}:9100"]
    networks: [{network}]
"""


def run(argv: list[str], seconds: float = 120, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command; one that fails ends the test with all it said."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, **options)
    assert done.returncode == 0 or not check, f"{shlex.join(argv)}\n{done.stdout}{done.stderr}"
    return done


def engine(*arguments: object, check: bool = True, seconds: float = 120) -> str:
    """One of the engine's commands; gives what it printed."""
    return run([*CONTAINER, *map(str, arguments)], seconds, check).stdout.strip()


def until(condition: Callable[[], Any], seconds: float = 20, every: float = 0.1) -> Any:
    """Waits until something is so, and gives it; fails if it never is."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError, http.client.HTTPException):
            if found := condition():
                return found
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(every)


def volume(directory: Path, accounts: int = 2) -> VolumeWriter:
    """A volume as the desktop app has it, of the user whom the containers run as."""
    written = write_volume(directory, accounts=accounts, api_key=KEY)
    give(directory)
    return written


#: from this version on Caddy passes a request with a body on when it could not connect at all
_PASSES_ON = (2, 11, 2)


def caddy_version(caddy: Container) -> tuple[str, bool]:
    """Caddy's version, and whether it passes on what it could not send at all."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", caddy.call("caddy", "version").stdout)
    assert found is not None
    return found[0], tuple(map(int, found.groups())) >= _PASSES_ON


def subnet() -> str:
    """A network that nothing else here uses, most probably; none of those that engines take by themselves."""
    return f"10.{time.monotonic_ns() % 60 + 100}.{time.monotonic_ns() // 60 % 250}.0/24"


def redis_url(directory: Path) -> None:
    """The secret that replicas and their Redis share."""
    (directory / "secrets").mkdir(exist_ok=True)
    url = f"redis://antigravity:{secrets.token_hex(24)}@redis:6379/0\n"
    (directory / "secrets/redis_url").write_text(url)
    give(directory / "secrets")


def give(directory: Path) -> None:
    """Makes it the owner's."""
    if os.getuid() == 0:
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, OWNER, OWNER)


class Client:
    """An HTTP client of one port of this machine."""

    def __init__(self, port: int, *, key: str = KEY, ca: str = "", address: str = "127.0.0.1") -> None:
        self._port = port
        self._key = key
        self._address = address
        self._tls = ssl.create_default_context(cadata=ca) if ca else None

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        """One request on a connection of its own; gives the answer as soon as its head is there."""
        sent = {"authorization": f"Bearer {self._key}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        sent |= {"host": f"localhost:{self._port}", "connection": "close"}
        connection = http.client.HTTPConnection(self._address, self._port, timeout=90)
        if self._tls is not None:
            connection.connect()
            connection.sock = self._tls.wrap_socket(connection.sock, server_hostname="localhost")
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        return connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; gives its answer, whole."""
        return Answer(self.send(method, path, body, **headers))

    def chat(self, **fields: Any) -> Answer:
        """One chat request."""
        return self.ask("POST", "/v1/chat/completions", chat(**fields))

    def stream(self, **headers: str) -> http.client.HTTPResponse:
        """A streamed chat, to be read by its caller."""
        return self.send("POST", "/v1/chat/completions", chat(stream=True), **headers)

    def is_ready(self) -> bool:
        """Whether it serves."""
        return self.ask("GET", "/health/ready").status == 200


def chat(**fields: Any) -> dict[str, Any]:
    """A chat request's body."""
    return {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "Hello"}], **fields}


class Container:
    """A running container."""

    def __init__(self, name: str) -> None:
        self.name = name

    def call(self, *argv: object) -> subprocess.CompletedProcess[str]:
        """A command in it, whatever its exit status."""
        return run([*CONTAINER, "exec", self.name, *map(str, argv)], check=False)

    def inspect(self, form: str) -> str:
        """What the engine knows of it."""
        return engine("inspect", "--format", form, self.name)

    def logs(self) -> str:
        """What it logged."""
        done = run([*CONTAINER, "logs", self.name])
        return done.stdout + done.stderr

    def status(self) -> int:
        """The status with which it ended."""
        return int(self.inspect("{{.State.ExitCode}}"))


@contextmanager
def container(*options: object, command: tuple[str, ...] = ()) -> Iterator[Container]:
    """A container of the image, hardened as the compose files harden theirs."""
    hardened = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:size=64m,mode=1777"]
    with named(f"antigravity-test-{os.getpid()}-{free_port()}") as found:
        engine(
            "run",
            "--detach",
            "--name",
            found.name,
            "--user",
            f"{OWNER}:{OWNER}",
            *hardened,
            *ULIMITS,
            *options,
            IMAGE,
            *command,
        )
        yield found


@contextmanager
def named(name: str) -> Iterator[Container]:
    """A container that is not there yet, and is not there afterwards."""
    try:
        yield Container(name)
    finally:
        remove(name)


def remove(*names: str) -> None:
    """Ends containers at once and removes them."""
    for name in names:
        engine("kill", name, check=False)
        engine("rm", "--force", name, check=False)


def remove_images(*names: str) -> None:
    """Takes these names away, and the images that have no other."""
    for name in names:
        engine("rmi", name, check=False)


class Project:
    """What a compose file brought up."""

    def __init__(self, name: str, ports: dict[str, int], command: list[str], directory: Path) -> None:
        self.name = name
        self.ports = ports
        self._command = command
        self._directory = directory
        self.environment: dict[str, str] = {}

    def compose(self, *arguments: str, check: bool = True, **settings: str) -> str:
        """One of compose's commands for this project; gives what it printed."""
        environment = self.environment | settings
        done = run([*self._command, *arguments], 240, check, env=environment, cwd=self._directory)
        return done.stdout + done.stderr

    def containers(self, service: str) -> list[Container]:
        """The containers of a service."""
        labels = (f"com.docker.compose.project={self.name}", f"com.docker.compose.service={service}")
        filters = [f"--filter=label={label}" for label in labels]
        return [Container(name) for name in engine("ps", "--all", "--quiet", *filters).split()]

    def google(self, **knobs: int) -> None:
        """Sets how the simulated Google answers from now on."""
        query = "&".join(f"{name}={value}" for name, value in knobs.items())
        client = Client(self.ports["GOOGLE"])
        until(lambda: client.ask("GET", f"/__control?{query}").status == 200)


@contextmanager
def project(
    file: Path,
    directory: Path,
    *arguments: str,
    service: str = "proxy",
    network: str = "default",
    google: bool = True,
    root: Path | None = None,
    up: str = "",
    **settings: object,
) -> Iterator[Project]:
    """A compose file brought up with a simulated Google beside it, and taken down with all that belongs to it.

    ``root``: the clone whose own secrets are used, from where ``file`` is named; ``up``: the document's line.
    """
    ports = {name: free_port() for name in ("PROXY", "ADMIN", "HTTP", "HTTPS", "GOOGLE")}
    name = f"antigravity-test-{ports['GOOGLE']}"
    beside = directory / "google.yml"
    text = _GOOGLE.format(service=service, port=ports["GOOGLE"], network=network) if google else "services: {}"
    added = yaml.safe_load(text)
    for each in yaml.safe_load(((root or Path()) / file).read_text())["services"] if FEWER else ():
        added["services"].setdefault(each, {})["ulimits"] = FEWER
    beside.write_text(yaml.safe_dump(added))
    secret_files = directory / "secrets"
    secret_files.mkdir(exist_ok=True)
    files = ["-f", str(file), "-f", str(beside)]
    found = Project(name, ports, [*COMPOSE, "-p", name, *files], root or file.parent)
    found.environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PROXY_", "GOOGLE_"))},
        **{f"{key}_PORT_HOST": str(port) for key, port in ports.items()},
        "ANTIGRAVITY_UID": str(OWNER),
        "ANTIGRAVITY_GID": str(OWNER),
        **({} if root else {"SECRETS_DIR_HOST": str(secret_files)}),
        **{key: str(value) for key, value in settings.items()},
    }
    try:
        found.compose(*(shlex.split(up)[4:] if up else ("up", "--detach", *arguments)))
        yield found
    finally:
        left = engine("ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={name}").split()
        remove(*left)
        found.compose("down", "--volumes", check=False)
        for kind in ("network", "volume"):  # what `down` has left, because it knew nothing of scaled containers
            for each in engine(kind, "ls", "--quiet", f"--filter=label=com.docker.compose.project={name}").split():
                engine(kind, "rm", each, check=False)
        built = engine("images", "--format={{.Repository}}:{{.Tag}}").split()
        remove_images(*(image for image in built if name in image))
