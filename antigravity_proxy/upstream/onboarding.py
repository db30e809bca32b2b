"""Finds an account's project; has upstream make one for an account that is new to it (upstream.md 3.2)."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from antigravity_proxy.codeassist.enrolment import (
    SECURITY_POLICY,
    Operation,
    load_body,
    onboard_body,
    read_enrolment,
    read_operation,
)
from antigravity_proxy.upstream.account_methods import AccountMethodFailed

log = Logger()

#: seconds between two looks at an operation, and how many of them (upstream.md 3.3)
POLL, POLLS = 5.0, 12
#: the same for ``onboardUser`` itself, where upstream names no operation
REPEAT, REPEATS = 2.0, 5


class Methods(Protocol):
    """An account's calls, as ``AccountMethods`` makes them."""

    async def call(self, method: bytes, body: bytes) -> dict[str, Any]:
        """The answer of a method."""
        ...

    async def operation(self, name: str) -> dict[str, Any]:
        """The state of an operation."""
        ...


async def project_of(clock: IReactorTime, methods: Methods, account: str, configured: str | None) -> str | None:
    """The project that upstream knows for an account, or has just made for it; None: upstream states none.

    An account is onboarded only where it is in no tier yet: that makes a project in its owner's name. ``account`` is
    its id, for the log; ``configured`` a project for tiers that want one of the user's own. May take a minute. Raises
    AccountMethodFailed.
    """
    try:
        enrolment = read_enrolment(await methods.call(b"loadCodeAssist", load_body()))
    except AccountMethodFailed as e:
        if e.reason == SECURITY_POLICY:
            words = "its organisation's security policy hides its project: set PROXY_FALLBACK_PROJECT_ID"
            raise AccountMethodFailed(words, e.status, e.reason) from e
        raise
    if enrolment.project is not None or enrolment.is_enrolled:
        return enrolment.project
    if not enrolment.tier:
        raise AccountMethodFailed(f"no tier admits it: {', '.join(enrolment.obstacles)}")
    log.info("account {account} is new to upstream: onboarding it in {tier}", account=account, tier=enrolment.tier)
    body = onboard_body(enrolment.tier, configured)
    operation = _checked(await methods.call(b"onboardUser", body))
    name = operation.name
    looks = POLLS if name else REPEATS - 1
    while not operation.is_done and looks:
        looks -= 1
        await deferLater(clock, POLL if name else REPEAT)
        operation = _checked(await (methods.operation(name) if name else methods.call(b"onboardUser", body)))
    if not operation.is_done:
        raise AccountMethodFailed("its onboarding takes too long")
    return operation.project


def _checked(answer: dict[str, Any]) -> Operation:
    operation = read_operation(answer)
    if operation.error:
        raise AccountMethodFailed(f"its onboarding failed: {operation.error}")
    return operation
