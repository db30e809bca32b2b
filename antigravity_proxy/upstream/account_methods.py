"""Small calls about an account (upstream.md 3). Their failure never affects serving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.canonical.wire import bearer
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import ACCOUNT_METHOD_BODY, ACCOUNT_METHOD_SECONDS
from antigravity_proxy.upstream.egress import Egress
from antigravity_proxy.upstream.exchange import ExchangeError


class AccountMethodFailed(Exception):
    """The call brought no answer that can be used; the message says why, without secrets.

    ``status`` is HTTP's, 0: there was none; ``reason`` is upstream's own word for it.
    """

    def __init__(self, why: str, status: int = 0, reason: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.reason = reason


class AccountMethods:
    """One account's calls, with its token and by its own way out, at the base URLs in order.

    A host that can't answer is passed over for the next one; one that refuses is believed.
    """

    def __init__(self, clock: IReactorTime, egress: Egress, bases: Sequence[bytes], token: Secret) -> None:
        self._clock = clock
        self._egress = egress
        self._bases = list(bases)
        self._token = token

    async def call(self, method: bytes, body: bytes) -> dict[str, Any]:
        """The answer of a method, such as ``loadCodeAssist``. Raises AccountMethodFailed."""
        while True:
            try:
                return await self._ask(b"POST", self._bases[0] + b":" + method, body)
            except AccountMethodFailed as e:
                if len(self._bases) == 1 or not (e.status in (0, 404, 408) or e.status >= 500):
                    raise
                del self._bases[0]  # further calls begin with the host that answered

    async def operation(self, name: str) -> dict[str, Any]:
        """The state of a long-running operation, from the host that began it. Raises AccountMethodFailed."""
        return await self._ask(b"GET", self._bases[0] + b"/" + name.encode("ascii"), None)

    async def _ask(self, verb: bytes, url: bytes, body: bytes | None) -> dict[str, Any]:
        answer = await answer_of(self._clock, self._egress, verb, url, bearer(self._token), body)
        if not isinstance(answer, dict):
            raise AccountMethodFailed("upstream's answer is not an object")
        return answer


async def answer_of(
    clock: IReactorTime,
    egress: Egress,
    verb: bytes,
    url: bytes,
    own: bytes,
    body: bytes | None,
) -> object:
    """The JSON value that upstream answers a method with; ``own`` as for `Egress.head`. Raises AccountMethodFailed."""
    async with egress.calls:
        exchange = egress.exchange()
        cut = clock.callLater(ACCOUNT_METHOD_SECONDS, exchange.abort)
        try:
            response = await exchange.open(url, egress.head(verb, url, own, b"application/json"), body)
            text = await exchange.read(ACCOUNT_METHOD_BODY)
        except ExchangeError as e:
            exchange.abort()
            raise AccountMethodFailed(f"upstream could not be asked: {e}") from e
        finally:
            if cut.active():
                cut.cancel()
    if response.code != 200:
        said = failure.read(text, 0.0, http_status=response.code)
        raise AccountMethodFailed(f"upstream answered {response.code} {said.reason}", response.code, said.reason)
    try:
        answer: object = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise AccountMethodFailed("upstream's answer is not JSON") from e
    return answer
