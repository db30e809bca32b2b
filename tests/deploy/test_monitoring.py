"""Alert rules and dashboard ask for what the daemon really exports, and for all of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.metrics_core import Metric
from support.deferreds import deferred, until
from support.stack import stack

from antigravity_proxy.daemon import gauges
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.telemetry.metrics import Figures

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus/antigravity.rules.yml"
DASHBOARD = DEPLOY / "grafana/antigravity-proxy.json"
#: labels and series that are Prometheus' own
_SCRAPED = {"instance", "job"}
_PROMETHEUS = {"up": set[str]()}
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def rules() -> list[dict[str, Any]]:
    """All alert rules."""
    found = yaml.safe_load(RULES.read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """All panels of the dashboard that show something."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Every query, by where it stands."""
    found = {rule["alert"]: rule["expr"] for rule in rules()}
    for panel in panels():
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"].replace("$__rate_interval", "1m")
    return found


def asked_for(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The series that a query names, each with the labels that it names of it. Raises ValueError for no PromQL."""
    found: list[tuple[str, set[str]]] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {matcher.name for matcher in node.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(expression), visit)
    yield from found


def names_of(family: Metric) -> list[str]:
    """The series of a metric."""
    return [family.name + suffix for suffix in _SUFFIXES[family.type]]


@deferred()
async def test_every_query_asks_for_what_there_is_and_everything_is_asked_for(tmp_path: Path) -> None:
    def before(simulator: Simulator) -> None:
        simulator.quota_groups = [{"displayName": "Gemini", "buckets": [{"window": "weekly"}]}]

    async with stack(tmp_path, before=before) as running:
        await until(lambda: any(state.standing.windows for state in running.daemon.pool.states))
        running.simulator.script(faults.quota_exhausted_for("60s"))
        await running.chat(stream=True)
        await running.daemon.account_services.tokens.renew(next(iter(running.daemon.pool.states)))
        await running.request("GET", "/v1/models", authorization="")
        replicas: Any = object()  # their figures' names are all that is asked for
        shared = Figures(gauges.of_replicas(replicas)).describe()
        exported = {name: set[str]() for family in shared for name in names_of(family)}
        for family in running.daemon.observability.metrics.registry.collect():
            for name in names_of(family):
                exported[name] = set()
            for sample in family.samples:
                exported.setdefault(sample.name, set()).update(sample.labels)
    asked: set[str] = set()
    for where, expression in expressions().items():
        for name, labels in asked_for(expression):
            assert name in exported or name in _PROMETHEUS, f"{where}: {name}"
            assert labels <= exported.get(name, set()) | _SCRAPED, f"{where}: {name} has no {labels}"
            asked.add(name)
    ours = {name for name in exported if name.startswith("antigravity_") and not name.endswith(("_sum", "_count"))}
    assert ours - asked == set(), "shown nowhere"


def test_every_rule_says_what_is_the_matter() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 10
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]


def test_labels_of_groups_and_legends_exist() -> None:
    """What a query groups by, and what a legend names, is a label that it has."""
    known = {"le", *_SCRAPED}
    text = (Path(gauges.__file__).parent / "gauges.py").read_text()
    text += (Path(gauges.__file__).parents[1] / "telemetry/metrics.py").read_text()
    quoted = set(re.findall(r'"([a-z_]+)"', text))
    for expression in expressions().values():
        for group in re.findall(r"(?:by|ignoring|on) \(([^)]*)\)", expression):
            assert {label.strip() for label in group.split(",")} <= known | quoted
    for panel in panels():
        for target in panel["targets"]:
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= known | quoted, panel["title"]


def test_the_dashboards_panels_don_t_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in json.loads(DASHBOARD.read_text())["panels"]}) > 20


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")
@pytest.mark.parametrize(
    "check", [("check", "rules", "antigravity.rules.yml"), ("test", "rules", "antigravity.test.yml")]
)
def test_prometheus_own_tool_agrees(check: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *check], cwd=DEPLOY / "prometheus", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_query_for_something_else_would_be_found() -> None:
    assert list(asked_for('rate(nothing_total{a="b"}[5m])')) == [("nothing_total", {"a"})]
    with pytest.raises(ValueError, match=r"."):
        list(asked_for("rate(nothing_total[5m]"))
    assert list(Figures(()).describe()) == []
