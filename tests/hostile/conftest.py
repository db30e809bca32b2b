"""What the attacks share: a daemon on a simulated upstream for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.target import Target, Upstream, target


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """The simulated service."""
    running = Upstream(tmp_path_factory.mktemp("upstream"))
    yield running
    running.process.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Target]:
    """A daemon that many tests attack; it must outlive them all."""
    with target(tmp_path_factory.mktemp("daemon"), upstream.url) as running:
        yield running
