"""Somebody else, who asks the attacked daemon for a page again and again: how long do they wait?

On a machine with other work to do, the time for which daemon and asker are ready to run but get no CPU is taken off: it
is none on an idle one.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

from support.target import Target


def kept_off(task: Path) -> float:
    """Seconds for which the task was ready to run, and others ran (Linux: Documentation/scheduler/sched-stats)."""
    with suppress(OSError, IndexError):  # it has ended, or the kernel doesn't count
        return int((task / "schedstat").read_text().split()[1]) / 1e9
    return 0.0


class Stopwatch:
    """How long a block that asks the daemon takes, in ``seconds``, without what other work on the machine takes.

    Asker and daemon wait for each other, and of the daemon's threads one runs at a time: so the asker's time and that
    of the thread that was kept off longest are taken off.
    """

    seconds = 0.0

    def __init__(self, daemon: Target) -> None:
        self._tasks = tuple(Path(f"/proc/{daemon.process.pid}/task").iterdir())

    def __enter__(self) -> Stopwatch:
        self._off, self._began = self._kept_off(), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        taken = time.monotonic() - self._began
        asker, *threads = (now - before for now, before in zip(self._kept_off(), self._off, strict=True))
        self.seconds = max(0.0, taken - max(0.0, asker) - max(0.0, *threads))

    def _kept_off(self) -> list[float]:
        return [kept_off(task) for task in (Path("/proc/thread-self"), *self._tasks)]


class Others:
    """While a block runs, one request after the other on connections of their own; ``worst`` in seconds."""

    def __init__(self, daemon: Target) -> None:
        self._daemon = daemon
        self._over = threading.Event()
        self.waits: list[float] = []

    def __enter__(self) -> Others:
        self._asking = threading.Thread(target=self._ask)
        self._asking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._asking.join()

    @property
    def worst(self) -> float:
        """The longest wait."""
        return max(self.waits)

    def _ask(self) -> None:
        while not self._over.is_set():
            with Stopwatch(self._daemon) as asked:
                answer = self._daemon.ask("GET", "/health/live", timeout=60)
            self.waits.append(asked.seconds)
            assert answer.status == 200
            self._over.wait(0.01)
