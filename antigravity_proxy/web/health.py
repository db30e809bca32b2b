"""Public pages, in Klein: what an operator, a balancer or Prometheus asks; nothing in them identifies anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from klein import Klein
from msgspec import Struct
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from antigravity_proxy.web import routes
from antigravity_proxy.web.edge import SERVER_NAME
from antigravity_proxy.web.kept import Kept

#: how often a page is made, a second and at once, however often it is asked for; health must be fresh
_HEALTH_RATE, _HEALTH_BURST = 10.0, 10.0
_METRICS_RATE, _METRICS_BURST = 1.0, 5.0
#: who accepts this gets it; everybody else the plain form, whatever else their Accept says
_OPENMETRICS = b"application/openmetrics-text"


class Volume(Struct, frozen=True, rename="camel"):
    """The snapshot that is served: ``age`` in seconds since it was last seen to be the volume's state.

    ``kept``: accounts that stay in use with their last token, because their rows can no longer be opened.

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
    credentials: dict[str, int]
    read_only: bool
    volume: Volume
    replicas: int | None
    warnings: list[str]


class Condition(Struct, frozen=True):
    """The daemon's condition at a moment. ``epoch`` in seconds.

    ``database``: ``connected`` while the volume can be read, ``none`` where there is to be none, else why it can't, in
    a word or two. ``accounts``: rows that open; ``usable``: accounts and official credentials that can serve, cooling
    or not; ``usable_credentials`` are the latter. ``credentials``: how many there are, by upstream. ``apart``: why
    replicas don't share their state, empty: they do, or there are none. ``replicas``: how many do, None: this process
    shares with no other. ``resting``: all accounts are on hold, since Google has barred
    one for its terms.
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
    resting: bool = False
    credentials: Mapping[str, int] = {}
    usable_credentials: int = 0


#: the database where no data directory is configured, and official credentials serve
NO_VOLUME = "none"


def judge(condition: Condition) -> Health:
    """The verdict over a condition. Warnings alone leave it healthy."""
    status: Literal["healthy", "degraded", "unhealthy"] = "healthy"
    if condition.database == NO_VOLUME:
        status = "healthy" if condition.usable_credentials else "unhealthy"
    elif not (condition.ever_read and condition.accounts) and not condition.usable_credentials:
        status = "unhealthy"
    elif (
        condition.database != "connected"
        or not condition.usable
        or condition.apart
        or condition.volume.kept
        or condition.resting
    ):
        status = "degraded"
    moment = datetime.fromtimestamp(condition.epoch, UTC)
    return Health(
        status=status,
        timestamp=moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        database=condition.database,
        accounts=condition.accounts,
        usable=condition.usable,
        credentials=dict(condition.credentials),
        read_only=condition.read_only,
        volume=condition.volume,
        replicas=condition.replicas,
        warnings=list(condition.warnings),
    )


class _Page(Struct, frozen=True):
    status: int
    content_type: bytes
    body: bytes


class HealthPages:
    """``/health``, ``/health/live``, ``/health/ready``, ``/metrics``; and ``/``, which some clients probe first.

    ``metrics`` gives content type and text for an ``Accept`` header. ``seconds`` is the monotonic clock: a client
    that asks too often gets the last bytes.
    """

    app = Klein()

    def __init__(
        self,
        condition: Callable[[], Condition],
        metrics: Callable[[str], tuple[str, bytes]],
        seconds: Callable[[], float],
    ) -> None:
        self._condition = condition
        self._metrics = metrics
        self._health_pages: Kept[str, _Page] = Kept(_HEALTH_RATE, _HEALTH_BURST, seconds)
        self._metrics_pages: Kept[bool, _Page] = Kept(_METRICS_RATE, _METRICS_BURST, seconds)

    def resource(self) -> IResource:
        """The pages as a resource."""
        resource: IResource = self.app.resource()
        return resource

    @app.route(routes.ROOT, methods=["GET", "HEAD"])
    def root(self, request: IRequest) -> bytes:
        return _send(request, _page(200, {"service": "antigravity-proxy", "health": "/health"}))

    @app.route(routes.HEALTH, methods=["GET", "HEAD"])
    def health(self, request: IRequest) -> bytes:
        return _send(request, self._health_pages.get(routes.HEALTH, self._render_health))

    @app.route(routes.LIVE, methods=["GET", "HEAD"])
    def live(self, request: IRequest) -> bytes:
        return _send(request, _page(200, {"status": "alive"}))

    @app.route(routes.READY, methods=["GET", "HEAD"])
    def ready(self, request: IRequest) -> bytes:
        """Ready also while all accounts cool, so that a balancer lets the 429 through."""
        return _send(request, self._health_pages.get(routes.READY, self._render_ready))

    @app.route(routes.METRICS, methods=["GET", "HEAD"])
    def metrics(self, request: IRequest) -> bytes:
        openmetrics = _OPENMETRICS in (request.getHeader(b"accept") or b"")
        return _send(request, self._metrics_pages.get(openmetrics, lambda: self._render_metrics(openmetrics)))

    def _render_health(self) -> _Page:
        health = judge(self._condition())
        return _page(503 if health.status == "unhealthy" else 200, health)

    def _render_ready(self) -> _Page:
        condition = self._condition()
        if condition.draining:
            return _page(503, {"status": "draining"})
        if not condition.usable:
            return _page(503, {"status": "no usable account or credential"})
        return _page(200, {"status": "ready"})

    def _render_metrics(self, openmetrics: bool) -> _Page:
        content_type, text = self._metrics(_OPENMETRICS.decode() if openmetrics else "")
        return _Page(200, content_type.encode(), text)


def _page(status: int, body: Any) -> _Page:
    return _Page(status, b"application/json", msgspec.json.encode(body))


def _send(request: IRequest, page: _Page) -> bytes:
    request.setResponseCode(page.status)
    for name, value in (
        (b"server", SERVER_NAME),
        (b"content-type", page.content_type),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ):
        request.setHeader(name, value)
    return page.body
