"""What ``check`` finds: lines by subject, a verdict for scripts. Pure; no secret, address or path of a key in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from antigravity_proxy.operator import accounts
from antigravity_proxy.operator.accounts import Line
from antigravity_proxy.settings.resolve import Settings
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.web.warnings import Surroundings, warnings

Level = Literal["ok", "warning", "error"]


class Finding(Struct, frozen=True):
    """One thing that was looked at: how it is, in words to act on."""

    subject: str
    level: Level
    message: str


class Report(Struct, frozen=True, rename="camel"):
    """Everything that was found. ``well``: the daemon would serve, and nothing is in its way."""

    well: bool
    findings: tuple[Finding, ...]
    accounts: tuple[Line, ...]


def examine(
    settings: Settings, state: VolumeState, around: Surroundings, further: Iterable[Finding], epoch: float
) -> Report:
    """The report on settings and volume; ``further`` findings join it. ``epoch`` in seconds."""
    lines = accounts.lines(state, settings.clients, epoch, show=False)
    findings = (
        Finding("settings", "ok", f"listening on {settings.host}:{settings.port}; {_sources(settings)}"),
        _volume(state, settings, around),
        _keys(state),
        _accounts(lines, state.paused),
        *further,
        *(Finding("warning", "warning", text) for text in warnings(settings, state, around)),
    )
    return Report(all(finding.level != "error" for finding in findings), findings, tuple(lines))


def render(report: Report) -> str:
    """The report as text: a line for each finding, one for each account, and the verdict."""
    out = [f"{finding.subject:<9} {_MARKS[finding.level]:<8} {finding.message}" for finding in report.findings]
    if report.accounts:
        out += ["", render_accounts(report.accounts)]
    out += ["", "All is well." if report.well else "Something is wrong: see the lines marked ERROR."]
    return "\n".join(out)


def render_accounts(lines: Sequence[Line]) -> str:
    """A line for each account."""
    width = max((len(line.email) for line in lines), default=0)
    return "\n".join(f"  {line.id}  {line.email:<{width}}  {_condition(line)}" for line in lines)


_MARKS = {"ok": "ok", "warning": "WARNING", "error": "ERROR"}


def _condition(line: Line) -> str:
    state = "usable" if line.usable else "not usable" if line.readable else "not readable"
    return f"{state}: {line.reason}" if line.reason else state


def _sources(settings: Settings) -> str:
    """Where the settings come from that are not defaults; never a value."""
    given = [f"{field} by {source}" for field, source in sorted(settings.sources.items()) if source != "default"]
    return ", ".join(given) or "all settings are defaults"


def _volume(state: VolumeState, settings: Settings, around: Surroundings) -> Finding:
    if state.error:
        return Finding("volume", "error", state.error)
    mode = "read-only" if settings.read_only or not around.writable else "writable"
    return Finding("volume", "ok", f"{mode}; a consistent snapshot of {max(1, state.size // 1024)} KB was taken")


def _keys(state: VolumeState) -> Finding:
    sealed = state.sealed_rows
    if state.no_key_fits:
        return Finding("keys", "error", f"{state.key_count} found, but none opens any row")
    if sealed:
        return Finding("keys", "error", f"{state.key_count} found; {sealed} rows stay sealed")
    return Finding("keys", "ok", f"{state.key_count} found; every sealed row opens")


def _accounts(lines: list[Line], paused: int) -> Finding:
    usable = sum(line.usable for line in lines)
    ready = sum(line.usable and not line.reason for line in lines)
    level: Level = "error" if not ready else "ok" if ready + paused == len(lines) else "warning"
    resting = f", {paused} paused" if paused else ""
    lacking = f"; {usable - ready} of those lack something to serve now" if ready < usable else ""
    return Finding("accounts", level, f"{len(lines)} rows, {usable} usable{resting}{lacking}")
