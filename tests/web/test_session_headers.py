"""What the headers say of the conversation."""

from __future__ import annotations

import pytest

from antigravity_proxy.http1.fields import ReceivedFields
from antigravity_proxy.web.session_headers import session_of


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, ""),
        ({"X-Claude-Code-Session-Id": ["c"], "session-id": ["x"]}, "c"),
        ({"session-id": [" c "], "thread-id": ["x"]}, "c"),
        ({"thread-id": ["t"]}, "t"),
        ({"x-session-affinity": ["a"], "x-session-id": ["a"]}, "a"),
        ({"x-session-id": ["i"]}, "i"),
        ({"session-id": [""], "x-session-id": ["i"]}, "i"),
        ({"session-id": ["x" * 5000]}, ""),
        ({"session-id": [b"\xff"]}, "ÿ"),
    ],
)
def test_the_most_reliable_header_names_the_conversation(headers: dict[str, list[str]], name: str) -> None:
    assert session_of(ReceivedFields({name.lower(): values for name, values in headers.items()})) == name
