"""The exported directory: consistent at every moment, changed only where the volume changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click import ClickException
from support.command import call
from support.volumes import copy_of, make_database, reader_of, renumber, snapshot_of, trace

from antigravity_proxy.operator.export import export
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import layout
from antigravity_proxy.volume.database import rows


def test_an_export_holds_everything_in_single_files(tmp_path: Path) -> None:
    volume, out = copy_of("hot-wal", tmp_path), tmp_path / "out"
    before = trace(volume)
    result = call("export", out, "--data-dir", volume)
    assert (result.exit_code, "4 accounts, 4 of them open" in result.stdout) == (0, True)
    assert trace(volume) == before
    assert sorted(path.name for path in out.rglob("*")) == [
        ".keys",
        "cloud_accounts.db",
        "gui_config.json",
        "master.key",
    ]
    assert [a.id for a in reader_of(out).read().accounts] == [a.id for a in reader_of(volume).read().accounts]


def test_only_what_changed_is_written_again(tmp_path: Path) -> None:
    writer, out = write_volume(tmp_path / "volume", accounts=1, api_key="sk-a"), tmp_path / "out"
    places = layout.single(writer.directory)
    export(places, out)
    before = trace(out)
    export(places, out)
    assert trace(out) == before
    writer.add(1)
    export(places, out)
    changed = {Path(path).name for path, what in trace(out).items() if before.get(path) != what}
    assert changed == {"cloud_accounts.db", "out"}


def test_what_is_gone_from_the_volume_goes_and_other_files_stay(tmp_path: Path) -> None:
    volume, out = copy_of("gui-0.9.2", tmp_path), tmp_path / "out"
    (volume / ".keys" / "old").write_text("a" * 64)
    export(layout.single(volume), out)
    (out / "README").touch()
    (out / ".keys" / "note").mkdir()
    (volume / ".keys" / "old").unlink()
    export(layout.single(volume), out)
    assert not (out / ".keys" / "old").exists()
    assert (out / "README").exists()


def test_a_log_that_somebody_left_in_the_export_is_removed_with_its_database(tmp_path: Path) -> None:
    volume, out = tmp_path / "volume", tmp_path / "out"
    volume.mkdir()
    db = make_database(volume / "cloud_accounts.db")
    export(layout.single(volume), out)
    (out / "cloud_accounts.db-wal").write_bytes(b"x" * 40)
    renumber(db, 7)
    export(layout.single(volume), out)
    assert {row["name"] for row in rows(snapshot_of(out))} == {"7"}
    assert not (out / "cloud_accounts.db-wal").exists()
    db.close()


def test_it_does_not_stand_in_the_volume(tmp_path: Path) -> None:
    volume = copy_of("gui-0.9.2", tmp_path)
    with pytest.raises(ClickException, match="lies in the data directory"):
        export(layout.single(volume), volume / "out")


def test_a_place_that_can_not_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    volume = copy_of("gui-0.9.2", tmp_path)
    monkeypatch.setattr(os, "replace", fail)
    result = call("export", tmp_path / "out", "--data-dir", volume)
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path / 'out'}: No space left on device\n")
