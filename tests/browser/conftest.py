"""One real browser for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.chromium import DESKTOP, Window, chromium


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def window(driver: Any) -> Iterator[Window]:
    """A window without anything left of the test before; at its end nothing may have been complained of."""
    driver.get("about:blank")
    driver.delete_all_cookies()
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    found = Window(driver)
    found.look_like(DESKTOP, "light")
    found.complaints()
    yield found
    driver.get("about:blank")
    assert found.complaints() == []
