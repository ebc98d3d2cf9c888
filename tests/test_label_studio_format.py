"""Label Studio JSON as people have it: exports, uploads, turned regions, and what is wrong."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tests.label_folders import fill, photo, put
from utils.data.datasets import load_split
from utils.data.folder.data_folder import DataFolder
from utils.data.formats import find_layout, label_studio
from utils.data.formats.label_studio_json import photo_name
from utils.errors import UserError

SIZE = (200, 100)


def region(label="cat", x=10, y=20, width=30, height=40, **more):
    """A rectangle of 60×40 pixels at 20, 20."""
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
    value |= {"rectanglelabels": [label]} | more.pop("value", {})
    size = {"original_width": SIZE[0], "original_height": SIZE[1]}
    return {"type": "rectanglelabels", "value": value, "id": "x", **size, **more}


def drawn(*regions, **more):
    return {"annotations": [{"result": list(regions), **more}]}


def predicted(*regions):
    return {"predictions": [{"result": list(regions), "model_version": "one"}]}


def task(name, labels, **more):
    return {"id": 1, "data": {"image": name}, **labels, **more}


def read(folder, *tasks, file="project-1.json"):
    """Layout, and labels by image id."""
    put(folder / file, json.dumps(tasks))
    layout = find_layout(folder)
    assert layout.format == "label-studio"
    return layout, dict(label_studio.read_annotations(layout))


def only(folder, *regions):
    """What one photo with these regions gives."""
    photo(folder / "a.jpg", SIZE)
    _, found = read(folder, task("a.jpg", drawn(*regions)))
    return found["a"]


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/data/local-files/?d=night%20shift/a%26b.jpg", "night shift/a&b.jpg"),
        ("/data/upload/3/1a2b3c4d-a%20b.jpg", "/data/upload/3/1a2b3c4d-a b.jpg"),
        ("http://host:8080/data/local-files/?d=x/a.jpg", "x/a.jpg"),
        ("s3://bucket/photos/a.jpg", "/photos/a.jpg"),
        ("https://host/photos/a.jpg?key=1", "/photos/a.jpg"),
        ("photos/100%25.jpg", "photos/100%25.jpg"),
        (r"C:\photos\a.jpg", r"C:\photos\a.jpg"),
        ("data:image/png;base64,AAAA", ""),
        ("http://[", ""),
    ],
)
def test_addresses(address, path):
    assert photo_name(address) == path


@pytest.mark.parametrize(
    "address",
    [
        "/data/local-files/?d=whole/path/there/photos/a.jpg",
        "/data/upload/1/0badcafe-a.jpg",
        "https://host/elsewhere/a.jpg",
        "a.jpg",
    ],
)
def test_photos_are_found_by_their_address(tmp_path, address):
    photo(tmp_path / "photos" / "a.jpg", SIZE)
    layout, found = read(tmp_path, task(address, drawn(region())))
    np.testing.assert_allclose(found["a"].boxes, [[20, 20, 80, 60]])
    assert found["a"].names == ("cat",)
    assert layout.entries["a"].image == tmp_path.resolve() / "photos" / "a.jpg"


def test_an_upload_keeps_a_prefix_that_the_photo_has_itself(tmp_path):
    photo(tmp_path / "0badcafe-a.jpg", SIZE)
    _, found = read(tmp_path, task("/data/upload/1/0badcafe-a.jpg", drawn(region())))
    assert list(found) == ["0badcafe-a"]


def test_what_people_drew_counts_before_what_was_predicted(tmp_path):
    for name in "abcd":
        photo(tmp_path / f"{name}.jpg", SIZE)
    put(
        tmp_path / "predictions.json",
        json.dumps([task(f"{name}.jpg", predicted(region("guess", score=0.5))) for name in "abc"]),
    )
    layout, found = read(
        tmp_path,
        task("a.jpg", drawn(region("right")) | predicted(region("guess", score=0.5))),
        task("b.jpg", {"annotations": [{"result": [region()], "was_cancelled": True}]}),
        task("c.jpg", drawn()),
        task("d.jpg", {"annotations": [], "predictions": []}),
    )
    assert [found[name].names for name in "abc"] == [("right",), ("guess",), ()]
    assert [np.isfinite(found[name].scores).tolist() for name in "ab"] == [[False], [True]]
    assert "d" not in found
    assert any("have several tasks" in note for note in layout.notes)
    notes = DataFolder.open(tmp_path).notes
    assert any("1 object has the score of a detector" in note for note in notes)


def test_the_truth_or_the_newest_of_several_annotations(tmp_path):
    photo(tmp_path / "a.jpg", SIZE)
    photo(tmp_path / "b.jpg", SIZE)
    one, two = {"result": [region("one")]}, {"result": [region("two")]}
    _, found = read(
        tmp_path,
        task("a.jpg", {"annotations": [one, two]}),
        task("b.jpg", {"annotations": [one | {"ground_truth": True}, two]}),
    )
    assert (found["a"].names, found["b"].names) == (("two",), ("one",))


def test_json_min(tmp_path):
    photo(tmp_path / "a.jpg", SIZE)
    value = region()["value"] | {"original_width": SIZE[0], "original_height": SIZE[1]}
    item = {"image": "/data/upload/1/0badcafe-a.jpg", "id": 3, "label": [value], "annotator": 1}
    _, found = read(tmp_path, item)
    np.testing.assert_allclose(found["a"].boxes, [[20, 20, 80, 60]])


def test_turned_regions_and_other_shapes(tmp_path):
    quarter = region(x=50, y=0, width=20, height=30, value={"rotation": 90})
    slanted = region(x=50, y=0, width=20, height=30, value={"rotation": 30})
    ellipse = {
        "type": "ellipselabels",
        "value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 30, "ellipselabels": ["cat"]},
    }
    polygon = {
        "type": "polygonlabels",
        "value": {"points": [[10, 20], [40, 30], [20, 60]], "polygonlabels": ["dog"]},
    }
    found = only(tmp_path, quarter, slanted, ellipse, polygon, region())
    cos, sin = math.cos(math.radians(30)), 0.5
    np.testing.assert_allclose(
        found.boxes,
        [
            [70, 0, 100, 40],
            [100 - 30 * sin, 0, 100 + 40 * cos, 40 * sin + 30 * cos],
            [80, 20, 120, 80],
            [20, 20, 80, 60],
            [20, 20, 80, 60],
        ],
        atol=1e-4,
    )
    assert (found.names, found.outlines) == (("cat", "cat", "cat", "dog", "cat"), 4)


def test_a_class_that_is_a_result_of_its_own(tmp_path):
    place = region()["value"]
    del place["rectanglelabels"]
    shape = {"id": "r", "type": "rectangle", "value": place}
    label = {"id": "r", "type": "labels", "value": place | {"labels": ["dog"]}}
    choice = {"id": "c", "type": "choices", "value": {"choices": ["good photo"]}}
    found = only(tmp_path, shape, label, choice)
    assert (found.names, found.errors) == (("dog",), ())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (region(width=0), "no area"),
        (region(width=None), "no width"),
        (region(x="left"), "not a number"),
        (region(x=1e300), "not a place"),
        (region(x=math.nan), "not a place"),
        (region(label=""), "no label"),
        (region(value={"rectanglelabels": []}), "no label"),
        (region(image_rotation=90), "turned by 90"),
        ({"type": "brushlabels", "value": {"rle": [1, 2], "brushlabels": ["cat"]}}, "are read"),
        ({"type": "polygonlabels", "value": {"points": [[1]], "polygonlabels": ["a"]}}, "not x"),
    ],
)
def test_regions_that_cannot_be_used(tmp_path, wrong, words):
    found = only(tmp_path, wrong, region())
    (error,) = found.errors
    assert words in str(error)
    assert error.number == 1
    assert found.numbers == (2,)


def test_labels_without_the_size_of_the_photo(tmp_path):
    photo(tmp_path / "a.jpg", SIZE)
    bare = {"type": "rectanglelabels", "value": region()["value"]}
    _, found = read(tmp_path, task("a.jpg", drawn(bare)))
    np.testing.assert_allclose(found["a"].boxes, [[20, 20, 80, 60]])


def test_the_name_of_the_data_folder_is_no_split(tmp_path):
    root = tmp_path / "train"
    for name in ("a", "b"):
        photo(root / "photos" / f"{name}.jpg", SIZE)
    layout, _ = read(root, task("a.jpg", drawn(region())))
    assert not layout.lists
    put(root / "test" / "x.json", json.dumps([task("b.jpg", drawn(region()))]))
    found = find_layout(root).lists
    expected = {"test": ("b",), "train": ("a",)}
    assert {name: part.image_ids for name, part in found.items()} == expected
    put(root / "test" / "export" / "x.json", (root / "test" / "x.json").read_text())
    (root / "test" / "x.json").unlink()
    assert find_layout(root).lists == found
    (root / "project-1.json").unlink()  # all in one folder further up: nobody divided them
    assert not find_layout(root).lists


def test_splits_and_photos_that_are_missing(tmp_path):
    for name in ("a", "b"):
        photo(tmp_path / "photos" / f"{name}.jpg", SIZE)
    read(tmp_path, task("a.jpg", drawn(region())), file="train.json")
    layout, _ = read(
        tmp_path,
        task("b.jpg", drawn(region())),
        task("gone.jpg", drawn(region())),
        file="val.json",
    )
    assert {name: found.image_ids for name, found in layout.lists.items()} == {
        "train": ("a",),
        "val": ("b",),
    }
    assert layout.unmatched_labels == ("val.json, task 2 (gone.jpg)",)
    assert [record.image_id for record in load_split(tmp_path, "val").records] == ["b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[{"data": {"image": "gone.jpg"}, "annotations": [{"result": []}]}]', "is there"),
        ('[{"data": {"image": "a.jpg"}, "annotations": [], "x": "result"}]', "labelled yet"),
        ('[{"data": {"text": "a.jpeg b"}, "annotations": [{"result": []}]}]', "no task with"),
        ('["data", "annotations", "result"]', "no task with"),
        ('[{"data": {"image": "a.jpg"}, "annotations": [{"result": [', "not JSON"),
        ("[" * 100_000 + '"data" "annotations" "result"', "not JSON"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, words):
    photo(tmp_path / "a.jpg", SIZE)
    put(tmp_path / "labels.json", content)
    with pytest.raises(UserError, match=words):
        find_layout(tmp_path)


def test_other_formats_come_first(tmp_path):
    fill(tmp_path)
    name = "photo 00.jpg"
    put(tmp_path / "labels.json", json.dumps([task(name, drawn(region()))]))
    layout = find_layout(tmp_path)
    assert layout.format == "voc"
    assert any("Label Studio labels of 1 photo as well" in note for note in layout.notes)
