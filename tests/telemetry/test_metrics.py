"""Metrics: what is counted of a request, under labels that no client can choose."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from antigravity_proxy.telemetry.metrics import MAX_CREDENTIALS, Figure, Metrics, single
from antigravity_proxy.telemetry.record import Attempt, Record


def record(**fields: Any) -> Record:
    usual: dict[str, Any] = {
        "id": "req_1",
        "began": 0.0,
        "dialect": "openai",
        "operation": "chat",
        "family": "gemini",
        "attempts": [attempt("one", "")],
        "status": 200,
        "first_byte": 0.2,
        "duration": 0.7,
        "bytes_out": 400,
    }
    return Record(**usual | fields)


def attempt(account: str, reason: str = "", upstream: str = "accounts") -> Attempt:
    return Attempt(account, 0.0, reason=reason, upstream=upstream)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """All that is not 0, by name and values of labels in the order of their names."""
    _, text = metrics.render("")
    return {
        (
            sample.name.removeprefix("antigravity_"),
            tuple(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.value
    }


def test_a_request_is_counted() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics(record(tokens_in=3, tokens_out=5))
    found = samples(metrics)
    assert found["requests_total", ("openai", "gemini", "chat", "200")] == 2
    assert found["request_duration_seconds_sum", ("openai", "gemini", "false")] == 1.4
    assert found["request_duration_seconds_bucket", ("openai", "gemini", "1.0", "false")] == 2
    assert ("request_duration_seconds_bucket", ("openai", "gemini", "0.5", "false")) not in found
    assert found["first_byte_seconds_count", ("openai", "gemini", "false")] == 2
    assert found["response_bytes_total", ("openai",)] == 800
    assert found["tokens_total", ("in", "gemini")] == 6
    assert found["tokens_total", ("out", "gemini")] == 10
    assert found["attempts_total", ("served", "accounts")] == 2
    assert not [name for name, _ in found if "created" in name or "error" in name or "failover" in name]


def test_failovers_count_by_why_the_attempt_before_failed() -> None:
    metrics = Metrics()
    failed = [
        attempt("one", "quota"),
        attempt("two", "silent"),
    ]
    metrics(record(attempts=[*failed, attempt("three", "")]))
    metrics(record(attempts=failed, status=504, error="upstream_timeout"))
    found = samples(metrics)
    assert found["failovers_total", ("quota", "accounts")] == 2
    assert found["failovers_total", ("silent", "accounts")] == 1
    assert found["attempts_total", ("silent", "accounts")] == 2
    assert found["attempts_total", ("served", "accounts")] == 1
    assert found["errors_total", ("upstream_timeout",)] == 1
    assert found["first_byte_seconds_count", ("openai", "gemini", "false")] == 1


def test_official_credentials_are_counted_by_name_and_only_so_many_are_named() -> None:
    metrics = Metrics()
    failed, served = attempt("one", "quota", "gemini"), attempt("one", "", "gemini")
    metrics(record(attempts=[failed, served]))
    metrics(record(attempts=[failed], status=429, error="rate_limit"))
    for number in range(MAX_CREDENTIALS + 1):
        metrics(record(attempts=[attempt(f"c{number}", "", "vertex")]))
    found = samples(metrics)
    assert found["upstream_requests_total", ("served", "gemini")] == 1
    assert found["upstream_requests_total", ("failed", "gemini")] == 1
    assert found["credential_attempts_total", ("one", "failed", "gemini")] == 2
    assert found["credential_attempts_total", ("one", "served", "gemini")] == 1
    assert found["credential_attempts_total", ("(other)", "served", "vertex")] == 2
    assert len({labels for name, labels in found if name == "credential_attempts_total"}) == MAX_CREDENTIALS + 2


def test_a_refused_request_counts_but_not_its_time() -> None:
    metrics = Metrics()
    metrics(record(attempts=[], family="", status=401, error="invalid_api_key", refused=True))
    metrics(record(attempts=[], family="", status=499, client_left=True, bytes_out=0))
    found = samples(metrics)
    assert found["requests_total", ("openai", "none", "chat", "401")] == 1
    assert found["requests_refused_total", ()] == 1
    assert found["clients_left_total", ()] == 1
    assert found["request_duration_seconds_count", ("openai", "none", "false")] == 1


def test_figures_are_looked_at_only_when_asked_for() -> None:
    metrics, looks = Metrics(), []

    def look() -> float | None:
        looks.append(1)
        return 7.0 if len(looks) == 1 else None

    metrics.watch(
        [
            Figure("antigravity_one", "One.", single(look)),
            Figure("antigravity_many", "Many.", lambda: [(("a",), 1), (("b",), 2)], ("kind",), counts=True),
        ]
    )
    assert looks == []
    found = samples(metrics)
    assert found["one", ()] == 7.0
    assert (found["many_total", ("a",)], found["many_total", ("b",)]) == (1, 2)
    assert ("one", ()) not in samples(metrics)


@pytest.mark.parametrize("form", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_the_form_that_is_asked_for(form: str) -> None:
    content_type, text = Metrics().render(form)
    assert content_type.startswith(form.partition(";")[0])
    assert text.endswith(b"# EOF\n") == ("openmetrics" in form)


def test_nothing_tells_versions() -> None:
    _, text = Metrics().render("")
    assert b"python_info" not in text
    assert b"version" not in text


def test_what_waits_for_a_scrape_is_bounded() -> None:
    metrics = Metrics()
    for _ in range(2500):
        metrics(record())
    assert samples(metrics)["requests_total", ("openai", "gemini", "chat", "200")] == 2500
    metrics(record())
    assert samples(metrics)["requests_total", ("openai", "gemini", "chat", "200")] == 2501
