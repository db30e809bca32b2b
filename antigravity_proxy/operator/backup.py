"""``antigravity-proxy backup``: one checked file for a whole volume, and the oldest ones removed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from click import ClickException

from antigravity_proxy.operator import bundle, copy
from antigravity_proxy.volume import place
from antigravity_proxy.volume.layout import Layout

_NAME = re.compile(r"antigravity-\d{8}T\d{6}Z(?:-\d+)?\.tar")


def back_up(
    places: Layout, destination: Path, keep: int | None, epoch: float, progress: Callable[[int], object]
) -> tuple[Path, bundle.Manifest]:
    """Writes a backup of the volume into ``destination``, reads it back and checks it; gives its path and manifest.

    ``keep``: so many backups stay there, the newest. ``epoch`` in seconds. Raises ClickException.
    """
    outside(places, destination)
    volume = copy.take(places)
    moment = datetime.fromtimestamp(epoch, UTC)
    try:
        place.directory(destination)
        path = _free(destination, f"antigravity-{moment:%Y%m%dT%H%M%SZ}")
        part = path.with_suffix(".part")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                bundle.write(file, volume, moment.isoformat(), progress)
                file.flush()
                os.fsync(file.fileno())
            manifest, _ = bundle.read(part.read_bytes())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        place.settle(destination)
        _remove_oldest(destination, keep)
    except OSError as e:
        raise ClickException(f"{destination}: {e.strerror or e}") from e
    return path, manifest


def outside(places: Layout, destination: Path) -> None:
    """Raises ClickException for a destination in the data directory: nothing of ours belongs there."""
    if destination.resolve().is_relative_to(places.directory.resolve()):
        raise ClickException(f"{destination} lies in the data directory: choose a place outside it")


def _free(destination: Path, stem: str) -> Path:
    path, number = destination / f"{stem}.tar", 1
    while path.exists():
        number += 1
        path = destination / f"{stem}-{number}.tar"
    return path


def _remove_oldest(destination: Path, keep: int | None) -> None:
    ours = [path for path in destination.iterdir() if _NAME.fullmatch(path.name)]
    ours.sort(key=lambda path: (path.name[:28], len(path.name), path.name))
    for path in ours[:-keep] if keep else ():
        path.unlink()
