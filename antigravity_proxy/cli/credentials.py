"""``antigravity-proxy credentials``: the official credentials that settings and files name."""

from __future__ import annotations

import click

from antigravity_proxy.cli.common import start_of


@click.group()
def credentials() -> None:
    """Official credentials: Gemini API keys and Vertex AI."""


@credentials.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON array.")
def list_credentials(as_json: bool) -> None:
    """Lists every credential of GEMINI_API_KEYS, PROXY_CREDENTIALS_FILE and PROXY_VERTEX_ADC; never a key.

    Whether they work is what 'antigravity-proxy check' asks upstream.
    """
    import msgspec

    from antigravity_proxy.operator import credentials

    found = start_of(None).official
    lines = credentials.lines(found)
    click.echo(msgspec.json.encode(lines).decode() if as_json else credentials.as_text(lines) or "No credentials.")
    for note in found.notes:
        click.echo(f"Note: {note}", err=True)
