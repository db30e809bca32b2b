"""``client-key``: clients' own keys are made, listed and revoked in their file; the daemon follows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
import msgspec

from antigravity_proxy.settings.table import Settings
from antigravity_proxy.volume import files
from antigravity_proxy.web import client_keys_writing
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.client_keys_writing import KeysNotChanged


def place_of(file: Path | None, settings: Settings, directory: Path) -> Path:
    """The path of the keys: the file given, else the setting's. Raises ClickException if it must not be written."""
    path = file or (Path(settings.client_keys_file) if settings.client_keys_file else None)
    if path is None:
        raise click.ClickException("name the file with --file, or set PROXY_CLIENT_KEYS_FILE")
    if settings.read_only and files.lies_in(path, directory):
        raise click.ClickException(f"READONLY_MODE is true: nothing below {directory} is to be written")
    return path


def moment(text: str, now: datetime) -> datetime:
    """When a key expires: ``90d``, ``12h``, ``4w``, or a date, or a date with time. Raises BadParameter."""
    try:
        return client_keys_writing.moment(text, now)
    except KeysNotChanged as e:
        raise click.BadParameter(str(e)) from None


@contextmanager
def told() -> Iterator[None]:
    """A change that is refused becomes a ClickException with the reason."""
    try:
        yield
    except KeysNotChanged as e:
        raise click.ClickException(str(e)) from None


def as_json(keys: tuple[ClientKey, ...]) -> str:
    """The entries without their hashes."""
    shown = [{name: value for name, value in msgspec.to_builtins(key).items() if name != "sha256"} for key in keys]
    return msgspec.json.encode(shown).decode()


def as_text(keys: tuple[ClientKey, ...], now: datetime) -> str:
    """A line for each key."""
    width = max((len(key.name) for key in keys), default=0)
    limits = client_keys_writing.limits
    return "\n".join(f"{key.name:<{width}}  since {key.created:%Y-%m-%d}  {limits(key, now)}" for key in keys)
