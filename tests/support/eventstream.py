"""Server-sent events as a page's script takes them, over a socket."""

from __future__ import annotations

import http.client
import json
from typing import Any

from support.browser import Browser
from support.deferreds import in_thread


class EventStream:
    """Listens with a browser's cookies. ``shown`` is the HTML of every fragment as it was sent last."""

    def __init__(self, browser: Browser, url: str, path: str = "/events") -> None:
        host = url.removeprefix("http://")
        cookies = "; ".join(
            f"{name}={value}" for name, value in browser.cookies.get(host.partition(":")[0], {}).items()
        )
        self._connection = http.client.HTTPConnection(f"127.0.0.1:{host.partition(':')[2]}", timeout=10)
        self._target = (path, {"Host": host} | ({"Cookie": cookies} if cookies else {}))
        self.status = 0
        self.boot = ""
        self.shown: dict[str, str] = {}
        self.last: set[str] = set()

    async def open(self) -> EventStream:
        """Opens it, and takes the first events."""
        path, headers = self._target

        def go() -> Any:
            self._connection.request("GET", path, headers=headers)
            return self._connection.getresponse()

        self._answer = await in_thread(go)
        self.status = self._answer.status
        if self.status == 200:
            self.boot = await self._event()
            await self.next()
        return self

    async def next(self) -> set[str]:
        """Takes the next change; gives the ids of what changed."""
        changed = json.loads(await self._event())
        self.shown |= dict(changed)
        self.last = {each for each, _ in changed}
        return self.last

    async def until(self, fragment: str, words: str) -> None:
        """Takes changes until a fragment says these words."""
        for _ in range(10):
            if words in self.shown.get(fragment, ""):
                return
            await self.next()
        raise AssertionError(f"{fragment} never said {words!r}: {self.shown.get(fragment)}")

    async def ended(self) -> bool:
        """Whether nothing more comes; waits for that."""
        rest: bytes = await in_thread(self._answer.read)
        return not rest.strip(b":\n")

    def close(self) -> None:
        """Goes away."""
        self._connection.close()
        self._answer.close()

    async def _event(self) -> str:
        def go() -> str:
            while True:
                line = self._answer.readline()
                assert line, "the stream ended"
                if line.startswith(b"data: "):
                    return str(line[6:].decode().strip())

        found: str = await in_thread(go)
        return found
