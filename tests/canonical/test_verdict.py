"""A table decides for everything, or says that it doesn't."""

from __future__ import annotations

import pytest

from antigravity_proxy.canonical.verdict import Failure, judge


def test_a_table_that_takes_nothing() -> None:
    with pytest.raises(LookupError):
        judge((), Failure(http_status=500))
