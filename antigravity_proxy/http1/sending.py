"""A socket's shortest way out.

Twisted's transports keep what is written for the next turn of the event loop: two ``epoll_ctl`` calls and a wakeup for
each small answer. Here bytes go to the socket at once; only what it does not take goes the long way.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import abstract, tcp

from antigravity_proxy.http1 import tls
from antigravity_proxy.http1.transports import made_to_upstream

#: the transports whose way out is known: plain TCP, of clients and of upstream; none where Twisted keeps its buffers
#: elsewhere
PLAIN = (
    frozenset({tcp.Server, tcp.Client})
    if "_tempDataBuffer" in abstract.FileDescriptor.__init__.__code__.co_names
    and hasattr(abstract.FileDescriptor, "dataBuffer")
    else frozenset()
)
#: more than a socket's buffer takes anyway
_MOST = 256 << 10


def send(transport: Any, data: bytes) -> None:
    """As ``transport.write(data)``, without waiting for the event loop where nothing is waiting before it.

    ``dataBuffer`` and ``_tempDataBuffer`` are where Twisted keeps what waits, the second a private name: a test fails
    where a release changes that, and a transport of any other type takes its own way.
    """
    if (
        type(transport) not in PLAIN
        or transport.dataBuffer
        or transport._tempDataBuffer
        or not transport.connected
        or transport.disconnecting
        or transport.TLS
        or len(data) > _MOST
    ):
        transport.write(data)
        return
    try:
        sent = transport.socket.send(data)
    except OSError:  # it would block; or it is broken, which the event loop finds out for all
        sent = 0
    if sent < len(data):
        transport.write(data[sent:] if sent else data)


def unwrap(transport: Any, protocol: Any) -> None:
    """Makes ``protocol`` the transport's own, without the endpoint's wrapper that would pass every byte on.

    The wrapper has done its work once the connection is made. Does nothing where it is not Twisted's. TLS records too
    leave at once from now on; nothing may have been written yet.
    """
    lowest, below = transport, protocol
    inner = getattr(transport, "transport", None)  # below TLS
    if inner is not None:
        lowest, below = inner, transport
    wrapper = getattr(lowest, "protocol", None)
    if wrapper is not below and getattr(wrapper, "_wrappedProtocol", None) is below:
        lowest.protocol = below
        made_to_upstream(lowest)
    if inner is not None and type(inner) in PLAIN:
        tls.shorten(transport, inner, send)


def unsent(transport: Any) -> int:
    """Bytes that wait in the transport (Twisted's FileDescriptor)."""
    waiting: int = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    return waiting + int(getattr(transport, "_tempDataLen", 0))
