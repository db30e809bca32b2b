"""Warnings for the operator, in words to act on. They identify nobody: health is public. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from antigravity_proxy.accounts.reasons import OF_MANY
from antigravity_proxy.accounts.state import OutOfUse
from antigravity_proxy.accounts.stats import Tally
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.telemetry.drift import Seen
from antigravity_proxy.volume.reader import VolumeState

#: what only somebody's own doing ends: worth a warning also while other accounts serve
_ALWAYS_SAID = frozenset({OutOfUse.BARRED, OutOfUse.UNVERIFIED})

#: unknown things that are named
_NEWS = 6


class Surroundings(Struct, frozen=True):
    """The inputs of the warnings besides settings and volume. ``misconfigured``: why the OAuth client is refused.

    ``apart``: why this process shares nothing with its replicas; empty: it does, or has none.
    ``client_keys``: what is wrong with the file of clients' keys.
    ``state``: why the state directory can't be used; ``exposed``: others may look into it.
    ``tally``: how the accounts are. ``egress``: what is wrong with the egress proxy, as it was last tried;
    ``own_egress``: how many proxies of accounts' own failed a moment ago. ``resting``: all accounts rest, since Google
    has barred one for its terms. ``unanswered``: upstreams whose every host failed a moment ago. ``refused_since``:
    since when upstream refuses this program, in epoch seconds, 0: it doesn't. ``drift`` is what upstream sends that no
    table knows. ``credentials``: what is wrong with the file of official credentials; ``notes`` on these.
    ``no_volume``: they serve alone. ``models``: what is wrong with the operator's file of models.
    """

    keys_closed: bool = False
    client_keys: str = ""
    misconfigured: str = ""
    apart: str = ""
    writable: bool = True
    state: str = ""
    exposed: bool = False
    tally: Tally = Tally()
    egress: str = ""
    own_egress: int = 0
    credentials: str = ""
    models: str = ""
    notes: tuple[str, ...] = ()
    no_volume: bool = False
    resting: bool = False
    refused_since: float = 0.0
    unanswered: tuple[str, ...] = ()
    drift: tuple[Seen, ...] = ()


def warnings(settings: Settings, state: VolumeState, around: Surroundings) -> tuple[str, ...]:
    """Everything that is worth a warning now, the volume's matters first."""
    found = _refused(around) + [finding.message for finding in state.key_findings]
    found += settings.notes
    if state.no_key_fits:
        found.append("No key opens any account: the keys in .keys/ belong to another volume")
    elif state.read_at is not None and not state.key_count and state.sealed_rows:
        found.append("No key was found in the volume: put the master key into .keys/")
    elif unopened := len(state.problems) - state.kept:
        found.append(f"{unopened} account rows can't be opened; the log names them")
    if state.kept:
        found.append(
            f"{state.kept} accounts stay in use with the sign-in that they had: their rows can no longer be "
            "opened. Where the "
            "app has sealed them with another key, 'antigravity-proxy key export' on its machine puts that into .keys/"
        )
    if state.alone:
        found.append(
            "cloud_accounts.db is mounted as a single file, so commits that are still in its log are not seen: "
            "mount the directory that holds it"
        )
    if state.config_error:
        found.append(f"{state.config_error}; the last good one stays in force")
    elif state.config is not None:
        found += state.config.notes
    if around.client_keys:
        found.append(f"PROXY_CLIENT_KEYS_FILE: {around.client_keys}; its last good keys stay in force")
    if around.credentials:
        found.append(f"{around.credentials}; what it held before stays in force")
    if around.models:
        found.append(f"PROXY_MODELS_FILE: {around.models}; what it held before stays in force")
    found += around.notes
    if around.keys_closed:
        found.append("No API key is known, so every request is refused: set PROXY_API_KEY or proxy.api_key")
    if not settings.clients and not around.no_volume:
        found.append("GOOGLE_CLIENT_ID is not set: access tokens work until they expire and are not renewed")
    elif around.misconfigured:
        found.append(f"Access tokens are not renewed: {around.misconfigured}")
    found += _of_accounts(state, around)
    if around.egress:
        source = settings.sources["upstream_proxy"]
        found.append(f"{around.egress.rstrip('.')} (set by {source}; UPSTREAM_PROXY_URL=none: no proxy)")
    if around.unanswered:
        found.append(
            f"Upstream ({', '.join(around.unanswered)}) could not be reached, or broke off, within the last minute: "
            "check the network; 'antigravity-proxy check' tests the connection"
        )
    if around.own_egress:
        found.append(f"{around.own_egress} egress proxies that accounts name for themselves fail; the log names them")
    if not around.writable and not settings.read_only and not around.no_volume:
        found.append("The data directory can't be written: running read-only")
    if around.drift:
        found.append(_news(around.drift))
    if around.state:
        found.append(f"PROXY_STATE_DIR: {around.state}; usage, budgets and cooldowns are kept in memory only meanwhile")
    if around.exposed:
        found.append("PROXY_STATE_DIR: other users may look into it: chmod 700")
    if around.apart:
        found.append(f"{around.apart}: replicas do not share their state meanwhile")
    return tuple(found)


def _refused(around: Surroundings) -> list[str]:
    """Upstream's general refusals: nothing else is as urgent."""
    found = []
    if around.resting:
        found.append(
            "Google has barred an account for its terms of service, so all accounts are on hold "
            "(PROXY_ON_TERMS_BAN=pause): "
            "further use may cost the others too. 'antigravity-proxy accounts resume --all', or the status page's "
            "button, has them serve again"
        )
    if around.refused_since:
        moment = datetime.fromtimestamp(around.refused_since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found.append(
            f"Since {moment} upstream refuses this program, whichever account asks; no account is set aside for it, "
            "and it ends by itself. What can be done: another PROXY_REQUEST_USER_AGENT, which is yours to answer for, "
            "a newer release, or official credentials"
        )
    return found


def _news(drift: tuple[Seen, ...]) -> str:
    """Unknown values, the newest first."""
    told = [f"{each.kind} {each.name} ({_times(each.count)}, last {_moment(each.last)})" for each in drift[:_NEWS]]
    more = f" and {len(drift) - _NEWS} more" if len(drift) > _NEWS else ""
    words = f"Upstream sends what this release doesn't know: {', '.join(told)}{more}. A newer one may"
    return f"{words}; PROXY_MODELS_FILE can add a model" if any(each.kind == "model" for each in drift) else words


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _moment(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _of_accounts(state: VolumeState, around: Surroundings) -> list[str]:
    """Accounts that somebody has to do something for; while none is usable, all that are not, with the reason."""
    tally = around.tally
    if not (state.error or state.accounts or state.problems or tally.accounts or state.read_at is None):
        return ["The volume contains no account: sign in to one with the desktop app, or by 'antigravity-proxy login'"]
    found = [
        f"{count} of {tally.accounts} accounts {OF_MANY[reason].fact}: {OF_MANY[reason].cure}"
        for reason, count in tally.unable.items()
        if reason in _ALWAYS_SAID or not tally.usable
    ]
    if tally.misdirected:
        words = "name an egress proxy of their own that can't be used: correct it in the desktop app"
        found.append(f"{tally.misdirected} of {tally.accounts} accounts {words}")
    return found
