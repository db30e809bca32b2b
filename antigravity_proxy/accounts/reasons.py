"""Why an account can't serve, in words that its operator can act on. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.state import AccountState, OutOfUse
from antigravity_proxy.canonical.grant import RefreshToken
from antigravity_proxy.settings.proxies import parse_proxy_url


class Words(NamedTuple):
    """A fact about some accounts, shown to clients too, and what their operator can do."""

    fact: str
    cure: str


#: the words for accounts that are out of use for a reason; they follow a number, and identify nobody
OF_MANY = {
    OutOfUse.DISABLED: Words(
        "belong to a provider that is never used here", "sign in to Google accounts with the desktop app, or by 'login'"
    ),
    OutOfUse.PAUSED: Words("are paused for this proxy", "'antigravity-proxy accounts resume' takes them back"),
    OutOfUse.EXPIRED: Words("are marked as expired by the desktop app", "sign in to them again"),
    OutOfUse.BARRED: Words(
        "are out of use: their sign-in was revoked or covers too little, or Google has barred them",
        "the log names them. Sign in to them again",
    ),
    OutOfUse.NO_REFRESH_TOKEN: Words(
        "have an access token that has expired, and no refresh token", "sign in to them again"
    ),
    OutOfUse.NOT_RENEWED: Words(
        "have an access token that has expired and could not be renewed", "the log says why; it is tried again"
    ),
    OutOfUse.UNVERIFIED: Words("are set aside: Google asks their owner to verify them", "the log names them"),
}


def why_not(state: AccountState, clients: Collection[str], now: Moment) -> str:
    """Why the account is not usable, or what it lacks to serve at this moment; empty: nothing.

    ``clients``: the keys of the configured OAuth clients. Cooldowns are not considered here.
    """
    credential = state.credential
    if credential.disabled:
        return credential.disabled
    if credential.paused:
        return "it is paused for this proxy: 'antigravity-proxy accounts resume' takes it back"
    if state.expired:
        return "the desktop app has marked it as expired: sign in again"
    if state.barred:
        return state.barred
    if credential.egress is not None:
        try:
            parse_proxy_url(credential.egress.reveal())
        except ValueError as e:
            return f"its own proxy can't be used: {e}"
    if policy.has_live_token(state, now):
        return ""
    if not state.grant.is_renewable:
        return "its access token has expired, and it has no refresh token: sign in again"
    if isinstance(state.grant, RefreshToken) and not {state.grant.client, ""} & {*clients}:
        key = state.grant.client
        name = f"GOOGLE_CLIENT_ID__{key.upper()} or GOOGLE_CLIENT_ID" if key else "GOOGLE_CLIENT_ID"
        return f"its access token has expired, and no OAuth client is there to renew it: set {name}"
    return "" if policy.can_refresh(state, now) else "its access token has expired, and could not be renewed"
