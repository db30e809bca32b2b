"""Programs of others, run to their end in a thread while the daemon serves them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.deferreds import in_thread

#: where `make test-clients` installs them
BUILD = Path(__file__).parents[2] / "build" / "clients"


class Ended:
    """What a program left behind."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.out = done.stdout
        self.everything = f"{done.stdout}\n{done.stderr}"


async def run(argv: list[str], home: Path, said: str = "", seconds: float = 120, **environment: str) -> Ended:
    """Runs a program with nothing of the user's own: a home of the test's, and no way out but to this machine."""
    nowhere = "http://127.0.0.1:9"
    clean = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
    }

    def go() -> Ended:
        done = subprocess.run(
            argv, cwd=home, env=clean | environment, input=said, capture_output=True, text=True, timeout=seconds
        )
        return Ended(done)

    ended: Ended = await in_thread(go)
    return ended
