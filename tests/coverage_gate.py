"""Fails where the tests leave too much untried: whole files of the pure packages, a floor for everything.

Run after the tests, by ``make test``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

#: covered whole, lines and branches, each file
WHOLE = (
    "canonical",
    "codeassist",
    "credentials/file.py",
    "credentials/google_file.py",
    "dialect",
    "errors.py",
    "geminiapi",
    "generatecontent",
    "messages",
    "vertex",
    "coerce.py",
    "secret.py",
    "http1/parser.py",
    "web/bodies.py",
    "web/origin.py",
    "web/round_robin.py",
    "settings",
    "accounts/groups.py",
    "accounts/lease.py",
    "accounts/quota_poll.py",
    "accounts/ranking.py",
    "accounts/replication.py",
    "accounts/state.py",
    "accounts/stats.py",
    "accounts/policy.py",
    "accounts/reasons.py",
    "accounts/rules.py",
    "admin/account_card.py",
    "admin/accounts.py",
    "admin/chart.py",
    "admin/headline.py",
    "admin/history.py",
    "admin/markup.py",
    "admin/place.py",
    "admin/settings_shown.py",
    "replicas/facts.py",
    "replicas/state.py",
    "replicas/cache.py",
    "replicas/outbox.py",
    "replicas/sessions.py",
    "replicas/status.py",
    "replicas/vault.py",
    "replicas/wire.py",
    "state/schema.py",
    "state/usage_report.py",
    "state/usage_table.py",
    "telemetry/access.py",
    "telemetry/bucket.py",
    "telemetry/metrics.py",
    "telemetry/drift.py",
    "telemetry/record.py",
    "telemetry/trace.py",
    "upstream/assertion.py",
    "volume/accounts.py",
    "volume/guiconfig.py",
    "volume/layout.py",
    "volume/paused.py",
    "volume/removals.py",
    "volume/safestorage.py",
    "volume/wal.py",
    "web/client_kind.py",
    "web/identity.py",
    "relay/exhausted.py",
    "relay/signatures.py",
    "responses",
    "web/routes.py",
)
#: percent of everything, lines and branches
FLOOR = 90.0


def main() -> int:
    """Prints what is missing; returns the exit status."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", str(report)], check=True)
        found = json.loads(report.read_text())
    failed = False
    for path, file in sorted(found["files"].items()):
        name = path.removeprefix("antigravity_proxy/")
        if (
            any(name == part or name.startswith(part + "/") for part in WHOLE)
            and file["summary"]["percent_covered"] < 100
        ):
            failed = True
            branches = [f"{a}->{b}" for a, b in file["missing_branches"]]
            print(f"{path}: lines {file['missing_lines']}, branches {branches} are not covered")
    total = found["totals"]["percent_covered"]
    print(f"coverage: {total:.1f} % of everything (floor {FLOOR} %)")
    return 1 if failed or total < FLOOR else 0


if __name__ == "__main__":
    sys.exit(main())
