"""What Twisted's TCP transports keep of how they were made: half a kilobyte of each of thousands of open streams."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, TypeVar

from twisted.internet import tcp
from twisted.python.failure import Failure

T = TypeVar("T")

#: stands in a client's transport for name and number of its connection: nothing logs them
_CLIENT = "client"


class _Connected:
    """Takes the place of a connector whose connection is made, with the factories and Deferreds that hang on it."""

    def connectionLost(self, reason: Failure) -> None:
        """Twisted's; whoever connected was told that the connection was made, and the protocol is told of its end."""


_CONNECTED = _Connected()


@lru_cache(maxsize=256)
def _same(value: T) -> T:
    """One object for all equal ones."""
    return value


def made_to_upstream(transport: Any) -> None:
    """A connection to upstream is made, and whoever waited for that has it. Does nothing where it is not Twisted's."""
    if type(transport) is tcp.Client:
        transport.connector = _CONNECTED
        transport.addr, transport.realAddress = _same(transport.addr), _same(transport.realAddress)
        transport.logstr = sys.intern(transport.logstr)


def made_by_client(transport: Any) -> None:
    """A client's connection is made. Does nothing where it is not Twisted's."""
    if type(transport) is tcp.Server:
        transport.logstr = transport.repstr = _CLIENT
