"""Names in label files and lists mean the same photo in every format."""

import pytest

from utils.data.formats.naming import list_note, name_parts, names_photo
from utils.data.formats.split_folders import assign_remaining, split_folders


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a/7.jpg", ("a", "7.jpg")),
        ("C:\\data\\7.jpg", ("data", "7.jpg")),
        ("/../x/.././7.jpg", ("7.jpg",)),
        ("cafe\u0301.jpg", ("caf\u00e9.jpg",)),
        ("/", ()),
    ],
)
def test_names_in_either_systems_spelling(name, parts):
    assert name_parts(name) == parts


@pytest.mark.parametrize(
    ("named", "photo", "same"),
    [
        ("7.jpg", "7.jpg", True),
        ("7.png", "7.jpg", True),
        ("7", "7.jpg", True),
        ("C:\\photos\\7.jpg", "7.jpg", True),
        ("night.v2", "night.v2.jpg", True),
        ("7.jpg", "7.jpg.jpg", True),
        ("8.jpg", "7.jpg", False),
        ("night.v1", "night.v2.jpg", False),
    ],
)
def test_a_file_name_that_labels_give(named, photo, same):
    assert names_photo(named, photo) == same


@pytest.mark.parametrize(
    ("keys", "splits"),
    [
        (["train/1", "valid/2", "train/3"], {"train": [0, 2], "val": [1]}),
        (["mine/train/1", "mine/test/2"], {"train": [0], "test": [1]}),
        (["train/1", "train/2"], {"train": [0, 1]}),
        (["1", "train/2"], {"train": [1]}),
        (["mine/1", "mine/2", "train"], {}),
        (["a/train/1", "b/test/2", "b/3"], {"train": [0], "test": [1]}),
        (["test/train/1"], {"test": [0]}),
        ([], {}),
    ],
)
def test_splits_by_the_names_of_folders(keys, splits):
    assert split_folders([tuple(key.split("/")) for key in keys]) == splits


def test_the_folder_of_a_label_file_counts_after_that_of_its_photo():
    keys, labels = [("1",), ("test", "2"), ("3",)], [("train", "1"), ("train", "2"), None]
    assert split_folders(keys, labels) == {"train": [0], "test": [1]}


def test_photos_in_no_folder_of_a_split_are_never_tested_on():
    assert assign_remaining({}, [1], str) == ({}, "")
    assert assign_remaining({"test": [1]}, [], str) == ({"test": [1]}, "")
    splits, note = assign_remaining({"test": [1]}, [2, 3], str)
    assert splits == {"test": [1], "train": [2, 3]}
    assert note.startswith("2 labelled photos lie in no folder called train, val or test (2 and 3)")
    splits, note = assign_remaining({"train": [1], "test": [4]}, [2], str)
    assert splits == {"train": [1], "test": [4]}
    assert note.endswith("(2); no split has it")


def test_a_note_on_names_in_a_list():
    assert list_note("train.txt", ["7.jpg"], "is lost", "are lost") == (
        "train.txt names 7.jpg, which is lost"
    )
    assert "7.jpg, 8.jpg, 9.jpg and 97 more, which are lost" in list_note(
        "train.txt", [f"{i}.jpg" for i in range(7, 107)], "is lost", "are lost"
    )
