"""The short way through Twisted's TLS, for connections to upstream whose requests are written whole.

Twisted collects small writes until the next turn of the event loop, and asks OpenSSL for bytes to send after each read.
Here records leave at once, as plain bytes do (`sending`); and what is read is answered where it needs an answer.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from OpenSSL.SSL import Error, WantReadError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

#: what this needs of Twisted's, private names; without them connections keep Twisted's way
_NEEDED = ("_aborted", "_flushReceiveBIO", "_flushSendBIO", "_handshakeDone", "_lostTLSConnection")
KNOWN = all(hasattr(TLSMemoryBIOProtocol, name) for name in _NEEDED)
#: bytes of one record's content (RFC 8446 5.1)
_RECORD = 1 << 14


def shorten(tls: Any, below: Any, send: Any) -> None:
    """Gives a connection the short way; nothing may have been written yet.

    ``below`` is its TCP transport, ``send`` takes that and bytes. Does nothing where it is not Twisted's.
    """
    if KNOWN and issubclass(type(tls), TLSMemoryBIOProtocol) and below.protocol is tls:
        tls.transport = _Below(below, send)
        tls.write = partial(TLSMemoryBIOProtocol.write, tls)
        below.protocol = _Reader(tls)


class _Below:
    """A TCP transport, with the short way out."""

    __slots__ = ("_send", "_transport")

    def __init__(self, transport: Any, send: Any) -> None:
        self._transport = transport
        self._send = send

    def write(self, data: bytes) -> None:
        """As the transport's."""
        self._send(self._transport, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@implementer(IProtocol)
class _Reader:
    """Stands before Twisted's TLS protocol: reads records once the handshake is done."""

    __slots__ = ("_tls",)

    def __init__(self, tls: Any) -> None:
        self._tls = tls

    def dataReceived(self, data: bytes) -> None:
        """Twisted's: bytes of upstream."""
        tls = self._tls
        if not tls._handshakeDone or getattr(tls, "_appSendBuffer", None):  # which waits for what comes
            tls.dataReceived(data)
            return
        connection, protocol, has_content = tls.getHandle(), tls.wrappedProtocol, False
        connection.bio_write(data)
        while not (tls._lostTLSConnection or tls._aborted):
            try:
                content = connection.recv(_RECORD)
            except WantReadError:
                if not has_content:  # a message of TLS itself, which may have to be answered
                    tls._flushSendBIO()
                return
            except Error:
                tls._flushReceiveBIO()  # meets the same
                return
            has_content = True
            protocol.dataReceived(content)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted's: the connection is closed."""
        self._tls.connectionLost(reason)

    def makeConnection(self, transport: Any) -> None:
        """Twisted's; the connection was made before."""

    def connectionMade(self) -> None:
        """Twisted's; the connection was made before."""
