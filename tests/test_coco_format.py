"""COCO JSON as people have it is read as pycocotools reads it, and what is wrong is said."""

import contextlib
import io
import json
import os
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from tests.label_folders import CATEGORIES, photo
from tests.label_folders import coco_image as image
from tests.label_folders import coco_json as write
from tests.label_folders import coco_object as thing
from utils.data.annotations import Annotation
from utils.data.formats import coco
from utils.data.formats.coco_json import _Collector, read_coco
from utils.errors import UserError


def read(folder):
    """Layout, and labels by image id."""
    layout = coco.find_layout(folder)
    found = dict(coco.read_annotations(layout))
    assert list(found) == list(layout.entries)
    assert all(isinstance(annotation, Annotation) for annotation in found.values())
    return layout, found


def only(folder, annotations, categories=CATEGORIES, **more):
    """The labels of a folder with one photo, and the notes."""
    photo(folder / "a.jpg")
    write(folder / "labels.json", [image(7, "a.jpg", **more)], annotations, categories)
    layout, found = read(folder)
    return found["a"], layout.notes


# One JSON, with pycocotools as the truth

NUMBER = st.integers(0, 2000) | st.floats(0, 2000, width=64)
SIDE = st.integers(1, 900) | st.floats(0.5, 900)
IDS = st.lists(st.integers(0, 10**9), min_size=1, max_size=5, unique=True)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), image_ids=IDS, category_ids=IDS)
def test_reads_what_pycocotools_reads(tmp_path_factory, data, image_ids, category_ids):
    path = tmp_path_factory.getbasetemp() / "truth.json"
    box = st.tuples(NUMBER, NUMBER, SIDE, SIDE).map(list)
    things = st.builds(
        lambda i, c, b, crowd: thing(i, b, c, iscrowd=crowd, segmentation=[[1, 2, 3, 4, 5, 6]]),
        st.sampled_from(image_ids), st.sampled_from(category_ids), box, st.integers(0, 1),
    )  # fmt: skip
    annotations = data.draw(st.lists(things, max_size=12))
    images = [image(key, f"{key}.jpg") for key in image_ids]
    write(path, images, annotations, [{"id": key, "name": f"class {key}"} for key in category_ids])
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))

    found = read_coco(path)
    assert found.notes == ()
    names = [category["name"] for category in truth.loadCats(sorted(truth.getCatIds()))]
    assert found.classes == tuple(names)
    for index, key in enumerate(image_ids):
        expected = truth.loadAnns(truth.getAnnIds(imgIds=[key]))
        labels = found.annotation([index], "truth.json")
        corners = [[x, y, x + w, y + h] for x, y, w, h in (item["bbox"] for item in expected)]
        np.testing.assert_array_equal(
            labels.boxes, np.array(corners, np.float64).reshape(-1, 4).astype(np.float32)
        )
        assert labels.boxes.dtype == np.float32
        categories = truth.loadCats([item["category_id"] for item in expected])
        assert labels.names == tuple(category["name"] for category in categories)
        assert labels.difficult.tolist() == [bool(item["iscrowd"]) for item in expected]
        assert labels.numbers == tuple(range(1, len(expected) + 1))
        assert labels.errors == ()
        assert labels.size == (40, 30)


def test_the_far_side_is_rounded_once(tmp_path):
    x, width = 0.1, 4000.3
    labels, _ = only(tmp_path, [thing(7, [x, 0, width, 1])])
    assert labels.boxes[0, 2] == np.float32(x + width)


@pytest.mark.parametrize(
    ("bad", "kind", "reason"),
    [
        ({"bbox": None, "segmentation": [[1, 1, 9, 1]]}, "no-box", "outline"),
        ({"bbox": []}, "no-box", "no bbox"),
        ({"bbox": [1, 2, 3]}, "no-box", "not x, y, width, height"),
        ({"bbox": {"x": 1}}, "no-box", "not x, y, width, height"),
        ({"bbox": [1, 2, "3", 4]}, "not-a-number", "3, not a number"),
        ({"bbox": [1, 2, True, 4]}, "not-a-number", "True, not a number"),
        ({"bbox": [1, 2, float("nan"), 4]}, "not-a-number", "nan"),
        ({"bbox": [1, 2, 10**400, 4]}, "not-a-number", "not a place"),
        ({"bbox": [1, 2, 0, 4]}, "empty-box", "0×4 pixels at 1, 2"),
        ({"bbox": [1, 2, -3, 4]}, "empty-box", "-3×4 pixels at 1, 2"),
        ({"bbox": [1e8, 2, 0.5, 4]}, "empty-box", "no area"),
        ({"category_id": 4}, "no-name", "category 4 is not among the categories"),
        ({"category_id": None}, "no-name", "category None"),
    ],
)
def test_a_bad_object_is_named(tmp_path, bad, kind, reason):
    labels, _ = only(tmp_path, [thing(7), {**thing(7), **bad}, thing(7, category=17)])
    assert labels.names == ("cat", "dog")
    assert labels.numbers == (1, 3)
    (error,) = labels.errors
    assert (error.kind, error.number) == (kind, 2)
    assert reason in error.message
    assert labels.where == "labels.json, image 7"


def test_objects_of_unknown_images(tmp_path):
    labels, notes = only(
        tmp_path,
        [thing(8), thing(7), thing(9), thing(8), {"bbox": [1, 2, 3, 4]}],
    )
    assert labels.names == ("cat",)
    (note,) = notes
    assert "4 objects" in note
    assert "image 8, 9 and none" in note


def test_numbers_written_as_text_and_missing_flags(tmp_path):
    item = {"image_id": "7", "category_id": 3.0, "bbox": [1, 2, 3, 4]}
    labels, notes = only(tmp_path, [item], [{"id": "3", "name": " black \n cat "}])
    assert labels.names == ("black cat",)
    assert labels.difficult.tolist() == [False]
    assert notes == ()


@pytest.mark.parametrize("size", [{"width": None}, {"height": 0}, {"width": "wide"}])
def test_no_size(tmp_path, size):
    assert only(tmp_path, [thing(7)], **size)[0].size is None


def test_upright_only_where_it_says_so(tmp_path):
    assert not only(tmp_path / "1", [])[0].upright
    assert only(tmp_path / "2", [], upright=True)[0].upright


# Categories


def test_categories_of_one_name_are_one_class(tmp_path):
    categories = [{"id": 9, "name": "cat"}, {"id": 4, "name": "dog"}, {"id": 2, "name": "cat"}]
    labels, notes = only(tmp_path, [thing(7, category=9), thing(7, category=2)], categories)
    assert labels.names == ("cat", "cat")
    (note,) = notes
    assert "2 categories are called 'cat'" in note
    assert coco.find_layout(tmp_path).class_order == ("cat", "dog")


def test_categories_of_one_id(tmp_path):
    categories = [*CATEGORIES, {"id": 3, "name": "cow"}, {"id": 5}]
    labels, notes = only(tmp_path, [thing(7), thing(7, category=17)], categories)
    assert labels.names == ("dog",)
    assert labels.errors[0].kind == "no-name"
    assert "'cat' and 'cow' have the same id 3" in notes[0]
    assert "entry 4 of its categories has no name" in notes[1]


def test_a_supercategory_without_objects_is_no_class(tmp_path):
    categories = [
        {"id": 0, "name": "cells", "supercategory": "none"},
        {"id": 1, "name": "red", "supercategory": "cells"},
        {"id": 2, "name": "white", "supercategory": "cells"},
    ]
    _, notes = only(tmp_path, [thing(7, category=1)], categories)
    assert "'cells'" in notes[0]
    assert coco.find_layout(tmp_path).class_order == ("red", "white")
    only(tmp_path, [thing(7, category=0)], categories)
    assert coco.find_layout(tmp_path).class_order == ("cells", "red", "white")


# Layouts


def same_names(folder, splits=("train", "val")):
    """Each split has photos 1 and 2; the box's left side tells which photo it was drawn on."""
    for place, split in enumerate(splits):
        yield (
            split,
            [image(5, "1.jpg"), image(9, "2.jpg")],
            [thing(5, [place, 2, 3, 4])],
        )


def lefts(layout, found, name):
    return [found[image_id].boxes[:, 0].tolist() for image_id in layout.lists[name].image_ids]


def test_cocos_own_layout(tmp_path):
    for split, images, annotations in same_names(tmp_path):
        for name in ("1.jpg", "2.jpg"):
            photo(tmp_path / f"{split}2017" / name)
        write(tmp_path / f"annotations/instances_{split}2017.json", images, annotations)
        write(tmp_path / f"annotations/person_keypoints_{split}2017.json", images, [])
        captions = {"images": images, "annotations": [{"image_id": 5, "caption": "a cat"}]}
        (tmp_path / f"annotations/captions_{split}2017.json").write_text(json.dumps(captions))
    layout, found = read(tmp_path)
    assert list(layout.lists) == ["train", "val"]
    assert lefts(layout, found, "train") == [[0], []]
    assert lefts(layout, found, "val") == [[1], []]
    assert [layout.entries[s].image.parent.name for s in layout.lists["val"].image_ids] == [
        "val2017",
        "val2017",
    ]
    assert layout.unmatched_labels == layout.unlabelled == ()
    assert layout.class_order == ("cat", "dog")
    assert all("keypoints" in note for note in layout.notes)


def test_roboflows_layout(tmp_path):
    for split, images, annotations in same_names(tmp_path, ("train", "valid", "test")):
        for name in ("1.jpg", "2.jpg"):
            photo(tmp_path / split / name)
        write(tmp_path / split / "_annotations.coco.json", images, annotations)
    layout, found = read(tmp_path)
    assert set(layout.lists) == {"train", "val", "test"}
    for place, name in enumerate(("train", "val", "test")):
        assert lefts(layout, found, name) == [[place], []]
    assert layout.notes == ()


def test_one_json_and_photos_below(tmp_path):
    photo(tmp_path / "images" / "night" / "7.jpg")
    photo(tmp_path / "images" / "day" / "7.jpg")
    photo(tmp_path / "images" / "8.jpg")
    photo(tmp_path / "images" / "new.jpg")
    names = ["night/7.jpg", "./images\\day\\7.jpg", "/home/her/images/8.jpg"]
    write(
        tmp_path / "instances.json",
        [image(key, name) for key, name in enumerate(names)],
        [thing(key, [key, 0, 1, 1]) for key in range(3)],
    )
    layout, found = read(tmp_path)
    assert {image_id: labels.boxes[0, 0] for image_id, labels in found.items()} == {
        "night/7": 0,
        "day/7": 1,
        "8": 2,
    }
    assert layout.lists == {}
    assert layout.unlabelled == (tmp_path.resolve() / "images" / "new.jpg",)


def test_ground_truth_of_an_evaluation(tmp_path):
    from utils.data.records import Record
    from utils.evaluation.coco_files import ground_truth

    photo(tmp_path / "images" / "a.jpg")
    boxes = np.array([[1, 2, 3.5, 4], [0, 0, 9, 9]], np.float32)
    record = Record(
        "a", tmp_path / "images/a.jpg", 40, 30, boxes, np.array([1, 0]), np.array([True, False])
    )
    (tmp_path / "ground_truth.json").write_text(
        json.dumps(ground_truth([record], ["cat", "dog"])), encoding="utf-8"
    )
    (tmp_path / "detections.json").write_text('[{"image_id": 1}]')
    (tmp_path / "metrics.json").write_text('{"images": 1, "annotations": 2, "categories": 2}')
    layout, found = read(tmp_path)
    np.testing.assert_array_equal(found["a"].boxes, boxes)
    assert found["a"].names == ("dog", "cat")
    assert found["a"].difficult.tolist() == [True, False]
    assert layout.lists == {}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["train.json", "valid.json"], {"train", "val"}),
        (["instances_Train.json", "bccd_test.coco.json"], {"train", "bccd_test"}),
        (["annotations/train_annotations.json"], {"train"}),
        (["annotations/instances_default.json"], set()),
        (["validation/labels.json"], {"val"}),
        (["test/export of tuesday.json"], {"test"}),
        (["train/one.json", "train/two.json"], {"train"}),
        (["instances_train2014.json", "instances_train2017.json"], {"train2014", "train2017"}),
        (["instances_2007_train.json", "instances_train.json"], {"2007_train", "train"}),
    ],
)
def test_names_of_lists(tmp_path, files, expected):
    for number, name in enumerate(files):
        photo(tmp_path / "images" / f"{number}.jpg")
        write(tmp_path / name, [image(1, f"{number}.jpg")], [])
    layout, _ = read(tmp_path)
    assert set(layout.lists) == expected
    assert len(layout.entries) == len(files)


def test_a_photo_in_two_lists(tmp_path):
    for name in ("1.jpg", "2.jpg"):
        photo(tmp_path / name)
    images = [image(1, "1.jpg"), image(2, "2.jpg")]
    write(tmp_path / "train.json", images[:1], [thing(1)])
    write(tmp_path / "val.json", images[1:], [thing(2, [5, 5, 1, 1])])
    write(tmp_path / "trainval.json", images, [thing(1), thing(2)])
    layout, found = read(tmp_path)
    assert layout.lists["trainval"].image_ids == ("1", "2")
    assert found["2"].boxes[0, 0] == 5
    (note,) = layout.notes
    assert note.startswith("2.jpg: val.json and trainval.json label it differently")


def test_other_spellings(tmp_path):
    name = "Übung 写真.jpg"
    photo(tmp_path / "мои данные" / unicodedata.normalize("NFD", name))
    write(
        tmp_path / "мои данные" / "a b.json",
        [image(1, unicodedata.normalize("NFC", name))],
        [],
    )
    layout, _ = read(tmp_path)
    assert list(layout.entries) == ["Übung 写真"]


# What cannot be told apart, or is not there


def test_images_of_one_id(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        photo(tmp_path / name)
    images = [
        image(1, "a.jpg"),
        image(1, "b.jpg"),
        image(2, "c.jpg"),
        image(2, "c.jpg"),
    ]
    write(tmp_path / "x.json", images, [thing(1), thing(2)])
    layout, found = read(tmp_path)
    assert list(layout.entries) == ["c"]
    assert found["c"].names == ("cat",)
    assert any("a.jpg and b.jpg have the same id 1" in note for note in layout.notes)
    assert any("image 2 (c.jpg) is listed 2 times" in note for note in layout.notes)
    assert [path.name for path in layout.unlabelled] == ["a.jpg", "b.jpg"]


def test_a_photo_listed_under_two_ids(tmp_path):
    photo(tmp_path / "a.jpg")
    images = [image(1, "a.jpg"), image(2, "./a.jpg")]
    write(tmp_path / "x.json", images, [thing(1), thing(2, category=17)])
    layout, found = read(tmp_path)
    assert found["a"].names == ("cat", "dog")
    assert "a.jpg is image 1 and 2; their objects are joined" in layout.notes[0]


def test_a_namesake_is_not_taken_for_a_missing_photo(tmp_path):
    photo(tmp_path / "cam1" / "7.jpg")
    images = [image(1, "cam1/7.jpg"), image(2, "cam2/7.jpg"), image(3, "8.jpg")]
    write(tmp_path / "x.json", images, [thing(1), thing(2), thing(3)])
    layout, found = read(tmp_path)
    assert list(found) == ["7"]
    assert found["7"].names == ("cat",)
    assert layout.unmatched_labels == ("x.json, image 2 (cam2/7.jpg)", "x.json, image 3 (8.jpg)")


def test_two_names_that_may_mean_one_photo(tmp_path):
    photo(tmp_path / "images" / "7.jpg")
    photo(tmp_path / "images" / "8.jpg")
    names = ["/data/cam1/images/7.jpg", "/data/cam2/images/7.jpg", "/data/cam2/images/8.jpg"]
    images = [image(key, name) for key, name in enumerate(names)]
    write(tmp_path / "x.json", images, [thing(0), thing(1), thing(2)])
    layout, _ = read(tmp_path)
    assert list(layout.entries) == ["8"]
    assert len(layout.unmatched_labels) == 2


def test_two_photos_that_a_name_may_mean(tmp_path):
    photo(tmp_path / "a" / "7.jpg")
    photo(tmp_path / "b" / "7.jpg")
    photo(tmp_path / "8.jpg")
    write(tmp_path / "x.json", [image(1, "7.jpg"), image(2, "8.jpg")], [thing(1)])
    layout, _ = read(tmp_path)
    assert list(layout.entries) == ["8"]
    assert layout.unmatched_labels == ("x.json, image 1 (7.jpg)",)


@pytest.mark.parametrize("name", ["../secret.jpg", "{outside}/secret.jpg", "link/secret.jpg"])
def test_nothing_outside_is_opened(tmp_path, name):
    outside, data = tmp_path / "outside", tmp_path / "data"
    photo(outside / "secret.jpg")
    photo(tmp_path / "secret.jpg")
    photo(data / "a.jpg")
    os.symlink(outside, data / "link")
    write(data / "x.json", [image(1, name.format(outside=outside)), image(2, "a.jpg")], [])
    layout, _ = read(data)
    assert list(layout.entries) == ["a"]
    assert len(layout.unmatched_labels) == 1


def test_a_json_without_objects_is_named(tmp_path):
    for name in ("1.jpg", "2.jpg"):
        photo(tmp_path / name)
    write(tmp_path / "train.json", [image(1, "1.jpg")], [thing(1)])
    write(tmp_path / "test.json", [image(1, "2.jpg")], [])
    layout, found = read(tmp_path)
    assert len(found["2"].boxes) == 0
    (note,) = layout.notes
    assert note.startswith("test.json: lists 1 image without any object")


# What is no COCO


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"images": 3}', '{"shapes": []}', "\0" * 9])
def test_other_json_is_ignored(tmp_path, text):
    photo(tmp_path / "a.jpg")
    (tmp_path / "a.json").write_text(text)
    assert coco.find_layout(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"images": [], "annotations": [], "categories": []', "not JSON"),
        ('{"images": 1, "annotations": [], "categories": []}', "no list 'images'"),
        ('["images", "annotations", "categories"]', "outermost value is no object"),
        ("[" * 100_000 + '"images" "annotations" "categories"', "brackets without end"),
        ('{"images": [], "annotations": [], "categories": ["\ud800"]}', "UTF-8"),
    ],
)
def test_broken_coco(tmp_path, text, reason):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=reason):
        coco.find_layout(tmp_path)
    photo(tmp_path / "b.jpg")
    write(tmp_path / "b.json", [image(1, "b.jpg")], [thing(1)])
    layout, _ = read(tmp_path)
    (note,) = layout.notes
    assert note.startswith("a.json: ")
    assert reason in note


def test_no_photo_is_there(tmp_path):
    write(tmp_path / "x.json", [image(4, "a.jpg")], [thing(4)])
    with pytest.raises(UserError, match=r"none of them is there \(first: x.json, image 4"):
        coco.find_layout(tmp_path)


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.data.formats.json_files.MAX_BYTES", 10)
    photo(tmp_path / "a.jpg")
    write(tmp_path / "x.json", [image(4, "a.jpg")], [thing(4)])
    with pytest.raises(UserError, match="cut it into several files"):
        coco.find_layout(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "file_name", "image_id", "category_id", "bbox", "name", "iscrowd"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(JSON, max_size=6), st.lists(JSON, max_size=6), st.lists(JSON, max_size=6))
def test_noise_raises_nothing(tmp_path_factory, images, annotations, categories):
    path = tmp_path_factory.getbasetemp() / "noise.json"
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content), encoding="utf-8")
    found = read_coco(path)
    for index in range(len(found.images)):
        labels = found.annotation([index], "noise.json")
        assert len(labels.boxes) == len(labels.names) == len(labels.numbers)
        assert (labels.boxes[:, 2:] > labels.boxes[:, :2]).all()


def test_a_name_that_several_folders_have_starts_where_the_others_do(tmp_path):
    for name in ("1.jpg", "2.jpg", "3.jpg", "odd/train/1.jpg", "train/2.jpg", "x/3.jpg"):
        photo(tmp_path / "images" / name)
    names = ["1.jpg", "2.jpg", "3.jpg", "train/2.jpg"]
    write(
        tmp_path / "instances_train.json",
        [image(key, name) for key, name in enumerate(names)],
        [thing(key, [key, 0, 1, 1]) for key in range(4)],
    )
    layout, found = read(tmp_path)
    images = {
        layout.entries[image_id].image.relative_to(tmp_path.resolve()).as_posix(): labels.boxes[
            0, 0
        ]
        for image_id, labels in found.items()
    }
    assert images == {
        "images/1.jpg": 0, "images/2.jpg": 1, "images/3.jpg": 2, "images/train/2.jpg": 3,
    }  # fmt: skip


def test_a_missing_photo_is_not_taken_from_another_split(tmp_path):
    for name in ("train/1.jpg", "train/2.jpg", "train/3.jpg", "val/1.jpg", "val/2.jpg"):
        photo(tmp_path / name)
    for split, names in (("train", "123"), ("val", "123")):
        images = [image(int(key), f"{key}.jpg") for key in names]
        write(tmp_path / f"{split}.json", images, [thing(3)])
    layout, found = read(tmp_path)
    assert layout.lists["val"].image_ids == ("val/1", "val/2")
    assert layout.unmatched_labels == ("val.json, image 3 (3.jpg)",)
    assert found["3"].names == ("cat",)


def test_a_crowd_is_one_however_it_is_written(tmp_path):
    flags = (1, "1", True, 0, "0", None, 2)
    found, _ = only(tmp_path, [thing(7, iscrowd=flag) for flag in flags])
    assert found.difficult.tolist() == [True, True, True, False, False, False, False]


@pytest.mark.parametrize("filling", ["[],", "{},"])
def test_a_file_of_brackets_is_refused_before_it_fills_the_memory(tmp_path, filling):
    path = tmp_path / "x.json"
    text = '{"images": [], "categories": [], "annotations": [%s0]}'
    path.write_text(text % (filling * 400_000))
    with pytest.raises(ValueError, match="more brackets than labels need"):
        read_coco(path)
    path.write_text(text % (filling * 1000))
    assert read_coco(path).images == ()


def test_notes_of_one_kind_are_not_endless(tmp_path):
    images = [image(i, f"{i}.jpg") for i in range(1, 3)] + [{"id": 5}] * 700 + ["?"] * 40
    write(tmp_path / "x.json", images, [])
    notes = read_coco(tmp_path / "x.json").notes
    assert len(notes) == 10
    assert notes[0].startswith("entry 3 of its images has no file_name")
    assert "695 more" in notes[4]
    assert "no id" in notes[9]
    assert "35 more" in notes[9]


def test_categories_are_looked_through_once():
    class Ids(dict):
        looks = 0

        def __iter__(self):
            Ids.looks += 1
            return super().__iter__()

    collector = _Collector(1, {0: 0}, Ids({0: 0, 1: 1, "x": 2}))
    for position in range(100):
        collector.add(position, {"image_id": 0, "category_id": 2, "bbox": [1, 2, 3, 4]})
    _, errors = collector.finish()
    assert {error.kind for error in errors[0]} == {"after-last"}
    assert Ids.looks <= 1
