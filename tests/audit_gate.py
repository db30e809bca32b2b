"""Known vulnerabilities of what the image installs: fails where there is one; says so where none can be asked about.

    python tests/audit_gate.py

pip-audit asks the package index for its advisories. Offline, or where an index has none, nothing is known, which is no
reason to fail.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements/runtime.lock"
_AUDIT = ["-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner=off", "--timeout=10", "--format=json"]
#: advisories that don't concern the daemon: id → why
IGNORED: dict[str, str] = {}


def judged(report: dict[str, Any]) -> tuple[int, str]:
    """Exit status and words for a report of pip-audit's."""
    packages = report.get("dependencies", [])
    asked = [package for package in packages if "skip_reason" not in package]
    found = [
        f"{package['name']} {package['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'none yet'}"
        for package in asked
        for one in package["vulns"]
        if not IGNORED.keys() & {one["id"], *one.get("aliases", [])}
    ]
    if found:
        return 1, "\n".join(found)
    if not asked:
        return 0, "audit: the package index that is reachable here knows no advisories; nothing was audited"
    return 0, f"audit: {len(asked)} of {len(packages)} packages audited, none with a known vulnerability"


def main() -> int:
    """Audits the lock file."""
    done = subprocess.run([sys.executable, *_AUDIT, "--requirement", str(LOCK)], capture_output=True, text=True)
    try:
        status, words = judged(json.loads(done.stdout))
    except ValueError:  # it ended with words of its own: nobody answers, as a rule
        status, words = 0, "audit: no package index can be asked; nothing was audited"
    print(words)
    return status


if __name__ == "__main__":
    sys.exit(main())
