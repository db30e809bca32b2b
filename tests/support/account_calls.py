"""The small calls of one account, over sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from antigravity_proxy.secret import Secret
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.account_methods import AccountMethods
from antigravity_proxy.upstream.egress import Egress
from antigravity_proxy.upstream.endpoints import KeptEndpoints


@asynccontextmanager
async def methods(*urls: str) -> AsyncIterator[AccountMethods]:
    """The calls of one account at these hosts."""
    from twisted.internet import reactor

    ticker = Ticker(reactor)  # type: ignore[arg-type]
    egress = Egress(ticker, KeptEndpoints(reactor, connect_timeout=5), "ua", 5)
    bases = [f"{url}/v1internal".encode() for url in urls]
    try:
        yield AccountMethods(reactor, egress, bases, Secret("ya29.x"))  # type: ignore[arg-type]
    finally:
        await egress.forget_idle()
        ticker.stop()


def answer(status: str, body: bytes) -> bytes:
    """An HTTP answer, as bytes."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)
