"""Choosing thresholds, and noting them in a checkpoint."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from utils.data.records import Record
from utils.detector import Detector, operating_point
from utils.errors import UserError
from utils.evaluation.coco_files import ground_truth, to_results
from utils.evaluation.run_detector import detect_records
from utils.evaluation.tuning import NMS_IOUS, rounded_down, tune
from utils.postprocess import nms
from utils.runtime.runtime import Runtime
from utils.voting import vote

BUNDLED = Path(__file__).parent.parent / "model_data" / "signs.keras"


@pytest.fixture
def photos(tmp_path):
    """Three photos of 64 pixels, each with two objects that overlap at IoU 0.6."""
    from PIL import Image

    records = []
    for image_id in ("a", "b", "c"):
        path = tmp_path / f"{image_id}.png"
        Image.new("RGB", (64, 64)).save(path)
        boxes = np.array([[8, 8, 28, 28], [13, 8, 33, 28]], np.float32)
        records.append(
            Record(image_id, path, 64, 64, boxes, np.zeros(2, np.int32), np.zeros(2, bool))
        )
    return records


def detector(infer, batch_size=8):
    return Detector(Runtime(infer, ("thing",), (64, 64), batch_size))


def infer(images):
    """Both objects, each twice, 2 pixels off (IoU 0.82), and nonsense."""
    box = [[8, 8, 28, 28], [13, 8, 33, 28], [8, 10, 28, 30], [13, 10, 33, 30], [40, 40, 60, 60]]
    score = [[0.9], [0.8], [0.7], [0.6], [0.3]]
    return np.array([box] * len(images), np.float32), np.array([score] * len(images), np.float32)


def test_tuning_finds_the_nms_threshold_of_the_scene(photos):
    truth = ground_truth(photos, ["thing"])
    found = detect_records(detector(infer), photos, conf=0.01, ious=NMS_IOUS, max_det=100)
    results = {iou: to_results(one, truth) for iou, one in found.items()}
    tuning = tune(truth, results, "val")
    # The IoU of the two objects is 0.6; that of the first object and the second's copy is 0.51. At
    # 0.5 both are suppressed, at 0.55 the copy stays. The confidence must exclude the false
    # positive.
    assert tuning.iou == 0.55
    assert tuning.point.f1 == 1.0
    assert 0.3 < tuning.confidence <= 0.6
    assert (tuning.split, tuning.goal) == ("val", "best F1")
    by_iou = {point["iou"]: point for point in tuning.thresholds_tried}
    assert set(by_iou) == set(NMS_IOUS)
    assert by_iou[0.45]["f1"] == pytest.approx(2 / 3)  # one object of two, nothing wrong
    assert [i for i in NMS_IOUS if by_iou[i]["f1"] == 1] == [i for i in NMS_IOUS if i > 0.5]


def test_each_threshold_is_what_one_run_with_it_gives(photos):
    options = {"conf": 0.01, "max_det": 100}
    both = detect_records(detector(infer, 2), photos, ious=(0.3, 0.7), **options)
    for iou in both:
        alone = detect_records(detector(infer, 2), photos, ious=(iou,), **options)[iou]
        assert list(alone) == list(both[iou]) == ["a", "b", "c"]
        for image_id in alone:
            np.testing.assert_array_equal(alone[image_id].boxes, both[iou][image_id].boxes)
    assert len(both[0.3]["a"]) < len(both[0.7]["a"])


def test_boxes_below_the_confidence_vote(photos):
    """Rows that cannot matter are left out; the boxes are those of the whole output."""

    def infer(images):
        box = [[8, 8, 28, 28], [8, 8, 28, 25], [8, 8, 28, 24]]
        score = [[0.48], [0.32], [0.23]]
        return np.array([box] * len(images)), np.array([score] * len(images))

    options = {"conf": 0.25, "max_det": 9}
    found = detect_records(detector(infer), photos[:1], ious=(0.45,), **options)[0.45]["a"]
    boxes, scores = (part[0] for part in infer([0]))
    kept = nms(boxes, scores, conf=0.25, iou=0.45, max_det=9)
    moved, _ = vote(*kept, boxes, scores, iou=0.45)
    np.testing.assert_array_equal(found.boxes, moved)
    # (0.48 · 20 + 0.32 · 17) / 0.8 tall, then twice more by how nearly each agrees with that; the
    # third is less than half as sure as the first
    tall = (0.48 * 20 + 0.32 * 17) / 0.8
    for _ in range(2):
        first, second = 0.48 * (tall / 20 - 0.6) ** 2, 0.32 * (17 / tall - 0.6) ** 2
        tall = (first * 20 + second * 17) / (first + second)
    np.testing.assert_allclose(found.boxes, [[8, 8, 28, 8 + tall]], rtol=1e-6)


def test_tuning_for_a_precision(photos):
    truth = ground_truth(photos, ["thing"])
    found = detect_records(detector(infer), photos, conf=0.01, ious=NMS_IOUS, max_det=100)
    results = {iou: to_results(one, truth) for iou, one in found.items()}
    tuning = tune(truth, results, "val", precision=0.9)
    assert (tuning.point.precision, tuning.point.recall) == (1.0, 1.0)
    assert tuning.goal == "precision of at least 0.9"
    wrong = {0.5: [{**results[0.5][-1], "bbox": [0.0, 50.0, 3.0, 3.0]}]}
    with pytest.raises(UserError, match=r"highest precision there is 0\.000|none of the objects"):
        tune(truth, wrong, "val", precision=0.9)
    # An F1 of 0 has a confidence, but not one to use.
    with pytest.raises(UserError, match="none of the objects on these photos was found"):
        tune(truth, wrong, "val")
    with pytest.raises(UserError, match="no object"):
        tune({**truth, "annotations": []}, results, "val")
    with pytest.raises(UserError, match="none of the objects"):
        tune(truth, {0.5: []}, "val")


def test_rounding_keeps_the_detection():
    for score in (0.1234567, 0.3, float(np.float32(0.9)), 1.0):
        assert score - 1e-6 <= rounded_down(score) <= score


@pytest.mark.slow
def test_metadata_is_changed_and_nothing_else(tmp_path):
    from utils.checkpoint import load_checkpoint, update_metadata

    path = tmp_path / "detector.keras"
    shutil.copy(BUNDLED, path)
    before = load_checkpoint(path)
    update_metadata(path, {"operating_point": {"conf": 0.4, "iou": 0.55}})
    after = load_checkpoint(path)
    assert after.metadata == {
        **before.metadata, "operating_point": {"conf": 0.4, "iou": 0.55}
    }  # fmt: skip
    assert operating_point(after.metadata) == {"conf": 0.4, "iou": 0.55}
    for a, b in zip(before.weights, after.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert [p.name for p in tmp_path.iterdir()] == ["detector.keras"]


def test_a_link_stays_and_its_target_changes(tmp_path):
    from utils.checkpoint import load_checkpoint, update_metadata

    (tmp_path / "runs").mkdir()
    real, link = tmp_path / "runs" / "best.keras", tmp_path / "link.keras"
    shutil.copy(BUNDLED, real)
    link.symlink_to(real)
    update_metadata(link, {"operating_point": {"conf": 0.4, "iou": 0.55}})
    assert link.is_symlink()
    assert load_checkpoint(real).metadata["operating_point"]["conf"] == 0.4


def test_a_file_that_is_no_checkpoint_stays_as_it_is(tmp_path):
    from utils.checkpoint import update_metadata

    text, archive = tmp_path / "text.keras", tmp_path / "archive.keras"
    text.write_text("no archive")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("config.json", json.dumps({"config": {}}))
    for path in (text, archive):
        content = path.read_bytes()
        with pytest.raises(UserError, match="not a checkpoint"):
            update_metadata(path, {"a": 1})
        assert path.read_bytes() == content
    with pytest.raises(UserError, match="no such file"):
        update_metadata(tmp_path / "none.keras", {"a": 1})


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        (None, {}),
        ("0.5", {}),
        ({"conf": 0.5}, {"conf": 0.5}),
        ({"conf": 2, "iou": "x"}, {}),
        ({"conf": float("nan"), "iou": 1}, {"iou": 1.0}),
        ({"conf": True, "iou": False}, {}),
    ],
)
def test_an_invalid_operating_point_is_ignored(noted, expected):
    assert operating_point({"operating_point": noted}) == expected
