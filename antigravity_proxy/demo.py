"""``antigravity-proxy demo``: a simulated Google, a throwaway volume, and the real daemon as a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import Agent, readBody

from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.simulator.volume import write_volume

KEY = "sk-demo"
#: an API key that the simulated Google knows
SIMULATED_KEY = "AIzaSyDemo-Demo-Demo-Demo-Demo-Demo-Demo"
ACCOUNTS = 3
#: how the daemon's own interpreter runs twistd, wherever its script is
TWISTD = ("-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "antigravity")
#: of the user's own environment only this much reaches the daemon: no setting of theirs interferes
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SystemRoot", "TEMP", "TMP")
#: and none of the desktop app's own directories
_WITHOUT_VOLUME = {"PROXY_API_KEY": KEY, "HOME": tempfile.gettempdir()}
#: seconds between two looks whether the daemon serves, and how many
POLL, LOOKS = 0.05, 400
#: each asks for the end, and is as good as the others
_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
#: seconds that the daemon has to end, open streams included, before it is killed
DRAIN, GRACE = 1, 5.0

_TEXT = """\
antigravity-proxy demo: the real daemon on a simulated Google. No account, no network.

  URL  {url}
  key  {key}

Copy this into another terminal:

  curl -N {url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
-d '{{"model": "{model}", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

or, with the official package (pip install openai), into Python:

  from openai import OpenAI
  stream = OpenAI(base_url="{url}/v1", api_key="{key}").chat.completions.create(\
model="{model}", stream=True, messages=[{{"role": "user", "content": "Hello"}}])
  for chunk in stream: print(chunk.choices[0].delta.content or "", end="", flush=True)

{who} "gemini/gemini-3.8-flash" goes to a simulated Gemini API key, "vertex/claude-sonnet-4-6" to Vertex AI.
Health: {url}/health    Models: {url}/v1/models
{status}All answers are made up. Ctrl-C ends the demo and removes everything.
"""
_STATUS = "Status page: http://localhost:{port}/ (log in with the key; sign-in and every button work)\n"


def run(port: int, host: str = "127.0.0.1", url: str = "", *, official: bool = False) -> int:
    """Runs until Ctrl-C, SIGTERM or SIGHUP; returns the exit status. Nothing stays behind.

    ``official``: without a volume, by an API key alone. ``url``: where users reach it, if not at ``port`` of this
    machine: a container's port may be mapped.
    """
    from twisted.internet import reactor

    _hold(signal.SIG_BLOCK)  # until the reactor handles them
    try:
        port = _free(port, host)
    except OSError as e:
        sys.stderr.write(
            f"antigravity-proxy demo: port {port} can't be used: {e.strerror}; choose another with --port\n"
        )
        return 1
    directory = Path(tempfile.mkdtemp(prefix="antigravity-demo-"))
    try:
        demo = _Demo(reactor, directory, port, host, url, official)
        reactor.callWhenRunning(demo.start)
        reactor.run()
        return demo.status
    finally:
        _hold(signal.SIG_BLOCK)  # nothing may interrupt what is left to do
        shutil.rmtree(directory, ignore_errors=True)


def _hold(how: int) -> None:
    """Blocks the signals that end the demo, or lets them come; not on Windows, which can't."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(how, _ENDING)


def daemon_environment(
    simulator: Simulator, volume: Path | None, port: int, host: str = "127.0.0.1", admin_port: int = 0
) -> dict[str, str]:
    """The environment of a daemon that serves a throwaway volume, and an API key, from a simulated Google.

    ``volume``: None: there is none. ``admin_port``: the port of its admin pages, which may write that volume; 0: there
    are none, and it is read-only.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return (
        kept
        | simulator.environment
        | {
            "READONLY_MODE": "false" if admin_port and volume else "true",
            "GEMINI_API_KEYS": f"demo-key={SIMULATED_KEY}",
            "PROXY_HOST": host,
            "PROXY_PORT": str(port),
            "PROXY_DRAIN_SECONDS": str(DRAIN),
            "OAUTH_LISTEN_PORT": str(admin_port),  # another daemon, or the desktop app, may have the usual one
            "OAUTH_CALLBACK_PORT": str(admin_port or 8888),
        }
        | (_WITHOUT_VOLUME if volume is None else {"ANTIGRAVITY_DATA_DIR": str(volume)})
    )


def _service_account(directory: Path, simulator: Simulator) -> Path:
    """A credentials file with an account of the simulated Vertex AI."""
    key, file = directory / "service-account.json", directory / "credentials.toml"
    for path, text in (
        (key, simulator.service_accounts.make("demo", "demo-project")),
        (file, f'[[credential]]\nname = "demo-vertex"\nkind = "vertex-service-account"\nfile = "{key.as_posix()}"\n'),
    ):
        path.touch(0o600)
        path.write_text(text)
    return file


class _Demo:
    """The demo's life: simulator here, daemon in a child process."""

    def __init__(self, reactor: Any, directory: Path, port: int, host: str, url: str, official: bool) -> None:
        self._reactor = reactor
        self._directory = directory
        self._url = f"http://127.0.0.1:{port}"
        self._shown = url.rstrip("/") or self._url
        self._port = port
        self._host = host
        # not for other machines, nor for a container's host: the simulated consent page is on this one alone
        self._admin_port = _free(0, host) if host == "127.0.0.1" else 0
        self._agent = Agent(reactor, connectTimeout=POLL)
        self._gone: Deferred[None] = Deferred()
        self._ending = self._stopped = False
        self._child: Any = None
        self._simulator = Simulator(reactor)
        self._simulator.start()
        self._model = "gemini-3.8-flash" if official else "gemini-3-flash"
        self._volume: Path | None = None
        if not official:
            self._volume = directory / "volume"
            write_volume(self._volume, accounts=ACCOUNTS, api_key=KEY)
        self._credentials = _service_account(directory, self._simulator)
        self.status = 0

    def start(self) -> None:
        """Starts the daemon; the rest follows in the reactor."""
        for number in _ENDING:  # instead of the reactor's own handlers, which raise while it stops
            signal.signal(number, lambda *_: self._reactor.callFromThread(self._end, 0))
        _hold(signal.SIG_UNBLOCK)
        self._child = self._reactor.spawnProcess(
            _Daemon(self._ended),
            sys.executable,
            [sys.executable, *TWISTD],
            env=daemon_environment(self._simulator, self._volume, self._port, self._host, self._admin_port)
            | {"PROXY_CREDENTIALS_FILE": str(self._credentials)},
            path=str(self._directory),
        )
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        # before the reactor puts Python's own handlers back
        self._reactor.addSystemEventTrigger("after", "shutdown", _hold, signal.SIG_BLOCK)
        Deferred.fromCoroutine(self._announce())

    async def _announce(self) -> None:
        """Waits until the daemon is ready, and prints what to do."""
        for _ in range(LOOKS):
            ready = await self._ready()
            if self._ending:
                return
            if ready:
                status = _STATUS.format(port=self._admin_port) if self._admin_port else ""
                who = "No account is there:" if self._volume is None else "Three simulated accounts serve;"
                sys.stdout.write(_TEXT.format(url=self._shown, key=KEY, status=status, model=self._model, who=who))
                sys.stdout.flush()
                return
            await deferLater(self._reactor, POLL)
        sys.stderr.write("antigravity-proxy demo: the daemon does not become ready\n")
        self._end(1)

    async def _ready(self) -> bool:
        try:
            response = await self._agent.request(b"GET", f"{self._url}/health/ready".encode())
            await readBody(response)
        except Exception:  # whatever it is: it does not serve yet
            return False
        return bool(response.code == 200)

    def _end(self, status: int) -> None:
        """Stops the reactor; a second call changes nothing."""
        if not self._stopped:
            self._stopped = True
            self.status = status
            self._reactor.stop()

    def _stop(self) -> Deferred[None] | None:
        """Ends the daemon, and waits until it has ended."""
        if self._ending:
            return None
        self._ending = True
        self._signal("TERM")
        self._reactor.callLater(GRACE, self._signal, "KILL")
        return self._gone

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):  # `_ended` follows
            self._child.signalProcess(name)

    def _ended(self, said: str, failure: Failure) -> None:
        if not self._ending:
            # Ctrl-C in a terminal reaches the daemon too, and may end it before it is noticed here
            interrupted = getattr(failure.value, "signal", None) == signal.SIGINT
            if not interrupted:
                how = "ended" if failure.check(ProcessDone) else f"died ({failure.getErrorMessage()})"
                sys.stderr.write(f"antigravity-proxy demo: the daemon {how}; its last lines:\n{said}\n")
            self._ending = True
            self._end(0 if interrupted else 1)
        self._gone.callback(None)


class _Daemon(ProcessProtocol):
    """Keeps the daemon's last words."""

    def __init__(self, ended: Callable[[str, Failure], None]) -> None:
        self._ended = ended
        self._said = b""

    def outReceived(self, data: bytes) -> None:
        self._said = (self._said + data)[-2000:]

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self._ended(self._said.decode("utf-8", "replace"), reason)


def _free(port: int, host: str) -> int:
    """The port, if it is free, or a free one for 0. Raises OSError."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        found: int = probe.getsockname()[1]
        return found
