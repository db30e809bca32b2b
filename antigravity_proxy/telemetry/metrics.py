"""Metrics in Prometheus' form: what is counted of each request, and what is looked at when they are asked for.

Labels are bounded: dialects, operations, model families, statuses and reasons come from tables of ours, never from a
client. Nothing here names an account, a key or an address, since the page needs no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from antigravity_proxy.telemetry.record import Attempt, Record

#: seconds; a thinking model may be silent for a minute, and an answer may take many
_FIRST_BYTE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
_DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

Values = Iterable[tuple[tuple[str, ...], float]]


class Figure(Struct, frozen=True):
    """Something that is looked at when metrics are asked for. ``read`` gives its values by their labels' values.

    ``counts``: it only grows; its name then ends in ``_total``.
    """

    name: str
    help: str
    read: Callable[[], Values]
    labels: tuple[str, ...] = ()
    counts: bool = False


def single(read: Callable[[], float | None]) -> Callable[[], Values]:
    """A figure's reading where it has no labels; None: there is no value now."""

    def values() -> Values:
        value = read()
        return () if value is None else (((), value),)

    return values


class Figures(Collector):
    """Looks at its figures when metrics are asked for, and at no other time."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = tuple(figures)

    def describe(self) -> Iterator[Metric]:
        """The figures' names, without a look at them."""
        return (_family(figure) for figure in self._figures)

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        for figure in self._figures:
            family = _family(figure)
            for labels, value in figure.read():
                family.add_metric(labels, value)
            yield family


def _family(figure: Figure) -> CounterMetricFamily | GaugeMetricFamily:
    family = CounterMetricFamily if figure.counts else GaugeMetricFamily
    return family(figure.name, figure.help, labels=figure.labels)


class _Request:
    """The counters that one kind of request moves, looked up once: dialect, operation, family, streamed, status."""

    __slots__ = ("bytes_out", "count", "duration", "first_byte", "tokens_in", "tokens_out")

    def __init__(self, metrics: Metrics, record: Record) -> None:
        dialect, family, stream = record.dialect, record.family or "none", "true" if record.streamed else "false"
        self.count = metrics.requests.labels(dialect, record.operation, family, str(record.status))
        self.duration = metrics.duration.labels(dialect, family, stream)
        self.first_byte = metrics.first_byte.labels(dialect, family, stream)
        self.bytes_out = metrics.bytes_out.labels(dialect)
        self.tokens_in = metrics.tokens.labels(family, "in")
        self.tokens_out = metrics.tokens.labels(family, "out")


class Metrics:
    """All metrics of one daemon, in a registry of its own. An observer of the ledger."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self._kinds: dict[tuple[str, str, str, bool, int], _Request] = {}

        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"antigravity_{name}", help_, labels, registry=registry)

        def histogram(name: str, help_: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"antigravity_{name}", help_, labels, registry=registry, buckets=buckets)

        self.requests = counter("requests", "API requests ended.", "dialect", "operation", "family", "status")
        self.errors = counter("errors", "Errors answered to clients, within streams too.", "code")
        self.left = counter("clients_left", "Requests whose client hung up before the end.")
        self.refused = counter("requests_refused", "Requests refused by their head or length.")
        self.duration = histogram(
            "request_duration_seconds", "Request to end of answer.", _DURATION_BUCKETS, "dialect", "family", "stream"
        )
        self.first_byte = histogram(
            "first_byte_seconds",
            "Request to first byte of an answer that is not an error.",
            _FIRST_BYTE_BUCKETS,
            "dialect",
            "family",
            "stream",
        )
        self.bytes_out = counter("response_bytes", "Bytes of answers' bodies.", "dialect")
        self.tokens = counter("tokens", "Tokens as upstream counted them.", "family", "direction")
        self.attempts = counter("attempts", "Attempts at upstream, by how they ended.", "outcome")
        self.failovers = counter("failovers", "Attempts that followed a failed one, by why that failed.", "reason")
        self.lag = Histogram(
            "antigravity_event_loop_lag_seconds",
            "How late the event loop was, looked at twice a second.",
            registry=registry,
            buckets=_LAG_BUCKETS,
        )
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def watch(self, figures: Iterable[Figure]) -> None:
        """Looks at these too from now on."""
        self.registry.register(Figures(figures))

    def __call__(self, record: Record) -> None:
        """Counts a request that has ended."""
        key = (record.dialect, record.operation, record.family, record.streamed, record.status)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Request(self, record)
        kind.count.inc()
        if record.refused:
            self.refused.inc()
        else:
            kind.duration.observe(record.duration)
        if record.error:
            self.errors.labels(record.error).inc()
        if record.client_left:
            self.left.inc()
        if record.bytes_out:
            kind.bytes_out.inc(record.bytes_out)
        if record.attempts:
            if record.first_byte is not None and record.status < 400:
                kind.first_byte.observe(record.first_byte)
            self._count_attempts(record.attempts)
        if record.tokens_in or record.tokens_out:
            kind.tokens_in.inc(record.tokens_in)
            kind.tokens_out.inc(record.tokens_out)

    def _count_attempts(self, attempts: list[Attempt]) -> None:
        last = attempts[-1]
        for attempt in attempts:
            self.attempts.labels(attempt.reason or "served").inc()
            if attempt is not last and attempt.reason:
                self.failovers.labels(attempt.reason).inc()

    def render(self, accept: str) -> tuple[str, bytes]:
        """Content type and text of all metrics, in the form that ``accept`` asks for."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self.registry)
