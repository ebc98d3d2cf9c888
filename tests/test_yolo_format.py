"""YOLO folders as people have them are read right, and what is wrong with them is said."""

import os
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.label_folders import photo, put
from tests.label_folders import yolo_pair as pair
from utils.data.annotations import Annotation, AnnotationError
from utils.data.formats import yolo
from utils.data.formats.yolo_txt import parse_labels
from utils.data.formats.yolo_yaml import read_names, read_yaml
from utils.errors import UserError

CLASSES = {0: "cat", 1: "dog"}


def read(folder):
    """Layout, and labels by image id."""
    layout = yolo.find_layout(folder)
    found = dict(yolo.read_annotations(layout))
    assert list(found) == list(layout.entries)
    return layout, found


def test_a_description_that_is_too_large_is_no_silent_matter(tmp_path, monkeypatch):
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    put(tmp_path / "data.yaml", "names: [cat]\ntrain: images\n")
    put(tmp_path / "notes.yaml", "names: [cat]\ntrain: images\n" + "# more\n" * 9)
    monkeypatch.setattr("utils.data.formats.yolo_yaml.MAX_BYTES", 20)
    with pytest.raises(UserError, match=r"cannot be read: data\.yaml: larger than"):
        yolo.find_layout(tmp_path)
    put(tmp_path / "classes.txt", "cat\n")
    layout, _ = read(tmp_path)
    assert [note for note in layout.notes if "larger than" in note] == [
        "data.yaml: larger than 0 MiB; put the class names into a classes.txt, one a line; left out"
    ]


# One label file


def test_boxes_are_fractions_around_a_centre():
    found = parse_labels(b"1 0.5 0.25 0.2 0.5\n\n0 .1 .2 .1 .1 0.93\r\n", CLASSES)
    assert found.names == ("dog", "cat")
    np.testing.assert_allclose(
        found.boxes, [[0.4, 0.0, 0.6, 0.5], [0.05, 0.15, 0.15, 0.25]], atol=1e-15
    )
    assert found.numbers == (1, 2)
    assert found.errors == ()


def test_an_outline_becomes_its_box():
    text = b"0 0.3 0.1 0.5 0.4 0.2 0.2\n1 0.1 0.1 0.4 0.1 0.4 0.3 0.1 0.3\n"
    found = parse_labels(text, CLASSES)
    assert found.boxes.tolist() == [[0.2, 0.1, 0.5, 0.4], [0.1, 0.1, 0.4, 0.3]]


def test_points_of_a_body_are_no_outline():
    text = b"0 0.5 0.5 0.25 0.25 0.1 0.1 2 0.9 0.9 1\n0 0.5 0.5 0.25 0.25 0.1 0.1\n"
    found = parse_labels(text, CLASSES, pose=True)
    assert found.boxes.tolist() == [[0.375, 0.375, 0.625, 0.625]] * 2


def test_boxes_that_reach_over_the_edge_are_kept():
    found = parse_labels(b"0 -0.1 1.2 0.4 0.6\n", CLASSES)
    np.testing.assert_allclose(found.boxes, [[-0.3, 0.9, 0.1, 1.5]])


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        ("2 .5 .5 .1 .1", "after-last", "class id 2 has no name; the ids 0 to 1 have"),
        ("-1 .5 .5 .1 .1", "no-name", "class id -1"),
        ("0.5 .5 .5 .1 .1", "no-id", "'0.5' is not a class id"),
        ("cat .5 .5 .1 .1", "no-id", "'cat' is not a class id"),
        ("nan .5 .5 .1 .1", "no-id", "'nan' is not a class id"),
        ("inf .5 .5 .1 .1", "no-id", "'inf' is not a class id"),
        ("0 .5 nan .1 .1", "not-a-number", "nan is not a place"),
        ("0 .5 .5 1e999 .1", "not-a-number", "1e999 is not a place"),
        ("0 .5 ,5 .1 .1", "not-a-number", "',5' is not a number"),
        ("0 312 200 50 40", "not-a-number", "312 is not a fraction"),
        ("0 .5 .5 0 .1", "empty-box", "width 0, height .1"),
        ("0 .5 .5 .1 -.1", "empty-box", "height -.1"),
        ("0 .5 .5 .1", "no-box", "4 columns; at least 5"),
        ("0", "no-box", "1 columns"),
        (",", "no-box", "no columns"),
        ("0 .1 .1 .2 .2 .3 .3 .4", "no-box", "8 columns are neither a box nor an outline"),
        ("0 .1 .1 .1 .2 .1 .3", "empty-box", "the outline's 3 points enclose no area"),
    ],
)
def test_a_bad_line_is_skipped_and_named(line, kind, reason):
    found = parse_labels(f"0 .5 .5 .1 .1\n{line}\n1 .5 .5 .1 .1\n".encode(), CLASSES)
    assert found.names == ("cat", "dog")
    assert found.numbers == (1, 3)
    (error,) = found.errors
    assert (error.kind, error.number) == (kind, 2)
    assert reason in error.message


@pytest.mark.parametrize("data", [b"\xff\xfe0", b"0 \0 1", b"\x89PNG\r\n\x1a\n\xff"])
def test_no_text(data):
    with pytest.raises(ValueError, match="not a text file"):
        parse_labels(data, CLASSES)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text("0123456789.-+einfa \t", max_size=40), max_size=6))
@example(["0 1e309 0 1 1", "1_0 .5 .5 .5 .5", "٣ .5 .5 .5 .5"])
def test_noise_gives_faults_and_usable_boxes(lines):
    found = parse_labels("\n".join(lines).encode(), CLASSES)
    assert np.isfinite(found.boxes).all()
    assert (found.boxes[:, 2:] >= found.boxes[:, :2]).all()
    assert len(found.names) == len(found.boxes) == len(found.numbers)
    with_content = sum(bool(line.strip()) for line in "\n".join(lines).splitlines())
    assert len(found.names) + len(found.errors) == with_content


# From fractions to pixels


def test_pixels_of_the_photo(tmp_path):
    pair(tmp_path, "images/a.jpg", "labels/a.txt", "0 0.5 0.5 0.5 1\n9 1 1 1 1\n")
    put(tmp_path / "classes.txt", "cat\n")
    _, found = read(tmp_path)
    labels = found["a"]
    assert labels.boxes.dtype == np.float32
    assert labels.boxes.tolist() == [[10, 0, 30, 30]]
    assert labels.where == "labels/a.txt"
    assert [error.number for error in labels.errors] == [2]
    assert labels.difficult.tolist() == [False]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_fractions_are_of_the_upright_photo(tmp_path, orientation):
    pair(tmp_path, "a.jpg", "a.txt", "0 0.5 0.25 1 0.5\n")
    photo(tmp_path / "a.jpg", (40, 30), orientation)
    put(tmp_path / "classes.txt", "cat")
    _, found = read(tmp_path)
    width, height = (40, 30) if orientation < 5 else (30, 40)
    assert found["a"].boxes.tolist() == [[0, 0, width, height / 2]]
    assert found["a"].upright


def test_a_label_or_a_photo_that_cannot_be_read(tmp_path):
    pair(tmp_path, "a.jpg", "a.txt")
    pair(tmp_path, "b.jpg", "b.txt")
    pair(tmp_path, "c.jpg", "c.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\0")
    (tmp_path / "c.jpg").write_bytes(b"no photo")
    put(tmp_path / "classes.txt", "cat")
    _, found = read(tmp_path)
    assert isinstance(found["a"], Annotation)
    assert isinstance(found["b"], AnnotationError)
    assert found["b"].message.startswith("not a text file")
    assert found["c"].kind == "unreadable"
    assert "c.jpg" in found["c"].message


# Layouts

YAML = "train: {}\nval: {}\nnc: 2\nnames: [cat, dog]\n"


def fill(folder, image, label, splits=("train", "val")):
    """Two labelled photos in each split, and one without label file."""
    for split in splits:
        for number in (1, 2):
            name = f"{split}{number}"
            pair(folder, image.format(split=split, name=name), label.format(split=split, name=name))
        photo(folder / image.format(split=split, name=f"{split}3"))


def check(folder, splits=("train", "val")):
    layout, found = read(folder)
    usual = {"valid": "val"}
    for split in splits:
        image_ids = layout.lists[usual.get(split, split)].image_ids
        assert image_ids == tuple(f"{split}{number}" for number in (1, 2, 3))
        assert [len(found[image_id].boxes) for image_id in image_ids] == [1, 1, 0]
        assert layout.entries[f"{split}3"].label is None
    assert len(layout.lists) == len(splits)
    assert layout.unmatched_labels == layout.unlabelled == ()
    assert layout.class_order == ("cat", "dog")
    return layout


@pytest.mark.parametrize(
    "base",
    ["", "path: .\n", "path: ../datasets/mine\n", "path: /content/mine\n", "path: C:\\mine\n"],
)
def test_ultralytics(tmp_path, base):
    fill(tmp_path, "images/{split}/{name}.jpg", "labels/{split}/{name}.txt")
    put(tmp_path / "data.yaml", base + YAML.format("images/train", "images/val"))
    layout = check(tmp_path)
    (note,) = layout.notes
    assert note.startswith("2 photos have no label file")


@pytest.mark.parametrize("prefix", ["../", "", "./", "/home/her/mine/", "mine/", "..\\"])
def test_roboflow(tmp_path, prefix):
    splits = ("train", "valid")
    fill(tmp_path, "{split}/images/{name}.jpg", "{split}/labels/{name}.txt", splits)
    text = YAML.format(f"{prefix}train/images", f"{prefix}valid/images")
    put(tmp_path / "data.yaml", text + "test: ../test/images\nroboflow:\n  license: MIT\n")
    put(tmp_path / "README.roboflow.txt", "exported")
    layout = check(tmp_path, splits)
    assert "data.yaml: test: ../test/images is not there" in layout.notes


def test_yaml_in_a_folder_of_its_own(tmp_path):
    fill(tmp_path, "set/images/{split}/{name}.jpg", "set/labels/{split}/{name}.txt")
    put(
        tmp_path / "config" / "cats.yml",
        "path: ../set\n" + YAML.format("images/train", "images/val"),
    )
    check(tmp_path)


def test_darknet_and_cvat(tmp_path):
    fill(tmp_path, "obj_train_data/{name}.jpg", "obj_train_data/{name}.txt")
    put(tmp_path / "obj.names", "cat\ndog\n")
    put(tmp_path / "obj.data", "classes = 2\ntrain = data/train.txt\n")
    for split in ("train", "val"):
        lines = [f"data/obj_train_data/{split}{number}.jpg" for number in (1, 2, 3)]
        put(tmp_path / f"{split}.txt", "\n".join(lines))
    check(tmp_path)


def test_lists_in_files(tmp_path):
    fill(tmp_path, "images/{name}.jpg", "labels/{name}.txt")
    for split in ("train", "val"):
        put(tmp_path / f"{split}.txt", "".join(f"./images/{split}{n}.jpg\n" for n in (1, 2, 3)))
    put(tmp_path / "dataset.yaml", YAML.format("train.txt", "[val.txt]"))
    check(tmp_path)


def test_lists_of_folders_and_other_lists(tmp_path):
    fill(tmp_path, "images/{split}/{name}.jpg", "labels/{split}/{name}.txt", ("a", "b", "val"))
    text = YAML.format("[images/a, images/b, images/gone]", "images/val")
    put(tmp_path / "x.yaml", text + "both: [images/a, images/val]\nlicense: images/val\nurl: x\n")
    layout, _ = read(tmp_path)
    assert layout.lists["train"].image_ids == ("a1", "a2", "a3", "b1", "b2", "b3")
    assert layout.lists["both"].image_ids == ("a1", "a2", "a3", "val1", "val2", "val3")
    assert set(layout.lists) == {"train", "val", "both"}
    assert "x.yaml: train: images/gone is not there" in layout.notes


def test_split_folders_without_yaml(tmp_path):
    fill(tmp_path, "images/{split}/{name}.jpg", "labels/{split}/{name}.txt")
    put(tmp_path / "labels" / "classes.txt", "cat\ndog\n")
    check(tmp_path)


def test_photos_and_labels_side_by_side(tmp_path):
    pair(tmp_path, "写真 1.jpg", unicodedata.normalize("NFD", "写真 1.txt"))
    pair(tmp_path, "é.PNG", unicodedata.normalize("NFD", "é.txt"), "")
    photo(tmp_path / "nothing.jpg")
    photo(tmp_path / "elsewhere" / "plot.png")
    put(tmp_path / "classes.txt", "cat")
    put(tmp_path / "lost.txt", "0 .1 .1 .1 .1")
    put(tmp_path / "notes.txt", "taken on Tuesday")
    layout, found = read(tmp_path)
    assert list(layout.entries) == sorted(["写真 1", "é", "nothing"])
    assert len(found["写真 1"].boxes) == 1
    assert len(found["é"].boxes) == len(found["nothing"].boxes) == 0
    assert layout.unmatched_labels == ("lost.txt",)
    assert [path.name for path in layout.unlabelled] == ["plot.png"]
    assert layout.lists == {}


def test_the_same_name_in_two_splits(tmp_path):
    for split, text in (("train", "0 .5 .5 .5 .5"), ("valid", "1 .5 .5 .5 .5")):
        pair(tmp_path, f"{split}/images/1.jpg", f"{split}/labels/1.txt", text)
    put(tmp_path / "data.yaml", YAML.format("train/images", "valid/images"))
    layout, found = read(tmp_path)
    assert found["train/1"].names == ("cat",)
    assert found["valid/1"].names == ("dog",)
    assert layout.lists["val"].image_ids == ("valid/1",)


def test_one_label_file_for_two_photos(tmp_path):
    pair(tmp_path, "a.jpg", "a.txt")
    photo(tmp_path / "a.png")
    put(tmp_path / "classes.txt", "cat")
    layout, _ = read(tmp_path)
    assert layout.entries["a"].image.name == "a.jpg"
    assert len(layout.entries) == 1
    assert layout.notes[0].startswith("a.png: another photo of the same name, a.jpg")


def test_a_split_without_any_labels_is_unlabelled(tmp_path):
    fill(tmp_path, "images/{split}/{name}.jpg", "labels/{split}/{name}.txt")
    photo(tmp_path / "images/test/t.jpg")
    put(tmp_path / "data.yaml", YAML.format("images/train", "images/val") + "test: images/test\n")
    layout, _ = read(tmp_path)
    assert set(layout.lists) == {"train", "val"}
    assert [path.name for path in layout.unlabelled] == ["t.jpg"]
    assert "test: none of its 1 photos has a label file; left out" in layout.notes


# Classes


def names_in(tmp_path, text):
    put(tmp_path / "x.yaml", "train: images\n" + text)
    return read_yaml(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("names: [cat, dog]", {0: "cat", 1: "dog"}),
        ("names: {1: dog, 0: cat, 7: cow}", {0: "cat", 1: "dog", 7: "cow"}),
        ("names:\n  - no\n  - 1e3\n  - 2024-01-01\n  - '  big  cat '",
         {0: "no", 1: "1e3", 2: "2024-01-01", 3: "big cat"}),
        ("names: [Übung, 猫, 👩‍🚒]", {0: "Übung", 1: "猫", 2: "👩‍🚒"}),
    ],
)  # fmt: skip
def test_names(tmp_path, text, expected):
    found = names_in(tmp_path, text)
    assert found.names == expected
    assert found.notes == ()


def test_odd_names(tmp_path):
    found = names_in(tmp_path, "nc: 5\nnames: {0: cat, x: dog, 2: [a], 3: cat}")
    assert found.names == {0: "cat", 3: "cat"}
    bad, also_bad, twice, count = found.notes
    assert bad == also_bad
    assert "entry 2 of its names" in bad
    assert "2 ids are called 'cat'" in twice
    assert "nc is 5, but there are 2 names" in count


def test_ids_with_gaps(tmp_path):
    pair(tmp_path, "images/a.jpg", "labels/a.txt", "7 .5 .5 .1 .1\n3 .5 .5 .1 .1")
    put(tmp_path / "data.yaml", "train: images\nnames: {7: cow, 0: cat}")
    layout, found = read(tmp_path)
    assert layout.class_order == ("cat", "cow")
    assert found["a"].names == ("cow",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "[1]",
        "names: 3",
        "names: [a, b]\ncolour: red",
        "nc: 80\nbackbone: [x]",
        "{a: [names",
    ],
)
def test_other_yaml_is_ignored(tmp_path, text):
    put(tmp_path / "x.yaml", text)
    assert read_yaml(tmp_path / "x.yaml") is None


def test_yaml_runs_and_makes_nothing(tmp_path):
    mark = tmp_path / "ran"
    put(tmp_path / "x.yaml", f"""train: images
download: import os; os.system("touch {mark}")
names: !!python/object/apply:os.system ["touch {mark}"]
nc: !!python/object/apply:os.system ["touch {mark}"]
""")  # fmt: skip
    assert read_yaml(tmp_path / "x.yaml").names == {0: f"touch {mark}"}  # a list of text, no call
    assert not mark.exists()


def test_yaml_that_grows(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    put(tmp_path / "x.yaml", "\n".join([*lines, "train: images", "names: {0: cat, 1: *a11}"]))
    assert read_yaml(tmp_path / "x.yaml").names == {0: "cat"}


def test_broken_yaml_is_named(tmp_path):
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    put(tmp_path / "data.yaml", "train: images\nnames: [cat")
    with pytest.raises(UserError, match=r"names the classes cannot be read: data\.yaml"):
        yolo.find_layout(tmp_path)
    put(tmp_path / "classes.txt", "cat")
    layout, _ = read(tmp_path)
    assert layout.notes[0].startswith("data.yaml: not valid YAML")


def test_names_in_a_file_keep_their_line(tmp_path):
    (tmp_path / "classes.txt").write_bytes("\ufeffcat\r\n\r\n big  dog \r\n".encode())
    assert read_names(tmp_path / "classes.txt") == {0: "cat", 2: "big dog"}


def labelimg(folder, **names):
    """A folder for each split with its own classes.txt; every photo has one object of id 0."""
    for split, classes in names.items():
        pair(folder, f"{split}/{split}.jpg", f"{split}/{split}.txt")
        put(folder / split / "classes.txt", "\n".join(classes))


def test_each_folder_has_its_own_order_of_classes(tmp_path):
    labelimg(tmp_path, train=["cat", "dog"], val=["dog", "cat"])
    layout, found = read(tmp_path)
    assert {name: labels.names for name, labels in found.items()} == {
        "train": ("cat",),
        "val": ("dog",),
    }
    assert layout.class_order == ("cat", "dog")
    (note,) = layout.notes
    assert note.startswith("train/classes.txt and val/classes.txt name different classes; each")


def test_a_names_file_with_more_classes_counts_for_all(tmp_path):
    labelimg(tmp_path, train=["cat"], val=["cat", "dog"])
    put(tmp_path / "train" / "train.txt", "1 .5 .5 .5 .5")
    layout, found = read(tmp_path)
    assert layout.class_order == ("cat", "dog")
    assert found["train"].names == ("dog",)
    assert layout.notes == ()


def test_two_names_files_above_the_same_labels(tmp_path):
    labelimg(tmp_path, train=["cat", "dog"])
    put(tmp_path / "other" / "coco.names", "person\n")
    assert read(tmp_path)[0].notes == ("other/coco.names: names other classes; left out",)
    put(tmp_path / "classes.txt", "dog\ncat\n")
    with pytest.raises(
        UserError,
        match=r"classes\.txt and train/classes\.txt name different .* in train/; remove the one",
    ) as error:
        yolo.find_layout(tmp_path)
    assert ": classes.txt" in str(error.value)
    put(tmp_path / "classes.txt", "cat\n")
    assert read(tmp_path)[0].class_order == ("cat", "dog")


def test_names_files_that_differ_in_capitals(tmp_path):
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    put(tmp_path / "classes.txt", "Cat\nDog\n")
    put(tmp_path / "labels" / "classes.txt", "cat\ndog\n")
    layout, found = read(tmp_path)
    assert layout.class_order == ("Cat", "Dog")
    assert found["a"].names == ("Cat",)
    assert layout.notes == ()


def test_the_choices_of_labelimg_give_no_ids_beside_a_names_file(tmp_path):
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    put(tmp_path / "labels" / "predefined_classes.txt", "person\ncar\nbicycle\n")
    assert read(tmp_path)[0].class_order == ("person", "car", "bicycle")
    put(tmp_path / "classes.txt", "cat\ndog\n")
    layout, _ = read(tmp_path)
    assert layout.class_order == ("cat", "dog")
    assert layout.notes == ("labels/predefined_classes.txt: names other classes; left out",)


def test_labels_without_names(tmp_path):
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    with pytest.raises(UserError, match=r"nothing that names the classes; add a classes\.txt"):
        yolo.find_layout(tmp_path)


def test_yaml_without_labels(tmp_path):
    photo(tmp_path / "images" / "a.jpg")
    put(tmp_path / "data.yaml", "train: images\nnames: [cat]")
    with pytest.raises(UserError, match=r"labels/a.txt"):
        yolo.find_layout(tmp_path)


@pytest.mark.parametrize("text", ["a cat on a mat", "cat 0 0 0 1 2 3 4", "", "1 2 3"])
def test_other_text_is_ignored(tmp_path, text):
    pair(tmp_path, "a.jpg", "a.txt", text)
    put(tmp_path / "classes.txt", "cat")
    assert yolo.find_layout(tmp_path) is None


@pytest.mark.parametrize("value", ["", "  # optional", "~", "null", "None"])
def test_splits_without_value(tmp_path, value):
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    put(tmp_path / "data.yaml", f"train: images\nval: {value}\ntest: {value}\nnames: [cat]\n")
    layout, _ = read(tmp_path)
    assert set(layout.lists) == {"train"}
    assert layout.notes == ()


# Nothing outside


@pytest.mark.parametrize(
    "way",
    ["../outside", "{outside}", "link", "list.txt", "images/../link"]
    + ["../outside/own.txt", "{outside}/own.txt", "own.txt"],
)
def test_nothing_outside_is_opened(tmp_path, way):
    outside, data = tmp_path / "outside", tmp_path / "data"
    pair(outside, "secret.jpg", "secret.txt")
    pair(data, "images/a.jpg", "labels/a.txt")
    os.symlink(outside, data / "link")
    put(data / "list.txt", f"{outside}/secret.jpg\n../outside/secret.jpg\n")
    put(outside / "own.txt", "images/a.jpg\n")
    os.symlink(outside / "own.txt", data / "own.txt")
    put(data / "data.yaml", f"train: images\nval: {way.format(outside=outside)}\nnames: [cat]\n")
    layout, found = read(data)
    assert list(found) == ["a"]
    assert set(layout.lists) == {"train"}
    assert layout.notes


@pytest.mark.parametrize("value", ['"\\0"', '"\\ud800"', f"{'x' * 5000}", "[[a]]", "''", "~"])
def test_entries_that_are_no_paths(tmp_path, value):
    pair(tmp_path, "images/a.jpg", "labels/a.txt")
    put(tmp_path / "data.yaml", f"path: {value}\ntrain: images\nval: {value}\nnames: [cat]\n")
    layout, _ = read(tmp_path)
    assert list(layout.entries) == ["a"]
    assert set(layout.lists) == {"train"}


def test_label_files_behind_links_are_not_read(tmp_path):
    outside, data = tmp_path / "outside", tmp_path / "data"
    put(outside / "a.txt", "0 .5 .5 .5 .5")
    pair(data, "images/b.jpg", "labels/b.txt")
    photo(data / "images" / "a.jpg")
    os.symlink(outside / "a.txt", data / "labels" / "a.txt")
    put(data / "classes.txt", "cat")
    layout, found = read(data)
    assert len(found["a"].boxes) == 0
    assert any("leads out of the data folder" in note for note in layout.notes)


def test_names_are_looked_through_once():
    class Names(dict):
        looks = 0

        def __iter__(self):
            Names.looks += 1
            return super().__iter__()

    names = Names({1: "cat", 4: "dog"})
    found = parse_labels(b"9 .5 .5 .1 .1\n0 .5 .5 .1 .1\n" * 100, names)
    assert Names.looks <= 2
    assert [error.kind for error in found.errors[:2]] == ["no-name", "before-first"]
    assert "the ids 1 to 4 have" in found.errors[0].message
