"""The findings of the running daemon, from its ``/health``: refusals, drift and bans are known to it alone."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from antigravity_proxy.operator.finding import Finding, Level
from antigravity_proxy.operator.healthcheck import on_this_machine, one_line, opener
from antigravity_proxy.settings.table import Settings

#: seconds that the daemon may take, bytes of its answer, and warnings that are read of it
_PATIENCE, _LONGEST, _MOST = 3.0, 1 << 20, 50
#: models that one line names
_NAMED = 5


class _Health(Struct):
    status: str
    usable: int = 0
    warnings: list[str] = []
    credentials: dict[str, int] = {}


class _Rest(Struct):
    model: str
    until: str


class _Credential(Struct, rename="camel"):
    name: str
    state: str
    why: str = ""
    tier: str = ""
    cooling: list[_Rest] = []
    used_today: int = 0
    max_per_day: int | None = None


class _Model(Struct, rename="camel"):
    id: str
    upstream: str = ""
    usable: int = 0
    cooling: int = 0
    earliest_reset: str | None = None


class _Unusable(Struct):
    account: str
    why: str


class _Capacity(Struct):
    credentials: list[_Credential] = []
    models: list[_Model] = []
    unusable: list[_Unusable] = []


_T = TypeVar("_T")


async def findings(settings: Settings) -> list[Finding]:
    """What the daemon says: its warnings, accounts out of use, official credentials, models that all cool for."""
    url = f"http://{on_this_machine(settings.host)}:{settings.port}"
    health = await _asked(f"{url}/health", _Health)
    if health is None:
        words = f"no daemon answers at {url}/health: what a running one has found is not known"
        return [Finding("daemon", "ok", words)]
    level: Level = "ok" if health.status == "healthy" else "warning" if health.usable else "error"
    found = [Finding("daemon", level, f"answers at {url}/health: {one_line(health.status[:32])}"), *_warnings(health)]
    if settings.api_keys:
        capacity = await _asked(f"{url}/capacity", _Capacity, f"Bearer {settings.api_keys[0].reveal()}")
        found += [] if capacity is None else _capacity(capacity)
    return found


def _capacity(capacity: _Capacity) -> Iterator[Finding]:
    for account in capacity.unusable[:_MOST]:
        yield Finding("daemon", "warning", one_line(f"account {account.account} is out of use: {account.why}"))
    yield from _short(capacity.models)
    for credential in capacity.credentials[:_MOST]:
        yield _standing(credential)


def _short(models: list[_Model]) -> Iterator[Finding]:
    """Models that can't be served now, a line for each upstream."""
    if models and not any(model.usable for model in models):
        yield Finding("daemon", "error", "no model can be served now")
    for upstream in dict.fromkeys(model.upstream for model in models):
        short = [each for each in models if each.upstream == upstream and each.cooling and not each.usable]
        if short:
            named = ", ".join(each.id for each in short[:_NAMED])
            more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
            first = min(each.earliest_reset or "" for each in short)
            words = f"{upstream}: no account or credential can serve {named}{more} until {first}"
            yield Finding("daemon", "warning", one_line(words))


def _standing(credential: _Credential) -> Finding:
    """How one credential is doing, as the status page says."""
    rests = [f"{each.model or 'every model'} rests until {each.until}" for each in credential.cooling[:_MOST]]
    facts = (
        f"{credential.state}: {credential.why}" if credential.why else credential.state,
        *rests,
        f"tier {credential.tier}" if credential.tier else "",
        f"{credential.used_today} of {credential.max_per_day} requests today" if credential.max_per_day else "",
    )
    level: Level = "warning" if credential.state == "out" else "ok"
    return Finding("official", level, one_line(f"{credential.name}: {'; '.join(filter(None, facts))}"))


def _warnings(health: _Health) -> Iterator[Finding]:
    for text in health.warnings[:_MOST]:
        yield Finding("daemon", "warning", one_line(text))


def _asked(url: str, form: type[_T], authorization: str = "") -> Deferred[_T | None]:
    """The daemon's answer; None for anything else."""
    return deferToThread(_ask, url, form, authorization)


def _ask(url: str, form: type[_T], authorization: str) -> _T | None:
    request = urllib.request.Request(url)  # noqa: S310 - the settings' own address
    if authorization:
        request.add_header("authorization", authorization)
    try:
        with opener().open(request, timeout=_PATIENCE) as answer:
            body = answer.read(_LONGEST)
    except urllib.error.HTTPError as e:
        with e:
            body = e.read(_LONGEST)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
