"""Metrics in Prometheus' form: what is counted of each request, and what is looked at when they are asked for.

Labels are bounded: dialects, operations, model families, statuses and reasons come from tables of ours, never from a
client; names of official credentials come from the operator, and are limited in number. Nothing here names an account,
a key or an address, since the page needs no key.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate

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
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.errors import UpstreamRefusesClient, UpstreamRefusesRequest
from antigravity_proxy.telemetry.record import Attempt, Record, nothing_waits

#: seconds; a thinking model may be silent for a minute, and an answer may take many
_FIRST_BYTE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
_DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

#: requests of one kind whose figures may wait for a scrape
_UNFLUSHED = 1000

#: the codes of requests that upstream refuses with every account (upstream.md 6.4)
REFUSALS = frozenset({UpstreamRefusesRequest.code, UpstreamRefusesClient.code})

#: how attempts and requests came out
SERVED, FAILED = "served", "failed"
#: official credentials whose names are labels; all others are one
MAX_CREDENTIALS, OTHER = 100, "(other)"

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


class Times(Collector):
    """A histogram that takes many values at once: prometheus_client's own takes each by itself, at ten times the cost.

    ``bounds`` in seconds, ascending; a value belongs to the first that is not smaller.
    """

    def __init__(self, name: str, help_: str, bounds: tuple[float, ...], labels: tuple[str, ...]) -> None:
        self._new = partial(HistogramMetricFamily, name, help_, labels=labels)
        self._bounds = bounds
        self._named = [*map(floatToGoString, bounds), "+Inf"]
        self._counts: dict[tuple[str, ...], list[int]] = {}  # by labels; one for each bound, and one beyond them
        self._sums: dict[tuple[str, ...], float] = {}

    def add(self, labels: tuple[str, ...], values: Sequence[float]) -> None:
        """Counts these."""
        bounds = self._bounds
        counts = self._counts.setdefault(labels, [0] * len(self._named))
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + sum(values)

    def describe(self) -> Iterator[Metric]:
        """Its name, without values."""
        yield self._new()

    def collect(self) -> Iterator[Metric]:
        """The counts as they are now."""
        family = self._new()
        for labels, counts in self._counts.items():
            family.add_metric(labels, list(zip(self._named, accumulate(counts), strict=True)), self._sums[labels])
        yield family


class _Request:
    """The figures of one kind of request since the last flush: plain numbers, which cost a request nothing.

    A kind is dialect, operation, family, streamed, status, upstream. ``served_at_once``: by the only attempt.
    """

    __slots__ = (
        "bytes_out",
        "count",
        "durations",
        "first_bytes",
        "labels",
        "served_at_once",
        "tokens_in",
        "tokens_out",
        "upstream",
    )

    def __init__(self, record: Record) -> None:
        stream = "true" if record.streamed else "false"
        self.labels = (record.dialect, record.operation, record.family or "none", str(record.status), stream)
        self.upstream = record.attempts[-1].upstream if record.attempts else ""
        self._clear()

    def _clear(self) -> None:
        self.count = self.served_at_once = self.bytes_out = self.tokens_in = self.tokens_out = 0
        self.durations: list[float] = []
        self.first_bytes: list[float] = []

    def flush(self, metrics: Metrics) -> None:
        """Moves the counters."""
        dialect, operation, family, status, stream = self.labels
        metrics.requests.labels(dialect, operation, family, status).inc(self.count)
        metrics.bytes_out.labels(dialect).inc(self.bytes_out)
        metrics.tokens.labels(family, "in").inc(self.tokens_in)
        metrics.tokens.labels(family, "out").inc(self.tokens_out)
        metrics.duration.add((dialect, family, stream), self.durations)
        metrics.first_byte.add((dialect, family, stream), self.first_bytes)
        if self.served_at_once:
            metrics.upstream_requests.labels(self.upstream, SERVED).inc(self.served_at_once)
            metrics.attempts.labels(self.upstream, SERVED).inc(self.served_at_once)
        self._clear()


class _Flush(Collector):
    """Registered before all others: a collector sees everything."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterator[Metric]:
        """Nothing of its own."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Nothing of its own."""
        self._metrics.flush()
        return iter(())


class Metrics:
    """All metrics of one daemon, in a registry of its own.

    An observer of the ledger, with which it ``settle``s before a look.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self.settle: Callable[[], None] = nothing_waits
        self._kinds: dict[tuple[str, str, str, bool, int, str], _Request] = {}
        # counts by labels since the last flush
        self._requests: dict[tuple[str, ...], int] = {}
        self._attempts: dict[tuple[str, ...], int] = {}
        self._credentials: dict[tuple[str, ...], int] = {}
        self._named: set[str] = set()  # the credentials that have labels of their own
        registry.register(_Flush(self))

        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"antigravity_{name}", help_, labels, registry=registry)

        def histogram(name: str, help_: str, bounds: tuple[float, ...], *labels: str) -> Times:
            found = Times(f"antigravity_{name}", help_, bounds, labels)
            registry.register(found)
            return found

        self.requests = counter("requests", "API requests ended.", "dialect", "operation", "family", "status")
        self.errors = counter("errors", "Errors answered to clients, within streams too.", "code")
        self.refusals = counter(
            "upstream_refusals",
            "Requests that upstream refused for every account, by kind of client.",
            "code",
            "client",
        )
        self.left = counter("clients_left", "Requests whose client hung up before the end.")
        self.refused = counter("requests_refused", "Requests refused for their head or their length.")
        self.duration = histogram(
            "request_duration_seconds",
            "Time from the request to the end of its answer.",
            _DURATION_BUCKETS,
            "dialect",
            "family",
            "stream",
        )
        self.first_byte = histogram(
            "first_byte_seconds",
            "Time from the request to the first byte of an answer that is not an error.",
            _FIRST_BYTE_BUCKETS,
            "dialect",
            "family",
            "stream",
        )
        self.bytes_out = counter("response_bytes", "Bytes of answers' bodies.", "dialect")
        self.tokens = counter("tokens", "Tokens as upstream counted them.", "family", "direction")
        self.attempts = counter("attempts", "Attempts, by upstream and outcome.", "upstream", "outcome")
        self.failovers = counter(
            "failovers", "Attempts after a failed one, by its upstream and the cause.", "upstream", "reason"
        )
        self.upstream_requests = counter(
            "upstream_requests",
            "Requests by the upstream that was asked last, served or failed.",
            "upstream",
            "outcome",
        )
        self.credential_attempts = counter(
            "credential_attempts", "Attempts with official credentials.", "upstream", "credential", "outcome"
        )
        self._waiting = (
            (self.upstream_requests, self._requests),
            (self.attempts, self._attempts),
            (self.credential_attempts, self._credentials),
        )
        self.lag = Histogram(
            "antigravity_event_loop_lag_seconds",
            "Event loop latency, sampled twice a second.",
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
        attempts, status = record.attempts, record.status
        last = attempts[-1] if attempts else None
        upstream = "" if last is None else last.upstream
        key = (record.dialect, record.operation, record.family, record.streamed, status, upstream)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Request(record)
        elif kind.count >= _UNFLUSHED:
            kind.flush(self)
        kind.count += 1
        if record.refused:
            self.refused.inc()
        else:
            kind.durations.append(record.duration)
        if record.error:
            self.errors.labels(record.error).inc()
            if record.error in REFUSALS:
                self.refusals.labels(record.error, record.agent or "other").inc()
        if record.client_left:
            self.left.inc()
        kind.bytes_out += record.bytes_out
        kind.tokens_in += record.tokens_in
        kind.tokens_out += record.tokens_out
        if last is None:
            return
        if record.first_byte is not None and status < 400:
            kind.first_bytes.append(record.first_byte)
        if upstream == ACCOUNTS and len(attempts) == 1 and not (last.reason or record.error) and status < 400:
            kind.served_at_once += 1
        else:
            self._of_attempts(attempts, FAILED if record.error or status >= 400 else SERVED)

    def _of_attempts(self, attempts: list[Attempt], outcome: str) -> None:
        """Counts the attempts of a request, and how that came out."""
        last = attempts[-1]
        asked = last.upstream, outcome
        self._requests[asked] = self._requests.get(asked, 0) + 1
        for attempt in attempts:
            tried = attempt.upstream, attempt.reason or SERVED
            self._attempts[tried] = self._attempts.get(tried, 0) + 1
            if attempt is not last and attempt.reason:
                self.failovers.labels(*tried).inc()
            if attempt.upstream != ACCOUNTS:
                self._of_credential(attempt)

    def _of_credential(self, attempt: Attempt) -> None:
        """Counts an attempt by an official credential, under its name or with all that are beyond the bound."""
        name = attempt.account
        if name not in self._named:
            if len(self._named) < MAX_CREDENTIALS:
                self._named.add(name)
            else:
                name = OTHER
        key = attempt.upstream, name, FAILED if attempt.reason else SERVED
        self._credentials[key] = self._credentials.get(key, 0) + 1

    def flush(self) -> None:
        """Moves what was counted on the requests' way into the registry."""
        self.settle()
        for kind in self._kinds.values():
            if kind.count:
                kind.flush(self)
        for counter, counts in self._waiting:
            for labels, count in counts.items():
                counter.labels(*labels).inc(count)
            counts.clear()

    def render(self, accept: str) -> tuple[str, bytes]:
        """Content type and text of all metrics, in the form that ``accept`` asks for."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self.registry)
