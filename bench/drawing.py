"""Draws the picture of docs/labelling.md: labels in a crowd, on generated scenes.

    python -m bench.drawing

Six scenes in one picture, with names in several scripts, as ``predict.py`` draws them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from bench.common import ROOT
from utils.data.synthetic.scenes import draw_scene
from utils.data.synthetic.signs import CLASSES
from utils.detections import Detections
from utils.drawing.boxes import draw_detections
from utils.files import atomic_write

NAMES = ("stop", "Vorfahrt", "止まれ", "стоп", "रुको", "قف", "정지", "ทางม้าลาย")
SCENE, COLUMNS, ROWS, QUALITY = (300, 225), 3, 2, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "drawing.jpg")
    out = parser.parse_args().out
    width, height = SCENE
    picture = np.zeros((ROWS * height, COLUMNS * width, 3), np.uint8)
    boxes, ids = [], []
    for number in range(ROWS * COLUMNS):
        scene = draw_scene(5, "test", number)
        corner = np.array([number % COLUMNS * width, number // COLUMNS * height])
        picture[corner[1] :, corner[0] :][:height, :width] = cv2.resize(
            scene.image, SCENE, interpolation=cv2.INTER_AREA
        )
        scale = np.array(SCENE) / scene.image.shape[1::-1]
        boxes += list(scene.boxes * np.tile(scale, 2) + np.tile(corner, 2))
        ids += [CLASSES.index(name) % len(NAMES) for name in scene.names]
    scores = np.linspace(0.99, 0.31, len(boxes))
    found = Detections(np.float32(boxes), np.float32(scores), np.int32(ids), NAMES)
    drawn = draw_detections(picture, found)
    _, data = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    with atomic_write(out, "wb") as file:
        file.write(data)
    print(f"{out}: {len(boxes)} objects, {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
