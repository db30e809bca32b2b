"""Load generator and simulated upstream: in C where `../shared/bench` and a compiler are there, else the project's own.

Those in C cost the machine less, so less of them is in the figures.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "bench"
#: seconds after which what is not answered counts as failed
_PATIENCE = 300


class Tools(Protocol):
    """How both are started, and how they speak."""

    name: str

    def upstream(self, port: int) -> list[str]:
        """The command of the upstream; its /__stats answers once it serves."""
        ...

    def knobs(self, events: int | None, size: int | None, delay_ms: int | None) -> str:
        """The path that sets events of a stream, bytes of text in each, milliseconds between two; None: as it is."""
        ...

    def load(
        self,
        port: int,
        path: str,
        body: Path,
        key: str,
        *,
        connections: int,
        seconds: float | None,
        requests: int | None,
        ramp: float,
        events: int,
    ) -> list[str]:
        """The command of the load generator: for so long, or so many requests on each connection."""
        ...

    def read(self, output: str) -> dict[str, Any]:
        """What it saw: ok, failed, events, seconds, first_byte_us_p50, first_error."""
        ...


class Own:
    """The project's, in Python."""

    name = "Python"

    def upstream(self, port: int) -> list[str]:
        """As Tools'."""
        return [sys.executable, "-m", "antigravity_proxy.simulator", "--port", str(port)]

    def knobs(self, events: int | None, size: int | None, delay_ms: int | None) -> str:
        """As Tools'."""
        given = {"events": events, "bytes": size, "delay_ms": delay_ms}
        return "/__control?" + "&".join(f"{name}={value}" for name, value in given.items() if value is not None)

    def load(
        self,
        port: int,
        path: str,
        body: Path,
        key: str,
        *,
        connections: int,
        seconds: float | None,
        requests: int | None,
        ramp: float,
        events: int,
    ) -> list[str]:
        """As Tools'."""
        argv = [sys.executable, str(HERE / "load.py"), "--port", str(port), "--path", path, "--body", str(body)]
        argv += ["--key", key, "--connections", str(connections), "--ramp", str(ramp)]
        return [*argv, "--seconds", str(seconds)] if requests is None else [*argv, "--requests", str(requests)]

    def read(self, output: str) -> dict[str, Any]:
        """As Tools'."""
        found: dict[str, Any] = json.loads(output)
        return found


class Compiled:
    """Those in C. ``directory`` takes the programs."""

    name = "C"

    def __init__(self, directory: Path, compiler: str) -> None:
        self._directory = directory
        for name in ("upstream", "loadgen"):
            subprocess.run([compiler, "-O2", "-o", directory / name, SHARED / f"{name}.c"], check=True)

    def upstream(self, port: int) -> list[str]:
        """As Tools'."""
        return [str(self._directory / "upstream"), "-p", str(port)]

    def knobs(self, events: int | None, size: int | None, delay_ms: int | None) -> str:
        """As Tools'."""
        given = {"n": events, "b": size, "d": delay_ms}
        return "/__ctl?" + "&".join(f"{name}={value}" for name, value in given.items() if value is not None)

    def load(
        self,
        port: int,
        path: str,
        body: Path,
        key: str,
        *,
        connections: int,
        seconds: float | None,
        requests: int | None,
        ramp: float,
        events: int,
    ) -> list[str]:
        """As Tools'."""
        argv = [str(self._directory / "loadgen"), "-p", str(port), "-P", path, "-f", str(body), "-c", str(connections)]
        argv += ["-H", f"Authorization: Bearer {key}", "-r", str(ramp), "-T", str(_PATIENCE)]
        argv += ["-m", str(events)] if events else []
        if requests is None:
            return [*argv, "-D", str(seconds)]
        return [*argv, "-n", str(connections * requests), *(["-1"] if requests == 1 else [])]

    def read(self, output: str) -> dict[str, Any]:
        """As Tools'."""
        said = json.loads(output)
        broken = ("bad_status", "refused", "reset", "early_close", "timeout", "short_streams")
        return {
            "ok": said["ok"],
            "failed": sum(said[name] for name in broken),
            "events": said["chunks"],
            "seconds": said["seconds"],
            "first_byte_us_p50": said["ttfb_us"]["p50"],
            "first_error": said["first_error"],
        }


def chosen(directory: Path) -> Tools:
    """Those in C, if they can be made in ``directory``, else the project's own."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    return Compiled(directory, compiler) if compiler and SHARED.is_dir() else Own()
