"""Somebody else, who asks the attacked daemon for a page again and again: how long do they wait?"""

from __future__ import annotations

import threading
import time

from support.target import Target


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
            began = time.monotonic()
            answer = self._daemon.ask("GET", "/health/live", timeout=60)
            self.waits.append(time.monotonic() - began)
            assert answer.status == 200
            self._over.wait(0.01)
