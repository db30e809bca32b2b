"""``antigravity-proxy why``: which accounts a request took, and why those."""

from __future__ import annotations

from pathlib import Path

import click

from antigravity_proxy.cli.common import data_dir_option, start_of


@click.command()
@data_dir_option
@click.option("--url", help="URL of the daemon's admin pages (default: from its settings, on this machine).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("request_id")
def why(data_dir: Path | None, url: str | None, as_json: bool, request_id: str) -> None:
    """Explain which accounts a request used, and why.

    REQUEST_ID is in the answer's x-request-id or request-id header.

    The last few thousand requests are remembered; a restart clears them.
    """
    import msgspec

    from antigravity_proxy.operator import admin_client
    from antigravity_proxy.operator.why import as_text

    settings = start_of(data_dir).settings
    known = admin_client.why(settings, url or admin_client.default_url(settings), request_id)
    click.echo(msgspec.json.encode(known).decode() if as_json else as_text(known))
