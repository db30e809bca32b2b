"""The reference (`docs/reference/`): what points there finds its section, and all that the code has has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import Struct, json
from msgspec.structs import fields
from support.models import MODELS

from antigravity_proxy import errors, logs
from antigravity_proxy.canonical import model_file
from antigravity_proxy.canonical.chunk import FILTERED, MODEL_FAILED
from antigravity_proxy.dialect.anthropic import errors as anthropic
from antigravity_proxy.dialect.gemini import errors as gemini
from antigravity_proxy.dialect.openai import errors as openai
from antigravity_proxy.settings import limits
from antigravity_proxy.settings.table import TABLE
from antigravity_proxy.telemetry.access import AccessLog
from antigravity_proxy.telemetry.metrics import Metrics
from antigravity_proxy.telemetry.record import Attempt, Record
from antigravity_proxy.telemetry.trace import Trace
from antigravity_proxy.volume.guiconfig import GuiConfig

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"

#: "upstream.md 6.3 row 9", "translation.md 2.1, 2.3", "credential-volume.md 1.2 to 1.5", "upstream.md 4, 8"
_NUMBER = r"\d+(?:\.\d+)*"
_REFERENCE = re.compile(
    rf"\b([a-z][a-z-]*)\.md ({_NUMBER}(?:(?:, | to | and |, and ){_NUMBER})*)"
    rf"(?:,? rows? (\d+(?:(?:, | to | and )\d+)*))?(?:,? \"([^\"]+)\")?"
)
_HEADING = re.compile(rf"^#+ ({_NUMBER})\.? ", re.M)
#: a number without a document, as in "the table of 6.3 there"
_VAGUE = re.compile(rf"\b{_NUMBER} there\b")
_PLACES = ("antigravity_proxy", "benchmarks", "deploy", "docs", "tests", "twisted")
_KINDS = {".md", ".mjs", ".py", ".toml", ".yaml", ".yml"}


class Reference(NamedTuple):
    """One reference: where it is, and what it names. ``rows`` of the section's table, ``quoted`` words of its text."""

    place: str
    document: str
    section: str
    rows: tuple[str, ...] = ()
    quoted: str = ""


def _texts() -> dict[Path, str]:
    """The text of every file that may refer, its comment signs and line breaks taken out."""
    files = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "setup.cfg", "pyproject.toml")]
    for place in _PLACES:
        files += [path for path in (ROOT / place).rglob("*") if path.suffix in _KINDS and path.is_file()]
    here = Path(__file__)
    # the comment signs and the line breaks of a reference that goes over two lines
    return {path: re.sub(r"\s*\n\s*(?:#:? ?)?", " ", path.read_text()) for path in files if path != here}


def references(place: str, text: str) -> list[Reference]:
    """What a text refers to, one for each section that it names."""
    out = []
    for document, numbers, rows, quoted in _REFERENCE.findall(text):
        *others, last = re.findall(_NUMBER, numbers)
        out += [Reference(place, document, number) for number in others]
        out.append(Reference(place, document, last, tuple(re.findall(r"\d+", rows)), quoted))
    return out


def sections(document: str) -> dict[str, str]:
    """The numbered sections of a document of the reference with their texts, a section's subsections included."""
    text = (REFERENCE / f"{document}.md").read_text()
    marks = [*_HEADING.finditer(text)]
    found = {}
    for at, mark in enumerate(marks):
        within = (other for other in marks[at + 1 :] if not other[1].startswith(mark[1] + "."))
        end = next(within, None)
        found[mark[1]] = text[mark.start() : end.start() if end else len(text)]
    return found


def unresolved(all_references: list[Reference]) -> list[Reference]:
    """Those that name a document, section, row or heading that isn't there."""
    known = {path.stem: sections(path.stem) for path in REFERENCE.glob("*.md")}
    out = []
    for each in all_references:
        text = known.get(each.document, {}).get(each.section)
        rows = text is not None and all(re.search(rf"^\| {row} \|", text, re.M) for row in each.rows)
        if not rows or each.quoted not in (text or ""):
            out.append(each)
    return out


@pytest.fixture(scope="module")
def texts() -> dict[Path, str]:
    return _texts()


def test_every_reference_resolves(texts: dict[Path, str]) -> None:
    found = [each for path, text in texts.items() for each in references(str(path.relative_to(ROOT)), text)]
    assert len(found) > 200
    assert unresolved(found) == []


def test_a_reference_to_nowhere_is_found() -> None:
    text = (
        'upstream.md 6.3 row 9, upstream.md 4.3, 6.3 rows 8, 99, upstream.md 6.3, "Rules around it"; upstream.md 77.1'
    )
    found = unresolved(references("here", text))
    assert [(each.section, each.rows) for each in found] == [("6.3", ("8", "99")), ("77.1", ())]


def test_no_reference_leaves_its_document_out(texts: dict[Path, str]) -> None:
    vague = [(str(path.relative_to(ROOT)), found[0]) for path, text in texts.items() for found in _VAGUE.finditer(text)]
    assert vague == []


def test_documents_that_code_names_and_links_between_documents_exist(texts: dict[Path, str]) -> None:
    documents = {path.name for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]}
    missing = []
    for path, text in texts.items():
        if path.suffix == ".md":
            links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
            missing += [(path, link) for link in links if "://" not in link and not (path.parent / link).exists()]
        elif path.is_relative_to(ROOT / "antigravity_proxy"):
            missing += [(path, name) for name in re.findall(r"\b[\w-]+\.md\b", text) if name not in documents]
    assert missing == []


def test_section_numbers_are_unique_and_a_document_mentions_its_own_sections_only() -> None:
    for path in REFERENCE.glob("*.md"):
        text = path.read_text()
        numbers = _HEADING.findall(text)
        assert len(numbers) == len(set(numbers)), path.name
        for number in re.findall(rf"\bsections? ({_NUMBER})", text):
            assert number in numbers, (path.name, number)


def _cells(document: str) -> list[list[str]]:
    """The rows of a document's tables, their cells without the quotes of code."""
    text = (REFERENCE / f"{document}.md").read_text()
    rows = re.findall(r"^\|(.*)\|$", text, re.M)
    return [[cell.replace("`", "").strip() for cell in row.split("|")] for row in rows]


def _named(document: str) -> set[str]:
    """The names in the first cells of a document's tables."""
    return {name for row in _cells(document) for name in row[0].split(", ")}


def _forms(kind: type[errors.ProxyError]) -> str:
    """The line of an error class: its form in each dialect, as the dialects render it."""
    error = errors.MethodNotAllowed("", allow=()) if kind is errors.MethodNotAllowed else kind("")
    of_openai, of_gemini = openai.error_object(error), gemini.error_object(error)
    of_anthropic = anthropic.render(error, "")
    code = f"`{of_openai['code']}`" if of_openai["code"] else "null"
    kind_of_anthropic = json.decode(of_anthropic.body)["error"]["type"]
    return (
        f"| `{kind.__name__}` | `{kind.code}` | {kind.status} | `{of_openai['type']}` / {code} "
        f"| {of_anthropic.status} `{kind_of_anthropic}` | `{of_gemini['status']}` |"
    )


def test_every_error_class_has_its_forms() -> None:
    text = (REFERENCE / "error-codes.md").read_text()
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ProxyError)]
    for kind in kinds:
        assert _forms(kind) in text, _forms(kind)
    assert len(re.findall(r"^\| `[A-Z]", text, re.M)) == len(kinds)


#: what makes a metric, by what the caller calls it, and whether its name gets an ending
_COUNTERS = {"counter", "_count"}
_MAKERS = {*_COUNTERS, "_gauge", "histogram", "Histogram", "Figure"}


def _strings(nodes: list[ast.expr]) -> list[str]:
    """The string constants among expressions, and within their tuples."""
    flat = [each for node in nodes for each in (node.elts if isinstance(node, ast.Tuple) else [node])]
    return [node.value for node in flat if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _metrics() -> set[tuple[str, str]]:
    """Name and labels of every metric that the package makes, found in its source."""
    found = set()
    sources = [path.read_text() for path in (ROOT / "antigravity_proxy").rglob("*.py")]
    for source in (each for each in sources if "telemetry.metrics" in each or "prometheus_client" in each):
        for node in ast.walk(ast.parse(source)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS):
                continue
            name = _strings(node.args[:1])
            if not name:
                continue
            labels = _strings([*node.args[2:], *(key.value for key in node.keywords if key.arg == "labels")])
            counts = node.func.id in _COUNTERS or any(key.arg == "counts" for key in node.keywords)
            full = "antigravity_" + name[0].removeprefix("antigravity_") + ("_total" if counts else "")
            found.add((full, ", ".join(labels)))
    return found


def test_every_metric_has_a_row_with_its_labels() -> None:
    described = {(row[0], row[2]) for row in _cells("metrics") if row[0].startswith("antigravity_")}
    made = _metrics()
    assert len(made) > 35
    assert described == made


def test_the_scan_for_metrics_sees_those_of_requests() -> None:
    registered = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in Metrics().registry.collect()
        if metric.name.startswith("antigravity_")
    }
    assert registered
    assert registered <= {name for name, _ in _metrics()}


def test_every_field_of_the_log_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    record = Record(id="a", began=0.0, status=200, trace=Trace("1" * 32, "", "2" * 16, sampled=True))
    record.attempts = [Attempt("one", 0.0, reason="", upstream_trace="three")]
    log = AccessLog(logs.Output(None), "json", lambda: 0.0, detailed=True)
    for _ in range(100):
        log(Record(id="b", began=0.0, status=401))
    log(record)
    fields = set(json.decode(capsys.readouterr().out.splitlines()[-1]))
    assert {"trace", "upstream", "not_shown"} <= fields
    assert fields | logs.EVENT_FIELDS <= _named("metrics")


def test_every_attribute_of_a_span_has_a_row() -> None:
    tree = ast.parse((ROOT / "antigravity_proxy/telemetry/tracing.py").read_text())
    keys = {
        key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in _strings([k for k in node.keys if k])
    }
    assert len(keys) > 10
    assert keys <= _named("metrics")


def test_every_key_of_the_apps_file_and_every_column_that_is_read_has_a_row() -> None:
    named = _named("data-model")
    assert {"upstream_proxy.enabled", *GuiConfig.__struct_fields__} - {"upstream_proxy", "notes"} <= named
    assert {"id", "provider", "email", "name", "token_json", "quota_json", "status", "proxy_url"} <= named


def test_the_settings_that_the_apps_file_can_hold_are_told() -> None:
    text = (ROOT / "docs/settings.md").read_text().partition("**`gui_config.json`.**")[2].partition("\n\n")[0]
    held = [found[1] for each in TABLE if (found := re.search(r"gui_config's (proxy\.\w+)", each.default_in_words))]
    assert len(held) == 9
    for key in held:
        assert f"`{key}`" in text, key


def test_the_tables_of_models_and_finish_reasons_are_those_of_the_code() -> None:
    upstream = sections("upstream")
    rows = [row for row in upstream["8.1"].splitlines() if row.startswith("| `")]
    assert set(re.findall(r"`([^`]+)`", " ".join(row.split("|")[1] for row in rows))) == set(MODELS)
    for model in MODELS.values():
        (row,) = (row for row in rows if f"`{model.id}`" in row)
        if not model.image:
            assert f"| {model.context:,} / {model.output:,} " in row, model.id
        if model.thinking is not None:
            budget = model.thinking.fixed or model.thinking.maximum
            assert f"{budget:,}" in row or str(budget) in row, model.id
    said = upstream["5.4"]
    assert set(re.findall(r"`([A-Z_]+)`", said)) >= FILTERED | MODEL_FAILED
    assert set(re.findall(r"`([A-Z_]+)`", next(r for r in said.splitlines() if r.endswith("| filtered |")))) == FILTERED


def test_every_field_of_the_file_of_models_has_its_row() -> None:
    def told(number: str) -> set[str]:
        rows = [row for row in sections("models")[number].splitlines() if row.startswith("| `")]
        return set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows)))

    def accepted(*kinds: type[Struct]) -> set[str]:
        return {field.encode_name for kind in kinds for field in fields(kind)}

    models = accepted(model_file.AccountEntry, model_file.OfficialEntry)
    assert told("3") == models
    assert told("4") == accepted(model_file.RuleEntry) - models | {"at"}
    assert told("5") == accepted(model_file.AliasEntry, model_file.NamesEntry)
    assert set(re.findall(r"`([a-z_]+)` to `([a-z_]+)`", sections("models")["4"])) == {("family", "styles_speech")}


def test_the_figures_of_time_are_those_of_the_code() -> None:
    text = sections("upstream")["1.3"]
    assert f"| connecting | {limits.CONNECT_SECONDS:g} s |" in text
    assert f"| a picture | max({limits.PICTURE_SILENCE:g} s, the setting)" in text
    assert f"| account methods | {limits.ACCOUNT_METHOD_SECONDS:g} s whole |" in text
    stream = sections("translation")["3.4"]
    assert f"after {limits.KEEPALIVE:g} s of silence" in stream
    assert f"after {limits.FIRST_KEEPALIVE:g} s" in stream
