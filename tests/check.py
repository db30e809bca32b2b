"""What CI runs, part by part: ``make check``, or ``make check PARTS="lint test"``. Each part is a make target.

A part whose programs are not on this machine is left out, and named at the end with how long each of the others took.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time

#: the targets in their order, and the programs that each needs; a word in capitals is a variable that may name another
PARTS: dict[str, tuple[str, ...]] = {
    "lint": (),
    "docs": (),
    "test": (),
    "coverage": (),
    "bench-counts": ("strace",),
    "test-hostile": (),
    "test-oldest": (),
    "test-replicas": ("redis-server",),
    "test-clients": ("npm",),
    "test-conformance": (),
    "test-browser": ("chromium", "chromedriver"),
    "test-containers": ("CONTAINER",),
}


def missing(programs: tuple[str, ...]) -> str:
    """The first of these programs that can't be used here; empty if all can."""
    for program in programs:
        if program == "CONTAINER":
            engine = shlex.split(os.environ.get(program, "docker"))
            if shutil.which(engine[0]) is None or subprocess.run([*engine, "info"], capture_output=True).returncode:
                return f"a container engine ({shlex.join(engine)} info)"
        elif shutil.which(program) is None:
            return program
    return ""


def main(chosen: list[str]) -> int:
    """Runs the parts, all of them even where one fails; returns the exit status."""
    if unknown := [part for part in chosen if part not in PARTS]:
        print(f"no part {', '.join(unknown)}; there are: {' '.join(PARTS)}", file=sys.stderr)
        return 2
    told, failed = [], False
    for part in chosen or PARTS:
        if lacking := missing(PARTS[part]):
            told.append(f"{part:18} left out: no {lacking} here")
            continue
        print(f"== make {part}", flush=True)
        began = time.monotonic()
        status = subprocess.run([os.environ.get("MAKE", "make"), part]).returncode
        failed = failed or status != 0
        told.append(f"{part:18} {'FAILED' if status else 'passed'} in {time.monotonic() - began:.0f} s")
    print("\n".join(told))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
