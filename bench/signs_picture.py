"""Makes the picture at the top of README: what the bundled detector finds in generated scenes.

    python -m bench.signs_picture

Six scenes with backgrounds that no detector was trained on, as ``predict.py`` draws them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from bench.common import ROOT, save_small_jpeg
from utils.data.synthetic.scenes import draw_scene
from utils.detector import Detector
from utils.drawing.boxes import draw_detections

SEED, SCENE, COLUMNS, ROWS, GAP = 2026, (420, 280), 3, 2, 8  # pixels
CONF = 0.5
MAX_BYTES = 180_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "signs.jpg")
    parser.add_argument("--first", type=int, default=12, help="scene to begin with")
    options = parser.parse_args()
    detector = Detector(ROOT / "model_data" / "signs.keras")
    width, height = SCENE
    picture = np.full(
        (ROWS * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP, 3), 255, np.uint8
    )
    for place in range(ROWS * COLUMNS):
        scene = filling(draw_scene(SEED, "test", options.first + place).image)
        drawn = draw_detections(scene, detector(scene, conf=CONF))
        top, left = place // COLUMNS * (height + GAP), place % COLUMNS * (width + GAP)
        picture[top : top + height, left : left + width] = drawn
    save_small_jpeg(options.out, picture[..., ::-1], MAX_BYTES)


def filling(image: np.ndarray) -> np.ndarray:
    """The middle of a uint8 (H, W, 3) picture, resized to fill ``SCENE``."""
    width, height = SCENE
    scale = max(width / image.shape[1], height / image.shape[0])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


if __name__ == "__main__":
    main()
