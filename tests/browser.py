"""A real headless browser for tests of HTML pages: ``open_page``.

Chromium (or Chrome) and its driver are looked for on the machine (Debian: ``chromium`` and
``chromium-driver``); nothing is downloaded. Without them the tests that need one are skipped, and
fail where they must run: with ``CI`` set in the environment, or
``EFFICIENT_YOLO3_BROWSER=required``::

    with open_page(report, width=390, height=844) as driver:
        assert not complaints(driver)
        assert driver.execute_script("return document.images.length") == 12
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


@contextmanager
def open_page(
    page: Path | str,
    width: int = 1280,
    height: int = 900,
    *,
    dark: bool = False,
    flags: Sequence[str] = (),
) -> Iterator[Chrome]:
    """The browser with a page loaded, in a window of that many CSS pixels.

    A fresh profile each time, deleted at the end. Skips the test, or fails it, without a browser.

    Args:
        page: a file, or an address.
        dark: what ``prefers-color-scheme`` says.
        flags: further ones of the browser.
    """
    browser, chromedriver = _programs()
    from selenium import webdriver

    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*_FLAGS, *flags, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
        try:
            driver.set_page_load_timeout(60)
            resize(driver, width, height)
            set_dark(driver, dark)
            driver.get("about:blank")
            complaints(driver)  # what the browser's own start page did
            driver.get(page.resolve().as_uri() if isinstance(page, Path) else page)
            yield driver
        finally:
            driver.quit()


def resize(driver: Chrome, width: int, height: int) -> None:
    """Lay the page out for a window of that size, smaller than any desktop's if need be."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def set_dark(driver: Chrome, dark: bool) -> None:
    """What ``prefers-color-scheme`` says from now on."""
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def complaints(driver: Chrome, server: str | None = None) -> list[str]:
    """Console errors and warnings, failed requests, and requests that leave the page's own file.

    Since the page was opened or this was last called. Requests to the page's own ``server`` are
    allowed, such as ``http://localhost:8000/``.
    """
    own = ("file:", "data:", "blob:", *([server] if server else []))
    found = [
        f"{entry['level']}: {entry['message']}"
        for entry in driver.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING")
    ]
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        parameters = message["params"]
        if message["method"] == "Network.loadingFailed":
            found.append(f"failed: {parameters['type']} {parameters['errorText']}")
        elif message["method"] == "Network.requestWillBeSent":
            address = parameters["request"]["url"]
            if not address.startswith(own):
                found.append(f"asked for {address}")
    return found


def broken_images(driver: Chrome) -> list[str]:
    """What the ``img`` elements that show no picture are called; lazy ones are loaded first."""
    return driver.execute_async_script(
        """
        const done = arguments[0];
        const images = [...document.images];
        images.forEach(image => { image.loading = "eager"; });
        Promise.all(images.map(image => image.decode().catch(() => null))).then(() => done(
            images.filter(image => !(image.complete && image.naturalWidth > 0))
                  .map(image => image.alt || image.src.slice(0, 80))));
        """
    )


def overflow(driver: Chrome) -> int:
    """How many pixels wider than the window the page is; 0 where nothing scrolls sideways."""
    return driver.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def least_contrast(driver: Chrome) -> tuple[int, float, str]:
    """Number of visible texts, the least contrast of one with what lies behind it, and its words.

    Contrast is WCAG 2's, by relative luminance. Colours are resolved by painting them, whatever
    notation the browser gives them in.
    """
    return driver.execute_script(_CONTRAST)


_CONTRAST = """
const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
const paper = canvas.getContext('2d', { willReadFrequently: true });
const known = new Map();
const rgba = (colour) => {
  if (!known.has(colour)) {
    paper.clearRect(0, 0, 1, 1); paper.fillStyle = colour; paper.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = paper.getImageData(0, 0, 1, 1).data;
    known.set(colour, [r, g, b, a / 255]);
  }
  return known.get(colour);
};
const over = ([r, g, b, a], under) => [r, g, b].map((v, i) => a * v + (1 - a) * under[i]);
const light = (colour) => colour.slice(0, 3).map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
let least = [99, ''], texts = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, words = walker.currentNode.textContent.trim();
  if (!words || !element.checkVisibility()) continue;
  if (element.closest('script, option, :disabled')) continue;
  const chain = [];
  for (let e = element; e; e = e.parentElement) chain.unshift(getComputedStyle(e));
  let behind = [255, 255, 255], opacity = 1;
  for (const style of chain) {
    behind = over(rgba(style.backgroundColor), behind);
    opacity *= Number(style.opacity);
  }
  const own = chain.at(-1);
  const ink = rgba(element instanceof SVGElement ? own.fill : own.color);
  const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * opacity], behind)), light(behind)];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  texts += 1;
  if (contrast < least[0]) least = [contrast, words];
}
return [texts, ...least];
"""


def screenshot(driver: Chrome, path: Path, *, whole: bool = False) -> None:
    """Save a PNG of the window, or of the whole page."""
    options = {"format": "png", "captureBeyondViewport": whole}
    if whole:
        size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12_000)}
        options["clip"] = {**clip, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", options)
    Path(path).write_bytes(base64.b64decode(shot["data"]))


def _programs() -> tuple[str, str]:
    """Paths of browser and driver; skips or fails the test that asked where one is missing."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    chromedriver = shutil.which("chromedriver")
    missing = [
        what
        for what, found in (
            ("Chromium or Chrome", browser),
            ("chromedriver", chromedriver),
            ("the selenium package", _has_selenium()),
        )
        if not found
    ]
    if missing:
        reason = f"no {' and no '.join(missing)} on this machine"
        if os.environ.get("CI") or os.environ.get("EFFICIENT_YOLO3_BROWSER") == "required":
            pytest.fail(f"{reason}, and this test must run here")
        pytest.skip(f"{reason} (Debian: apt install chromium chromium-driver)")
    return browser, chromedriver


def _has_selenium() -> bool:
    try:
        import selenium  # noqa: F401
    except ImportError:
        return False
    return True
