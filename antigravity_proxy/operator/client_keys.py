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
    """Where the keys stand: the file given, else the setting's. Raises ClickException where it must not be written."""
    path = file or (Path(settings.client_keys_file) if settings.client_keys_file else None)
    if path is None:
        raise click.ClickException("name the file with --file, or set PROXY_CLIENT_KEYS_FILE")
    if settings.read_only and files.lies_in(path, directory):
        raise click.ClickException(f"READONLY_MODE is true: nothing below {directory} is to be written")
    return path


def load(path: Path) -> tuple[ClientKey, ...]:
    """The keys of the file; of one that isn't there yet none. Raises ClickException."""
    with _told():
        return client_keys_writing.load(path)


def add(path: Path, key: ClientKey) -> None:
    """Puts the key into the file. Raises ClickException."""
    with _told():
        client_keys_writing.add(path, key)


def revoke(path: Path, name: str) -> None:
    """Takes the key of that name out of the file. Raises ClickException."""
    with _told():
        client_keys_writing.revoke(path, name)


def new(
    name: str,
    now: datetime,
    *,
    expires: datetime | None,
    per_minute: int | None,
    concurrent: int | None,
    models: tuple[str, ...],
    tokens_per_day: int | None = None,
    tokens_per_month: int | None = None,
) -> tuple[str, ClientKey]:
    """A new key, and its entry. Raises ClickException for a name or pattern that can't be."""
    with _told():
        return client_keys_writing.new(
            name,
            now,
            expires=expires,
            per_minute=per_minute,
            concurrent=concurrent,
            models=models,
            tokens_per_day=tokens_per_day,
            tokens_per_month=tokens_per_month,
        )


def moment(text: str, now: datetime) -> datetime:
    """When a key expires: ``90d``, ``12h``, ``4w``, or a date, or a date with time. Raises BadParameter."""
    try:
        return client_keys_writing.moment(text, now)
    except KeysNotChanged as e:
        raise click.BadParameter(str(e)) from None


@contextmanager
def _told() -> Iterator[None]:
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
