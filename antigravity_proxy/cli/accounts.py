"""``antigravity-proxy accounts``: what is in the volume, and changes that the running daemon makes."""

from __future__ import annotations

from pathlib import Path

import click

from antigravity_proxy.cli.common import data_dir_option, start_of

_url = click.option("--url", help="The daemon's admin listener (default: at OAUTH_LISTEN_HOST and OAUTH_LISTEN_PORT).")


@click.group()
def accounts() -> None:
    """The volume's accounts."""


@accounts.command("pause")
@data_dir_option
@_url
@click.argument("account")
def pause_account(data_dir: Path | None, url: str | None, account: str) -> None:
    """Has the running daemon leave ACCOUNT alone; requests that it serves go on to their end.

    ACCOUNT is its id, a beginning of that, or its e-mail address. The desktop app is not concerned.
    """
    _change("pause", data_dir, url, account)


@accounts.command("resume")
@data_dir_option
@_url
@click.option("--all", "everybody", is_flag=True, help="Use all accounts again after a ban (PROXY_ON_TERMS_BAN).")
@click.argument("account", required=False)
def resume_account(data_dir: Path | None, url: str | None, everybody: bool, account: str | None) -> None:
    """Has the running daemon use a paused ACCOUNT again.

    With --all it ends the rest that began when Google barred an account; what somebody has paused stays so.
    """
    if everybody == (account is not None):
        raise click.UsageError("Name one ACCOUNT, or use --all.")
    _change("resume" if account else "resume-all", data_dir, url, account or "")


@accounts.command("reset")
@data_dir_option
@_url
@click.argument("account")
def reset_account(data_dir: Path | None, url: str | None, account: str) -> None:
    """Has the running daemon try ACCOUNT again at once, whatever set it aside."""
    _change("reset", data_dir, url, account)


@accounts.command("remove")
@data_dir_option
@_url
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.argument("account")
def remove_account(data_dir: Path | None, url: str | None, yes: bool, account: str) -> None:
    """Has the running daemon remove ACCOUNT from the data directory, for the desktop app too."""
    if not yes:
        click.confirm(f"Remove {account}? To use it again, somebody has to sign in with it", abort=True)
    _change("remove", data_dir, url, account)


@accounts.command("list")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="A JSON array.")
@click.option("--show", is_flag=True, help="E-mail addresses in full. Tokens are never shown.")
def list_accounts(data_dir: Path | None, as_json: bool, show: bool) -> None:
    """Lists every row, and why one can't serve."""
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
