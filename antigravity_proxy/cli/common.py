"""Options and steps that sub-commands share: the volume they work on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from antigravity_proxy.startup import Start

#: exit status when something is wrong
WRONG = 1

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(readable=False, path_type=Path),
    help="The credential volume (default: ANTIGRAVITY_DATA_DIR, else the desktop app's directory).",
)


def start_of(data_dir: Path | None) -> Start:
    """The settings and volume that the daemon would start with; an invalid setting is one line and exit status 1."""
    from antigravity_proxy import startup
    from antigravity_proxy.settings.resolve import SettingsError

    try:
        return startup.begin(options_of(data_dir), os.environ)
    except SettingsError as e:
        raise click.ClickException(str(e)) from e


def options_of(data_dir: Path | None) -> dict[str, str]:
    return {} if data_dir is None else {"antigravity-data-dir": str(data_dir)}
