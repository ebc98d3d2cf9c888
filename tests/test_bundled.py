"""The detector in the box: it opens, it works by itself, and geometry holds on real outputs."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.data.synthetic import CLASSES, draw_scene
from utils.detector import Detector
from utils.overlap import iou

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "model_data" / "signs.keras"
SCENES = range(24)


@pytest.fixture(scope="module")
def detector():
    return Detector(WEIGHTS, "tensorflow")


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(11, "test", index) for index in SCENES]


@pytest.fixture(scope="module")
def sure(detector, scenes):
    """The objects of each scene that the detector is sure of."""
    return [detector(scene.image, conf=0.5) for scene in scenes]


def test_it_is_small_and_knows_its_classes(detector):
    assert WEIGHTS.stat().st_size < 25e6
    assert detector.class_names == CLASSES


def padded(image, boxes):
    height, width = image.shape[:2]
    canvas = np.full((height + 90, width + 150, 3), 114, np.uint8)
    canvas[40 : 40 + height, 100 : 100 + width] = image
    return canvas, boxes + [100, 40, 100, 40]


def scaled(image, boxes):
    height, width = image.shape[:2]
    size = (round(width * 1.6), round(height * 1.6))
    factor = np.array([size[0] / width, size[1] / height] * 2)
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), boxes * factor


def mirrored(image, boxes):
    width = image.shape[1]
    swapped = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    return np.ascontiguousarray(image[:, ::-1]), swapped


@pytest.mark.slow
@pytest.mark.parametrize("change", [padded, scaled, mirrored])
def test_boxes_follow_the_picture(detector, scenes, sure, change):
    """Mean IoU of an object's boxes on a picture and on its copy, where both are sure."""
    overlaps = []
    for scene, before in zip(scenes, sure, strict=True):
        copy, expected = change(scene.image, before.boxes)
        after = detector(copy, conf=0.5)
        for box, class_id in zip(expected, before.class_ids, strict=True):
            same = after.boxes[after.class_ids == class_id]
            if len(same):
                best = iou(box[None], same).max()
                if best > 0.1:  # else it is another object of the class
                    overlaps.append(best)
    assert len(overlaps) >= 20
    assert np.mean(overlaps) >= 0.8


def test_it_finds_signs_on_backgrounds_it_never_saw(detector, scenes):
    """Not a score, a smoke alarm: most large, fully labelled signs are found and named."""
    found = total = 0
    for scene in scenes:
        seen = detector(scene.image)
        names = np.array(seen.names())
        for box, name, difficult in zip(scene.boxes, scene.names, scene.difficult, strict=True):
            if difficult or min(box[2:] - box[:2]) < 40:
                continue
            total += 1
            same = seen.boxes[names == name] if len(names) else np.zeros((0, 4))
            found += bool(len(same) and iou(box[None], same).max() >= 0.5)
    assert total >= 15
    assert found / total >= 0.8


@pytest.mark.slow
def test_predict_without_weights_uses_it_and_says_so(tmp_path):
    scene = draw_scene(11, "test", 1)
    picture = tmp_path / "scene.png"
    cv2.imwrite(str(picture), cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR))
    done = subprocess.run(
        [sys.executable, str(ROOT / "predict.py"), str(picture), "--out", str(tmp_path / "out"),
         "--json", str(tmp_path / "found.json"), "--runtime", "tensorflow"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert WEIGHTS.name in done.stdout
    assert (tmp_path / "out" / "scene.png").exists()
    entry = json.loads((tmp_path / "found.json").read_text())[0]
    assert (entry["width"], entry["height"]) == scene.image.shape[1::-1]
    assert entry["detections"]
