"""Traces by OpenTelemetry, from the records of requests. Imported only where they are wanted: the extra ``otel``.

A request's spans are made when it has ended, of what its record says: one for the request, one for each attempt. So
serving knows nothing of tracing but the ids that upstream gets (`telemetry.trace`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from twisted.application.service import Service
from twisted.internet.defer import Deferred

from antigravity_proxy.logs import clean
from antigravity_proxy.telemetry.record import Attempt, Record
from antigravity_proxy.telemetry.trace import Trace

#: seconds that the last spans get at the end
_FLUSH = 2.0
_LONGEST_NAME = 128
_SCOPE = InstrumentationScope("antigravity_proxy")


class Tracing(Service):
    """An observer of the ledger that hands spans to ``processor``, which sends them from a thread of its own.

    ``epoch`` is the wall clock in epoch seconds, ``hex_digits`` gives random ones. Service name, resource and sampler
    are those of OpenTelemetry's environment variables.
    """

    def __init__(
        self, reactor: Any, epoch: Callable[[], float], hex_digits: Callable[[int], str], processor: SpanProcessor
    ) -> None:
        self._reactor = reactor
        self._epoch = epoch
        self._hex = hex_digits
        self._processor = processor
        self._resource = Resource.create({"service.name": "antigravity-proxy"})
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler

    def new_trace(self) -> Trace:
        """A trace that begins here, for a request whose client names none."""
        identity = self._hex(32)
        decision = self._sampler.should_sample(None, int(identity, 16), "request").decision
        return Trace(identity, "", self._hex(16), decision is Decision.RECORD_AND_SAMPLE)

    def __call__(self, record: Record) -> None:
        """Makes the spans of a request that has ended, if its trace is kept."""
        trace = record.trace
        if trace is None or not trace.sampled:
            return
        began = self._epoch() - record.duration
        own = _context(trace, trace.span)
        for attempt in record.attempts:
            self._processor.on_end(self._attempt(trace, own, attempt, began))
        self._processor.on_end(self._request(trace, own, record, began))

    def stopService(self) -> Deferred[None]:
        """Sends what is left; a collector that doesn't answer is not waited for long."""
        super().stopService()  # type: ignore[no-untyped-call]
        done: Deferred[None] = Deferred()
        call = self._reactor.callLater(_FLUSH, done.callback, None)

        def sent() -> None:
            if not done.called:
                call.cancel()
                done.callback(None)

        def shut_down() -> None:
            self._processor.shutdown()
            self._reactor.callFromThread(sent)

        threading.Thread(target=shut_down, name="last spans", daemon=True).start()
        return done

    def _request(self, trace: Trace, own: SpanContext, record: Record, began: float) -> ReadableSpan:
        events: tuple[Event, ...] = ()
        if record.first_byte is not None:
            events = (Event("first byte", timestamp=_ns(began + record.first_byte)),)
        attributes: dict[str, str | int] = {
            "http.request.method": record.method,
            "http.response.status_code": record.status,
            "client.address": clean(record.client, _LONGEST_NAME),
            "gen_ai.operation.name": record.operation,
            "gen_ai.request.model": clean(record.asked, _LONGEST_NAME),
            "gen_ai.response.model": clean(record.model, _LONGEST_NAME),
            "gen_ai.usage.input_tokens": record.tokens_in,
            "gen_ai.usage.output_tokens": record.tokens_out,
            "antigravity.dialect": record.dialect,
            "antigravity.request_id": record.id,
            "antigravity.key": record.key,
            "antigravity.stream": record.streamed,
            "antigravity.client_left": record.client_left,
            "error.type": record.error,
        }
        return ReadableSpan(
            f"{record.dialect} {record.operation}",
            context=own,
            parent=_context(trace, trace.parent, remote=True) if trace.parent else None,
            resource=self._resource,
            attributes={name: value for name, value in attributes.items() if value != ""},
            events=events,
            kind=SpanKind.SERVER,
            status=_status(record.error if record.status >= 500 or record.first_byte is not None else ""),
            start_time=_ns(began),
            end_time=_ns(began + record.duration),
            instrumentation_scope=_SCOPE,
        )

    def _attempt(self, trace: Trace, own: SpanContext, attempt: Attempt, began: float) -> ReadableSpan:
        attributes: dict[str, str | int] = {
            "antigravity.account": attempt.account,
            "error.type": attempt.reason,
            "antigravity.upstream_trace": clean(attempt.upstream_trace, _LONGEST_NAME),
            "http.response.status_code": attempt.status,
        }
        return ReadableSpan(
            "attempt",
            context=_context(trace, attempt.span),
            parent=own,
            resource=self._resource,
            attributes={name: value for name, value in attributes.items() if value},
            kind=SpanKind.CLIENT,
            status=_status(attempt.reason),
            start_time=_ns(began + attempt.began),
            end_time=_ns(began + attempt.began + attempt.took),
            instrumentation_scope=_SCOPE,
        )


def exporting(reactor: Any, epoch: Callable[[], float], hex_digits: Callable[[int], str], endpoint: str) -> Tracing:
    """Tracing that sends to an OTLP endpoint over HTTP, as OpenTelemetry's other variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces")
    return Tracing(reactor, epoch, hex_digits, BatchSpanProcessor(exporter))


def _context(trace: Trace, span: str, *, remote: bool = False) -> SpanContext:
    return SpanContext(int(trace.id, 16), int(span, 16), remote, TraceFlags(TraceFlags.SAMPLED))


def _status(error: str) -> Status:
    return Status(StatusCode.ERROR, error) if error else Status(StatusCode.UNSET)


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
