"""Every way in which a volume can be broken: each has a finding of its own, and is mended without a restart.

Found by health and by ``check``, from the start or later; and what was read well before goes on serving.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.accounts import account
from support.volumes import EPOCH, reader_of
from twisted.internet.task import Clock

from antigravity_proxy.operator.check import examine
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.resolve import Resolver
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume.reader import VolumeReader, VolumeState
from antigravity_proxy.volume.removals import CONFIRM
from antigravity_proxy.web.warnings import Surroundings, warnings

Break = Callable[[Path], object]
CLIENT = {"GOOGLE_CLIENT_ID": "i", "GOOGLE_CLIENT_SECRET": "s"}
SETTINGS = Resolver({}, CLIENT, lambda path: "").all({})


def database(volume: Path) -> Path:
    return volume / "cloud_accounts.db"


def key(volume: Path) -> Path:
    return volume / ".keys" / "master.key"


def truncated(volume: Path) -> None:
    content = database(volume).read_bytes()
    database(volume).write_bytes(content[: len(content) // 2])


def without_its_table(volume: Path) -> None:
    database(volume).unlink()
    db = sqlite3.connect(database(volume))
    db.execute("CREATE TABLE other (x)")
    db.close()


def with_another_schema(volume: Path) -> None:
    database(volume).unlink()
    db = sqlite3.connect(database(volume))
    db.execute("CREATE TABLE accounts (id TEXT)")
    db.close()


def with_a_log_being_written(volume: Path) -> None:
    log = volume / "cloud_accounts.db-wal"
    log.write_bytes(bytes.fromhex("377f0682") + bytes(28))


def wrapped(volume: Path) -> None:
    key(volume).unlink()
    (volume / ".mk").write_bytes(b"v10" + os.urandom(92))


def in_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


#: what is broken, and a part of the words that tell it
BROKEN: dict[str, tuple[Break, str]] = {
    "the directory is gone": (lambda v: v.rename(v.with_name("aside")), "the data directory is not there"),
    "there is no database": (lambda v: database(v).unlink(), "cloud_accounts.db is not there"),
    "an empty database": (lambda v: database(v).write_bytes(b""), "is empty or not an SQLite database"),
    "garbage": (lambda v: database(v).write_bytes(b"x" * 9000), "is empty or not an SQLite database"),
    "a truncated database": (truncated, "cloud_accounts.db"),
    "no table": (without_its_table, "has no table 'accounts'"),
    "another schema": (with_another_schema, "lacks provider, email, token_json"),
    "a database that is a directory": (lambda v: in_a_directory(database(v)), "it is not a regular file"),
    "a log being written": (with_a_log_being_written, "has a write-ahead log that is being written"),
    "no key": (lambda v: key(v).unlink(), "No key was found in the volume"),
    "another key": (lambda v: key(v).write_text("ab" * 32), "No key opens any account"),
    "a key that is none": (lambda v: key(v).write_text("changeme"), "holds no key: neither 64 hex characters"),
    "a wrapped key": (wrapped, "is wrapped by the desktop's operating system"),
    "an empty config": (lambda v: (v / "gui_config.json").write_bytes(b""), "gui_config.json is not valid JSON"),
    "half a config": (
        lambda v: (v / "gui_config.json").write_bytes(b'{"proxy": {'),
        "is not valid JSON (half-written?)",
    ),
    "an odd config": (lambda v: (v / "gui_config.json").write_bytes(b"[]"), "is not a JSON object"),
    "a config that is a directory": (lambda v: in_a_directory(v / "gui_config.json"), "gui_config.json can't be read"),
}


def findings(state: VolumeState) -> set[str]:
    """What health says: of the database, and its warnings."""
    return {*([state.error] if state.error else []), *warnings(SETTINGS, state, Surroundings())}


def checked(state: VolumeState) -> set[str]:
    """What ``check`` says is not well."""
    report = examine(SETTINGS, state, Surroundings(), (), EPOCH)
    return {finding.message for finding in report.findings if finding.level != "ok"}


def settled(reader: VolumeReader, clock: Clock) -> VolumeState:
    """Read until a second snapshot has confirmed what is gone."""
    reader.read()
    clock.advance(CONFIRM)
    return reader.read()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return write_volume(tmp_path / "volume", accounts=2, api_key="sk-a").directory


def mend(volume: Path, sound: Path) -> None:
    """Puts the volume back as it was, whatever has become of it."""
    shutil.rmtree(volume, ignore_errors=True)
    shutil.copytree(sound, volume)


@pytest.mark.parametrize("kind", BROKEN)
def test_from_the_start(volume: Path, tmp_path: Path, kind: str) -> None:
    sound = Path(shutil.copytree(volume, tmp_path / "sound"))
    broken, words = BROKEN[kind]
    broken(volume)
    clock = Clock()
    reader = reader_of(volume, clock)
    state = settled(reader, clock)
    assert any(words in finding for finding in findings(state)), findings(state)
    assert any(words in finding for finding in checked(state))
    assert str(tmp_path) not in "".join(findings(state))
    mend(volume, sound)
    state = settled(reader, clock)
    assert (findings(state), len(state.accounts), state.config and state.config.api_key) == (set(), 2, Secret("sk-a"))
    assert checked(state) == set()


@pytest.mark.row("broken volume")
@pytest.mark.parametrize("kind", BROKEN)
def test_while_it_serves(volume: Path, tmp_path: Path, kind: str) -> None:
    sound = Path(shutil.copytree(volume, tmp_path / "sound"))
    clock = Clock()
    reader = reader_of(volume, clock)
    good = reader.read()
    assert findings(good) == set()
    broken, words = BROKEN[kind]
    broken(volume)
    state = settled(reader, clock)
    assert state.accounts == good.accounts  # a row that was opened once stays open, key or not
    assert state.config == good.config
    if "key" not in kind:
        assert any(words in finding for finding in findings(state)), findings(state)
    mend(volume, sound)
    state = settled(reader, clock)
    assert (findings(state), state.accounts, state.config) == (set(), good.accounts, good.config)


def test_each_has_words_of_its_own() -> None:
    told = [words for _, words in BROKEN.values()]
    assert len(set(told)) >= len(told) - 2  # garbage is no database, and half a config no JSON


def test_a_sound_database_renamed_over_it_is_simply_the_volume(volume: Path, tmp_path: Path) -> None:
    clock = Clock()
    reader = reader_of(volume, clock)
    reader.read()
    other = write_volume(tmp_path / "other", accounts=3).directory
    shutil.copy(key(other), key(volume).with_name("other.key"))
    os.replace(database(other), database(volume))
    state = settled(reader, clock)
    assert (findings(state), len(state.accounts)) == (set(), 3)


def test_new_accounts_without_their_key_are_told_beside_those_that_serve(volume: Path) -> None:
    reader = reader_of(volume)
    reader.read()
    key(volume).unlink()
    writer = write_volume(volume, accounts=0, api_key="sk-a")  # with a new key
    writer.add(7)
    key(volume).unlink()
    state = reader.read()
    assert len(state.accounts) == 2
    assert any("No key was found" in finding for finding in findings(state))


def test_the_account_of_these_tests_is_usable() -> None:
    """Else nothing above would show that a finding is the volume's."""
    assert checked(VolumeState(accounts=(account(),), read_at=1.0, key_count=1)) == set()
