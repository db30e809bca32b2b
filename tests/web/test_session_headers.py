"""What the headers say of the conversation."""

from __future__ import annotations

import pytest

from antigravity_proxy.http1.fields import ReceivedFields
from antigravity_proxy.web.session_headers import session_of


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, ""),
        ({b"x-claude-code-session-id": [b"c"], b"session-id": [b"x"]}, "c"),
        ({b"session-id": [b" c "], b"thread-id": [b"x"]}, "c"),
        ({b"thread-id": [b"t"]}, "t"),
        ({b"x-session-affinity": [b"a"], b"x-session-id": [b"a"]}, "a"),
        ({b"x-session-id": [b"i"]}, "i"),
        ({b"session-id": [b""], b"x-session-id": [b"i"]}, "i"),
        ({b"session-id": [b"x" * 5000]}, ""),
        ({b"session-id": [b"\xff"]}, "ÿ"),
    ],
)
def test_the_most_reliable_header_names_the_conversation(headers: dict[bytes, list[bytes]], name: str) -> None:
    assert session_of(ReceivedFields(headers)) == name
