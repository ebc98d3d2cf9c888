"""The ground truth and detections files of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation_cases import metrics_of
from utils.data.records import Record
from utils.detections import Detections
from utils.errors import UserError
from utils.evaluation.coco_files import ground_truth, read_detections, to_results


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


GOOD = {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}


def written(folder, items):
    path = folder / "theirs.json"
    path.write_text(items if isinstance(items, str) else json.dumps(items))
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"image_id": "b"},
        {"image_id": 3.0},
        {"category_id": None, "category": "dog"},
        {"category": "dog"},
        {"segmentation": [], "id": 9},
        {"bbox": [1.0, 2, 3, 4.0], "score": 0.5},
    ],
)
def test_ways_to_write_a_detection(truth, tmp_path, changes):
    item = {**GOOD, **changes}
    item = {k: v for k, v in item.items() if v is not None}
    assert read_detections(written(tmp_path, [item]), truth) == [GOOD]


def test_read_as_given_and_in_order(truth, tmp_path):
    items = [
        {**GOOD, "score": -3, "bbox": [-50, -60, 1000, 0]},
        {**GOOD, "score": 7.5, "bbox": [5, 5, -1, 2]},
    ]
    assert read_detections(written(tmp_path, items), truth) == items
    assert read_detections(written(tmp_path, []), truth) == []


def test_numbers_that_are_stems(tmp_path):
    truth = ground_truth([record("2"), record("10")], ["cat"])  # in order of stem: 10, 2
    items = [{**GOOD, "category_id": 0, "image_id": image_id} for image_id in (2, "2", "10")]
    assert [r["image_id"] for r in read_detections(written(tmp_path, items), truth)] == [2, 2, 1]


BAD = {
    "unknown image number": ({"image_id": 4}, "image_id 4 is neither"),
    "unknown stem": ({"image_id": "c"}, "image_id 'c' is neither"),
    "image number as a string": ({"image_id": "3"}, "image_id '3' is neither"),
    "true for an image": ({"image_id": True}, "image_id True is neither"),
    "list for an image": ({"image_id": [1]}, r"image_id \[1\] is neither"),
    "no image": ({"image_id": ...}, "the key 'image_id' is missing"),
    "no box": ({"bbox": ...}, "the key 'bbox' is missing"),
    "no score": ({"score": ...}, "the key 'score' is missing"),
    "no class": ({"category_id": ...}, "'category_id' .* is missing"),
    "unknown class id": ({"category_id": 2}, "category_id 2 is not a class id from 0 to 1"),
    "negative class id": ({"category_id": -1}, "category_id -1 is not"),
    "true for a class": ({"category_id": True}, "category_id True is not"),
    "name as a class id": ({"category_id": "dog"}, "category_id 'dog' is not a class id"),
    "unknown class": (
        {"category_id": ..., "category": "cow"},
        "'cow' is not one of .*'cat', 'dog'",
    ),
    "id as a name": ({"category_id": ..., "category": 1}, "category 1 is not one of"),
    "classes at odds": ({"category": "cat"}, "1 and category 'cat' are different"),
    "short box": ({"bbox": [1, 2, 3]}, r"bbox must be a list .* got \[1, 2, 3\]"),
    "box in a string": ({"bbox": "1 2 3 4"}, "bbox must be a list"),
    "word in a box": ({"bbox": [1, 2, "3", 4]}, "bbox holds '3', which is not a number"),
    "true in a box": ({"bbox": [1, 2, True, 4]}, "bbox holds True"),
    "NaN in a box": ({"bbox": [1, 2, float("nan"), 4]}, "bbox holds a number that is not finite"),
    "endless box": ({"bbox": [1, 2, float("inf"), 4]}, "bbox holds a number that is not finite"),
    "huge whole number": ({"bbox": [1, 2, 10**400, 4]}, "bbox holds a number that is not finite"),
    "box beyond every photo": ({"bbox": [1, 2, 1e308, 4]}, "larger than any photo"),
    "NaN for a score": ({"score": float("nan")}, "score holds a number that is not finite"),
    "null for a score": ({"score": None}, "score holds None"),
}


def coco_json(path, image_ids, category_ids):
    images = zip(("a10", "a2", "b"), image_ids, strict=True)
    names = zip(("cat", "dog"), category_ids, strict=True)
    path.write_text(json.dumps({
        "images": [{"id": i, "file_name": f"val/{stem}.png"} for stem, i in images],
        "annotations": [],
        "categories": [{"id": i, "name": name} for name, i in names],
    }))  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("image_ids", "category_ids", "item", "named"),
    [
        ((3, 2, 1), (0, 1), {}, "image_id"),
        ((1, 2, 3), (1, 2), {}, "category_id"),
        ((7, 8, 9), (1, 2), {}, "image_id and category_id"),
        ((1, 2, 3), (0, 1), {}, None),
        ((7, 8, 9), (1, 2), {"image_id": "b", "category_id": ..., "category": "dog"}, None),
        ((7, 8, 9), (0, 1), {"image_id": "b"}, None),
    ],
)
def test_numbers_that_may_be_the_datasets_own_are_warned_of(
    truth, tmp_path, image_ids, category_ids, item, named
):
    labels = coco_json(tmp_path / "instances_val.json", image_ids, category_ids)
    item = {k: v for k, v in {**GOOD, **item}.items() if v is not ...}
    warnings = []
    path = written(tmp_path, [item])
    read_detections(path, truth, labels=[labels, tmp_path / "none.json"], warn=warnings.append)
    if named is None:
        assert not warnings
    else:
        assert len(warnings) == 1
        assert f"numbers for {named} are read as those of ground_truth.json" in warnings[0]


@pytest.mark.parametrize("name", BAD)
def test_wrong_items(truth, tmp_path, name):
    changes, message = BAD[name]
    item = {k: v for k, v in {**GOOD, **changes}.items() if v is not ...}
    with pytest.raises(UserError, match=rf"theirs\.json, item 2 \(counted from 0\): .*{message}"):
        read_detections(written(tmp_path, [GOOD, GOOD, item]), truth)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("[1, 2", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"annotations": []}', "expected a list of detections.*an object"),
        ("null", "expected a list of detections.*null"),
        ("3", "expected a list of detections.*a single value"),
        ("[[1]]", "item 0 .*expected an object .* got a list"),
    ],
)
def test_wrong_files(truth, tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_detections(written(tmp_path, text), truth)


def test_files_that_cannot_be_read(truth, tmp_path):
    with pytest.raises(UserError, match=r"absent\.json: cannot be read: No such file"):
        read_detections(tmp_path / "absent.json", truth)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_detections(tmp_path, truth)
    (tmp_path / "latin.json").write_bytes(b'["\xff\xfe\xfa"]')
    with pytest.raises(UserError, match=r"latin\.json: is not JSON"):
        read_detections(tmp_path / "latin.json", truth)


def test_messages_stay_short(truth, tmp_path):
    path = written(tmp_path, [{**GOOD, "image_id": "x" * 10_000}])
    with pytest.raises(UserError) as caught:
        read_detections(path, truth)
    assert len(str(caught.value)) < 400
