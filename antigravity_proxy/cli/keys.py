"""``antigravity-proxy key``: the volume's master keys."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from antigravity_proxy.cli.common import data_dir_option, start_of


@click.group()
def key() -> None:
    """Check and export the volume's master keys.

    No key is ever printed.
    """


@key.command("check")
@data_dir_option
def check_keys(data_dir: Path | None) -> None:
    """Report how many rows each key opens.

    Exit status 1 if a row can't be opened.
    """
    from antigravity_proxy.operator import keys

    start = start_of(data_dir)
    sealed, opened = keys.of_volume(start.places, start.settings.master_key)
    for each in opened:
        click.echo(f"{each.source}: opens {each.rows} of {sealed} sealed rows")
    if unopened := start.reader.read().sealed_rows:
        raise click.ClickException(f"{unopened} of {sealed} sealed rows are opened by no key")
    if not opened:
        click.echo("No key, and no row that needs one.")


@key.command("export")
@data_dir_option
@click.option("--all", "take_all", is_flag=True, help="Export keys that open no row too.")
def export_key(data_dir: Path | None, take_all: bool) -> None:
    """Export the app's key from the system's keychain.

    Run it on the desktop host; it writes into .keys/ of the data directory.
    """
    from antigravity_proxy.operator import keys
    from antigravity_proxy.operator.keychain import of_platform

    start = start_of(data_dir)
    if start.settings.read_only:
        raise click.ClickException(f"READONLY_MODE is true: {start.places.directory} is not to be written")
    found, trouble = keys.of_desktop(keys.app_directories(os.environ), sys.platform, of_platform())
    for words in trouble:
        click.echo(words, err=True)
    wanted = found if take_all else keys.that_open(start.places, found)
    if not wanted:
        raise click.ClickException(f"{len(found)} keys found on this machine, none that opens a row of the volume")
    written = keys.export(wanted, start.places.directory)
    for path in written:
        click.echo(f"{path}: written, mode 0600")
    if not written:
        click.echo("Every key that is needed is there already.")
