"""The ground truth and detections files of an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation_cases import metrics_of
from utils.data.records import Record
from utils.detections import Detections
from utils.errors import UserError
from utils.evaluation.coco_files import ground_truth, named_results, to_results


def record(stem, boxes=(), class_ids=(), difficult=(), size=(100, 80)):
    return Record(
        image_id=stem,
        image=Path("photos") / f"{stem}.png",
        width=size[0],
        height=size[1],
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.array(class_ids, np.int32),
        difficult=np.array(difficult, bool),
    )


RECORDS = [
    record("b", [[1, 2, 11, 22.5]], [1], [False]),
    record("a10"),
    record("a2", [[0, 0, 100, 80], [5, 5, 6, 7]], [0, 1], [True, False], size=(np.int64(100), 80)),
]


@pytest.fixture
def truth():
    return ground_truth(RECORDS, ["cat", "dog"])


def test_ground_truth(truth):
    assert truth == {
        "images": [
            {"id": 1, "file_name": "a10.png", "stem": "a10", "width": 100, "height": 80},
            {"id": 2, "file_name": "a2.png", "stem": "a2", "width": 100, "height": 80},
            {"id": 3, "file_name": "b.png", "stem": "b", "width": 100, "height": 80},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 2,
                "category_id": 0,
                "bbox": [0, 0, 100, 80],
                "area": 8000,
                "iscrowd": 1,
            },
            {
                "id": 2,
                "image_id": 2,
                "category_id": 1,
                "bbox": [5, 5, 1, 2],
                "area": 2,
                "iscrowd": 0,
            },
            {
                "id": 3,
                "image_id": 3,
                "category_id": 1,
                "bbox": [1, 2, 10, 20.5],
                "area": 205,
                "iscrowd": 0,
            },
        ],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    }
    json.dumps(truth, allow_nan=False)
    assert all(type(v) is float for a in truth["annotations"] for v in a["bbox"])


def detections(boxes, scores, class_ids, class_names=("cat", "dog")):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(class_ids, np.int32),
        tuple(class_names),
    )


def test_results_are_ordered_by_image_and_match_classes_by_name(truth):
    found = {
        "b": detections([[1, 2, 3, 5], [0, 0, 1, 1]], [0.75, 0.5], [1, 0], ("dog", "cat")),
        "a2": detections([[0, 0, 100, 80]], [0.25], [0]),
        "a10": detections([], [], []),
    }
    results = to_results(found, truth)
    assert results == [
        {"image_id": 2, "category_id": 0, "bbox": [0, 0, 100, 80], "score": 0.25},
        {"image_id": 3, "category_id": 0, "bbox": [1, 2, 2, 3], "score": 0.75},
        {"image_id": 3, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5},
    ]
    assert json.loads(json.dumps(results)) == results
    assert to_results({}, truth) == []


def test_unknown_images_and_classes_are_refused(truth):
    with pytest.raises(UserError, match=r"'c'.*not an image of this split"):
        to_results({"c": detections([], [], [])}, truth)
    with pytest.raises(UserError, match="class 'cow' is not in the class list"):
        to_results({"b": detections([], [], [], ("cat", "cow"))}, truth)


def test_perfect_detections_score_one(truth):
    found = {
        r.image_id: detections(r.boxes, np.linspace(0.9, 0.8, len(r.boxes)), r.class_ids)
        for r in RECORDS
    }
    metrics = metrics_of(truth, to_results(found, truth))
    assert metrics["voc2007"]["AP"] == {"cat": None, "dog": 1.0}
    assert metrics["coco"]["AP50"] == pytest.approx(1)
    assert metrics["boxes"] == 2


def test_named_results_have_names_that_pycocotools_ignores(truth, tmp_path):
    results = [{"image_id": 2, "category_id": 0, "bbox": [0, 0, 9, 9], "score": 0.25}]
    assert named_results(results, truth) == [
        {**results[0], "file_name": "a2.png", "category": "cat"}
    ]


def test_named_results_tell_photos_of_one_name_apart():
    photos = [record("left/1"), record("right/1"), record("both/2.png")]
    truth = ground_truth([replace(p, image=Path(f"x/{p.image_id[-1]}.png")) for p in photos[:2]]
                         + [replace(photos[2], image=Path("x/2.png"))], ["cat"])  # fmt: skip
    results = [
        {"image_id": i, "category_id": 0, "bbox": [0, 0, 9, 9], "score": 0.25} for i in (1, 2, 3)
    ]
    names = [result["file_name"] for result in named_results(results, truth)]
    assert names == ["both/2.png", "left/1.png", "right/1.png"]
