"""Plain reads and our own writer are never at work on the database at the same time: a read would drop the locks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.volumes import EPOCH, reader_of, snapshot_of

from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import exclusion, layout, schema, snapshot, writer
from antigravity_proxy.volume.writer import NotWritten, VolumeWriter


@pytest.mark.parametrize(
    "read",
    [
        lambda directory: snapshot.probe(directory / "cloud_accounts.db"),
        snapshot_of,
        lambda directory: reader_of(directory).signature(),
        lambda directory: reader_of(directory).read(),
    ],
)
def test_a_read_waits_until_the_writer_has_closed_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Any]
) -> None:
    identity = write_volume(tmp_path, accounts=1).add(0)
    within, go_on, has_read = threading.Event(), threading.Event(), threading.Event()

    def slow(db: Any) -> None:
        within.set()
        assert go_on.wait(10)

    monkeypatch.setattr(schema, "bring_up_settings", slow)
    changing = VolumeWriter(layout.single(tmp_path), None, lambda: EPOCH)
    threads = [
        threading.Thread(target=lambda: changing.pause(identity, paused=True)),
        threading.Thread(target=lambda: (read(tmp_path), has_read.set())),
    ]
    threads[0].start()
    assert within.wait(10)
    threads[1].start()
    assert not has_read.wait(0.2)
    go_on.set()
    for thread in threads:
        thread.join()
    assert has_read.is_set()


def test_a_read_that_hangs_lets_a_write_fail_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = write_volume(tmp_path, accounts=1).add(0)
    monkeypatch.setattr(writer, "BUSY", 0.05)
    changing = VolumeWriter(layout.single(tmp_path), None, lambda: EPOCH)
    reading, done = threading.Event(), threading.Event()

    def hang() -> None:
        with exclusion.reading():
            reading.set()
            assert done.wait(10)

    thread = threading.Thread(target=hang)
    thread.start()
    assert reading.wait(10)
    with pytest.raises(NotWritten, match="a read of the data directory hangs"):
        changing.pause(identity, paused=True)
    done.set()
    thread.join()
    assert changing.pause(identity, paused=True)
