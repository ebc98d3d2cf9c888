"""Boxes lie in the upright photo and within it, classes are numbered as the list says."""

import numpy as np
import pytest

from tests.label_folders import CAT, fill, only, pair, photo, xml
from utils.data.classes import read_classes
from utils.data.datasets import load_datasets, load_split
from utils.errors import UserError
from utils.label_files.voc import write_voc_annotation


def test_boxes_are_clipped_and_those_outside_skipped(tmp_path):
    pair(
        tmp_path,
        "a",
        ("cat", 0, 0, 40, 30),
        ("cat", -9, 5, 50, 31),
        ("cat", 45, 5, 50, 20),
        ("cat", 9, 1, 7, 5),
    )
    record, notes = only(tmp_path)
    assert record.boxes.tolist() == [[0, 0, 40, 30], [0, 4, 40, 30]]
    assert record.boxes.dtype == np.float32
    assert record.class_ids.dtype == np.int32
    left_out, *notes = notes
    for words in ("2 of 4 labelled objects are left out", "Annotations/a.xml, object 4"):
        assert words in left_out
    assert notes == [
        "Annotations/a.xml, object 4: xmax 7 lies before xmin 9; skipped",
        "Annotations/a.xml, object 2: cat reaches beyond the 40×30 photo; clipped",
        "Annotations/a.xml, object 3: cat lies outside the photo; skipped",
    ]


def test_a_missing_size_comes_from_the_photo(tmp_path):
    pair(tmp_path, "a", CAT, size=None)
    assert (only(tmp_path)[0].width, only(tmp_path)[0].height) == (40, 30)


def test_a_wrong_size_is_noted(tmp_path):
    pair(tmp_path, "a", CAT)
    (tmp_path / "Annotations" / "a.xml").write_text(xml(CAT, size=(80, 60)))
    record, notes = only(tmp_path)
    assert (record.width, record.height) == (40, 30)
    assert "made for a photo of 80×60, but it is 40×30" in notes[0]


def test_an_xml_without_objects_is_a_photo_of_nothing(tmp_path):
    fill(tmp_path, 2)
    pair(tmp_path, "nothing")
    record = load_split(tmp_path, "all").records[0]
    assert record.image_id == "nothing"
    assert record.boxes.shape == (0, 4)
    assert record.class_ids.shape == record.difficult.shape == (0,)


# Where a 40×30 photo stored with an orientation shows the box that is stored at 1, 2, 11, 17.
TURNED = {
    1: [1, 2, 11, 17],
    2: [29, 2, 39, 17],
    3: [29, 13, 39, 28],
    4: [1, 13, 11, 28],
    5: [2, 1, 17, 11],
    6: [13, 1, 28, 11],
    7: [13, 29, 28, 39],
    8: [2, 29, 17, 39],
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_of_the_unturned_photo_turn_with_it(tmp_path, orientation):
    pair(tmp_path, "a", ("cat", 2, 3, 11, 17))
    photo(tmp_path / "JPEGImages" / "a.jpg", (40, 30), orientation)
    record, notes = only(tmp_path)
    assert record.boxes.tolist() == [TURNED[orientation]]
    assert (record.width, record.height) == ((30, 40) if orientation >= 5 else (40, 30))
    assert bool(notes) == (orientation > 1)


@pytest.mark.parametrize("orientation", range(5, 9))
def test_labels_of_the_upright_photo_stay(tmp_path, orientation):
    pair(tmp_path, "a", ("cat", 2, 3, 11, 17), size=(30, 40))
    photo(tmp_path / "JPEGImages" / "a.jpg", (40, 30), orientation)
    record, notes = only(tmp_path)
    assert record.boxes.tolist() == [[1, 2, 11, 17]]
    assert (record.width, record.height) == (30, 40)
    assert notes == ()


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_other_photos_tell_which_way_the_labels_are(tmp_path, orientation):
    """A photo turned by 180° has the same size either way; one on its side shows the habit."""
    for image_id, turn in (("half", orientation), ("side", 6)):
        size = (30, 40) if turn == 6 else (40, 30)
        pair(tmp_path, image_id, ("cat", 2, 3, 11, 17), size=size)
        photo(tmp_path / "JPEGImages" / f"{image_id}.jpg", (40, 30), turn)
    half = load_split(tmp_path, "all").records[0]
    assert half.boxes.tolist() == [[1, 2, 11, 17]]


def test_a_damaged_photo_is_skipped_and_named(tmp_path):
    fill(tmp_path, 3)
    (tmp_path / "JPEGImages" / "photo 01.jpg").write_bytes(b"no photo")
    dataset = load_split(tmp_path, "all")
    assert len(dataset) == 2
    assert "photo 01.jpg" in dataset.notes[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_the_project_writes_it_reads_back_upright(tmp_path, orientation):
    photo(tmp_path / "1.jpg", orientation=orientation)
    size = (40, 30) if orientation < 5 else (30, 40)
    write_voc_annotation(tmp_path / "1.xml", "1.jpg", *size, np.array([[1, 1, 10, 12]]), ["cat"])
    record = load_split(tmp_path, "all").records[0]
    assert record.boxes.tolist() == [[1, 1, 10, 12]]


def test_unlisted_classes(tmp_path):
    fill(tmp_path, 6)
    with pytest.raises(UserError, match=r"photo 00\.xml: class 'dog' .*cat.*--only-listed"):
        load_datasets(tmp_path, classes=["cat"])
    with pytest.raises(UserError, match="class 'dog'"):
        load_split(tmp_path, "all", classes=["cat"])
    dataset = load_split(tmp_path, "all", classes=["dog"], only_listed=True)
    assert dataset.classes == ("dog",)
    assert [len(record.boxes) for record in dataset.records] == [1, 0, 0, 1, 0, 0]
    assert "6 objects of other classes left out (cat)" in dataset.notes


def test_the_order_of_the_list_is_the_order_of_ids(tmp_path):
    fill(tmp_path, 1)
    record, _ = only(tmp_path, classes=["dog", "bird", "cat"])
    assert record.class_ids.tolist() == [2, 0]


def test_classes_file(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeff# pets\nkitty  cat\n\n  Hündchen \n".encode())
    assert read_classes(path) == ("kitty cat", "Hündchen")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cat\ndog\ncat\n", "line 3: class 'cat' stands in line 1"),
        (b"# nothing\n\n", "no class name"),
        (b"c\0t\n", "line 1"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_bad_classes_files(tmp_path, content, message):
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_classes(path)
    assert str(path) in str(error.value)
    with pytest.raises(UserError, match="gone"):
        read_classes(tmp_path / "gone")
