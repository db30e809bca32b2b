"""Events as WebSocket frames: what a client's own decoder reads of them (RFC 6455 5.2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from wsproto import Connection, ConnectionType
from wsproto.events import TextMessage

from antigravity_proxy.web.frames import framed

SIZES = st.sampled_from([1, 2, 124, 125, 126, 127, 1000, 0xFFFE, 0xFFFF, 0x10000, 0x10001])


@given(st.lists(SIZES, max_size=5), st.booleans())
def test_each_line_is_a_text(sizes: list[int], ended: bool) -> None:
    lines = [chr(97 + n) * size for n, size in enumerate(sizes)]
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(framed("\n".join(lines).encode() + (b"\n" if ended else b"")))
    told: list[str] = []
    whole = True
    for event in client.events():
        assert isinstance(event, TextMessage)
        told = [*told, event.data] if whole else [*told[:-1], told[-1] + event.data]
        whole = event.message_finished
    assert told == lines
