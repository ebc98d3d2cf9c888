"""Files of detections from other tools: what is read, and what numbers in them mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from utils.data.records import Record
from utils.errors import UserError
from utils.evaluation import box_agreement
from utils.evaluation.box_agreement import BoxAgreement
from utils.evaluation.coco_files import ground_truth, named_results
from utils.evaluation.dataset_ids import own_ids
from utils.evaluation.read_detections import read_detections
from utils.overlap import iou


def record(stem, boxes=(), class_ids=(), name=None):
    return Record(
        image_id=stem,
        image=Path("photos") / (name or f"{stem}.png"),
        width=100,
        height=80,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.array(class_ids, np.int32),
        difficult=np.zeros(len(class_ids), bool),
    )


@pytest.fixture
def truth():
    return ground_truth([record("b"), record("a10"), record("a2")], ["cat", "dog"])


def image_ids(results):
    return [result["image_id"] for result in results]


def category_ids(results):
    return [result["category_id"] for result in results]


GOOD = {"image_id": 3, "category_id": 0, "bbox": [1, 2, 3, 4], "score": 0.5}


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
        {"image_id": "3"},
        {"image_id": None, "file_name": "b.png"},
        {"image_id": None, "file_name": "/elsewhere/val/b.jpg"},
        {"image_id": 77, "file_name": "b.png"},
        {"image_id": "b.png"},
        {"category_id": 0.0},
        {"category_id": "0"},
        {"category_id": None, "category": "cat"},
        {"category": "cat"},
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


BAD = {
    "unknown image number": ({"image_id": 4}, "image_id 4 is neither"),
    "unknown stem": ({"image_id": "c"}, "'c' is neither"),
    "unknown number as a string": ({"image_id": "4"}, "image_id '4' is neither"),
    "part of a number": ({"image_id": 2.5}, r"image_id 2\.5 is neither"),
    "number from 0": ({"image_id": 0}, "image_id 0 is neither .* count from 1"),
    "unknown file": ({"file_name": "c.png"}, "'c.png' is neither a file name"),
    "number for a file": ({"file_name": 3}, "file_name 3 is not a file name"),
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
    "id as a name": ({"category_id": ..., "category": 1}, "category 1 is not a class name"),
    "class name at odds with the number": (
        {"category_id": 3, "category": "cow"},
        "'cow' is not one of",
    ),
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
        ('{"images": []}', "expected a list of detections.*an object"),
        ('{"annotations": [], "images": [{"id": 1}]}', r"images\[0\].*id and file_name"),
        ('{"annotations": [], "categories": [3]}', r"categories\[0\].*id and name"),
        (
            '{"annotations": [], "images": [{"id": 1, "file_name": "a"},'
            ' {"id": 1, "file_name": "b"}]}',
            r"images\[1\].*stands twice",
        ),
        ('{"annotations": [], "images": [{"id": true, "file_name": "a"}]}', "True is no id"),
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
    with pytest.raises(UserError, match=r"latin\.json: is not a text file in UTF-8"):
        read_detections(tmp_path / "latin.json", truth)


def test_messages_stay_short(truth, tmp_path):
    path = written(tmp_path, [{**GOOD, "image_id": "x" * 10_000}])
    with pytest.raises(UserError) as caught:
        read_detections(path, truth)
    assert len(str(caught.value)) < 400


# What numbers mean -------------------------------------------------------------------------------

BOX = [10, 20, 30, 40]


def item(image_id=..., category_id=0, bbox=BOX, **more):
    result = {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": 0.5, **more}
    return {key: value for key, value in result.items() if value is not ...}


def numbered(stems, classes=("cat", "dog", "cow")):
    """Photos with one box each, of the class at their place in ``stems``."""
    return ground_truth(
        [record(stem, [[10, 20, 40, 60]], [i % len(classes)]) for i, stem in enumerate(stems)],
        classes,
    )


def stems_of(results, truth):
    stems = {image["id"]: image["stem"] for image in truth["images"]}
    return [stems[i] for i in image_ids(results)]


TWELVE = [str(n) for n in range(1, 13)]


@pytest.mark.parametrize(
    ("stems", "ids", "meant"),
    [
        (["7", "12", "30"], [7, 30], ["7", "30"]),
        (["000007", "000012", "000030"], [12, 30, 7], ["000012", "000030", "000007"]),
        (["frame_7", "frame_12"], [12], ["frame_12"]),
        (["2007_000032", "2008_000032"], [2008000032], ["2008_000032"]),
        (["COCO_val2014_000000000042", "COCO_val2014_000000000139"], [139, 42],
         ["COCO_val2014_000000000139", "COCO_val2014_000000000042"]),
        (["7", "12", "30"], ["7", "30"], ["7", "30"]),  # stems
        (["000007", "000012"], ["7", "12"], ["000007", "000012"]),
        (["7", "12", "30"], [7.0], ["7"]),
        (["7", "12", "30"], [1, 2, 3], ["12", "30", "7"]),  # by position
        (["7", "12", "3"], ["1", "2", "3"], ["12", "3", "7"]),  # "3" is a stem, "1" is none
        (["b", "a", "c"], [1, 3], ["a", "c"]),
        (["b", "a", "c"], ["1", "3"], ["a", "c"]),
        (["1", "2", "3"], [3, 1], ["3", "1"]),  # both readings agree
        (["dog1", "cat1"], [1, 2], ["cat1", "dog1"]),  # two photos have the number 1
        (["left/1", "right/1"], ["right/1"], ["right/1"]),
    ],
)  # fmt: skip
def test_numbers_with_one_meaning_for_all(tmp_path, stems, ids, meant):
    truth = numbered(stems, ["cat"])
    path = written(tmp_path, [item(i) for i in ids])
    assert stems_of(read_detections(path, truth, warn=lambda text: None), truth) == meant


def test_the_user_is_told_if_numbers_are_not_those_of_the_ground_truth(tmp_path):
    truth, warnings = numbered(["7", "12"], ["cat"]), []
    read_detections(written(tmp_path, [item(7)]), truth, warn=warnings.append)
    assert len(warnings) == 1
    assert "image_id" in warnings[0]
    assert "file name" in warnings[0]


def test_two_meanings_that_differ_are_refused_and_an_option_settles_it(tmp_path):
    truth = numbered(TWELVE, ["cat"])
    path = written(tmp_path, [item(n) for n in range(1, 13)])
    with pytest.raises(UserError) as caught:
        read_detections(path, truth)
    for part in ("--image-ids position", "--image-ids name", "2 is 10.png or 2.png"):
        assert part in str(caught.value)
    by_name = read_detections(path, truth, image_ids="name")
    assert stems_of(by_name, truth) == TWELVE
    assert image_ids(read_detections(path, truth, image_ids="position")) == list(range(1, 13))


def test_the_refusal_says_how_well_the_boxes_fit(tmp_path):
    truth = ground_truth(
        [record(stem, [[n, n, n + 20, n + 20]], [0]) for n, stem in enumerate(TWELVE)], ["cat"]
    )
    items = [item(n + 1, bbox=[n, n, 20, 20]) for n in range(12)]
    with pytest.raises(UserError) as caught:
        read_detections(written(tmp_path, items), truth)
    assert "file name (100%" in str(caught.value)


def test_an_option_that_does_not_fit_names_the_item(tmp_path):
    truth = numbered(["7", "12"], ["cat"])
    path = written(tmp_path, [item(7), item(8)])
    with pytest.raises(UserError, match=r"item 0 .*image_id 7 "):
        read_detections(path, truth, image_ids="position")
    with pytest.raises(UserError, match=r"item 1 .*image_id 8 "):
        read_detections(path, truth, image_ids="name")
    with pytest.raises(UserError, match=r"--image-ids dataset.* not COCO JSON"):
        read_detections(path, truth, image_ids="dataset")
    for stems in (["a", "b"], ["cat1", "dog1"]):
        with pytest.raises(UserError, match=r"--image-ids name: the file names .* file_name"):
            read_detections(path, numbered(stems, ["cat"]), image_ids="name")


@pytest.mark.parametrize(
    ("ids", "meant"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([1, 2, 3], [0, 1, 2]),
        ([3], [2]),
        ([0], [0]),
        (["0", "2"], [0, 2]),
        ([1, 3.0], [0, 2]),
    ],
)
def test_category_ids_are_counted_as_fits_all(tmp_path, ids, meant):
    truth = numbered(["a", "b"])
    path = written(tmp_path, [item("a", i) for i in ids])
    assert category_ids(read_detections(path, truth, warn=lambda text: None)) == meant


def test_category_ids_that_may_be_counted_from_0_or_1_are_refused(tmp_path):
    truth = numbered(["a", "b"])
    path = written(tmp_path, [item("a", 1), item("a", 2)])
    with pytest.raises(UserError) as caught:
        read_detections(path, truth)
    for part in ("--category-ids 0", "--category-ids 1", "1 is 'dog' or 'cat'"):
        assert part in str(caught.value)
    assert category_ids(read_detections(path, truth, category_ids="0")) == [1, 2]
    assert category_ids(read_detections(path, truth, category_ids="1")) == [0, 1]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("cafe\u0301", 0), ("caf\u00e9 ", 0), ("traffic  light", 1), ("\ttraffic light\n", 1),
     ("dog", 2)],
)  # fmt: skip
def test_class_names_are_known_in_every_spelling(tmp_path, name, meant):
    truth = numbered(["a"], ["caf\u00e9", "traffic light", "dog", "do\u0308g"])
    path = written(tmp_path, [item("a", ..., category=name)])
    assert category_ids(read_detections(path, truth)) == [meant]
    blocks = {"categories": [{"id": 7, "name": name}], "images": [{"id": 1, "file_name": "a.png"}]}
    path = written(tmp_path, {**blocks, "annotations": [item(1, 7)]})
    assert category_ids(read_detections(path, truth)) == [meant]
    own = tmp_path / "own.json"
    own.write_text(json.dumps({**blocks, "annotations": []}))
    assert own_ids([own], truth)[1] == {7: meant}


def test_category_ids_of_one_class(tmp_path):
    truth = numbered(["a"], ["cat"])
    for given in (0, 1):
        path = written(tmp_path, [item("a", given)])
        assert category_ids(read_detections(path, truth, warn=lambda text: None)) == [0]


def test_category_ids_that_fit_no_way(tmp_path):
    path = written(tmp_path, [item("a", 0), item("a", 3)])
    with pytest.raises(UserError, match=r"item 1 .*category_id 3 .* from 0 to 2"):
        read_detections(path, numbered(["a", "b"]))


def test_names_win_and_explain_numbers_that_stand_alone(tmp_path):
    truth = numbered(TWELVE)
    items = [
        item(2, 2, file_name="2.png", category="dog"),
        item(2, 2),
        item(12, 1),
    ]
    results = read_detections(written(tmp_path, items), truth, warn=lambda text: None)
    assert stems_of(results, truth) == ["2", "2", "12"]
    assert category_ids(results) == [1, 1, 0]


def test_a_number_with_two_names_is_an_error(tmp_path):
    truth = numbered(TWELVE)
    items = [item(1, category="cat"), item(2, category="dog")]
    with pytest.raises(UserError, match=r"item 1 .*category_id 0 is 'dog' here, but 'cat'"):
        read_detections(written(tmp_path, [{**i, "image_id": "1"} for i in items]), truth)
    items = [item(1, file_name="1.png"), item(1, file_name="2.png")]
    with pytest.raises(UserError, match=r"item 1 .*image_id 1 is 2\.png here, but 1\.png"):
        read_detections(written(tmp_path, items), truth)


def test_a_whole_coco_json_explains_its_own_numbers(tmp_path):
    truth = numbered(TWELVE)
    content = {
        "images": [{"id": 100 + n, "file_name": f"images/{n}.jpg"} for n in range(1, 13)],
        "categories": [{"id": 1, "name": "cow"}, {"id": "x", "name": "cat"}],
        "annotations": [item(112, 1), item("101", "x")],
    }
    results = read_detections(written(tmp_path, content), truth)
    assert stems_of(results, truth) == ["12", "1"]
    assert category_ids(results) == [2, 0]
    content["annotations"].append(item(7, 1))
    with pytest.raises(UserError, match=r"item 2 .*image_id 7 is not among the images"):
        read_detections(written(tmp_path, content), truth)


def test_labels_given_as_detections(tmp_path):
    content = {"images": [], "annotations": [{"image_id": 1, "category_id": 1, "bbox": BOX}]}
    with pytest.raises(UserError, match=r"'score' is missing.*labels"):
        read_detections(written(tmp_path, content), numbered(["1"]))


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    photos = [record("left/1", name="1.png"), record("right/1", name="1.png"), record("2")]
    truth = ground_truth(photos, ["cat"])
    names = ["right/images/1.png", "/data/left/1.jpg", "other/2.png"]
    items = [item(file_name=name) for name in names]
    results = read_detections(written(tmp_path, items), truth)
    assert stems_of(results, truth) == ["right/1", "left/1", "2"]
    with pytest.raises(UserError, match=r"left/1\.png and right/1\.png.*folder"):
        read_detections(written(tmp_path, [item(file_name="1.png")]), truth)
    with pytest.raises(UserError, match="is neither"):
        read_detections(written(tmp_path, [item(file_name="middle/1.png")]), truth)


@pytest.mark.parametrize("name", ["scan_1.5", "a/scan_1.left", "scan_1.500.png", "scan_1.json"])
@pytest.mark.parametrize("key", ["image_id", "file_name"])
def test_a_dot_in_a_name_does_not_lead_to_another_photo(tmp_path, name, key):
    truth = numbered(["scan_1", "scan_2"], ["cat"])
    path = written(tmp_path, [item(**{key: name})])
    with pytest.raises(UserError, match="is neither"):
        read_detections(path, truth)


@pytest.mark.parametrize("name", ["scan_1.JPG", "x/scan_1.heic", "scan_1.nef", "scan_1.png"])
def test_another_suffix_of_pictures_means_the_same_photo(tmp_path, name):
    truth = numbered(["scan_1", "scan_1.5"], ["cat"])
    path = written(tmp_path, [item(file_name=name), item("scan_1.5")])
    assert stems_of(read_detections(path, truth), truth) == ["scan_1", "scan_1.5"]


def test_our_own_files_are_read_without_options(tmp_path):
    """Whatever the numbers, and whichever photos and classes have no detection."""
    truth = numbered([*TWELVE, "left/13", "right/13"])
    results = [
        {"image_id": n, "category_id": n % 2 + 1, "bbox": BOX, "score": 0.5} for n in range(2, 14)
    ]
    path = written(tmp_path, named_results(results, truth))
    assert read_detections(path, truth, warn=pytest.fail) == results


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
    ("own_images", "own_categories", "given", "meant"),
    [
        ((7, 8, 9), (18, 17), (9, 18), (3, 0)),
        ((7, 8, 9), (18, 17), (7, 17), (1, 1)),
        ((1, 2, 3), (0, 1), (3, 0), (3, 0)),
        ((7, 8, 9), (1, 2), ("b", 0), (3, 0)),
        ((3, 2, 1), (0, 1), (3, 0), "--image-ids position or --image-ids dataset"),
        ((1, 2, 3), (1, 0), (1, 0), "--category-ids 0 or --category-ids dataset"),
    ],
)
def test_ids_of_the_datasets_own_json(truth, tmp_path, own_images, own_categories, given, meant):
    labels = [
        coco_json(tmp_path / "instances_val.json", own_images, own_categories),
        tmp_path / "none.json",
    ]
    path = written(tmp_path, [item(*given)])
    quiet = {"labels": labels, "warn": lambda text: None}
    if isinstance(meant, str):
        with pytest.raises(UserError, match=meant):
            read_detections(path, truth, **quiet)
        asked = {"image_ids": "dataset", "category_ids": "dataset"}
        (result,) = read_detections(path, truth, **quiet, **asked)
        assert result["image_id"] == own_images.index(given[0]) + 1
        assert result["category_id"] == own_categories.index(given[1])
    else:
        (result,) = read_detections(path, truth, **quiet)
        assert (result["image_id"], result["category_id"]) == meant


# Numbers that fit but whose boxes do not ---------------------------------------------------------


def apart(stems):
    """Photos whose objects lie at different places, one class for each."""
    return ground_truth(
        [record(s, [[5 * i, 0, 5 * i + 9, 30]], [0]) for i, s in enumerate(stems)], ["cat", "dog"]
    )


def warnings_of(tmp_path, truth, items):
    warnings = []
    read_detections(written(tmp_path, items), truth, warn=warnings.append)
    return warnings


def test_positions_from_0_are_noticed(tmp_path):
    truth = apart("abcdefgh")
    items = [item(i, bbox=[5 * i, 0, 9, 30]) for i in range(1, 8)]  # the first photo has none
    (warning,) = warnings_of(tmp_path, truth, items)
    assert "image_id" in warning
    assert "counted from 0" in warning


def test_positions_in_the_order_of_numbers_are_noticed(tmp_path):
    stems = [f"scan{n}x" for n in range(5, 65, 5)]
    truth = apart(stems)
    items = [item(i + 1, bbox=[5 * i, 0, 9, 30]) for i in range(12) if i != 4]
    (warning,) = warnings_of(tmp_path, truth, items)
    assert "1, 2, 10" in warning


def test_another_order_of_classes_is_noticed(tmp_path):
    truth = ground_truth(
        [record(s, [[0, 0, 30, 30], [50, 0, 80, 30]], [0, 1]) for s in "abcdef"], ["cat", "dog"]
    )
    boxes = ([50, 0, 30, 30], [0, 0, 30, 30])
    items = [item(s, i, bbox=box) for s in "abcdef" for i, box in enumerate(boxes)]
    (warning,) = warnings_of(tmp_path, truth, items)
    assert "category_id" in warning
    assert "'cat', 6 lie on objects of class 'dog'" in warning


@pytest.mark.parametrize("asked", [None, "1", "dataset"])
def test_another_order_of_classes_is_noticed_however_the_numbers_are_read(tmp_path, asked):
    classes = ["cat", "cow", "dog"]
    places = [[0, 0, 20, 20], [30, 0, 50, 20], [60, 0, 80, 20]]
    truth = ground_truth([record(s, places, [0, 1, 2]) for s in "abcdef"], classes)
    (tmp_path / "own.json").write_text(json.dumps({
        "images": [], "annotations": [],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes, 11)],
    }))  # fmt: skip
    first = 11 if asked == "dataset" else 1
    items = [
        item(s, first + (i + 1) % 3, bbox=[x0, y0, 20, 20])
        for s in "abcdef" for i, (x0, y0, *_) in enumerate(places)
    ]  # fmt: skip
    warnings = []
    read_detections(
        written(tmp_path, items), truth, labels=[tmp_path / "own.json"], category_ids=asked,
        warn=warnings.append,
    )  # fmt: skip
    assert f"with {first}, read as 'cat', 6 lie on objects of class 'dog'" in warnings[-1]


def test_right_numbers_and_poor_detectors_are_not_doubted(tmp_path):
    truth = apart("abcdefgh")
    assert not warnings_of(tmp_path, truth, [item(i + 1, bbox=[5 * i, 0, 9, 30]) for i in range(8)])
    assert not warnings_of(tmp_path, truth, [item(i + 1, bbox=[90, 70, 9, 9]) for i in range(8)])
    assert not warnings_of(tmp_path, truth, [])


def test_numbers_of_the_datasets_own_json_are_read_without_its_labels(truth, tmp_path, monkeypatch):
    images = [{"id": 70, "file_name": "a2.png"}, {"id": 71, "file_name": "gone.png"}]
    own = tmp_path / "own.json"
    own.write_text(
        json.dumps({
            "images": images, "categories": [{"id": 5, "name": "dog"}], "info": {"name": "x"},
            "annotations": [{"id": 1, "image_id": 70, "category_id": 5, "bbox": [1, 2, 3, 4]}] * 9,
        })
    )  # fmt: skip
    (a2,) = (image["id"] for image in truth["images"] if image["stem"] == "a2")
    assert own_ids([own], truth) == ({70: a2}, {5: 1})
    monkeypatch.setattr("utils.data.formats.json_files._ALWAYS_READ", 0)
    monkeypatch.setattr("utils.data.formats.json_files._MAX_MEMORY", 1000)
    assert own_ids([own], truth) == ({}, {})  # it would fill the memory


def test_boxes_and_objects_are_compared_in_parts(monkeypatch):
    places = np.random.default_rng(0).integers(0, 60, (40, 2))
    boxes = [(x, y, x + 20, y + 20) for x, y in places.tolist()]
    truth = ground_truth([record("a", boxes, np.arange(40) % 2)], ["cat", "dog"])
    found = [[x + 1, y, 20, 20] for x, y in places.tolist()]

    def matched():
        return BoxAgreement(truth, found, np.ones(40))._match([1] * 40).tolist()

    whole, sizes = matched(), []

    def counted(a, b):
        sizes.append(len(a) * b.shape[1])
        return iou(a, b)

    monkeypatch.setattr(box_agreement, "_PAIRS", 100)
    monkeypatch.setattr(box_agreement, "iou", counted)
    assert matched() == whole
    assert set(whole) == {0, 1}
    assert sum(sizes) == 1600
    assert max(sizes) <= 140
