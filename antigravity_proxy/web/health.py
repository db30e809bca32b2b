"""Public pages, in Klein: what an operator, a balancer or Prometheus asks; nothing in them identifies anybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from klein import Klein
from msgspec import Struct
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from antigravity_proxy.web.edge import SERVER_NAME


class Volume(Struct, frozen=True, rename="camel"):
    """The snapshot that is served: ``age`` in seconds since it was last seen to be the volume's state.

    ``kept``: accounts that serve on with the token that they had, for their rows don't open any more.

    Rows that open, that no key opens, that are broken otherwise; those gone of late, until that is confirmed; and those
    of the open ones that somebody has paused.
    """

    age: float | None = None
    open: int = 0
    sealed: int = 0
    broken: int = 0
    leaving: int = 0
    kept: int = 0
    paused: int = 0


class Health(Struct, rename="camel"):
    """The answer of ``/health`` (contract.md 3)."""

    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: str
    database: str
    accounts: int
    usable: int
    read_only: bool
    volume: Volume
    replicas: int | None
    warnings: list[str]


class Condition(Struct, frozen=True):
    """What is known of the daemon's state at a moment. ``epoch`` in seconds.

    ``database``: ``connected`` while the volume can be read, else why not, in a word or two. ``accounts``: rows that
    open; ``usable``: accounts that can serve, cooling or not. ``apart``: why replicas don't share their state, empty:
    they do, or there are none. ``replicas``: how many do, None: this process shares with nobody.
    """

    epoch: float
    database: str
    ever_read: bool
    accounts: int
    usable: int
    read_only: bool
    draining: bool
    volume: Volume = Volume()
    apart: str = ""
    replicas: int | None = None
    warnings: tuple[str, ...] = ()


def judge(condition: Condition) -> Health:
    """The verdict over a condition. Warnings alone leave it healthy."""
    status: Literal["healthy", "degraded", "unhealthy"] = "healthy"
    if not condition.ever_read or not condition.accounts:
        status = "unhealthy"
    elif condition.database != "connected" or not condition.usable or condition.apart or condition.volume.kept:
        status = "degraded"
    moment = datetime.fromtimestamp(condition.epoch, UTC)
    return Health(
        status=status,
        timestamp=moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        database=condition.database,
        accounts=condition.accounts,
        usable=condition.usable,
        read_only=condition.read_only,
        volume=condition.volume,
        replicas=condition.replicas,
        warnings=list(condition.warnings),
    )


class HealthPages:
    """``/health``, ``/health/live``, ``/health/ready``, ``/metrics``; and ``/``, which some clients probe first.

    ``metrics`` gives content type and text for an ``Accept`` header.
    """

    app = Klein()

    def __init__(self, condition: Callable[[], Condition], metrics: Callable[[str], tuple[str, bytes]]) -> None:
        self._condition = condition
        self._metrics = metrics

    def resource(self) -> IResource:
        """The pages as a resource."""
        resource: IResource = self.app.resource()
        return resource

    @app.route("/", methods=["GET", "HEAD"])
    def root(self, request: IRequest) -> bytes:
        return _answer(request, 200, {"service": "antigravity-proxy", "health": "/health"})

    @app.route("/health", methods=["GET", "HEAD"])
    def health(self, request: IRequest) -> bytes:
        health = judge(self._condition())
        return _answer(request, 503 if health.status == "unhealthy" else 200, health)

    @app.route("/health/live", methods=["GET", "HEAD"])
    def live(self, request: IRequest) -> bytes:
        return _answer(request, 200, {"status": "alive"})

    @app.route("/health/ready", methods=["GET", "HEAD"])
    def ready(self, request: IRequest) -> bytes:
        """Ready also while all accounts cool, so that a balancer lets the 429 through."""
        condition = self._condition()
        if condition.draining:
            return _answer(request, 503, {"status": "draining"})
        if not condition.usable:
            return _answer(request, 503, {"status": "no usable account"})
        return _answer(request, 200, {"status": "ready"})

    @app.route("/metrics", methods=["GET", "HEAD"])
    def metrics(self, request: IRequest) -> bytes:
        content_type, text = self._metrics((request.getHeader(b"accept") or b"").decode("latin-1"))
        _set_headers(request, content_type.encode())
        return text


def _answer(request: IRequest, status: int, body: Any) -> bytes:
    request.setResponseCode(status)
    _set_headers(request, b"application/json")
    return msgspec.json.encode(body)


def _set_headers(request: IRequest, content_type: bytes) -> None:
    for name, value in (
        (b"server", SERVER_NAME),
        (b"content-type", content_type),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ):
        request.setHeader(name, value)
