"""What the tests of the dialects share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count

import pytest

from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.generatecontent.events import read_event
from antigravity_proxy.generatecontent.sse import SSEDecoder


@pytest.fixture
def chunks(golden: Callable[[str], bytes]) -> Callable[[str], list[Chunk]]:
    """The chunks of a golden upstream stream."""

    def read(name: str) -> list[Chunk]:
        decoder = SSEDecoder()
        return [read_event(payload) for payload in [*decoder.feed(golden(name)), *decoder.close()]]

    return read


@pytest.fixture
def stamp() -> Callable[..., Stamp]:
    """A stamp whose hex digits are the given letters, one for each use; then running numbers."""

    def make(letters: str = "") -> Stamp:
        pieces = chain(letters, (str(n % 10) for n in count(1)))
        return Stamp(1790000000, lambda digits: next(pieces) * digits)

    return make
