"""``antigravity-proxy``: the operator's command. What a sub-command needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from antigravity_proxy import __version__

if TYPE_CHECKING:
    from antigravity_proxy.operator.report import Report
    from antigravity_proxy.startup import Start

#: exit status of `check` when something is wrong
WRONG = 1

_data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="The credential volume (default: ANTIGRAVITY_DATA_DIR, else where the desktop app keeps it).",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a sub-command and ends the process with its exit status (2 for a wrong command line)."""
    command(argv, prog_name="antigravity-proxy")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="antigravity-proxy %(version)s")
def command() -> None:
    """Operates antigravity-proxy. The daemon itself is `twistd antigravity`."""


@command.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8045, show_default=True, help="The API's port; 0: a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The API's address; 0.0.0.0 in a container.")
def demo(port: int, host: str) -> None:
    """The real daemon on a simulated Google: no account, no network."""
    from antigravity_proxy.demo import run

    sys.exit(run(port, host))


@command.command()
@click.option("--url", help="The page to ask (default: /health at PROXY_HOST and PROXY_PORT).")
def healthcheck(url: str | None) -> None:
    """Asks /health: exit status 0 when it is well, else 1."""
    from antigravity_proxy.operator import healthcheck

    sys.exit(healthcheck.run(url or healthcheck.default_url(os.environ)))


@command.command()
@_data_dir
@click.option("--watch", is_flag=True, help="Go on, and report whenever something changes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a report, in one line.")
@click.option("--offline", is_flag=True, help="Don't ask whether Google's hosts can be reached.")
def check(data_dir: Path | None, watch: bool, as_json: bool, offline: bool) -> None:
    """Looks at settings, volume, keys, every account, and the way to upstream.

    Exit status 0: the daemon would serve; 1: something is wrong; 2: wrong options.
    """
    from twisted.internet.task import react

    from antigravity_proxy.operator import check as checking
    from antigravity_proxy.settings.resolve import SettingsError
    from antigravity_proxy.startup import epoch

    form = checking.as_json if as_json else checking.as_text

    def tell(report: Report) -> None:
        click.echo(form(report) + ("\n" if watch and not as_json else ""))

    async def run(reactor: Any) -> None:
        options = _options(data_dir)
        try:
            if watch:
                await checking.watch(reactor, options, os.environ, offline=offline, epoch=epoch, tell=tell)
            report = await checking.check(reactor, options, os.environ, offline=offline, epoch=epoch)
        except SettingsError as e:
            click.echo(f"Error: {e}", err=True)
            raise SystemExit(WRONG) from None
        tell(report)
        raise SystemExit(0 if report.well else WRONG)

    react(run)


@command.group()
def accounts() -> None:
    """The volume's accounts."""


def _change(action: str, data_dir: Path | None, url: str | None, account: str) -> None:
    from antigravity_proxy.operator import changes

    settings = _start(data_dir).settings
    click.echo(changes.change(settings, url or changes.default_url(settings), action, account))


_url = click.option("--url", help="The daemon's admin listener (default: at OAUTH_LISTEN_HOST and OAUTH_LISTEN_PORT).")


@accounts.command("pause")
@_data_dir
@_url
@click.argument("account")
def pause_account(data_dir: Path | None, url: str | None, account: str) -> None:
    """Has the running daemon leave ACCOUNT alone; requests that it serves go on to their end.

    ACCOUNT is its id, a beginning of that, or its e-mail address. The desktop app is not concerned.
    """
    _change("pause", data_dir, url, account)


@accounts.command("resume")
@_data_dir
@_url
@click.argument("account")
def resume_account(data_dir: Path | None, url: str | None, account: str) -> None:
    """Has the running daemon use a paused ACCOUNT again."""
    _change("resume", data_dir, url, account)


@accounts.command("reset")
@_data_dir
@_url
@click.argument("account")
def reset_account(data_dir: Path | None, url: str | None, account: str) -> None:
    """Has the running daemon try ACCOUNT again at once, whatever set it aside."""
    _change("reset", data_dir, url, account)


@accounts.command("remove")
@_data_dir
@_url
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.argument("account")
def remove_account(data_dir: Path | None, url: str | None, yes: bool, account: str) -> None:
    """Has the running daemon remove ACCOUNT from the data directory, for the desktop app too."""
    if not yes:
        click.confirm(f"Remove {account}? To use it again, somebody has to sign in with it", abort=True)
    _change("remove", data_dir, url, account)


@accounts.command("list")
@_data_dir
@click.option("--json", "as_json", is_flag=True, help="A JSON array.")
@click.option("--show", is_flag=True, help="E-mail addresses in full. Tokens are never shown.")
def list_accounts(data_dir: Path | None, as_json: bool, show: bool) -> None:
    """Lists every row, and why one can't serve."""
    import msgspec

    from antigravity_proxy.operator import accounts, report
    from antigravity_proxy.startup import epoch

    start = _start(data_dir)
    state = start.reader.read()
    if state.error:
        raise click.ClickException(state.error)
    lines = accounts.lines(state, start.settings.clients, epoch(), show=show)
    click.echo(msgspec.json.encode(lines).decode() if as_json else report.render_accounts(lines) or "No accounts.")


@command.command()
@_data_dir
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", type=click.IntRange(min=1), help="Keep so many backups there and remove older ones.")
def backup(data_dir: Path | None, directory: Path, keep: int | None) -> None:
    """Backs the volume up into DIRECTORY: database, configuration and keys, in one checked file.

    The desktop app may be running. The file holds everything that the accounts need: keep it safe.
    """
    from antigravity_proxy.operator.backup import back_up
    from antigravity_proxy.startup import epoch

    places = _start(data_dir).places
    with click.progressbar(length=_size(places.database), label="Backing up", file=sys.stderr) as bar:
        path, manifest = back_up(places, directory, keep, epoch(), bar.update)
    click.echo(f"{path}: {manifest.rows} accounts, {manifest.readable} of them open with the keys in it; verified")
    if manifest.readable < manifest.rows:
        click.echo("Keep the missing key too (ANTIGRAVITY_MASTER_KEY, or the desktop's keychain).", err=True)


@command.command()
@_data_dir
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace accounts that are there, also while the desktop app runs.")
@click.option("--resume", is_flag=True, help="Finish a restore that was interrupted.")
def restore(data_dir: Path | None, file: Path | None, force: bool, resume: bool) -> None:
    """Puts the backup FILE back into the data directory: whole, or not at all."""
    from antigravity_proxy.operator import restore

    if (file is None) != resume:
        raise click.UsageError("give either a FILE or --resume")
    start = _start(data_dir)
    directory, read_only = start.places.directory, start.settings.read_only
    if file is None:
        restore.resume(directory, read_only=read_only)
        click.echo(f"{directory}: the interrupted restore is finished")
        return
    manifest = restore.restore(directory, file, force=force, read_only=read_only)
    click.echo(f"{directory}: restored {manifest.rows} accounts as of {manifest.created}")


@command.command()
@_data_dir
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def export(data_dir: Path | None, directory: Path) -> None:
    """Brings DIRECTORY up to the volume's state, for rsync: always consistent there, unlike the live directory."""
    from antigravity_proxy.operator.export import export

    volume = export(_start(data_dir).places, directory)
    click.echo(f"{directory}: {volume.rows} accounts, {volume.readable} of them open with the keys in it")


@command.command()
@_data_dir
def login(data_dir: Path | None) -> None:
    """Adds a Google account from a machine without a browser: prints a URL, takes the address it ends at.

    The data directory must be writable; the daemon need not run.
    """
    from twisted.internet.task import react

    from antigravity_proxy.operator.login import Login
    from antigravity_proxy.startup import epoch

    async def run(reactor: Any) -> None:
        entered = Login(reactor, _start(data_dir), epoch)
        begun = entered.begin()
        click.echo(f"Open this address in any browser, and allow access:\n\n{begun.url}\n")
        click.echo("The browser is then sent to an address on localhost, which need not load. Copy it from the bar.")
        added = await entered.finish(begun, click.prompt("Address", prompt_suffix=": "))
        if added.written.key_file:
            click.echo(f"A new master key was made: {added.written.key_file}")
        what = "added" if added.written.is_new else "signed in again"
        click.echo(f"{added.email.reveal()}: {what}")

    async def told(reactor: Any) -> None:
        try:
            await run(reactor)
        except click.Abort:
            raise SystemExit(WRONG) from None
        except click.ClickException as e:
            click.echo(f"Error: {e.format_message()}", err=True)
            raise SystemExit(WRONG) from None

    react(told)


@command.group()
def key() -> None:
    """The volume's master keys. None is ever printed."""


@key.command("check")
@_data_dir
def check_keys(data_dir: Path | None) -> None:
    """Says which key opens how many rows. Exit status 1 if one stays sealed."""
    from antigravity_proxy.operator import keys

    start = _start(data_dir)
    sealed, opened = keys.of_volume(start.places, start.settings.master_key)
    for each in opened:
        click.echo(f"{each.source}: opens {each.rows} of {sealed} sealed rows")
    if unopened := start.reader.read().sealed_rows:
        raise click.ClickException(f"{unopened} of {sealed} sealed rows are opened by no key")
    if not opened:
        click.echo("No key, and no row that needs one.")


@key.command("export")
@_data_dir
@click.option("--all", "take_all", is_flag=True, help="Also keys that open no row.")
def export_key(data_dir: Path | None, take_all: bool) -> None:
    """On the desktop host: puts the app's key from the system's keychain into .keys/ of the data directory."""
    from antigravity_proxy.operator import keys
    from antigravity_proxy.operator.keychain import of_platform

    start = _start(data_dir)
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


_keys_file = click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of clients' keys (default: PROXY_CLIENT_KEYS_FILE).",
)


@command.group("client-key")
def client_key() -> None:
    """Clients' own keys, each with a name and its limits. The daemon follows their file."""


@client_key.command("add")
@_data_dir
@_keys_file
@click.argument("name")
@click.option("--expires", metavar="WHEN", help="90d, 12h, 4w, or a date such as 2027-01-31 (UTC).")
@click.option("--requests-per-minute", type=click.IntRange(1, 100_000), help="Requests within any minute.")
@click.option("--concurrent", type=click.IntRange(1, 100_000), help="Requests under way at a time, streams above all.")
@click.option("--models", metavar="PATTERNS", default="", help="Models it may use, such as 'gemini-*,claude-sonnet-*'.")
def add_client_key(
    data_dir: Path | None,
    file: Path | None,
    name: str,
    expires: str | None,
    requests_per_minute: int | None,
    concurrent: int | None,
    models: str,
) -> None:
    """Makes a key for the client NAME, and prints it: this once, since only its hash is kept."""
    from antigravity_proxy.operator import clientkeys

    start, now = _start(data_dir), _now()
    path = clientkeys.place_of(file, start.settings, start.places.directory)
    plain, key = clientkeys.new(
        name,
        now,
        expires=clientkeys.moment(expires, now) if expires else None,
        per_minute=requests_per_minute,
        concurrent=concurrent,
        models=tuple(word for item in models.split(",") if (word := item.strip())),
    )
    clientkeys.add(path, key)
    click.echo(plain)
    click.echo(f"{path}: {name} was added. The key above is shown this once.", err=True)


@client_key.command("list")
@_data_dir
@_keys_file
@click.option("--json", "as_json", is_flag=True, help="A JSON array.")
def list_client_keys(data_dir: Path | None, file: Path | None, as_json: bool) -> None:
    """Lists the clients' keys by name, with their limits; never a key."""
    from antigravity_proxy.operator import clientkeys

    start = _start(data_dir)
    keys = clientkeys.load(clientkeys.place_of(file, start.settings, start.places.directory))
    click.echo(clientkeys.as_json(keys) if as_json else clientkeys.as_text(keys, _now()) or "No client has a key.")


@client_key.command("revoke")
@_data_dir
@_keys_file
@click.argument("name")
def revoke_client_key(data_dir: Path | None, file: Path | None, name: str) -> None:
    """Takes the key of the client NAME out of force: within a second, where the daemon runs."""
    from antigravity_proxy.operator import clientkeys

    start = _start(data_dir)
    path = clientkeys.place_of(file, start.settings, start.places.directory)
    clientkeys.revoke(path, name)
    click.echo(f"{path}: {name} was revoked")


def _now() -> datetime:
    from antigravity_proxy.startup import epoch

    return datetime.fromtimestamp(int(epoch()), UTC)


def _start(data_dir: Path | None) -> Start:
    """What the daemon would start with; a setting that can't be used is one line and exit status 1."""
    from antigravity_proxy import startup
    from antigravity_proxy.settings.resolve import SettingsError

    try:
        return startup.begin(_options(data_dir), os.environ)
    except SettingsError as e:
        raise click.ClickException(str(e)) from e


def _options(data_dir: Path | None) -> dict[str, str]:
    return {} if data_dir is None else {"antigravity-data-dir": str(data_dir)}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


if __name__ == "__main__":
    main()
