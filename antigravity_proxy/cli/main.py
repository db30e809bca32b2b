"""The command itself, and the sub-commands that belong to no group."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from antigravity_proxy import __version__
from antigravity_proxy.cli.accounts import accounts
from antigravity_proxy.cli.client_keys import client_key
from antigravity_proxy.cli.common import WRONG, data_dir_option, options_of, start_of
from antigravity_proxy.cli.copies import backup, export, restore
from antigravity_proxy.cli.credentials import credentials
from antigravity_proxy.cli.keys import key
from antigravity_proxy.cli.usage import usage
from antigravity_proxy.cli.why import why

if TYPE_CHECKING:
    from antigravity_proxy.operator.check import Report


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a sub-command and ends the process with its exit status (2 for a wrong command line)."""
    try:
        command(argv, prog_name="antigravity-proxy")
    except OSError as e:  # such as a mount that dies meanwhile
        sys.exit(f"Error: {e.filename or 'the system'}: {e.strerror or e}")


#: what ``setup`` knows; ``web.client_setup`` has them
SETUPS = ("claude", "codex", "codex-built-in", "gemini", "opencode", "openai", "anthropic", "genai", "ai-sdk")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="antigravity-proxy %(version)s")
def command() -> None:
    """Operate antigravity-proxy. `twistd antigravity` starts the daemon itself."""


@command.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8045, show_default=True, help="Port of the API; 0: any free port."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the API; 0.0.0.0 in a container.")
@click.option("--url", default="", help="The URL to print, if a container's port is mapped to another.")
@click.option("--official", is_flag=True, help="With an API key only, without a credential volume.")
def demo(port: int, host: str, url: str, official: bool) -> None:
    """Run the daemon with a simulated Google.

    It needs no account and no network.
    """
    from antigravity_proxy.demo import run

    sys.exit(run(port, host, url, official=official))


@command.command()
@data_dir_option
@click.option("--url", help="URL to ask (default: /health at the address in the daemon's settings).")
def healthcheck(data_dir: Path | None, url: str | None) -> None:
    """Ask /health; exit status 0 or 1.

    Without --url, an answer of another program on the daemon's port is status 1.
    """
    from antigravity_proxy.operator import healthcheck

    def resolved() -> tuple[str, int]:
        settings = start_of(data_dir).settings
        return settings.host, settings.port

    if url is not None:
        sys.exit(healthcheck.run(url))
    sys.exit(healthcheck.run(healthcheck.default_url(os.environ, resolved), ours=True))


@command.command()
@click.argument("client", type=click.Choice(SETUPS))
@click.option("--url", help="URL of the API for clients (default: PROXY_HOST and PROXY_PORT).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: files, environment, notes.")
def setup(client: str, url: str | None, as_json: bool) -> None:
    """Print the configuration of a client.

    It prints files and variables that connect the client to the proxy. It writes nothing and shows no key.
    """
    from antigravity_proxy.operator.healthcheck import on_this_machine
    from antigravity_proxy.web import client_setup

    if url is None:
        settings = start_of(None).settings
        url = f"http://{on_this_machine(settings.host)}:{settings.port}"
    made = client_setup.CLIENTS[client](url.rstrip("/"))
    click.echo((client_setup.as_json if as_json else client_setup.as_text)(made))


@command.command()
@data_dir_option
@click.option("--watch", is_flag=True, help="Keep running and report every change, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print each report as one line of JSON.")
@click.option("--offline", is_flag=True, help="Do not check whether Google's hosts can be reached.")
def check(data_dir: Path | None, watch: bool, as_json: bool, offline: bool) -> None:
    """Check settings, accounts and connections.

    It reads settings, volume, keys and every account as the daemon does, and connects to upstream.

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
        options = options_of(data_dir)
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


@command.command()
@data_dir_option
def login(data_dir: Path | None) -> None:
    """Add a Google account without a local browser.

    It prints a URL to open in any browser, and asks for the address that the browser is sent to. The data directory
    must be writable; the daemon need not run.
    """
    from twisted.internet.task import react

    from antigravity_proxy.operator.login import Login
    from antigravity_proxy.startup import epoch

    async def run(reactor: Any) -> None:
        entered = Login(reactor, start_of(data_dir), epoch)
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


for each in (accounts, credentials, backup, restore, export, key, client_key, usage, why):
    command.add_command(each)
