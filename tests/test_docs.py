"""The documents say what the code does: settings, make targets, module names."""

from __future__ import annotations

import re
from pathlib import Path

from support.matrix import BEGIN, END
from support.rows import ATTACKERS, SECTIONS

from antigravity_proxy.operator import backup
from antigravity_proxy.replicas import vault, wire
from antigravity_proxy.settings.table import TABLE, Setting
from antigravity_proxy.state import schema

ROOT = Path(__file__).parents[1]


def row(setting: Setting) -> str:
    """A setting's line in docs/settings.md."""
    names = ", ".join(f"`{name}`" for name in (setting.name, *setting.aliases))
    option = "" if setting.secret else f"`--{setting.option}`"
    default = f"`{setting.default}`" if setting.default and not setting.gui else setting.default_in_words
    return f"| {names} | {option} | {default or 'none'} | {setting.help} |"


def test_every_setting_stands_in_its_document_as_it_is() -> None:
    text = (ROOT / "docs/settings.md").read_text()
    for setting in TABLE:
        assert row(setting) in text, row(setting)
        assert "default:" not in setting.help, setting.name  # it has a column of its own
    assert len(re.findall(r"^\| `[A-Z]", text, re.M)) == len(TABLE)


def test_the_readmes_make_targets_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"\bmake ([a-z]+)\b", readme):
        assert target in targets


def test_the_architecture_names_what_exists() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    for name in re.findall(r"`((?:[a-z]+/)+[a-z_]*(?:\.py)?)`", text):
        path = ROOT / "antigravity_proxy" / name
        assert path.exists() or path.with_suffix(".py").exists(), name


def test_every_package_is_in_the_architectures_table() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    for path in (ROOT / "antigravity_proxy").glob("*/__init__.py"):
        assert f"`{path.parent.name}/`" in text, path.parent.name


def test_the_map_of_the_tests_has_every_folder() -> None:
    """And each package has its tests in the folder of its name."""
    text = (ROOT / "tests/README.md").read_text()
    told = {name for row in re.findall(r"^\| (`[^|]*)\|", text, re.M) for name in re.findall(r"`(\w+)`", row)}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert told == folders
    packages = {path.parent.name for path in (ROOT / "antigravity_proxy").glob("*/__init__.py")}
    assert packages - folders == {"cli"}  # in tests/operator
    for target in re.findall(r"`make ([a-z-]+)`", text):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target


def test_every_runtime_dependency_is_explained() -> None:
    text = (ROOT / "docs/dependencies.md").read_text().lower()
    section = re.search(r"install_requires =\n((?:    .*\n)+)", (ROOT / "setup.cfg").read_text())
    assert section is not None
    for line in section[1].splitlines():
        name = re.match(r"\s+([A-Za-z-]+)", line)
        assert name is not None
        assert name[1].lower() in text, name[1]


def test_the_images_dependencies_are_locked_each_with_checksums() -> None:
    locked = (ROOT / "requirements/runtime.lock").read_text()
    section = re.search(r"install_requires =\n((?:    .*\n)+)", (ROOT / "setup.cfg").read_text())
    assert section is not None
    for line in section[1].splitlines():
        name = re.match(r"\s+([A-Za-z-]+)", line)
        assert name is not None
        assert re.search(rf"^{name[1].lower()}==\S+ \\\n    --hash=sha256:", locked, re.M), name[1]


def test_the_table_of_faults_and_attacks_is_whole_and_all_of_it_holds() -> None:
    text = (ROOT / "docs/security.md").read_text()
    table = text.partition(BEGIN)[2].partition(END)[0]
    for section, rows in SECTIONS.items():
        assert f"**{section}**\n\nWho: {ATTACKERS[section]}\n\n| fault" in table
        for row in rows:
            assert f"| {row.fault} | {row.bound} | " in table, row.name
    assert "FAILED" not in table
    assert "NOT TESTED" not in table


def test_the_formats_that_an_upgrade_meets_are_those_of_the_code() -> None:
    text = (ROOT / "docs/upgrading.md").read_text()
    assert f"| state {schema.VERSION} |" in text
    assert f"keys `antigravity:{vault.VERSION}:…` | Redis {vault.VERSION} |" in text
    assert f"| backup {backup.FORMAT} |" in text


def test_the_data_model_has_each_table_and_each_key() -> None:
    text = (ROOT / "docs/reference/data-model.md").read_text()
    assert f"`antigravity:{vault.VERSION}:`" in text
    tables = re.findall(r"CREATE TABLE (\w+)", " ".join(statement for step in schema.MIGRATIONS for statement in step))
    assert len(tables) == 4
    for table in tables:
        assert re.search(rf"^\| [^|]*`{table}`", text, re.M), table
    keys = re.findall(r"``(?:<ns>)?:(\w)[:`<]", wire.__doc__ or "")
    assert len(keys) == 14
    for key in keys:
        assert re.search(rf"^\| `:{key}[:`]", text, re.M), key
