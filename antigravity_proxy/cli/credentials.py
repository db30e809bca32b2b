"""``antigravity-proxy credentials``: the official credentials that settings and files name."""

from __future__ import annotations

import click

from antigravity_proxy.cli.common import start_of


@click.group()
def credentials() -> None:
    """Show Gemini API keys and Vertex AI credentials."""


@credentials.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_credentials(as_json: bool) -> None:
    """List the official credentials; never a key.

    They come from GEMINI_API_KEYS, PROXY_CREDENTIALS_FILE and PROXY_VERTEX_ADC.

    'antigravity-proxy check' tests them with upstream.
    """
    import msgspec

    from antigravity_proxy.operator import credentials

    found = start_of(None).official
    lines = credentials.lines(found)
    click.echo(msgspec.json.encode(lines).decode() if as_json else credentials.as_text(lines) or "No credentials.")
    for note in found.notes:
        click.echo(f"Note: {note}", err=True)
