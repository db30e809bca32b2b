"""A real browser, headless: Debian's Chromium, driven by its own driver. It blocks; tests use it from a thread."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: where screenshots go, to be looked at; never part of the repository
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
#: so wide, and so high before the page is measured, in CSS pixels
DESKTOP, PHONE = (1280, 900), (390, 844)
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser with a profile of its own, which goes with it."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    profile = tempfile.mkdtemp(prefix="chromium-")
    for flag in (*_FLAGS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(shutil.which("chromedriver")))
    driver.set_page_load_timeout(20)
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


def look_like(driver: Any, size: tuple[int, int], scheme: str) -> None:
    """A screen of that size, ``light`` or ``dark``."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def shoot(driver: Any, name: str) -> None:
    """The whole page on every kind of screen, into files."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for size, where in ((DESKTOP, "desktop"), (PHONE, "phone")):
        for scheme in ("light", "dark"):
            look_like(driver, size, scheme)
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            (SHOTS / f"{name}-{where}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
    look_like(driver, DESKTOP, "light")


def complaints(driver: Any) -> list[str]:
    """What the browser's console says: refused styles and scripts, errors, missing files."""
    return [entry["message"] for entry in driver.get_log("browser")]
