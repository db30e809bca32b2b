"""Counts, file by file, how often tests reach for what is private to the product. The list only shrinks.

python tests/private_access.py    # the list as it is now
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
#: file → accesses that it is allowed: none may come to it, and one that has gone leaves the list
ALLOWED = {
    "accounts/test_pool.py": 1,
    "accounts/test_ranking.py": 1,
    "accounts/test_replication.py": 1,
    "admin/test_credentials_section.py": 1,
    "admin/test_page.py": 1,
    "admin/test_sessions.py": 1,
    "browser/test_sections.py": 8,
    "canonical/test_catalogue.py": 1,
    "daemon/test_notices.py": 1,
    "daemon/test_reload.py": 2,
    "daemon/test_webhook.py": 1,
    "dialect/openai/test_responses_answer.py": 2,
    "dialect/openai/test_responses_request.py": 2,
    "e2e/test_anthropic_sdk.py": 1,
    "e2e/test_canaries.py": 1,
    "e2e/test_client_keys.py": 1,
    "e2e/test_failover.py": 1,
    "e2e/test_reprs.py": 1,
    "e2e/test_sign_in.py": 6,
    "e2e/test_status_page.py": 4,
    "e2e/test_websocket.py": 3,
    "generatecontent/test_request.py": 3,
    "generatecontent/test_tools.py": 3,
    "http1/test_sending.py": 1,
    "operator/test_backup.py": 1,
    "operator/test_keys.py": 3,
    "operator/test_links.py": 2,
    "relay/test_pool_in_trouble.py": 1,
    "relay/test_refusals.py": 3,
    "relay/test_signatures.py": 3,
    "replicas/test_redis_faults.py": 1,
    "replicas/test_replica_state.py": 1,
    "replicas/test_sharing.py": 4,
    "state/test_remembered.py": 1,
    "state/test_store.py": 2,
    "support/killed.py": 4,
    "support/replicas.py": 1,
    "test_logs.py": 1,
    "test_patterns.py": 1,
    "test_troubleshooting.py": 1,
    "upstream/test_tls.py": 1,
    "upstream/test_tunnel.py": 1,
    "volume/test_hostile_volumes.py": 1,
    "volume/test_snapshot.py": 3,
    "volume/test_volume_reader.py": 1,
    "volume/test_volume_service.py": 7,
    "volume/test_writer.py": 1,
    "web/test_pipelines.py": 1,
}


def counts() -> dict[str, int]:
    """How many accesses each file has that has any."""
    found = {path.relative_to(TESTS).as_posix(): len(list(accesses(path.read_text()))) for path in TESTS.rglob("*.py")}
    return {name: found[name] for name in sorted(found) if found[name]}


def accesses(source: str) -> Iterator[str]:
    """Private attributes of others, private names that are imported, and those that a patch names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("antigravity_proxy"):
            yield from (alias.name for alias in node.names if _is_private(alias.name))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            names = (each.value for each in node.args[:2] if isinstance(each, ast.Constant))
            yield from (name for name in names if isinstance(name, str) and _is_private(name.rpartition(".")[2]))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


if __name__ == "__main__":
    for name, count in counts().items():
        print(f'    "{name}": {count},')
