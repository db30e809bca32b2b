"""W3C trace context."""

from __future__ import annotations

import pytest

from antigravity_proxy.telemetry.trace import Trace, parse

ID, PARENT, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "1" * 16


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{ID}-{PARENT}-01", True),
        (f"00-{ID}-{PARENT}-00", False),
        (f"00-{ID}-{PARENT}-03", True),
        (f"cc-{ID}-{PARENT}-01-what-the-future-brings", True),
    ],
)
def test_a_trace_is_passed_on_under_a_new_span(header: str, sampled: bool) -> None:
    trace = parse(header, SPAN)
    assert trace == Trace(ID, PARENT, SPAN, sampled)
    assert trace.header("2" * 16) == f"00-{ID}-{'2' * 16}-{'01' if sampled else '00'}".encode()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{ID}-{PARENT}-01",
        f"00-{ID}-{PARENT}-01-more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{PARENT}-01",
        f"00-{ID}-{PARENT}-01\r\nX: y",
        f"00-{ID}x-{PARENT}-01",
        f"00-{ID}-{PARENT}-0٣",
    ],
)
def test_what_is_no_trace_is_ignored(header: str) -> None:
    assert parse(header, SPAN) is None
