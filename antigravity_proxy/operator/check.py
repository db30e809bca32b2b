"""``antigravity-proxy check``: settings, volume, keys, accounts and the connection to upstream, once or watched.

The report holds no secret, no address of an account and no path of a key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from antigravity_proxy import startup
from antigravity_proxy.canonical.model_file import ModelsError
from antigravity_proxy.operator import accounts, credentials, running
from antigravity_proxy.operator.accounts import Line
from antigravity_proxy.operator.connectivity import connectivity, unusable_proxy
from antigravity_proxy.operator.finding import Finding, Level
from antigravity_proxy.operator.left_out import fields_left_out
from antigravity_proxy.operator.restore import is_interrupted
from antigravity_proxy.replicas.store import NO_KEY, sealing_key
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.startup import Start
from antigravity_proxy.volume.reader import VolumeState, unforeseen
from antigravity_proxy.web.client_keys import ClientKeysError
from antigravity_proxy.web.client_keys_file import reader
from antigravity_proxy.web.key_policy import KeyPolicy
from antigravity_proxy.web.warnings import Surroundings, warnings

#: seconds between two looks when watching, and between two questions to upstream
LOOK, ASK = 2.0, 60.0


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
    own = warnings(settings, state, around)
    findings = (
        Finding("settings", "ok", f"listening on {settings.host}:{settings.port}; {_sources(settings)}"),
        _volume(state, settings, around),
        *(() if around.no_volume else (_keys(state), _accounts(lines, state.paused))),
        *(finding for finding in further if finding.message not in own),
        *(Finding("warning", "warning", text) for text in own),
    )
    return Report(all(finding.level != "error" for finding in findings), findings, tuple(lines))


def as_text(report: Report) -> str:
    """The report as text: a line for each finding, one for each account, and the verdict."""
    out = [f"{finding.subject:<9} {_MARKS[finding.level]:<8} {finding.message}" for finding in report.findings]
    if report.accounts:
        out += ["", render_accounts(report.accounts)]
    out += ["", _verdict(report)]
    return "\n".join(out)


def _verdict(report: Report) -> str:
    if not report.well:
        return "Something is wrong: see the lines marked ERROR."
    if any(finding.level == "warning" for finding in report.findings):
        return "It can serve; see the lines marked WARNING."
    return "All is well."


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
    if around.no_volume:
        return Finding("volume", "ok", "none: only official credentials are used")
    if state.error:
        return Finding("volume", "error", f"{state.error} (data directory: {state.where})")
    mode = "read-only" if settings.read_only or not around.writable else "writable"
    return Finding("volume", "ok", f"{mode}; a consistent snapshot of {max(1, state.size // 1024)} KB was taken")


def _keys(state: VolumeState) -> Finding:
    sealed = state.sealed_rows
    if state.read_at is None:
        return Finding("keys", "warning", f"{state.key_count} found, but no row to try them on")
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
    lacking = f"; {usable - ready} of those can't serve now" if ready < usable else ""
    return Finding("accounts", level, f"{len(lines)} rows, {usable} usable{resting}{lacking}")


async def check(
    reactor: Any, options: Mapping[str, Any], environ: Mapping[str, str], *, offline: bool, epoch: Callable[[], float]
) -> Report:
    """One report. Raises SettingsError. ``offline``: upstream is not asked."""
    start = startup.begin(options, environ)
    further = [] if offline else await _asked(reactor, start)
    return await _examined(start, further, epoch)


async def watch(
    reactor: Any,
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    offline: bool,
    epoch: Callable[[], float],
    tell: Callable[[Report], None],
) -> None:
    """Reports at once and whenever something changes, until cancelled. Raises SettingsError at the start alone."""
    start = startup.begin(options, environ)
    told: Report | None = None
    further: list[Finding] = []
    asked_at = float("-inf")
    while True:
        if not offline and reactor.seconds() - asked_at >= ASK:
            further, asked_at = await _asked(reactor, start), reactor.seconds()
        report = await _examined(start, further, epoch)
        if told is None or gist(report) != gist(told):
            told = report
            tell(report)
        await deferLater(reactor, LOOK)


async def _asked(reactor: Any, start: Start) -> list[Finding]:
    """The reports of others: upstream and Redis, each official credential once, and the daemon if it runs."""
    settings = start.settings
    found = await connectivity(reactor, settings, accounts=_uses_accounts(start))
    official = await credentials.findings(reactor, settings, start.official)
    return [*found, *official, *await running.findings(settings), await fields_left_out(reactor, settings)]


def _uses_accounts(start: Start) -> bool:
    """Whether there is a volume, or ought to be one."""
    return bool(start.settings.data_dir) or not start.official.credentials or os.path.exists(start.places.directory)


def as_json(report: Report) -> str:
    """The report for programs: one JSON object in one line."""
    return msgspec.json.encode(report).decode()


async def _examined(start: Start, further: Iterable[Finding], epoch: Callable[[], float]) -> Report:
    reading: Deferred[Any] = deferToThread(start.reader.read)
    try:
        state = await reading
    except CancelledError:
        raise
    except Exception as e:  # a fault of ours: the daemon says it in these words too
        state = start.reader.failed(unforeseen(e))
    directory = start.places.directory
    found = list(further)
    settings = start.settings
    try:  # what the next start would say: files and gui_config.json may be others by now
        settings = start.resolve().settings(startup.gui_values(state.config))
    except SettingsError as e:
        found.append(Finding("settings", "error", str(e)))
    unusable = unusable_proxy(settings)
    if unusable is not None and unusable not in found:
        found.append(unusable)
    if start.official.credentials:
        words = (
            f"{len(start.official.credentials)} official credentials; 'antigravity-proxy credentials list' names them"
        )
        found.append(Finding("official", "ok", words))
    closed, trouble, policy = False, "", KeyPolicy.of(settings)
    policy.needs_config = _uses_accounts(start)
    if settings.client_keys_file is not None:
        try:
            policy.clients = reader(Path(settings.client_keys_file)).read()
            found.append(Finding("clients", "ok", f"{len(policy.clients)} clients have keys of their own"))
        except ClientKeysError as e:
            trouble = str(e)
    try:
        closed = policy.at_start(state.config, absent=state.config_absent).closed
    except SettingsError as e:
        found.append(Finding("settings", "error", str(e)))
    wrong_models = ""
    try:
        models = start.models_file.read()
        if models.corrected:
            found.append(Finding("models", "ok", f"PROXY_MODELS_FILE corrects {models.told}"))
    except ModelsError as e:
        wrong_models = str(e)
    if is_interrupted(directory):
        words = "a restore was interrupted: finish it with 'antigravity-proxy restore --resume'"
        found.append(Finding("volume", "error", words))
    around = Surroundings(
        keys_closed=closed,
        client_keys=trouble,
        models=wrong_models,
        writable=os.access(directory, os.W_OK),
        apart=NO_KEY if settings.redis_url is not None and sealing_key(state, settings) is None else "",
        notes=start.official.notes,
        no_volume=not _uses_accounts(start),
        tally=accounts.tally_of(state, epoch()),
    )
    return examine(settings, state, around, found, epoch())


def gist(report: Report) -> Any:
    """The part of a report whose change is worth a new one: neither upstream's latency, nor a snapshot's size."""
    return report.accounts, [(f.subject, f.level, "" if _is_figure(f) else f.message) for f in report.findings]


def _is_figure(finding: Finding) -> bool:
    return finding.subject == "upstream" or (finding.subject == "volume" and finding.level == "ok")
