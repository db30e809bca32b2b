"""The volume's accounts for an operator: one line each, why one can't serve, addresses masked. Pure."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.upstream.tunnel import parse_proxy_url
from antigravity_proxy.volume.accounts import Account, RowProblem
from antigravity_proxy.volume.reader import VolumeState


class Line(Struct, frozen=True):
    """One row (contract.md 6). ``readable``: its token opens; ``usable``: as the daemon counts in its health.

    ``reason``: why it is not usable, or what it lacks to serve at this moment.
    """

    id: str
    provider: str
    email: str
    name: str
    status: str
    readable: bool
    usable: bool
    reason: str


def lines(state: VolumeState, clients: Collection[str], epoch: float, *, show: bool) -> list[Line]:
    """All rows, those that open first. ``clients``: the keys of the configured OAuth clients; ``show``: unmasked."""
    return [
        *(_of_account(account, clients, epoch, show) for account in state.accounts),
        *(_of_problem(problem, show) for problem in state.problems),
    ]


def masked(text: str) -> str:
    """An e-mail address with its first letter and its domain; anything else as it is."""
    local, at, domain = text.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else text


def _of_account(account: Account, clients: Collection[str], epoch: float, show: bool) -> Line:
    now, state = Moment(0.0, epoch), AccountState(account)
    return Line(
        id=account.id,
        provider=account.provider,
        email=_shown(account.email.reveal(), show),
        name=_shown(account.name.reveal(), show),
        status=account.status,
        readable=True,
        usable=policy.is_usable(state, now),
        reason=_reason(state, clients, now),
    )


def _of_problem(problem: RowProblem, show: bool) -> Line:
    return Line(
        id=problem.id,
        provider=problem.provider,
        email=_shown(problem.email.reveal(), show),
        name=_shown(problem.name.reveal(), show),
        status=problem.status,
        readable=False,
        usable=False,
        reason=problem.reason,
    )


def _shown(text: str, show: bool) -> str:
    return text if show else masked(text)


def _reason(state: AccountState, clients: Collection[str], now: Moment) -> str:
    account = state.account
    if account.provider != "google":
        return f"provider {account.provider!r} is listed, but never used"
    if account.paused:
        return "it is paused for this proxy: 'antigravity-proxy accounts resume' takes it back"
    if account.status == "expired":
        return "the desktop app has marked it as expired: sign in again"
    if account.token.upstream_proxy_url is not None:
        try:
            parse_proxy_url(account.token.upstream_proxy_url.reveal())
        except ValueError as e:
            return f"its own proxy can't be used: {e}"
    if policy.has_live_token(state, now):
        return ""
    if not policy.can_refresh(state, now):
        return "its access token has expired, and it has no refresh token: sign in again"
    key = account.token.oauth_client_key or ""
    if key in clients or "" in clients:
        return ""
    name = f"GOOGLE_CLIENT_ID__{key.upper()} or GOOGLE_CLIENT_ID" if key else "GOOGLE_CLIENT_ID"
    return f"its access token has expired, and no OAuth client is there to renew it: set {name}"
