"""``antigravity-proxy usage``: who used how much."""

from __future__ import annotations

from pathlib import Path

import click

from antigravity_proxy.cli.common import data_dir_option, start_of


@click.command()
@data_dir_option
@click.option(
    "--state-dir",
    "state_dirs",
    type=click.Path(readable=False, path_type=Path),
    multiple=True,
    help="State directory (default: PROXY_STATE_DIR). Several, one for each replica, are added up.",
)
@click.option("--by", default="day", show_default=True, help="Group by any of day,key,account,upstream,model.")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="Number of days (UTC).")
@click.option("--json", "form", flag_value="json", help="Print one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV, one line for each row.")
def usage(data_dir: Path | None, state_dirs: tuple[Path, ...], by: str, days: int, form: str | None) -> None:
    """Report requests, failures and tokens.

    It reads the state directory; the daemon need not run.

    The last seconds of a running daemon are not included: GET /usage has them.
    """
    from antigravity_proxy.operator import usage as reading
    from antigravity_proxy.startup import epoch
    from antigravity_proxy.state.usage_report import BadColumns, columns

    try:
        told_apart = columns(by)
    except BadColumns as e:
        raise click.BadParameter(str(e), param_hint="--by") from None
    if not state_dirs:
        configured = start_of(data_dir).settings.state_dir
        if configured is None:
            raise click.ClickException("name the directory with --state-dir, or set PROXY_STATE_DIR")
        state_dirs = (Path(configured),)
    report = reading.read(state_dirs, told_apart, days, epoch())
    written = {"json": reading.as_json, "csv": reading.as_csv}.get(form or "", reading.as_text)
    click.echo(written(report))
    if report.truncated:
        click.echo("Smaller rows were left out: use fewer columns or fewer days.", err=True)
