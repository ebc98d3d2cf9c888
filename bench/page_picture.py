"""Takes the picture of an HTML page for the documentation, in Debian's Chromium.

python -m bench.page_picture runs/suggested.html docs/suggestions.jpg
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import cv2

from bench.common import save_small_jpeg


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
    save_small_jpeg(options.out, picture)


if __name__ == "__main__":
    main()
