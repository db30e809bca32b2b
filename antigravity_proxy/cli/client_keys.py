"""``antigravity-proxy client-key``: clients' own keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from antigravity_proxy.cli.common import data_dir_option, start_of

_keys_file = click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with clients' keys (default: PROXY_CLIENT_KEYS_FILE).",
)


@click.group("client-key")
def client_key() -> None:
    """Manage clients' own keys.

    Each has a name and limits. The daemon watches their file.
    """


@client_key.command("add")
@data_dir_option
@_keys_file
@click.argument("name")
@click.option("--expires", metavar="WHEN", help="Expiry: 90d, 12h, 4w, or a date such as 2027-01-31 (UTC).")
@click.option("--requests-per-minute", type=click.IntRange(1, 100_000), help="Maximum requests per minute.")
@click.option("--concurrent", type=click.IntRange(1, 100_000), help="Maximum concurrent requests, streams included.")
@click.option("--tokens-per-day", type=click.IntRange(1, 10**12), help="Maximum tokens per UTC day, input and output.")
@click.option(
    "--tokens-per-month",
    type=click.IntRange(1, 10**12),
    help="Maximum tokens per calendar month (UTC).",
)
@click.option("--models", metavar="PATTERNS", default="", help="Allowed models, such as 'gemini-*,claude-sonnet-*'.")
def add_client_key(
    data_dir: Path | None,
    file: Path | None,
    name: str,
    expires: str | None,
    requests_per_minute: int | None,
    concurrent: int | None,
    tokens_per_day: int | None,
    tokens_per_month: int | None,
    models: str,
) -> None:
    """Create a key for the client NAME and print it.

    It is printed once: only its hash is stored.
    """
    from antigravity_proxy.operator import client_keys
    from antigravity_proxy.web import client_keys_writing

    start, now = start_of(data_dir), _now()
    path = client_keys.place_of(file, start.settings, start.places.directory)
    until = client_keys.moment(expires, now) if expires else None
    with client_keys.told():
        plain, key = client_keys_writing.new(
            name,
            now,
            expires=until,
            per_minute=requests_per_minute,
            concurrent=concurrent,
            tokens_per_day=tokens_per_day,
            tokens_per_month=tokens_per_month,
            models=tuple(word for item in models.split(",") if (word := item.strip())),
        )
        client_keys_writing.add(path, key)
    click.echo(plain)
    click.echo(f"{path}: {name} was added. The key above is shown this once.", err=True)


@client_key.command("list")
@data_dir_option
@_keys_file
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_client_keys(data_dir: Path | None, file: Path | None, as_json: bool) -> None:
    """List the keys' names and limits."""
    from antigravity_proxy.operator import client_keys
    from antigravity_proxy.web import client_keys_writing

    start = start_of(data_dir)
    path = client_keys.place_of(file, start.settings, start.places.directory)
    with client_keys.told():
        keys = client_keys_writing.load(path)
    click.echo(client_keys.as_json(keys) if as_json else client_keys.as_text(keys, _now()) or "No client has a key.")


@client_key.command("revoke")
@data_dir_option
@_keys_file
@click.argument("name")
def revoke_client_key(data_dir: Path | None, file: Path | None, name: str) -> None:
    """Revoke the key of the client NAME.

    A running daemon refuses it within two seconds.
    """
    from antigravity_proxy.operator import client_keys
    from antigravity_proxy.web import client_keys_writing

    start = start_of(data_dir)
    path = client_keys.place_of(file, start.settings, start.places.directory)
    with client_keys.told():
        client_keys_writing.revoke(path, name)
    click.echo(f"{path}: {name} was revoked")


def _now() -> datetime:
    from antigravity_proxy.startup import epoch

    return datetime.fromtimestamp(int(epoch()), UTC)
