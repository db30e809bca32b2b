"""The beginning of a start: the settings from their four sources, and the volume they name. Blocking, once."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from antigravity_proxy.canonical.model_file import ModelsError
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.credentials.file import CredentialsError, Found
from antigravity_proxy.credentials.source import CredentialSource
from antigravity_proxy.models_file import ModelsFile
from antigravity_proxy.secret import SecretBytes
from antigravity_proxy.settings import limits
from antigravity_proxy.settings.resolve import Given, Resolver, SettingsError
from antigravity_proxy.settings.table import TABLE, Settings
from antigravity_proxy.volume import files, layout
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.volume.layout import Layout
from antigravity_proxy.volume.reader import VolumeReader, VolumeState
from antigravity_proxy.volume.threads import HANGS, within
from antigravity_proxy.volume.writer import VolumeWriter


class Start(Struct, frozen=True):
    """Settings, the volume's files, their reader and writer, and the state with nothing but the configuration read.

    ``credentials`` reads the official credentials again, ``official`` are those that were there; so do ``models_file``
    and ``models``. ``given`` is what options and environment said; ``resolve`` reads them again, with the files that
    they name. Raises SettingsError.
    """

    settings: Settings
    given: Given
    places: Layout
    reader: VolumeReader
    writer: VolumeWriter
    state: VolumeState
    resolve: Callable[[], Given]
    credentials: CredentialSource
    official: Found
    models_file: ModelsFile
    models: ModelTable


def begin(options: Mapping[str, Any], environ: Mapping[str, str]) -> Start:
    """Resolves everything for these options and this environment. Raises SettingsError."""
    resolver = Resolver(options, environ, _text_of)
    data_dir = resolver.one("data_dir")
    places = layout.single(Path(data_dir)) if data_dir else _of_desktop(environ)
    master_key = resolver.one("master_key")
    key = SecretBytes.fromhex(master_key.reveal()) if master_key is not None else None
    reader, state = _first_look(
        lambda: VolumeReader(places, key, monotonic=time.monotonic, epoch=epoch, sleep=time.sleep)
    )

    given = resolver.given()
    settings = given.settings(gui_values(state.config))
    source = CredentialSource(settings, environ)
    try:
        official = source.read()
    except CredentialsError as e:
        raise SettingsError(str(e)) from None
    models_file = ModelsFile(settings.models_file)
    try:
        models = models_file.read()
    except ModelsError as e:
        raise SettingsError(f"PROXY_MODELS_FILE: {e}") from None
    writer = VolumeWriter(places, key, epoch)
    return Start(settings, given, places, reader, writer, state, resolver.given, source, official, models_file, models)


def _text_of(path: str) -> str:
    """A file that a setting names, such as a secret. Raises OSError, UnicodeDecodeError."""
    with open(path, "rb") as file:  # not only regular files: a shell's <(…) is a pipe
        return files.read_up_to(file, files.MAX_SETTING, 0).decode()


def _first_look(new_reader: Callable[[], VolumeReader]) -> tuple[VolumeReader, VolumeState]:
    """A reader that has read the configuration; in a mount that hangs a fresh one, and nothing is known yet."""
    reader = new_reader()
    try:
        return reader, within(limits.FIRST_READ, reader.read_config)
    except TimeoutError:
        return new_reader(), VolumeState(error=HANGS)


def is_writable(directory: Path) -> bool:
    """Whether files can be made there; not where that can't be found out in a moment."""
    try:
        return within(limits.FIRST_READ, lambda: os.access(directory, os.W_OK))
    except TimeoutError:
        return False


def lies_in(path: Path, directory: Path) -> bool:
    """Whether the path is the directory or lies below it: through links too, where those can be read in a moment."""
    try:
        return within(limits.FIRST_READ, lambda: files.lies_in(path, directory))
    except TimeoutError:
        return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(directory))


def _of_desktop(environ: Mapping[str, str]) -> Layout:
    on_wsl = "WSL_DISTRO_NAME" in environ
    windows_homes = sorted(Path("/mnt/c/Users").glob("*/")) if on_wsl else ()
    return layout.of_desktop(sys.platform, environ, Path.home(), windows_homes)


#: the wall clock in epoch seconds: the one place where it is read
epoch: Callable[[], float] = time.time  # noqa: TID251 - all others are passed this


def gui_values(config: GuiConfig | None) -> dict[str, Any]:
    """gui_config.json's part in the settings."""
    return {} if config is None else {setting.gui: getattr(config, setting.gui) for setting in TABLE if setting.gui}
