"""A volume read whole, again and again, while it changes, breaks and comes back."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.volumes import EPOCH, NAMES, copy_of, expected, reader_of, trace
from twisted.internet.task import Clock

from antigravity_proxy.secret import Secret
from antigravity_proxy.simulator.volume import VolumeWriter, write_volume
from antigravity_proxy.volume import database, files, layout
from antigravity_proxy.volume import reader as reader_module
from antigravity_proxy.volume.reader import VolumeReader, VolumeState


def ids(state: VolumeState) -> set[int]:
    """The numbers of the simulated accounts."""
    return {int(account.id[-12:]) for account in state.accounts}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(tmp_path: Path) -> VolumeWriter:
    return write_volume(tmp_path / "volume", accounts=2, api_key="sk-a")


@pytest.fixture
def reader(writer: VolumeWriter, clock: Clock) -> VolumeReader:
    return reader_of(writer.directory, clock)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.row("schemas")
def test_the_stored_volumes_read_whole_and_stay_untouched(name: str, tmp_path: Path) -> None:
    volume = copy_of(name, tmp_path)
    before = trace(volume)
    reader = reader_of(volume)
    state = reader.read()
    reader.signature()
    reader.read()
    assert trace(volume) == before
    assert {account.id for account in state.accounts} == {account["id"] for account in expected(name)["accounts"]}
    assert (state.problems, state.key_findings, state.key_count) == ((), (), 1)
    assert (state.error, state.config_error, state.config_absent) == ("", "", False)
    assert state.read_at == EPOCH
    assert state.config is not None
    assert state.config.api_key == Secret(json.loads((volume / "gui_config.json").read_bytes())["proxy"]["api_key"])


def test_a_read_that_brings_nothing_new_keeps_the_revision_and_opens_nothing(
    reader: VolumeReader, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = reader.read()
    monkeypatch.setattr(database, "rows", lambda copy: pytest.fail("opened"))
    clock.advance(5.0)
    second = reader.read()
    assert second.revision == first.revision
    assert second.accounts is first.accounts
    assert second.read_at == EPOCH + 5.0


def test_that_an_account_was_used_is_no_change_of_it(writer: VolumeWriter, reader: VolumeReader) -> None:
    """The app notes it all the time; only the order is taken from it."""
    first = reader.read().accounts
    with sqlite3.connect(writer.directory / "cloud_accounts.db") as held:
        held.execute("UPDATE accounts SET last_used = last_used + 5 WHERE id = ?", (first[-1].id,))
    held.close()
    second = reader.read().accounts
    assert [id(each) for each in second] == [id(first[-1]), *map(id, first[:-1])]


def test_an_added_and_a_changed_account_come_at_once(writer: VolumeWriter, reader: VolumeReader) -> None:
    first = reader.read()
    writer.add(7)
    writer.add(0, access_token="ya29.renewed")
    second = reader.read()
    assert ids(second) == {0, 1, 7}
    assert second.revision == first.revision + 1
    tokens = {account.id[-1]: account.access_token.reveal() for account in second.accounts}
    assert tokens["0"] == "ya29.renewed"


def test_a_removed_account_goes_when_a_second_snapshot_agrees(
    writer: VolumeWriter, reader: VolumeReader, clock: Clock
) -> None:
    reader.read()
    writer.remove(1)
    clock.advance(10.0)
    state = reader.read()
    assert (ids(state), state.unconfirmed) == ({0, 1}, 1)
    clock.advance(1.0)
    assert ids(reader.read()) == {0, 1}
    clock.advance(0.5)
    state = reader.read()
    assert (ids(state), state.unconfirmed) == ({0}, 0)


def test_a_key_that_appears_later_opens_the_rows(writer: VolumeWriter, reader: VolumeReader) -> None:
    key = writer.directory / ".keys" / "master.key"
    key.rename(writer.directory / "aside")
    state = reader.read()
    assert (state.accounts, state.key_count, state.no_key_fits) == ((), 0, False)
    assert {problem.reason for problem in state.problems} == {"its token is sealed, and there is no key"}
    before = reader.signature()
    (writer.directory / "aside").rename(key)
    assert reader.signature() != before
    state = reader.read()
    assert ids(state) == {0, 1}
    assert state.problems == ()


def test_the_configured_key_is_used_beside_the_volumes(writer: VolumeWriter) -> None:
    key = bytes.fromhex((writer.directory / ".keys" / "master.key").read_text())
    (writer.directory / ".keys" / "master.key").write_bytes(bytes(32))
    assert reader_of(writer.directory).read().no_key_fits
    state = reader_of(writer.directory, key=key).read()
    assert (ids(state), state.key_count, state.no_key_fits) == ({0, 1}, 2, False)


def test_the_key_is_known_before_there_is_a_row_to_try_it_on(writer: VolumeWriter) -> None:
    file = writer.directory / ".keys" / "master.key"
    key, other = file.read_text().strip(), Secret("ab" * 32)
    assert reader_of(writer.directory).read().key == Secret(key)
    file.write_text(other.reveal())
    assert reader_of(writer.directory).read().key is None, "it opens none of the rows"
    writer.remove(0)
    writer.remove(1)
    assert reader_of(writer.directory).read().key == other


def test_a_wrapped_key_is_told_only_while_rows_stay_closed(writer: VolumeWriter) -> None:
    (writer.directory / ".mk").write_bytes(b"v10" + os.urandom(92))
    assert reader_of(writer.directory).read().key_findings == ()
    (writer.directory / ".keys" / "master.key").write_bytes(bytes(32))
    state = reader_of(writer.directory).read()
    assert [finding.kind for finding in state.key_findings] == ["wrapped"]


@pytest.mark.parametrize("damage", ["noise", "half", "empty", "deleted", "table dropped"])
@pytest.mark.row("broken volume")
def test_a_broken_database_leaves_the_last_good_accounts_in_force(
    writer: VolumeWriter, reader: VolumeReader, clock: Clock, damage: str
) -> None:
    good = reader.read()
    path = writer.directory / "cloud_accounts.db"
    content = path.read_bytes()
    if damage == "table dropped":
        db = sqlite3.connect(path)
        db.execute("DROP TABLE accounts")
        db.close()
    elif damage == "deleted":
        path.unlink()
    else:
        path.write_bytes({"noise": os.urandom(9000), "half": content[: len(content) // 2], "empty": b""}[damage])
    clock.advance(30.0)
    state = reader.read()
    assert state.error
    assert state.accounts == good.accounts
    assert state.read_at == good.read_at
    assert state.revision == good.revision + 1
    path.write_bytes(content)
    state = reader.read()
    assert (state.error, state.accounts) == ("", good.accounts)
    assert state.read_at == pytest.approx(EPOCH + clock.seconds(), abs=0.1)


def test_a_volume_that_disappears_is_served_from_memory_and_comes_back(
    writer: VolumeWriter, reader: VolumeReader
) -> None:
    good = reader.read()
    aside = writer.directory.with_name("aside")
    writer.directory.rename(aside)
    state = reader.read()
    assert "is the volume mounted" in state.error
    assert (state.accounts, state.config) == (good.accounts, good.config)
    assert state.config_absent
    aside.rename(writer.directory)
    state = reader.read()
    assert (state.error, state.accounts, state.config_absent) == ("", good.accounts, False)


def test_a_volume_that_never_was_there_gives_nothing(tmp_path: Path) -> None:
    state = reader_of(tmp_path / "nowhere").read()
    assert (state.accounts, state.read_at, state.config, state.config_absent) == ((), None, None, True)
    assert "is the volume mounted" in state.error


def test_an_error_holds_no_path(writer: VolumeWriter, reader: VolumeReader, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: bool) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "open_descriptor", refuse)
    state = reader.read()
    for told in (state.error, state.config_error, *(finding.message for finding in state.key_findings)):
        assert "can't be read: owned by uid" in told
        assert "/volume" not in told


def set_config(volume: Path, content: bytes | None) -> None:
    path = volume / "gui_config.json"
    path.unlink(missing_ok=True) if content is None else path.write_bytes(content)


@pytest.mark.parametrize(
    "content", [b"", b'{"proxy": {"api_k', b"null", b"[]", b"\xff\x00", b'{"proxy": {"api_key": 7}}']
)
def test_a_broken_config_keeps_the_last_good_one_and_says_so(
    writer: VolumeWriter, reader: VolumeReader, content: bytes
) -> None:
    writer.configure(api_key="sk-a", custom_mapping={"a": "b"})
    good = reader.read()
    set_config(writer.directory, content)
    state = reader.read()
    assert state.config == good.config
    assert state.config_error.startswith("gui_config.json")
    assert not state.config_absent
    assert (state.error, state.accounts) == ("", good.accounts)
    writer.configure(api_key="sk-b")
    state = reader.read()
    assert state.config is not None
    assert (state.config.api_key, state.config.custom_mapping, state.config_error) == (Secret("sk-b"), {}, "")


def test_a_config_that_is_no_file_is_unreadable_not_absent(writer: VolumeWriter, reader: VolumeReader) -> None:
    reader.read()
    set_config(writer.directory, None)
    (writer.directory / "gui_config.json").mkdir()
    state = reader.read()
    assert (state.config_error, state.config_absent) == (
        "gui_config.json can't be read: it is not a regular file",
        False,
    )
    assert state.config is not None


@pytest.mark.parametrize("content", [None, b"{}", b'{"proxy": {"api_key": " "}}'])
def test_a_key_in_force_stays_when_the_file_vanishes_or_loses_it(
    writer: VolumeWriter, reader: VolumeReader, content: bytes | None
) -> None:
    reader.read()
    set_config(writer.directory, content)
    state = reader.read()
    assert state.config is not None
    assert state.config.api_key == Secret("sk-a")
    assert state.config_absent == (content is None)
    assert state.config_error == ""


@pytest.mark.parametrize(
    ("content", "absent", "known"),
    [(None, True, False), (b"", False, False), (b"null", False, False), (b"{}", False, True)],
)
def test_absent_unreadable_and_readable_without_a_key_are_told_apart(
    writer: VolumeWriter, content: bytes | None, absent: bool, known: bool
) -> None:
    set_config(writer.directory, content)
    state = reader_of(writer.directory).read_config()
    assert (state.config_absent, state.config is not None, bool(state.config_error)) == (
        absent,
        known,
        not absent and not known,
    )
    assert state.config is None or state.config.api_key is None


def test_a_config_that_is_just_being_written_is_waited_for(tmp_path: Path) -> None:
    set_config(tmp_path, b"")
    clock, pauses = Clock(), []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            set_config(tmp_path, b'{"proxy": {"api_key": "sk-new"}}')

    reader = VolumeReader(layout.single(tmp_path), None, monotonic=clock.seconds, epoch=clock.seconds, sleep=sleep)
    state = reader.read_config()
    assert state.config is not None
    assert (state.config.api_key, state.config_error, len(pauses)) == (Secret("sk-new"), "", 3)


def test_the_newer_config_counts_even_when_it_is_broken(tmp_path: Path) -> None:
    newer, older = tmp_path / "new.json", tmp_path / "old.json"
    places = layout.Layout(tmp_path, (newer, older), (tmp_path,))
    clock = Clock()

    def read() -> VolumeState:
        reader = VolumeReader(places, None, monotonic=clock.seconds, epoch=clock.seconds, sleep=clock.advance)
        return reader.read_config()

    older.write_bytes(b'{"proxy": {"port": 1}}')
    assert read().config.port == 1  # type: ignore[union-attr]
    newer.write_bytes(b'{"proxy": {"port": 2}}')
    assert read().config.port == 2  # type: ignore[union-attr]
    newer.write_bytes(b"{")
    assert read().config is None


@pytest.mark.parametrize(
    "change",
    ["commit", "log only", "config", "config gone", "key added", "key gone", "key changed", "database replaced"],
)
def test_the_signature_shows_every_change(writer: VolumeWriter, reader: VolumeReader, change: str) -> None:
    volume = writer.directory
    before = reader.signature()
    assert reader.signature() == before
    held: Any = None
    if change == "commit":
        writer.add(0, access_token="ya29.x-0")
    elif change == "log only":
        held = sqlite3.connect(volume / "cloud_accounts.db", isolation_level=None)
        held.execute("UPDATE accounts SET last_used = 9")
    elif change == "config":
        writer.configure(api_key="sk-b")
    elif change == "config gone":
        set_config(volume, None)
    elif change == "key added":
        (volume / ".mk").write_bytes(bytes(32))
    elif change == "key gone":
        (volume / ".keys" / "master.key").unlink()
    elif change == "key changed":
        (volume / ".keys" / "master.key").write_bytes(b"0" * 64)
    else:
        shutil.copy(volume / "cloud_accounts.db", volume / "copy")
        (volume / "copy").rename(volume / "cloud_accounts.db")
    assert reader.signature() != before
    if held is not None:
        held.close()


def test_a_signature_can_be_had_of_anything(tmp_path: Path) -> None:
    assert reader_of(tmp_path / "nowhere").signature() == reader_of(tmp_path / "nowhere").signature()
    (tmp_path / "cloud_accounts.db").mkdir()
    assert reader_of(tmp_path).signature() == reader_of(tmp_path).signature()


def test_the_state_shows_no_secret(reader: VolumeReader, writer: VolumeWriter) -> None:
    shown = repr(reader.read())
    key = (writer.directory / ".keys" / "master.key").read_text()
    for hidden in ("sk-a", "ya29", "1//", "example.com", key):
        assert hidden not in shown


def test_rows_are_let_go_one_by_one_in_their_order() -> None:
    rows: list[Any] = [{"id": number} for number in range(3)]
    drained = reader_module._drained(rows)
    assert next(drained) == {"id": 0}
    assert len(rows) == 2
    assert [row["id"] for row in drained] == [1, 2]
    assert rows == []
