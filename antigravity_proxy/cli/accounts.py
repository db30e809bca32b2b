"""``antigravity-proxy accounts``: what is in the volume, and changes that the running daemon makes."""

from __future__ import annotations

from pathlib import Path

import click

from antigravity_proxy.cli.common import data_dir_option, start_of

_url = click.option("--url", help="URL of the daemon's admin pages (default: OAUTH_LISTEN_HOST and OAUTH_LISTEN_PORT).")


@click.group()
def accounts() -> None:
    """List and change the volume's accounts."""


@accounts.command("pause")
@data_dir_option
@_url
@click.argument("account")
def pause_account(data_dir: Path | None, url: str | None, account: str) -> None:
    """Stop using ACCOUNT until it is resumed.

    ACCOUNT is an id, the beginning of one, or an e-mail address. Running requests finish. The desktop app is not
    affected.
    """
    _change("pause", data_dir, url, account)


@accounts.command("resume")
@data_dir_option
@_url
@click.option("--all", "everybody", is_flag=True, help="Use all accounts again after a ban (PROXY_ON_TERMS_BAN).")
@click.argument("account", required=False)
def resume_account(data_dir: Path | None, url: str | None, everybody: bool, account: str | None) -> None:
    """Use a paused ACCOUNT again.

    With --all, all accounts that were put on hold when Google barred one are used again. Accounts that an operator
    has paused stay paused.
    """
    if everybody == (account is not None):
        raise click.UsageError("Name one ACCOUNT, or use --all.")
    _change("resume" if account else "resume-all", data_dir, url, account or "")


@accounts.command("reset")
@data_dir_option
@_url
@click.argument("account")
def reset_account(data_dir: Path | None, url: str | None, account: str) -> None:
    """Clear the cooldowns and errors of ACCOUNT."""
    _change("reset", data_dir, url, account)


@accounts.command("remove")
@data_dir_option
@_url
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.argument("account")
def remove_account(data_dir: Path | None, url: str | None, yes: bool, account: str) -> None:
    """Remove ACCOUNT from the data directory.

    The desktop app loses it too.
    """
    if not yes:
        click.confirm(f"Remove {account}? To use it again, somebody has to sign in with it", abort=True)
    _change("remove", data_dir, url, account)


@accounts.command("list")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.option("--show", is_flag=True, help="Show complete e-mail addresses. Tokens are never shown.")
def list_accounts(data_dir: Path | None, as_json: bool, show: bool) -> None:
    """List every account and why it can't be used."""
    import msgspec

    from antigravity_proxy.operator import accounts, check
    from antigravity_proxy.startup import epoch

    start = start_of(data_dir)
    state = start.reader.read()
    if state.error:
        raise click.ClickException(f"{state.error} (data directory: {state.where})")
    lines = accounts.lines(state, start.settings.clients, epoch(), show=show)
    click.echo(msgspec.json.encode(lines).decode() if as_json else check.render_accounts(lines) or "No accounts.")


def _change(action: str, data_dir: Path | None, url: str | None, account: str) -> None:
    from antigravity_proxy.operator import admin_client

    settings = start_of(data_dir).settings
    click.echo(admin_client.change(settings, url or admin_client.default_url(settings), action, account))
