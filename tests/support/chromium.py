"""A real browser, headless: Debian's Chromium, driven by its own driver. Everything blocks, so tests use a thread."""

from __future__ import annotations

import base64
import os
import shutil
import struct
import tempfile
import time
import zlib
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

#: a PNG in its commonest colours, bright ones before others; every other pixel in the nearest of these. Gives width,
#: height, palette, and rows of indexes
_FEW_COLOURS = """
const [png, done] = arguments;
const image = new Image();
image.onload = () => {
  const { width, height } = image;
  const pen = new OffscreenCanvas(width, height).getContext("2d");
  pen.drawImage(image, 0, 0);
  const pixels = new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const split = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  const isBright = (colour) => Math.max(...split(colour)) - Math.min(...split(colour)) > 90;
  const weight = (colour) => counts.get(colour) * (isBright(colour) ? 10 : 1);
  const colours = [...counts.keys()].sort((a, b) => weight(b) - weight(a));
  const palette = colours.slice(0, 112).map(split);
  const distance = (a, b) => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
  const index = new Map(colours.map((colour) => {
    const far = palette.map((each) => distance(each, split(colour)));
    return [colour, far.indexOf(Math.min(...far))];
  }));
  let rows = "";
  for (let y = 0; y < height; y++) {
    const row = Uint8Array.from(pixels.subarray(y * width, (y + 1) * width), (pixel) => index.get(pixel));
    rows += "\\0" + String.fromCharCode(...row);
  }
  done([width, height, palette.flat(), btoa(rows)]);
};
image.src = `data:image/png;base64,${png}`;
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

    def picture(self, size: tuple[int, int], until: str) -> bytes:
        """A small PNG of the page, from its top to the end of an element, on a light screen of that size.

        It leaves the page.
        """
        self.look_like(size, "light")
        end = self.run(f"return document.querySelector({until!r}).getBoundingClientRect().bottom + scrollY + 16")
        clip = {"x": 0, "y": 0, "width": size[0], "height": end, "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        self.driver.get("about:blank")  # which has no policy against images
        width, height, palette, pixels = self.driver.execute_async_script(_FEW_COLOURS, shot["data"])
        parts = (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", bytes(palette)),
            (b"IDAT", zlib.compress(base64.b64decode(pixels), 9)),
            (b"IEND", b""),
        )
        chunks = (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in parts
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)

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
