"""Pauses: what stands in the volume, who sees it, and accounts removed by ourselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.volumes import EPOCH, copy_of, reader_of, trace
from twisted.internet.task import Clock

from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import layout, paused
from antigravity_proxy.volume.reader import VolumeReader
from antigravity_proxy.volume.writer import NotWritten, VolumeWriter


def writer_of(directory: Path) -> VolumeWriter:
    return VolumeWriter(layout.single(directory), None, lambda: EPOCH)


def execute(directory: Path, words: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db, db:
        return db.execute(words, values).fetchall()


def paused_ids(directory: Path, reader: VolumeReader | None = None) -> set[str]:
    state = (reader or reader_of(directory)).read()
    found = {account.id for account in state.accounts if account.paused}
    assert state.paused == len(found)
    return found


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ('["b", "a"]', {"a", "b"}),
        ('["a", 1, null, ["b"]]', {"a"}),
        ("[]", set()),
        ('{"a": 1}', set()),
        ("[", set()),
        ("\ud83d", set()),
        ("[" * 100_000, set()),
        (b'["a"]', set()),
        (None, set()),
    ],
)
def test_whatever_stands_there_is_read_as_ids(value: object, ids: set[str]) -> None:
    assert paused.parse(value) == ids


def test_what_is_composed_is_parsed_again() -> None:
    assert paused.compose({"b", 'a"\u00e9'}) == '["a\\"\u00e9","b"]'
    assert paused.parse(paused.compose({"b", 'a"\u00e9'})) == {"b", 'a"\u00e9'}


def test_a_pause_is_in_the_volume_and_the_rows_stay_as_they_are(tmp_path: Path) -> None:
    volume = write_volume(tmp_path, accounts=3)
    first, second = volume.add(0), volume.add(1)
    before = execute(tmp_path, "SELECT * FROM accounts ORDER BY id")
    writer, reader = writer_of(tmp_path), reader_of(tmp_path)
    assert paused_ids(tmp_path, reader) == set()
    assert [writer.pause(each, paused=True) for each in (first, second, first)] == [True] * 3
    assert paused_ids(tmp_path, reader) == {first, second}
    assert execute(tmp_path, "SELECT key FROM settings") == [("antigravity_proxy.paused.v1",)]
    assert writer.pause(first, paused=False)
    assert paused_ids(tmp_path, reader) == {second}
    assert writer.pause(second, paused=False)
    assert paused_ids(tmp_path, reader) == set()
    assert execute(tmp_path, "SELECT * FROM settings") == []
    assert execute(tmp_path, "SELECT * FROM accounts ORDER BY id") == before


def test_who_is_not_there_can_not_be_paused_and_who_left_is_forgotten(tmp_path: Path) -> None:
    volume = write_volume(tmp_path, accounts=2)
    writer, (first, second) = writer_of(tmp_path), (volume.add(0), volume.add(1))
    before = trace(tmp_path)
    assert not writer.pause("nobody", paused=True)
    assert not writer.remove("nobody")
    assert {path: each[-1] for path, each in trace(tmp_path).items()} == {p: each[-1] for p, each in before.items()}
    writer.pause(first, paused=True)
    volume.remove(0)
    writer.pause(second, paused=True)
    assert execute(tmp_path, "SELECT value FROM settings") == [(f'["{second}"]',)]


def test_a_removed_account_leaves_nothing_behind_and_is_not_doubted(tmp_path: Path) -> None:
    volume = write_volume(tmp_path, accounts=2)
    identity, reader, writer = volume.add(1), reader_of(tmp_path), writer_of(tmp_path)
    writer.pause(identity, paused=True)
    assert len(reader.read().accounts) == 2
    assert writer.remove(identity)
    assert len(reader.read().accounts) == 2  # it may only be torn away
    reader.removed(identity)
    state = reader.read()
    assert (len(state.accounts), state.unconfirmed, state.paused) == (1, 0, 0)
    assert execute(tmp_path, "SELECT * FROM settings") == []


def test_what_was_removed_and_is_still_there_serves_on(tmp_path: Path) -> None:
    volume = write_volume(tmp_path, accounts=1)
    reader = reader_of(tmp_path, Clock())
    reader.read()
    reader.removed(volume.add(0, session_id="1"))  # the app wrote it anew at once
    assert len(reader.read().accounts) == 1


@pytest.mark.parametrize("name", ["gui-0.9.2", "gui-2026-08"])
def test_the_apps_own_volumes_keep_their_settings(tmp_path: Path, name: str) -> None:
    directory = copy_of(name, tmp_path)
    before = execute(directory, "SELECT * FROM settings ORDER BY key")
    identity = reader_of(directory).read().accounts[0].id
    assert writer_of(directory).pause(identity, paused=True)
    assert paused_ids(directory) == {identity}
    assert execute(directory, "SELECT * FROM settings WHERE key <> ? ORDER BY key", paused.KEY) == before


@pytest.mark.parametrize(
    "spoil",
    [
        "DROP TABLE settings",
        "UPDATE settings SET value = 'nonsense'",
        "UPDATE settings SET value = x'ff'",
        "ALTER TABLE settings RENAME COLUMN value TO v",
    ],
)
def test_odd_settings_pause_nobody_and_hide_nothing(tmp_path: Path, spoil: str) -> None:
    identity = write_volume(tmp_path, accounts=1).add(0)
    writer_of(tmp_path).pause(identity, paused=True)
    execute(tmp_path, spoil)
    assert paused_ids(tmp_path) == set()
    assert len(reader_of(tmp_path).read().accounts) == 1


@pytest.mark.parametrize("change", [lambda w: w.pause("a", paused=True), lambda w: w.remove("a")])
def test_a_directory_without_a_database_gets_none(tmp_path: Path, change: Callable[[VolumeWriter], bool]) -> None:
    with pytest.raises(NotWritten, match="can't be written"):
        change(writer_of(tmp_path))
    assert list(tmp_path.iterdir()) == []
