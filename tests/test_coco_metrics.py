"""COCO's numbers against pycocotools itself reading the same files; the table for people."""

from __future__ import annotations

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.evaluation_cases import CASES, generated, metrics_of
from tests.label_folders import coco_image, coco_json, coco_object, photo
from utils.data.datasets import load_split
from utils.evaluation import coco
from utils.evaluation.coco_files import ground_truth
from utils.evaluation.summaries import format_table


def by_pycocotools(folder, truth, results):
    """The way anyone would rescore the two files."""
    (folder / "ground_truth.json").write_text(json.dumps(truth))
    (folder / "detections.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO(str(folder / "ground_truth.json"))
        evaluation = COCOeval(loaded, loaded.loadRes(str(folder / "detections.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize(
    "name", [name for name in CASES if name not in ("no detections", "neither")]
)
def test_equals_pycocotools_on_the_files(name, tmp_path):
    truth, results = generated(**CASES[name])
    metrics = metrics_of(truth, results)
    evaluation = by_pycocotools(tmp_path, truth, results)
    assert list(metrics["coco"]) == list(coco.NAMES)
    np.testing.assert_allclose(list(metrics["coco"].values()), evaluation.stats, atol=1e-6)
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    for class_id, class_name in enumerate(metrics["classes"]):
        for key, part in (("AP", precision[:, :, class_id]), ("AP50", precision[:1, :, class_id])):
            got = metrics["coco_classes"][key][class_name]
            expected = -1 if (part == -1).all() else part[part > -1].mean()
            assert (-1 if got is None else got) == pytest.approx(expected, abs=1e-6)


def test_a_json_with_areas_of_outlines_scores_as_pycocotools_scores_it(tmp_path):
    boxes = [(2, 3, 40, 38), (60, 50, 100, 110), (5, 100, 60, 60)]
    shares = [0.5, 0.9, None]  # of the box; one object has no area, which pycocotools needs
    images = [coco_image(10 * i, f"{i}.jpg", (200, 180)) for i in range(1, 7)]
    annotations, results = [], []
    for i in range(1, 7):
        photo(tmp_path / "data" / f"{i}.jpg", (200, 180))
        for number, ((x, y, w, h), share) in enumerate(zip(boxes, shares, strict=True)):
            more = {"id": len(annotations) + 1}  # pycocotools takes 0 for "not matched"
            more |= {} if share is None else {"area": w * h * share}
            annotations.append(coco_object(10 * i, (x, y, w, h), **more))
            if (i + number) % 3:
                results.append({"image_id": i, "category_id": 0, "bbox": [x + i, y, w, h],
                                "score": 0.9 - 0.1 * i + 0.01 * number})  # fmt: skip
    coco_json(tmp_path / "data" / "test.json", images, annotations, [{"id": 3, "name": "cat"}])
    for _ in range(2):  # read, and then from the cache
        dataset = load_split(tmp_path / "data", "all")
        truth = ground_truth(dataset.records, dataset.classes)
        assert [a["area"] for a in truth["annotations"][:3]] == [760, 9900, 3600]
    original = {
        "images": [{"id": image["id"] // 10} for image in images],
        "annotations": [
            {**a, "image_id": a["image_id"] // 10, "category_id": 0, "area": a.get("area", 3600)}
            for a in annotations
        ],
        "categories": [{"id": 0, "name": "cat"}],
    }
    scores = metrics_of(truth, results)["coco"]
    evaluation = by_pycocotools(tmp_path, original, results)
    np.testing.assert_allclose(list(scores.values()), evaluation.stats, atol=1e-6)
    for annotation in truth["annotations"]:
        annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
    assert metrics_of(truth, results)["coco"]["APs"] != scores["APs"]


@pytest.mark.parametrize("area", ["760", True, None, float("nan"), 1e300, [760], -1, 0, 2e10])
def test_what_is_no_area_is_that_of_the_box(tmp_path, area):
    photo(tmp_path / "1.jpg")
    annotations = [coco_object(1, (1, 2, 30, 20), area=area)]
    coco_json(tmp_path / "test.json", [coco_image(1, "1.jpg")], annotations)
    dataset = load_split(tmp_path, "all")
    assert ground_truth(dataset.records, dataset.classes)["annotations"][0]["area"] == 600


def test_without_detections_the_truth_counts_as_missed():
    truth, results = generated(**CASES["no detections"])
    assert results == []
    metrics = metrics_of(truth, results)
    assert metrics["coco"]["AP"] == metrics["coco"]["AR100"] == 0
    assert metrics["voc2007"]["mAP"] == metrics["voc2010"]["mAP"] == 0


@pytest.mark.parametrize("name", ["no objects", "neither", "all difficult"])
def test_nothing_to_count(name):
    metrics = metrics_of(*generated(**CASES[name]))
    assert set(metrics["coco"].values()) == {-1}
    assert metrics["voc2007"]["mAP"] is None
    assert set(metrics["voc2010"]["AP"].values()) == {None}
    assert set(metrics["coco_classes"]["AP"].values()) == {None}
    assert metrics["boxes"] == 0


def test_no_images():
    metrics = metrics_of({"images": [], "annotations": [], "categories": []}, [])
    assert (metrics["images"], metrics["classes"], metrics["coco"]["AP"]) == (0, [], -1)
    assert "mean" in format_table(metrics)


def test_category_zero_is_a_class_like_any_other():
    box = [10.0, 10.0, 50.0, 50.0]
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "stem": "a", "width": 99, "height": 99}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 0, "bbox": box, "area": 2500.0, "iscrowd": 0}
        ],
        "categories": [{"id": 0, "name": "thing"}],
    }
    result = {"image_id": 1, "category_id": 0, "bbox": box, "score": 0.5}
    metrics = metrics_of(truth, [result])
    for key in ("AP", "AP50", "AP75", "APm", "AR1", "AR100", "ARm"):
        assert metrics["coco"][key] == pytest.approx(1)
    assert metrics["coco"]["APs"] == metrics["coco"]["APl"] == -1


def test_a_found_difficult_object_is_neither_reward_nor_punishment():
    box, other = [10.0, 10.0, 50.0, 50.0], [70.0, 70.0, 20.0, 20.0]
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "stem": "a", "width": 99, "height": 99}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 0, "bbox": box, "area": 2500.0, "iscrowd": 1},
            {"id": 2, "image_id": 1, "category_id": 0, "bbox": other, "area": 400.0, "iscrowd": 0},
        ],
        "categories": [{"id": 0, "name": "thing"}],
    }
    hard = {"image_id": 1, "category_id": 0, "bbox": box, "score": 0.9}
    easy = {"image_id": 1, "category_id": 0, "bbox": other, "score": 0.5}
    both, one = metrics_of(truth, [hard, easy]), metrics_of(truth, [easy])
    # With one detection allowed an image, the difficult object's uses that one up.
    assert (both["coco"].pop("AR1"), one["coco"].pop("AR1")) == (0, 1)
    assert both == one
    assert both["voc2007"]["mAP"] == both["voc2010"]["mAP"] == 1


def test_prints_nothing_and_leaves_its_arguments_unchanged(capsys):
    truth, results = generated(**CASES["one class"])
    before = copy.deepcopy((truth, results))
    metrics_of(truth, results)
    assert (truth, results) == before
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_shape_of_the_metrics():
    truth, results = generated(**CASES["five classes"])
    metrics = metrics_of(truth, results)
    assert metrics == json.loads(json.dumps(metrics, allow_nan=False))
    names = [c["name"] for c in truth["categories"]]
    assert metrics["classes"] == names
    for block in ("voc2007", "voc2010"):
        assert list(metrics[block]["AP"]) == names
        known = [v for v in metrics[block]["AP"].values() if v is not None]
        assert metrics[block]["mAP"] == pytest.approx(np.mean(known))
    countable = [a for a in truth["annotations"] if not a["iscrowd"]]
    assert metrics["images"] == 60
    assert metrics["boxes"] == len(countable) == sum(metrics["objects"].values())
    assert metrics["voc2007"]["AP"]["class 2"] is None  # difficult objects only
