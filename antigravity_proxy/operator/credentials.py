"""The official credentials for an operator: one line each, and what each is offered; never a key."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from antigravity_proxy.canonical.credential import GEMINI, Credential
from antigravity_proxy.credentials.file import Found
from antigravity_proxy.operator.finding import Finding
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.account_methods import AccountMethodFailed
from antigravity_proxy.upstream.egress import configured
from antigravity_proxy.upstream.exchange import Unreachable
from antigravity_proxy.upstream.gemini_models import listed


class Line(Struct, frozen=True, rename="camel"):
    """One credential. ``group``: whose quotas it shares; empty: it has its own, as far as is known."""

    name: str
    kind: str
    upstream: str
    group: str
    project: str
    tier: str
    priority: int
    models: tuple[str, ...]
    exclude: tuple[str, ...]
    locations: tuple[str, ...]
    max_requests: int
    max_per_day: int
    own_proxy: bool


def lines(found: Found) -> list[Line]:
    """All of them, in the order of their sources."""
    return [_line(credential) for credential in found.credentials]


def as_text(every: list[Line]) -> str:
    """A line for each."""
    width = max((len(line.name) for line in every), default=0)
    kinds = max((len(line.kind) for line in every), default=0)
    return "\n".join(f"  {line.name:<{width}}  {line.kind:<{kinds}}  {_facts(line)}" for line in every)


async def findings(reactor: Any, settings: Settings, found: Found) -> list[Finding]:
    """Each key asked once for its models. Raises SettingsError for TLS files that can't be used."""
    keys = [credential for credential in found.credentials if credential.upstream == GEMINI]
    ticker = Ticker(reactor)
    egresses = configured(reactor, ticker, settings)
    base = settings.gemini_base_url.rstrip("/").encode("ascii")
    told = []
    try:
        for credential in keys:
            try:
                offers = await listed(reactor, egresses.of(credential), base, credential.access_token)
            except (AccountMethodFailed, Unreachable) as e:
                told.append(Finding("gemini", "error", f"{credential.id}: {e}"))
            else:
                usable = [offer.id for offer in offers.models if credential.may_use(offer.id)]
                words = f"{len(usable)} models are listed for it; its tier may have no quota for some"
                told.append(Finding("gemini", "ok" if usable else "warning", f"{credential.id}: {words}"))
    finally:
        await egresses.close()
        ticker.stop()
    return told


def _line(credential: Credential) -> Line:
    return Line(
        name=credential.id,
        kind=credential.kind,
        upstream=credential.upstream,
        group=credential.group,
        project=credential.project or "",
        tier=credential.tier,
        priority=credential.priority,
        models=credential.models,
        exclude=credential.exclude,
        locations=credential.locations,
        max_requests=credential.max_requests,
        max_per_day=credential.max_per_day,
        own_proxy=credential.egress is not None,
    )


def _facts(line: Line) -> str:
    facts = (
        f"quota group {line.group}" if line.group else "a quota of its own",
        f"tier {line.tier}" if line.tier else "tier not known",
        f"priority {line.priority}" if line.priority else "",
        f"at {', '.join(line.locations)}" if line.locations else "",
        f"models {', '.join(line.models)}" if line.models else "",
        f"without {', '.join(line.exclude)}" if line.exclude else "",
        f"at most {line.max_per_day} requests a day" if line.max_per_day else "",
    )
    return "; ".join(filter(None, facts))
