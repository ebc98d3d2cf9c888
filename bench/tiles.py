"""Small signs in large generated scenes, with and without tiles.

    python -m bench.tiles

The bundled detector looks at 4000×3000 pixels. Questions are answered, each with a row of
``bench/results/tiles.jsonl``:

- ``ap``: AP on signs of 16 to 40 pixels, of the whole picture and in tiles (get_map.py --tile);
- ``borders``: 200 signs of 40 to 120 pixels that a tile's inner border cuts: how many are found,
  and how many are found twice;
- ``large``: the same for signs of 150 to 900 pixels, longer than the tiles overlap;
- ``time``: CPU seconds of one thread by area;
- ``memory``: predict.py on a TIFF of 20,000×20,000 pixels, its highest memory.

Suppression works within a class, so a detector may report a sign as two classes, with tiles and
without. How often it does so without tiles is measured, too: each sign is shown once more, alone.

``--picture`` draws ``docs/tiles.jpg`` instead: a part of a scene without and with tiles.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from bench.common import ROOT, append_result, save_small_jpeg
from bench.large_tiff import predict_large_tiff
from utils.api import evaluate
from utils.cli import OK, option, parse, run
from utils.data.classes import write_classes
from utils.data.synthetic import layout, pose, scenes
from utils.data.synthetic.generate import save_scene
from utils.data.synthetic.signs import CLASSES, outline
from utils.detections import Detections
from utils.detector import Detector
from utils.label_files.voc import write_voc_list
from utils.overlap import iou
from utils.tiles import picture_areas, tile_layout
from utils.tiling import TILE_OVERLAP, Tiling, auto_side

WEIGHTS = ROOT / "model_data" / "signs.keras"
WIDTH, HEIGHT = 4000, 3000
AREAS = ((2000, 1500), (4000, 3000), (6000, 4500))  # of which the time is measured
TIMES = 2  # runs of each; the faster one counts
GAP = 12  # pixels between signs
SHOWN = 960, 400  # width and height of the part that the picture shows


@dataclass(frozen=True)
class TilesConfig:
    """The options of this measurement."""

    scenes: int = option(3, help="pictures of the comparison of AP", low=1)
    only: tuple[str, ...] = option(
        ("ap", "borders", "large", "time", "memory"), help="questions to answer", metavar="NAME"
    )
    picture: bool = option(False, help="only draw docs/tiles.jpg")


def main(argv: list[str]) -> int:
    config = parse(TilesConfig, argv, __doc__.split("\n\n")[0])
    detector = Detector(WEIGHTS, "openvino")
    side = auto_side(max(detector.input_size), detector.training_sizes.sizes)
    if config.picture:
        draw_picture(detector)
        return OK
    questions = {
        "ap": lambda: precision(config.scenes),
        "borders": lambda: planted(detector, side, 200, (40, 120)),
        "large": lambda: planted(detector, side, 40, (150, 900)),
        "time": lambda: seconds_by_area(detector),
        "memory": lambda: predict_large_tiff(street()),
    }
    for name in config.only:
        row = {"question": name, "tile": side, **questions[name]()}
        print(row, flush=True)
        append_result("tiles", row)
    return OK


def precision(count: int) -> dict:
    """COCO AP by ``--tile``."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        objects = 0
        for index in range(count):
            rng = np.random.default_rng([11, index])
            scene = draw(rng, anywhere(rng, 150, (16, 40)))
            save_scene(scene, data, f"test_{index}")
            objects += len(scene.boxes)
        write_voc_list(data, "test", [f"test_{index}" for index in range(count)])
        write_classes(data / "classes.txt", CLASSES)
        found = {"scenes": count, "objects": objects}
        for tile in ("off", "auto", "450", "623"):
            scores = evaluate(
                WEIGHTS, data, tile=tile, max_det=1000, resamples=0, quiet=True
            ).metrics["coco"]
            found[tile] = {name: round(scores[name], 4) for name in ("AP", "AP50")}
        return found


def planted(detector: Detector, side: int, count: int, sizes: tuple[float, float]) -> dict:
    """How often signs are found that a tile's border cuts."""
    tiles = tile_layout(HEIGHT, WIDTH, side)
    objects = index = 0
    hits = np.zeros((3, 0), int)
    while objects < count:
        rng = np.random.default_rng([12, round(sizes[0]), index])
        scene = draw(rng, on_borders(rng, min(70, count - objects), sizes, tiles))
        found = detector(scene.image, tile="auto", conf=0.25, max_det=1000)
        rows = [*matches(scene.boxes, found), alone(detector, scene, side)]
        hits = np.concatenate([hits, rows], axis=1)
        objects, index = objects + len(scene.boxes), index + 1
    on_it, same_class, by_itself = hits
    return {
        "objects": objects,
        "sizes": sizes,
        "found": int((on_it > 0).sum()),
        "found twice": int((same_class > 1).sum()),
        "found twice, any class": int((on_it > 1).sum()),
        "alone: found": int((by_itself > 0).sum()),
        "alone: found twice, any class": int((by_itself > 1).sum()),
    }


def alone(detector: Detector, scene: scenes.Scene, side: int) -> list[int]:
    """How many detections each sign has in the middle of a picture of its own."""
    counts = []
    for box in scene.boxes:
        length = int(max(side, 3 * (box[2:] - box[:2]).max()))
        size = np.minimum(length, [WIDTH, HEIGHT])
        x, y = np.clip((box[:2] + box[2:] - size) / 2, 0, [WIDTH, HEIGHT] - size).astype(int)
        found = detector(scene.image[y : y + size[1], x : x + size[0]], conf=0.25)
        counts.append(int(matches(box[None] - [x, y, x, y], found)[0][0]))
    return counts


def matches(boxes: np.ndarray, found: Detections) -> tuple[np.ndarray, np.ndarray]:
    """(N,) detections on each of (N, 4) signs, and those of one class: the class that has most."""
    overlap = iou(boxes[:, None], found.boxes[None])
    shared = np.maximum(
        np.minimum(boxes[:, None, 2:], found.boxes[None, :, 2:])
        - np.maximum(boxes[:, None, :2], found.boxes[None, :, :2]),
        0,
    ).prod(axis=2)
    inside = shared / (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1).clip(1)
    on_it = (overlap > 0.2) | (inside > 0.6)
    classes = np.eye(len(found.class_names), dtype=int)[found.class_ids]
    return on_it.sum(axis=1), (on_it @ classes).max(axis=1)


def seconds_by_area(detector: Detector) -> dict:
    """CPU seconds of this process by megapixels."""
    rng = np.random.default_rng(13)
    found = {}
    for width, height in AREAS:
        small = rng.integers(0, 256, (height // 20, width // 20, 3), np.uint8)
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        times = []
        for _ in range(TIMES):
            began = time.process_time()
            detector(image, tile="auto")
            times.append(time.process_time() - began)
        sides = Tiling("auto").sides_for(
            height, width, max(detector.input_size), detector.training_sizes
        )
        found[f"{width}x{height}"] = {
            "tiles": len(picture_areas(height, width, sides, TILE_OVERLAP)) - 1,
            "cpu seconds": round(min(times), 2),
            "cpu seconds a megapixel": round(min(times) / (width * height / 1e6), 3),
        }
    return {"overlap": TILE_OVERLAP, "areas": found}


def street() -> np.ndarray:
    """uint8 (1024, 1024, 3): a part of a scene."""
    rng = np.random.default_rng([15, 0])
    return draw(rng, anywhere(rng, 40, (60, 120))).image[900:1924, 1000:2024]


def anywhere(
    rng: np.random.Generator, count: int, sizes: tuple[float, float]
) -> list[layout.SignPlan]:
    """Signs at any place, none over another."""
    return placed(rng, count, sizes, lambda: rng.uniform([0, 0], [WIDTH, HEIGHT]))


def on_borders(
    rng: np.random.Generator, count: int, sizes: tuple[float, float], tiles: np.ndarray
) -> list[layout.SignPlan]:
    """Signs with a tile's inner border through them, upright or level."""
    upright = np.unique(tiles[:, [0, 2]])[1:-1]
    level = np.unique(tiles[:, [1, 3]])[1:-1]

    def place() -> np.ndarray:
        centre = rng.uniform([0, 0], [WIDTH, HEIGHT])
        shift = rng.uniform(-0.4, 0.4) * sizes[0]
        if rng.random() < 0.5:
            centre[0] = rng.choice(upright) + shift
        else:
            centre[1] = rng.choice(level) + shift
        return centre

    return placed(rng, count, sizes, place)


def placed(rng: np.random.Generator, count: int, sizes: tuple[float, float], place) -> list:
    """Up to ``count`` signs, log-uniform in size, whose centres ``place`` gives."""
    signs: list[layout.SignPlan] = []
    for _ in range(100 * count):
        kind = CLASSES[rng.integers(len(CLASSES))]
        longest = float(np.exp(rng.uniform(*np.log(sizes))))
        homography = pose.scaled_to(layout.random_tilt(rng), outline(kind), longest)
        homography = pose.shifted(homography, *place())
        box = pose.bounds(pose.project(homography, outline(kind)))
        grown = box + [-GAP, -GAP, GAP, GAP]
        inside = (box >= 0).all() and (box <= [WIDTH, HEIGHT] * 2).all()
        if inside and not any(iou(grown, other.box) > 0 for other in signs):
            signs.append(layout.SignPlan(kind, homography, box, pole=False))
        if len(signs) == count:
            break
    return signs


def draw(rng: np.random.Generator, signs: Sequence[layout.SignPlan]) -> scenes.Scene:
    """The scene of these signs. Some are partly hidden; those that hardly show have no label."""
    plan = layout.ScenePlan(WIDTH, HEIGHT, round(0.55 * HEIGHT), tuple(signs))
    return scenes.render_scene(plan, rng, scenes.PROPS["test"])


def draw_picture(detector: Detector) -> None:
    """A part of a scene with many signs, without tiles above and with tiles below."""
    rng = np.random.default_rng([14, 0])
    scene = draw(rng, anywhere(rng, 300, (24, 60)))
    width, height = SHOWN
    corners = [(x, y) for x in range(0, WIDTH - width, 50) for y in range(1200, 1800, 50)]
    x0, y0 = max(corners, key=lambda corner: len(_inside(scene.boxes, corner)))
    part = scene.image[y0 : y0 + height, x0 : x0 + width]
    rows = []
    for tile in ("off", "auto"):
        found = detector(scene.image, tile=tile, conf=0.3, max_det=1000)
        found = found[_inside(found.boxes, (x0, y0))]
        rows.append(replace(found, boxes=found.boxes - np.float32([x0, y0, x0, y0])).draw(part))
    line = np.full((8, width, 3), 255, np.uint8)
    picture = np.concatenate([rows[0], line, rows[1]])[..., ::-1]
    save_small_jpeg(ROOT / "docs" / "tiles.jpg", picture)


def _inside(boxes: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Indices of the (N, 4) boxes within the part that is shown."""
    end = np.add(corner, SHOWN)
    return np.flatnonzero(((boxes[:, :2] >= corner) & (boxes[:, 2:] <= end)).all(axis=1))


if __name__ == "__main__":
    sys.exit(run(main))
