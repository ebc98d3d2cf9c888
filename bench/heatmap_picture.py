"""Makes the picture of docs/heatmaps.md: a sheet of ``predict.py --heatmap``.

    python -m bench.heatmap_picture

The bundled detector looks at a generated road scene.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

from bench.common import ROOT, save_small_jpeg
from utils.data.synthetic.scenes import draw_scene
from utils.images import save_image

SCENE = 4
WIDTH = 640  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "heatmaps.jpg")
    parser.add_argument("--scene", type=int, default=SCENE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "road.jpg"
        save_image(path, draw_scene(5, "test", options.scene).image)
        out = Path(folder) / "out"
        subprocess.run(
            [sys.executable, "predict.py", path, "--heatmap", "--out", out, "--no-pictures",
             "--runtime", "tensorflow"],
            check=True, cwd=ROOT,
        )  # fmt: skip
        sheet = cv2.imread(str(out / "heatmaps" / "road.jpg"))
    scale = WIDTH / sheet.shape[1]
    picture = cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    save_small_jpeg(options.out, picture)


if __name__ == "__main__":
    main()
