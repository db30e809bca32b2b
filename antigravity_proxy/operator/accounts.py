"""The volume's accounts for an operator: one line each, why one can't serve, addresses masked."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.reasons import why_not
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.stats import Tally, tally
from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.secret import masked
from antigravity_proxy.volume.accounts import RowProblem
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


def tally_of(state: VolumeState, epoch: float) -> Tally:
    """How the daemon would count the accounts at its start."""
    return tally((AccountState(account) for account in state.accounts), Moment(0.0, epoch))


def _of_account(account: Credential, clients: Collection[str], epoch: float, show: bool) -> Line:
    now, state = Moment(0.0, epoch), AccountState(account)
    return Line(
        id=account.id,
        provider=account.kind,
        email=_shown(account.label.reveal(), show),
        name=_shown(account.name.reveal(), show),
        status=account.status,
        readable=True,
        usable=policy.is_usable(state, now),
        reason=why_not(state, clients, now),
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
