"""What the relay needs of a client: where the answer's bytes go, and whether anybody still waits for them."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IConsumer

from antigravity_proxy.telemetry.record import Record


class ClientGone(Exception):
    """The client hung up: nothing more is sent anywhere."""


class Client(Protocol):
    """The client's side of one request.

    ``started`` turns true with the first byte of the answer: from then on nothing is tried again. ``gone``: the client
    hung up. ``consumer`` slows upstream down to the client's pace; None where the answer is collected first.
    """

    gone: bool
    started: bool
    consumer: IConsumer | None

    @property
    def record(self) -> Record:
        """What comes of the request is noted here."""
        ...

    def send(self, data: bytes) -> None:
        """Sends the next bytes of the answer."""
        ...
