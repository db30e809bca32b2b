"""``antigravity-proxy demo``: a simulated Google, a throwaway volume, and the real daemon as a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.simulator.volume import write_volume

KEY = "sk-demo"
ACCOUNTS = 3
#: how the daemon's own interpreter runs twistd, wherever its script is
TWISTD = ("-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "antigravity")
#: of the user's own environment only this much reaches the daemon: no setting of theirs interferes
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SystemRoot", "TEMP", "TMP")
#: seconds between two looks whether the daemon serves, and how many
POLL, LOOKS = 0.05, 400

_TEXT = """\
antigravity-proxy demo: the real daemon on a simulated Google. No account, no network.

  URL  {url}
  key  {key}

Copy this into another terminal:

  curl -N {url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
-d '{{"model": "gemini-3-flash", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

or, with the official package (pip install openai), into Python:

  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key="{key}")
  print(client.chat.completions.create(model="gemini-3-flash", messages=[{{"role": "user", "content": "Hello"}}]))

Health: {url}/health    Models: {url}/v1/models
Everything Google would say is made up here. Ctrl-C ends the demo and removes everything.
"""


def run(port: int) -> int:
    """Runs until Ctrl-C or SIGTERM; returns the exit status."""
    from twisted.internet import reactor

    try:
        port = _free(port)
    except OSError as e:
        sys.stderr.write(
            f"antigravity-proxy demo: port {port} can't be used: {e.strerror}; choose another with --port\n"
        )
        return 1
    directory = Path(tempfile.mkdtemp(prefix="antigravity-demo-"))
    try:
        demo = _Demo(reactor, directory, port)
        demo.start()
        reactor.run()
        return demo.status
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def daemon_environment(simulator: Simulator, volume: Path, port: int) -> dict[str, str]:
    """The environment of a daemon that serves a throwaway volume from a simulated Google."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return (
        kept
        | simulator.environment
        | {
            "ANTIGRAVITY_DATA_DIR": str(volume),
            "READONLY_MODE": "true",
            "PROXY_PORT": str(port),
        }
    )


class _Demo:
    """The demo's life: simulator here, daemon in a child process."""

    def __init__(self, reactor: Any, directory: Path, port: int) -> None:
        self._reactor = reactor
        self._directory = directory
        self._port = port
        self._child: Any = None
        self._ending = False
        self.status = 0

    def start(self) -> None:
        """Starts everything; the rest follows in the reactor."""
        simulator = Simulator(self._reactor)
        simulator.start()
        volume = self._directory / "volume"
        write_volume(volume, accounts=ACCOUNTS, api_key=KEY)
        self._child = self._reactor.spawnProcess(
            _Daemon(self._ended),
            sys.executable,
            [sys.executable, *TWISTD],
            env=daemon_environment(simulator, volume, self._port),
            path=str(self._directory),
        )
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        self._wait(LOOKS)

    def _wait(self, looks: int) -> None:
        """Looks whether the daemon listens, and prints what to do when it does."""
        if self._ending:
            return
        with socket.socket() as probe:
            probe.settimeout(POLL)
            listening = probe.connect_ex(("127.0.0.1", self._port)) == 0
        if listening:
            sys.stdout.write(_TEXT.format(url=f"http://127.0.0.1:{self._port}", key=KEY))
            sys.stdout.flush()
        elif looks:
            self._reactor.callLater(POLL, self._wait, looks - 1)
        else:
            sys.stderr.write("antigravity-proxy demo: the daemon does not start\n")
            self.status = 1
            self._reactor.stop()

    def _stop(self) -> Any:
        """Ends the daemon, and waits until it has ended."""
        from twisted.internet.defer import Deferred

        if self._ending:
            return None
        self._ending = True
        self._gone: Deferred[None] = Deferred()
        self._child.signalProcess(signal.SIGTERM)
        self._reactor.callLater(5, self._kill)
        return self._gone

    def _kill(self) -> None:
        if not self._gone.called:
            self._child.signalProcess(signal.SIGKILL)

    def _ended(self, said: str, failure: Failure) -> None:
        if self._ending:
            self._gone.callback(None)
            return
        self._ending = True
        how = "ended" if failure.check(ProcessDone) else f"died ({failure.getErrorMessage()})"
        sys.stderr.write(f"antigravity-proxy demo: the daemon {how}; its last lines:\n{said}\n")
        self.status = 1
        self._reactor.stop()


class _Daemon(ProcessProtocol):
    """Keeps the daemon's last words."""

    def __init__(self, ended: Any) -> None:
        self._ended = ended
        self._said = b""

    def outReceived(self, data: bytes) -> None:
        self._said = (self._said + data)[-2000:]

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self._ended(self._said.decode("utf-8", "replace"), reason)


def _free(port: int) -> int:
    """The port, if it is free, or a free one for 0. Raises OSError."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        found: int = probe.getsockname()[1]
        return found
