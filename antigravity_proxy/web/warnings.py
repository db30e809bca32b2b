"""What an operator should know, in words to act on. Pure. Nothing in them identifies anybody: health is public."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.settings.table import Settings
from antigravity_proxy.volume.reader import VolumeState


class Surroundings(Struct, frozen=True):
    """What the warnings depend on besides settings and volume. ``misconfigured``: why the OAuth client is refused.

    ``apart``: why this process shares nothing with its replicas; empty: it does, or has none.
    ``client_keys``: what is wrong with the file of clients' keys.
    ``state``: why the state directory can't be used; ``exposed``: others may look into it.
    ``credentials``: what is wrong with the file of official credentials; ``notes`` on these. ``no_volume``: they serve
    alone. ``barred`` accounts are out of use until their row changes; ``unverified`` ones wait for their owner.
    """

    keys_closed: bool = False
    client_keys: str = ""
    misconfigured: str = ""
    apart: str = ""
    writable: bool = True
    state: str = ""
    exposed: bool = False
    barred: int = 0
    unverified: int = 0
    credentials: str = ""
    notes: tuple[str, ...] = ()
    no_volume: bool = False


def warnings(settings: Settings, state: VolumeState, around: Surroundings) -> tuple[str, ...]:
    """Everything that is worth a warning now, the volume's matters first."""
    found = [finding.message for finding in state.key_findings]
    found += settings.notes
    if state.no_key_fits:
        found.append("No key opens any account: the keys in .keys/ belong to another volume")
    elif state.read_at is not None and not state.key_count and state.sealed_rows:
        found.append("No key was found in the volume: put the master key into .keys/")
    elif unopened := len(state.problems) - state.kept:
        found.append(f"{unopened} account rows can't be opened; the log names them")
    if state.kept:
        found.append(
            f"{state.kept} accounts serve on with the sign-in that they had: their rows don't open any more. Where the "
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
    found += around.notes
    if around.keys_closed:
        found.append("No API key is known, so every request is refused: set PROXY_API_KEY or proxy.api_key")
    if not settings.clients and not around.no_volume:
        found.append("GOOGLE_CLIENT_ID is not set: access tokens work until they expire and are not renewed")
    elif around.misconfigured:
        found.append(f"Access tokens are not renewed: {around.misconfigured}")
    if around.barred:
        words = (
            "their sign-in was revoked or covers too little, or Google has barred them; the log names them. "
            "Sign in to them again"
        )
        found.append(f"{around.barred} of {len(state.accounts)} accounts are out of use: {words}")
    if around.unverified:
        words = "Google asks their owner to verify them; the log names them"
        found.append(f"{around.unverified} of {len(state.accounts)} accounts are set aside: {words}")
    if not around.writable and not settings.read_only and not around.no_volume:
        found.append("The data directory can't be written: running read-only")
    if around.state:
        found.append(f"PROXY_STATE_DIR: {around.state}; usage, budgets and cooldowns are kept in memory only meanwhile")
    if around.exposed:
        found.append("PROXY_STATE_DIR: other users may look into it: chmod 700")
    if around.apart:
        found.append(f"{around.apart}: replicas don't share what they learn meanwhile")
    return tuple(found)
