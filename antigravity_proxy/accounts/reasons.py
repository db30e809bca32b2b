"""Why an account can't serve, in words that its operator can act on. Pure."""

from __future__ import annotations

from collections.abc import Collection

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.grant import RefreshToken
from antigravity_proxy.settings.proxies import parse_proxy_url


def why_not(state: AccountState, clients: Collection[str], now: Moment) -> str:
    """Why the account is not usable, or what it lacks to serve at this moment; empty: nothing.

    ``clients``: the keys of the configured OAuth clients. Cooldowns are no matter here.
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
    if not isinstance(state.grant, RefreshToken) or not state.grant.is_renewable:
        return "its access token has expired, and it has no refresh token: sign in again"
    key = state.grant.client
    if key not in clients and "" not in clients:
        name = f"GOOGLE_CLIENT_ID__{key.upper()} or GOOGLE_CLIENT_ID" if key else "GOOGLE_CLIENT_ID"
        return f"its access token has expired, and no OAuth client is there to renew it: set {name}"
    return "" if policy.can_refresh(state, now) else "its access token has expired, and could not be renewed"
