"""Takes the picture of an HTML page for the documentation, in Debian's Chromium.

python -m bench.page_picture runs/suggested.html docs/suggestions.jpg
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import cv2

from utils.files import atomic_write

MOST_BYTES = 60_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path, help="a JPEG")
    parser.add_argument("--width", type=int, default=1200, help="of the window in pixels")
    parser.add_argument("--height", type=int, default=600, help="of the window in pixels")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={folder}/profile", f"--screenshot={shot}",
             f"--window-size={options.width},{options.height}", options.page.resolve().as_uri()],
            check=True, capture_output=True,
        )  # fmt: skip
        picture = cv2.imread(str(shot))
    for quality in range(90, 20, -5):
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) <= MOST_BYTES:
            break
    with atomic_write(options.out, "wb") as file:
        file.write(data)
    print(f"{options.out}: {len(data) / 1000:.0f} kB, quality {quality}")


if __name__ == "__main__":
    main()
