"""The client's error when no account can serve, or none is left to try (upstream.md 6.3). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from antigravity_proxy import errors
from antigravity_proxy.accounts.reasons import OF_MANY
from antigravity_proxy.accounts.state import Shortage
from antigravity_proxy.canonical.verdict import Failure, Verdict
from antigravity_proxy.coerce import dated, wait
from antigravity_proxy.secret import LOOKS_PRIVATE

RESTING = (
    "Google has barred an account for its terms, so all accounts are on hold until the operator resumes "
    "them; /health says "
    "how."
)
_PRIVATE = re.compile(rf"projects/[\w.:-]+|{LOOKS_PRIVATE}")


def no_account(model: str, lack: Shortage, now: float) -> errors.ProxyError:
    """Nothing can be leased for ``model``; ``now`` in epoch seconds, for the moment that the message names."""
    if lack.resting:
        return errors.Unavailable(RESTING)
    if lack.is_busy:
        return errors.Unavailable(f"All accounts are busy with {model}.", retry_after=1)
    if lack.not_offered:
        return errors.ModelNotFound(f"{model} is not offered to the credentials here.", param="model")
    if lack.free_in and lack.by_fault:
        seconds = wait(lack.free_in)
        words = f"No credential for {model} works at the moment; /health says why."
        return errors.Unavailable(words, retry_after=wait(lack.free_in))
    if lack.free_in:
        seconds = wait(lack.free_in)
        words = f"All accounts are rate limited for {model}; {_free_again(seconds, now)}."
        return errors.RateLimited(words, retry_after=seconds)
    if not (lack.accounts or lack.unable):
        return errors.Unavailable("No account can be read from the credential volume; /health says why.")
    return errors.Unavailable(f"No account is usable for {model}{_unable(lack)}; /health says what helps.")


def nothing_left(
    last: Verdict, said: Failure | None, seen: Sequence[Verdict], model: str, lack: Shortage, now: float
) -> errors.ProxyError:
    """All that may be tried has failed: the ``last`` attempt by what upstream ``said``, and before it others.

    ``seen`` are the verdicts of all attempts; ``lack`` and ``now`` as `no_account` has them.
    """
    if last.callers_fault and said is not None:
        return last.error(for_client(said.message) or last.client_words, upstream_status=said.status or None)
    refusal = no_account(model, lack, now)
    if lack.resting or lack.not_offered or (last.blames_account and lack.by_fault):
        return refusal
    if last.error is errors.RateLimited:
        if lack.free_in != 0:
            return refusal
        words = f"All accounts that were tried are rate limited for {model}; another is free in 1 s."
        return errors.RateLimited(words, retry_after=1)
    if last.about_capacity:
        return last.error(last.client_words, retry_after=refusal.retry_after)
    if last.blames_account:
        if any(each.is_temporary for each in seen) and isinstance(refusal, errors.RateLimited):
            return refusal
        if last.error is errors.Forbidden and any(each.error is not errors.Forbidden for each in seen):
            return errors.Unavailable(last.client_words)
    return last.error(last.client_words)


def _unable(lack: Shortage) -> str:
    """Why no account serves, by the number of accounts."""
    said = [f"{count} of {lack.in_all} {OF_MANY[reason].fact}" for reason, count in lack.unable.items()]
    rest = lack.in_all - sum(lack.unable.values())
    if rest > 0:
        said.append(f"{rest} of {lack.in_all} can't be used for it")
    return f": {'; '.join(said)}" if said else " at the moment"


def for_client(message: str) -> str:
    """Upstream's words as a client may read them: no addresses, project ids, tokens or keys (translation.md 10)."""
    return _PRIVATE.sub("[removed]", message)


def _free_again(seconds: int, now: float) -> str:
    """The moment in words, for clients that ignore ``Retry-After`` (translation.md 10); ``now`` in epoch seconds."""
    moment = datetime.fromtimestamp(dated(now + seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    hours, rest = divmod(seconds, 3600)
    minutes = rest // 60
    length = f"{hours} h {minutes} m" if hours else f"{minutes} m {rest % 60} s" if minutes else f"{seconds} s"
    return f"the first is free again at {moment} (in {length})"
