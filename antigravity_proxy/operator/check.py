"""``antigravity-proxy check``: settings, volume, keys, accounts and the way to upstream, once or watched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from antigravity_proxy import startup
from antigravity_proxy.operator.reach import reach
from antigravity_proxy.operator.report import Finding, Report, examine, render
from antigravity_proxy.operator.restore import is_interrupted
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.startup import Start
from antigravity_proxy.web.client_keys import ClientKeysError
from antigravity_proxy.web.client_keys_file import read
from antigravity_proxy.web.key_policy import KeyPolicy
from antigravity_proxy.web.warnings import Surroundings

#: seconds between two looks when watching, and between two questions to upstream
LOOK, ASK = 2.0, 60.0


async def check(
    reactor: Any, options: Mapping[str, Any], environ: Mapping[str, str], *, offline: bool, epoch: Callable[[], float]
) -> Report:
    """One report. Raises SettingsError. ``offline``: upstream is not asked."""
    start = startup.begin(options, environ)
    further = [] if offline else await reach(reactor, start.settings)
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
            further, asked_at = await reach(reactor, start.settings), reactor.seconds()
        report = await _examined(start, further, epoch)
        if told is None or _gist(report) != _gist(told):
            told = report
            tell(report)
        await deferLater(reactor, LOOK)


def as_json(report: Report) -> str:
    """The report for programs: one JSON object in one line."""
    return msgspec.json.encode(report).decode()


def as_text(report: Report) -> str:
    """The report for people."""
    return render(report)


async def _examined(start: Start, further: Iterable[Finding], epoch: Callable[[], float]) -> Report:
    reading: Deferred[Any] = deferToThread(start.reader.read)
    state = await reading
    directory = start.places.directory
    found = list(further)
    closed, trouble, policy = False, "", KeyPolicy.of(start.settings)
    if start.settings.client_keys_file is not None:
        try:
            policy.clients = read(Path(start.settings.client_keys_file))
            found.append(Finding("clients", "ok", f"{len(policy.clients)} clients have keys of their own"))
        except ClientKeysError as e:
            trouble = str(e)
    try:
        closed = policy.at_start(state.config, absent=state.config_absent).closed
    except SettingsError as e:
        found.append(Finding("settings", "error", str(e)))
    if is_interrupted(directory):
        words = "a restore was interrupted: finish it with 'antigravity-proxy restore --resume'"
        found.append(Finding("volume", "error", words))
    around = Surroundings(keys_closed=closed, client_keys=trouble, writable=os.access(directory, os.W_OK))
    return examine(start.settings, state, around, found, epoch())


def _gist(report: Report) -> Any:
    """What makes a report worth telling anew: neither how long upstream took, nor the size of a sound snapshot."""
    return report.accounts, [(f.subject, f.level, "" if _is_figure(f) else f.message) for f in report.findings]


def _is_figure(finding: Finding) -> bool:
    return finding.subject == "upstream" or (finding.subject == "volume" and finding.level == "ok")
