"""Traces: spans that fit together and tell what a record does, in memory and over a socket."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from support.deferreds import deferred
from support.stack import stack
from twisted.internet.task import Clock

from antigravity_proxy.daemon import observability
from antigravity_proxy.simulator import faults
from antigravity_proxy.telemetry.record import Attempt, Record
from antigravity_proxy.telemetry.trace import Trace
from antigravity_proxy.telemetry.tracing import Tracing

ID, PARENT, OWN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "1" * 16


def traced(record: Record) -> list[Any]:
    """The spans that a record gives."""
    exporter = InMemorySpanExporter()
    tracing = Tracing(Clock(), lambda: 1000.0, "a".__mul__, SimpleSpanProcessor(exporter))
    tracing(record)
    return list(exporter.get_finished_spans())


def record(trace: Trace | None, **fields: Any) -> Record:
    usual: dict[str, Any] = {
        "id": "req_1",
        "began": 5.0,
        "method": "POST",
        "dialect": "openai",
        "operation": "chat",
        "asked": "gpt-5 someone@example.com",
        "model": "gemini-3-flash",
        "status": 200,
        "duration": 2.0,
        "first_byte": 0.5,
        "attempts": [
            Attempt("one", 0.1, 0.2, "quota", 429, "2" * 16),
            Attempt("two", 0.3, 1.7, reason="", span="3" * 16),
        ],
    }
    return Record(trace=trace, **usual | fields)


def test_a_request_and_its_attempts() -> None:
    one, two, request = traced(record(Trace(ID, PARENT, OWN, True)))
    assert {span.context.trace_id for span in (one, two, request)} == {int(ID, 16)}
    assert (request.parent.span_id, request.context.span_id) == (int(PARENT, 16), int(OWN, 16))
    assert one.parent.span_id == two.parent.span_id == int(OWN, 16)
    assert (one.context.span_id, two.context.span_id) == (int("2" * 16, 16), int("3" * 16, 16))
    assert (request.kind, one.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert (request.start_time, request.end_time) == (998_000_000_000, 1_000_000_000_000)
    assert (one.start_time, one.end_time) == (998_100_000_000, 998_300_000_000)
    assert [(event.name, event.timestamp) for event in request.events] == [("first byte", 998_500_000_000)]
    assert one.status.status_code is StatusCode.ERROR
    assert two.status.status_code is request.status.status_code is StatusCode.UNSET
    assert one.attributes["error.type"] == "quota"
    assert request.attributes["gen_ai.request.model"] == "gpt-5 [hidden]"
    assert request.attributes["http.response.status_code"] == 200


def test_one_that_begins_here_has_no_parent_and_an_error_shows() -> None:
    (request,) = traced(record(Trace(ID, "", OWN, True), attempts=[], status=503, error="unavailable"))
    assert request.parent is None
    assert request.status.status_code is StatusCode.ERROR


def test_what_is_not_kept_makes_no_span() -> None:
    assert traced(record(Trace(ID, PARENT, OWN, False))) == []
    assert traced(record(None)) == []


@pytest.mark.parametrize(("sampler", "sampled"), [("always_on", True), ("always_off", False)])
def test_the_sampler_is_open_telemetrys(monkeypatch: pytest.MonkeyPatch, sampler: str, sampled: bool) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    trace = Tracing(Clock(), lambda: 0.0, "a".__mul__, SimpleSpanProcessor(InMemorySpanExporter())).new_trace()
    assert trace == Trace("a" * 32, "", "a" * 16, sampled)


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector on this machine: its endpoint, and the spans that it got."""
    spans: list[Any] = []

    class Collects(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collects)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@deferred(20)
async def test_spans_reach_a_collector_and_upstream_is_told_of_the_same_trace(tmp_path: Path) -> None:
    with collector() as (endpoint, spans):
        async with stack(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as running:
            running.simulator.script(faults.quota_exhausted_for("60s"))
            await running.chat("a secret prompt")
            told = [each.headers.getRawHeaders("traceparent", [""])[0] for each in running.simulator.requests]
        assert len(spans) == 3
        attempts = [span for span in spans if span.name == "attempt"]
        assert [f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in attempts] == told
        (request,) = [span for span in spans if span.name == "openai chat"]
        assert request.parent_span_id == b""
        assert "secret" not in str(spans)
        assert "ya29" not in str(spans)


def test_without_the_packages_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from antigravity_proxy import startup
    from antigravity_proxy.settings.resolve import SettingsError

    monkeypatch.delitem(sys.modules, "antigravity_proxy.telemetry.tracing")
    monkeypatch.delattr("antigravity_proxy.telemetry.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    environment = {"ANTIGRAVITY_DATA_DIR": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    settings = startup.begin({}, environment).settings
    with pytest.raises(SettingsError, match=r"pip install 'antigravity-proxy\[otel\]'"):
        observability.Observability(Clock(), settings)


def test_off_it_is_not_imported() -> None:
    import subprocess

    code = "import sys; from antigravity_proxy.daemon import service; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


class Stuck(SimpleSpanProcessor):
    """A processor whose collector doesn't answer, until it is let go."""

    def __init__(self) -> None:
        super().__init__(InMemorySpanExporter())
        self.let_go, self.gone = threading.Event(), threading.Event()

    def shutdown(self) -> None:
        self.let_go.wait(10)


@pytest.mark.parametrize("answers", [True, False])
def test_the_end_waits_for_the_last_spans_but_not_for_long(answers: bool) -> None:
    clock, processor, ended = Clock(), Stuck(), list[None]()
    clock.callFromThread = lambda call: (call(), processor.gone.set())
    tracing = Tracing(clock, lambda: 0.0, "a".__mul__, processor)
    tracing.startService()
    tracing.stopService().addCallback(ended.append)
    assert ended == []
    if not answers:
        clock.advance(2.0)
        assert ended == [None]
    processor.let_go.set()
    assert processor.gone.wait(5)
    assert ended == [None]
    assert not clock.getDelayedCalls()
