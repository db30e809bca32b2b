"""A real browser, headless: Debian's Chromium, driven by its own driver. Everything blocks, so tests use a thread."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: where screenshots go, to be looked at; never part of the repository
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
#: screens, in CSS pixels
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
#: what the browser says of every refused login, and of forms that others would like otherwise
_USUAL = ("Failed to load resource: the server responded with a status of 4", "Failed to load resource: net::ERR_")

#: texts whose colour is too near to what they stand on (WCAG 2.2, 1.4.3: 4.5 to 1, for large ones 3 to 1)
_CONTRAST = """
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const found = parse(getComputedStyle(each).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return parse(getComputedStyle(document.body).backgroundColor);
};
const poor = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("svg")) continue;
  const style = getComputedStyle(element);
  const [one, other] = [luminance(parse(style.color)), luminance(ground(element))].sort((a, b) => b - a);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < (isLarge ? 3 : 4.5)) poor.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
}
return poor;
"""
#: what somebody who can't see the page is not told: controls without a name, pictures without words
_NAMELESS = """
const named = (element) => element.getAttribute("aria-label") || element.textContent.trim() || element.labels?.length;
return [...document.querySelectorAll("a, button, input:not([type=hidden]):not([hidden]), summary, svg, th")]
  .filter((each) => !named(each) && each.getAttribute("aria-hidden") !== "true")
  .map((each) => each.outerHTML.slice(0, 80));
"""


@contextmanager
def chromium() -> Iterator[Any]:
    """A driver with a browser that has a profile of its own, which goes with it."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    profile = tempfile.mkdtemp(prefix="chromium-")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    for flag in (*_FLAGS, *sandbox, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(shutil.which("chromedriver")))
    driver.set_page_load_timeout(20)
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


class Window:
    """What a person does and sees."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Goes there."""
        self.driver.get(url)

    def run(self, script: str) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script)

    def text(self, selector: str = "body") -> str:
        """What stands there."""
        return str(self.run(f"return document.querySelector({selector!r})?.innerText ?? ''"))

    def focused(self) -> str:
        """The id of what has the focus."""
        return str(self.run("return document.activeElement.id"))

    def wait(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Waits until something is so."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"it never came to be; the page says:\n{self.text()}")
            time.sleep(0.05)

    def shows(self, words: str, selector: str = "body") -> None:
        """Waits until the words stand there."""
        self.wait(lambda: words in self.text(selector))

    def find(self, selector: str) -> Any:
        """What stands there, as soon as it does: a page may be on its way."""
        self.wait(lambda: self.driver.find_elements("css selector", selector))
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        """Clicks."""
        self.find(selector).click()

    def keys(self, *keys: str) -> None:
        """Types, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, identity: str) -> None:
        """Moves the focus forward, key by key, until it is there."""
        for _ in range(60):
            if self.focused() == identity:
                return
            self.keys("\ue004")
        raise AssertionError(f"the keyboard never gets to {identity}")

    def look_like(self, size: tuple[int, int], scheme: str) -> None:
        """A screen of that size, ``light`` or ``dark``."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def examine(self, name: str) -> None:
        """On every kind of screen: nothing is wider than it, every text can be read, every control has a name.

        Leaves screenshots behind.
        """
        SHOTS.mkdir(parents=True, exist_ok=True)
        for size, where in ((DESKTOP, "desktop"), (PHONE, "phone")):
            for scheme in ("light", "dark"):
                self.look_like(size, scheme)
                shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
                (SHOTS / f"{name}-{where}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
                assert self.run("return document.documentElement.scrollWidth") <= size[0], (name, where)
                assert self.run(_CONTRAST) == [], (name, scheme)
        self.look_like(DESKTOP, "light")
        assert self.run(_NAMELESS) == [], name
        assert self.run("return document.querySelectorAll('h1').length") == 1, name

    def complaints(self) -> list[str]:
        """What the browser's console says: refused styles and scripts, faults, missing files."""
        told = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in told if not any(usual in message for usual in _USUAL)]
