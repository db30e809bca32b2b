"""``antigravity-proxy backup``, ``restore`` and ``export``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from antigravity_proxy.cli.common import data_dir_option, start_of


@click.command()
@data_dir_option
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", type=click.IntRange(min=1), help="Keep this many backups and remove older ones.")
def backup(data_dir: Path | None, directory: Path, keep: int | None) -> None:
    """Back up the volume into DIRECTORY.

    Database, configuration and keys are written into one verified file.

    The desktop app may be running. The file holds everything that the accounts need: keep it safe.
    """
    from antigravity_proxy.operator.backup import back_up
    from antigravity_proxy.startup import epoch

    places = start_of(data_dir).places
    with click.progressbar(length=_size(places.database), label="Backing up", file=sys.stderr) as bar:
        path, manifest = back_up(places, directory, keep, epoch(), bar.update)
    click.echo(f"{path}: {manifest.rows} accounts, {manifest.readable} of them open with the keys in it; verified")
    if manifest.readable < manifest.rows:
        click.echo("Keep the missing key too (ANTIGRAVITY_MASTER_KEY, or the desktop's keychain).", err=True)


@click.command()
@data_dir_option
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace existing accounts, even while the desktop app runs.")
@click.option("--resume", is_flag=True, help="Finish an interrupted restore.")
def restore(data_dir: Path | None, file: Path | None, force: bool, resume: bool) -> None:
    """Restore the backup FILE, completely or not at all."""
    from antigravity_proxy.operator import restore

    if (file is None) != resume:
        raise click.UsageError("give either a FILE or --resume")
    start = start_of(data_dir)
    directory, read_only = start.places.directory, start.settings.read_only
    if file is None:
        restore.resume(directory, read_only=read_only)
        click.echo(f"{directory}: the interrupted restore is finished")
        return
    manifest = restore.restore(directory, file, force=force, read_only=read_only)
    click.echo(f"{directory}: restored {manifest.rows} accounts as of {manifest.created}")


@click.command()
@data_dir_option
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def export(data_dir: Path | None, directory: Path) -> None:
    """Export the volume into DIRECTORY, for rsync.

    Unlike the live directory, the export is always consistent. Unchanged files are not touched.
    """
    from antigravity_proxy.operator.export import export

    volume = export(start_of(data_dir).places, directory)
    click.echo(f"{directory}: {volume.rows} accounts, {volume.readable} of them open with the keys in it")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
