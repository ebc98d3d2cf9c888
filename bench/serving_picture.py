"""Takes the picture of docs/serving.md: the page of ``predict.py --serve`` on desktop and phone.

    python -m bench.serving_picture

The bundled detector looks at generated road scenes. Needs Debian's Chromium and its driver.
"""

from __future__ import annotations

import argparse
import base64
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

from bench.common import ROOT, save_small_jpeg
from utils.data.synthetic.scenes import draw_scene
from utils.images import save_image

SCENES = (4, 0, 2, 9, 11)
DESKTOP, PHONE = (1080, 800), (390, 800)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "serving.jpg")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder, serving() as address:
        paths = [Path(folder) / f"road-{number}.jpg" for number in range(len(SCENES))]
        for path, number in zip(paths, SCENES, strict=True):
            save_image(path, draw_scene(5, "test", number).image)
        shots = [
            screenshot(address, paths, DESKTOP, dark=False),
            screenshot(address, paths, PHONE, dark=True),
        ]
    gap = np.full((DESKTOP[1], 24, 3), 255, np.uint8)
    picture = np.hstack([shots[0], gap, shots[1]])
    picture = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    save_small_jpeg(out, picture)


@contextmanager
def serving() -> Iterator[str]:
    """The address of ``predict.py --serve``."""
    command = [sys.executable, "-u", "predict.py", "--serve", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(filter(None, (re.match(r"open (\S+)", line) for line in process.stdout)))[1]
        finally:
            process.terminate()


def screenshot(address: str, paths: list[Path], size: tuple[int, int], *, dark: bool) -> np.ndarray:
    """uint8 (H, W, 3) BGR of the page with these pictures."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.get(address)
        wait = WebDriverWait(driver, 60)
        wait.until(lambda page: page.execute_script("return model !== null"))
        driver.find_element("id", "files").send_keys("\n".join(map(str, paths)))
        done = "return items.length && items.every(item => item.state === 'done')"
        wait.until(lambda page: page.execute_script(done))
        time.sleep(0.5)
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    finally:
        driver.quit()
    return cv2.imdecode(np.frombuffer(base64.b64decode(shot), np.uint8), cv2.IMREAD_COLOR)


if __name__ == "__main__":
    main()
