"""VOC folders as people have them are read right, and what is wrong with them is said."""

import os
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from utils.data.classes import read_classes
from utils.data.datasets import load_datasets, load_split, load_stems
from utils.data.formats import find_layout
from utils.data.formats.voc_xml import parse_annotation, read_annotation
from utils.data.voc_writer import write_voc_annotation, write_voc_list
from utils.errors import UserError


def photo(path, size=(40, 30), orientation=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = Image.Exif()
    if orientation:
        tags[0x0112] = orientation
    shade = zlib.crc32(str(path).encode())  # no two photos are the same file
    Image.new("RGB", size, (shade & 255, shade >> 8 & 255, shade >> 16 & 255)).save(path, exif=tags)


def xml(*objects, size=(40, 30), filename=None):
    """Text of an annotation; an object is (name, xmin, ymin, xmax, ymax[, more elements])."""
    lines = ["<annotation>"]
    if filename:
        lines.append(f"<filename>{filename}</filename>")
    if size:
        lines.append(f"<size><width>{size[0]}</width><height>{size[1]}</height></size>")
    for name, *sides, more in ((*item, "") if len(item) == 5 else item for item in objects):
        box = "".join(
            f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)
        )
        lines.append(f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>")
    return "\n".join([*lines, "</annotation>"])


CAT = ("cat", 1, 1, 20, 20)
DOG = ("dog", 11, 6, 30, 25)


def pair(folder, stem, *objects, images="JPEGImages", xmls="Annotations", suffix=".jpg", **options):
    photo(folder / images / (stem + suffix), options.get("size") or (40, 30))
    path = folder / xmls / (stem + ".xml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(xml(*objects, **options), encoding="utf-8")


def fill(folder, count=10, **options):
    stems = [f"photo {i:02}" for i in range(count)]
    for i, stem in enumerate(stems):
        pair(folder, stem, *([CAT, DOG] if i % 3 == 0 else [CAT]), **options)
    return stems


def stems(dataset):
    return [record.stem for record in dataset.records]


def only(folder, **options):
    """The one record of a folder with one photo, and the notes."""
    dataset = load_split(folder, "all", **options)
    (record,) = dataset.records
    return record, dataset.notes


# One XML


def test_pixels_are_counted_from_one_and_inclusive():
    found = parse_annotation(xml(("cat", 1, 1, 40, 30), ("dog", 2.5, 3, 3.25, 3)).encode())
    assert found.names == ("cat", "dog")
    assert found.boxes.dtype == np.float32
    assert found.boxes.tolist() == [[0, 0, 40, 30], [1.5, 2, 3.25, 3]]
    assert found.size == (40, 30)
    assert found.faults == ()


def test_parts_are_no_objects():
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    found = parse_annotation(xml((*CAT, part), ("dog", 1, 1, 5, 5)).encode())
    assert found.names == ("cat", "dog")
    assert found.boxes.tolist() == [[0, 0, 20, 20], [0, 0, 5, 5]]


def test_difficult():
    flags = ("0", "1", " 1 ", "true", "no", "")
    objects = [(*CAT, f"<difficult>{flag}</difficult>") for flag in flags]
    found = parse_annotation(xml(*objects, CAT).encode())
    assert found.difficult.tolist() == [False, True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (("cat", 9, 1, 7, 5), "xmax 7 lies before xmin 9"),
        (("cat", 1, 9, 7, 8), "ymax 8 lies before ymin 9"),
        (("cat", "one", 1, 7, 5), "xmin is 'one', not a number"),
        (("cat", "", 1, 7, 5), "no xmin"),
        (("cat", "nan", 1, 7, 5), "xmin is nan"),
        (("cat", 1, 1, "1e400", 5), "xmax is 1e400"),
        (("", 1, 1, 7, 5), "no class name"),
    ],
)
def test_a_bad_object_is_skipped_and_named(bad, reason):
    found = parse_annotation(xml(CAT, bad, DOG).encode())
    assert found.names == ("cat", "dog")
    assert found.numbers == (1, 3)
    (note,) = found.faults
    assert note.startswith("object 2: ")
    assert reason in note


def test_an_object_without_box():
    found = parse_annotation(b"<annotation><object><name>a</name></object></annotation>")
    assert found.names == ()
    assert found.faults == ("object 1: no bndbox; skipped",)
    assert found.size is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not well-formed"),
        ("<annotation>", "not well-formed"),
        ("<html></html>", "<html>"),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "entities"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>', "e"),
    ],
)
def test_what_is_no_annotation(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_annotation(text.encode())


def test_other_encodings():
    text = '<?xml version="1.0" encoding="{}"?>' + xml(("Kätzchen", 1, 1, 5, 5))
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
        data = text.format(encoding.removesuffix("-sig")).encode(encoding)
        assert parse_annotation(data).names == ("Kätzchen",)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_noise_never_gives_another_error(data):
    with pytest.raises(ValueError, match=r"not well-formed|no VOC annotation|entities"):
        parse_annotation(data)


# Writing and reading back

# Below a millionth of a pixel a side is lost when 1 is added to it.
SIDE = st.floats(0, 5000, width=32).map(lambda side: side if side > 1e-6 else 0.0)
SPAN = st.lists(SIDE, min_size=2, max_size=2, unique=True).map(sorted)
NAME = st.text(st.sampled_from("ab Zß数б<>&'\"/;]-🚦"), min_size=1, max_size=12).map(str.strip)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(NAME.filter(bool), SPAN, SPAN, st.booleans()), max_size=6))
def test_written_boxes_read_back_exactly(tmp_path_factory, objects):
    path = tmp_path_factory.getbasetemp() / "round.xml"
    boxes = np.array([[x[0], y[0], x[1], y[1]] for _, x, y, _ in objects], np.float32)
    names, difficult = [" ".join(o[0].split()) for o in objects], [o[3] for o in objects]
    write_voc_annotation(path, "a & b.jpg", 5000, 4000, boxes, names, difficult)
    found = read_annotation(path)
    np.testing.assert_array_equal(found.boxes, boxes.reshape(-1, 4))
    assert found.names == tuple(names)
    assert found.difficult.tolist() == difficult
    assert found.size == (5000, 4000)
    assert found.filename == "a & b.jpg"
    assert found.faults == ()


def test_whole_pixels_are_written_as_integers(tmp_path):
    write_voc_annotation(tmp_path / "a.xml", "a.jpg", 9, 9, np.array([[0, 1, 2.5, 3]]), ["cat"])
    text = (tmp_path / "a.xml").read_text()
    for element in ("<xmin>1<", "<ymin>2<", "<xmax>2.5<", "<ymax>3<", "<difficult>0<"):
        assert element in text
    assert os.listdir(tmp_path) == ["a.xml"]


def test_what_cannot_be_written(tmp_path):
    box = np.array([[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="names"):
        write_voc_annotation(tmp_path / "a.xml", "a.jpg", 9, 9, box, [])
    with pytest.raises(ValueError, match="finite"):
        write_voc_annotation(tmp_path / "a.xml", "a.jpg", 9, 9, box * np.nan, ["cat"])
    with pytest.raises(ValueError, match="XML cannot store"):
        write_voc_annotation(tmp_path / "a.xml", "a.jpg", 9, 9, box, ["c\0t"])
    assert os.listdir(tmp_path) == []


# Layouts


@pytest.mark.parametrize(
    ("images", "xmls"),
    [
        ("JPEGImages", "Annotations"),
        ("images", "annotations"),
        ("Images", "labels"),
        ("img", "annotations/xmls"),
        (".", "."),
        (".", "xml"),
        ("pictures", "."),
        ("data/images", "data/annotations"),
    ],
)
def test_usual_folders(tmp_path, images, xmls):
    names = fill(tmp_path, 6, images=images, xmls=xmls)
    layout = find_layout(tmp_path)
    assert list(layout.entries) == names
    assert layout.notes == ()
    train, val, info = load_datasets(tmp_path)
    assert sorted(stems(train) + stems(val) + list(info.splits["test"])) == names
    assert train.classes == ("cat", "dog")


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".png", ".bmp", ".webp", ".tif"])
def test_usual_suffixes_and_letters(tmp_path, suffix):
    folder = tmp_path / "мои данные 数据"
    pair(folder, "naïve 照片.v2", CAT, suffix=suffix)
    record, notes = only(folder)
    assert record.stem == "naïve 照片.v2"
    assert record.image.suffix == suffix
    assert (record.width, record.height) == (40, 30)
    assert notes == ()


def test_masks_beside_a_voc_folder_are_no_photos(tmp_path):
    fill(tmp_path, 3)
    photo(tmp_path / "SegmentationClass" / "photo 00.png")
    assert find_layout(tmp_path).notes == ()


def test_masks_beside_xml_are_no_photos(tmp_path):
    fill(tmp_path, 3, images="images", xmls="annotations/xmls")
    photo(tmp_path / "annotations" / "trimaps" / "photo 00.png")
    photo(tmp_path / "annotations" / "trimaps" / "._photo 00.png")
    layout = find_layout(tmp_path)
    assert len(layout.entries) == 3
    assert layout.notes == ()


def test_same_names_in_several_folders(tmp_path):
    for night in ("a", "b"):
        pair(tmp_path, f"{night}/1", CAT, images="images", xmls="annotations")
    pair(tmp_path, "a/2", CAT, images="images", xmls="annotations")
    layout = find_layout(tmp_path)
    assert list(layout.entries) == ["2", "a/1", "b/1"]
    assert layout.entries["b/1"].image == tmp_path / "images" / "b" / "1.jpg"
    assert layout.entries["b/1"].label == tmp_path / "annotations" / "b" / "1.xml"


@pytest.mark.parametrize("shape", ["{}", "{}/images", "images/{}"])
def test_split_folders(tmp_path, shape):
    for name, count in (("train", 4), ("valid", 2), ("test", 3)):
        for i in range(count):
            pair(
                tmp_path,
                f"{name}{i}",
                CAT,
                images=shape.format(name),
                xmls=shape.format(name).replace("images", "annotations"),
            )
    train, val, info = load_datasets(tmp_path)
    assert (len(train), len(val)) == (4, 2)
    assert not info.generated
    assert not info.held_out
    assert len(load_split(tmp_path, "test")) == 3
    assert len(load_split(tmp_path, "valid")) == 2
    assert len(load_split(tmp_path, "trainval")) == 6


def test_its_own_name_comes_before_the_filename_it_names(tmp_path):
    pair(tmp_path, "a", CAT, filename="b.jpg")
    pair(tmp_path, "b", DOG, filename="a.jpg")
    dataset = load_split(tmp_path, "all")
    assert [record.class_ids.tolist() for record in dataset.records] == [[0], [1]]
    (note,) = dataset.notes
    assert "2 XML files name another photo" in note
    assert "Annotations/a.xml" in note


def test_the_filename_serves_where_there_is_no_photo_of_its_own_name(tmp_path):
    pair(tmp_path, "IMG.1", CAT)
    (tmp_path / "Annotations" / "IMG.1.xml").rename(tmp_path / "Annotations" / "7.xml")
    for named in ("IMG.1.jpg", "C:\\photos\\IMG.1.jpg", "/far/away/IMG.1.png"):
        (tmp_path / "Annotations" / "7.xml").write_text(xml(CAT, filename=named))
        record, notes = only(tmp_path)
        assert record.stem == "IMG.1"
        assert notes == ()
    write_voc_list(tmp_path, "train", ["7"])
    assert stems(load_split(tmp_path, "train")) == ["IMG.1"]


def test_a_photo_counts_once(tmp_path):
    pair(tmp_path, "a", CAT)
    (tmp_path / "Annotations" / "other.xml").write_text(xml(DOG, filename="a.jpg"))
    (tmp_path / "Annotations" / "sub").mkdir()
    (tmp_path / "Annotations" / "sub" / "a.xml").write_text(xml(DOG))
    photo(tmp_path / "JPEGImages" / "a.png")
    record, notes = only(tmp_path)
    assert record.image.name == "a.jpg"
    assert any("Annotations/other.xml" in note and "another XML" in note for note in notes)
    assert any("a.png" in note and "same name" in note for note in notes)


def test_names_in_either_unicode_spelling_meet(tmp_path):
    long, short = unicodedata.normalize("NFD", "café"), "café"
    photo(tmp_path / "JPEGImages" / f"{long}.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / f"{short}.xml").write_text(xml(CAT))
    write_voc_list(tmp_path, "train", [long])
    assert stems(load_split(tmp_path, "train")) == [short]


def test_photos_and_xml_alone_are_noted(tmp_path):
    fill(tmp_path, 3)
    photo(tmp_path / "JPEGImages" / "alone.jpg")
    (tmp_path / "Annotations" / "lost.xml").write_text(xml(CAT, filename="lost.jpg"))
    notes = find_layout(tmp_path).notes
    assert notes == (
        "Annotations/lost.xml: its photo is missing or has another XML; left out",
        "JPEGImages/alone.jpg: no XML; left out",
    )


# Nothing outside the data folder


@pytest.mark.parametrize("named", ["../secret.jpg", "../../etc/passwd", "{}/secret.jpg"])
def test_a_filename_does_not_lead_out(tmp_path, named):
    photo(tmp_path / "secret.jpg")
    data = tmp_path / "data"
    fill(data, 2)
    lost = xml(CAT, filename=named.format(tmp_path))
    (data / "Annotations" / "lost.xml").write_text(lost)
    layout = find_layout(data)
    assert len(layout.entries) == 2
    assert "lost.xml" in layout.notes[0]


def test_links_do_not_lead_out(tmp_path):
    outside = tmp_path / "outside"
    fill(outside, 2)
    write_voc_list(outside, "train", ["photo 00"])
    data = tmp_path / "data"
    pair(data, "own", CAT)
    (data / "JPEGImages" / "photo 00.jpg").symlink_to(outside / "JPEGImages" / "photo 00.jpg")
    (data / "Annotations" / "photo 00.xml").symlink_to(outside / "Annotations" / "photo 00.xml")
    (data / "JPEGImages" / "deep").symlink_to(outside / "JPEGImages")
    (data / "ImageSets").symlink_to(outside / "ImageSets")
    layout = find_layout(data)
    assert list(layout.entries) == ["own"]
    assert layout.lists == {}
    assert sum("leads out of the data folder" in note for note in layout.notes) == 4


def test_links_within_the_folder_and_to_it_work(tmp_path):
    names = fill(tmp_path / "data", 3, images="photos")
    (tmp_path / "data" / "JPEGImages").symlink_to(tmp_path / "data" / "photos")
    (tmp_path / "data" / "photos" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert list(find_layout(tmp_path / "link").entries) == names


def test_entities_are_skipped_and_named(tmp_path):
    fill(tmp_path, 3)
    evil = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>'
    (tmp_path / "Annotations" / "photo 01.xml").write_text(evil)
    dataset = load_split(tmp_path, "all")
    assert stems(dataset) == ["photo 00", "photo 02"]
    assert "Annotations/photo 01.xml" in dataset.notes[0]


# Records


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
    assert notes == (
        "Annotations/a.xml, object 4: xmax 7 lies before xmin 9; skipped",
        "Annotations/a.xml, object 2: cat reaches beyond the 40×30 photo; clipped",
        "Annotations/a.xml, object 3: cat lies outside the photo; skipped",
    )


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
    assert record.stem == "nothing"
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
    for stem, turn in (("half", orientation), ("side", 6)):
        size = (30, 40) if turn == 6 else (40, 30)
        pair(tmp_path, stem, ("cat", 2, 3, 11, 17), size=size)
        photo(tmp_path / "JPEGImages" / f"{stem}.jpg", (40, 30), turn)
    half = load_split(tmp_path, "all").records[0]
    assert half.boxes.tolist() == [[1, 2, 11, 17]]


def test_a_damaged_photo_is_skipped_and_named(tmp_path):
    fill(tmp_path, 3)
    (tmp_path / "JPEGImages" / "photo 01.jpg").write_bytes(b"no photo")
    dataset = load_split(tmp_path, "all")
    assert len(dataset) == 2
    assert "photo 01.jpg" in dataset.notes[0]


# Classes


def test_unlisted_classes(tmp_path):
    fill(tmp_path, 6)
    with pytest.raises(UserError, match=r"photo 00\.xml: class 'dog' .*cat.*--only-listed"):
        load_datasets(tmp_path, classes=["cat"])
    with pytest.raises(UserError, match="class 'dog'"):
        load_split(tmp_path, "all", classes=["cat"])
    dataset = load_split(tmp_path, "all", classes=["dog"], only_listed=True)
    assert dataset.classes == ("dog",)
    assert [len(record.boxes) for record in dataset.records] == [1, 0, 0, 1, 0, 0]
    assert "6 objects of classes that are not listed were left out (cat)" in dataset.notes


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


# Splits


def lists(folder, **splits):
    for name, names in splits.items():
        write_voc_list(folder, name, names)


def test_lists(tmp_path):
    names = fill(tmp_path)
    lists(tmp_path, train=names[:6], val=names[6:8], test=names[8:], cat_train=["photo 00  1"])
    train, val, info = load_datasets(tmp_path)
    assert stems(train) == names[:6]
    assert stems(val) == names[6:8]
    assert info.splits == {"train": tuple(names[:6]), "val": tuple(names[6:8])}
    assert (info.generated, info.held_out, info.notes) == (False, False, ())
    assert stems(load_split(tmp_path, "test")) == names[8:]
    with pytest.raises(UserError, match=r"'dev'; there are all, test, train, trainval, val$"):
        load_split(tmp_path, "dev")


def test_lines_of_a_list_may_be_names_or_paths(tmp_path):
    names = fill(tmp_path, 4)
    lines = [names[0], names[1] + ".jpg", f"./JPEGImages/{names[2]}.jpg", "gone", names[0]]
    lists(tmp_path, train=lines)
    dataset = load_split(tmp_path, "train")
    assert stems(dataset) == names[:3]
    assert dataset.notes == ("ImageSets/Main/train.txt names gone, which lacks a photo; left out",)


def test_trainval_holds_out_a_tenth(tmp_path):
    names = fill(tmp_path, 30)
    lists(tmp_path, train=names[:15], val=names[15:20], trainval=names[:20], test=names[20:])
    train, val, info = load_datasets(tmp_path, split="trainval")
    assert (len(train), len(val)) == (18, 2)
    assert sorted(stems(train) + stems(val)) == names[:20]
    assert info.held_out
    assert "'val' shares photos with 'trainval'" in info.notes[0]
    again = load_datasets(tmp_path, split="trainval")[1]
    assert stems(again) == stems(val)


def test_without_a_val_list_a_tenth_is_held_out(tmp_path):
    names = fill(tmp_path, 20)
    lists(tmp_path, train=names)
    train, val, info = load_datasets(tmp_path)
    assert (len(train), len(val)) == (18, 2)
    assert "there is no val list" in info.notes[0]
    assert info.val == "held out of train"


def test_a_chosen_val_split_that_overlaps_is_refused(tmp_path):
    names = fill(tmp_path)
    lists(tmp_path, train=names[:6], val=names[6:8], trainval=names[:8])
    with pytest.raises(UserError, match="2 photos are in both --split trainval and --val-split"):
        load_datasets(tmp_path, split="trainval", val_split="val")


def test_splits_are_made_where_there_are_no_lists(tmp_path):
    names = fill(tmp_path, 20)
    train, val, info = load_datasets(tmp_path, seed=1)
    assert (len(train), len(val), len(info.splits["test"])) == (14, 2, 4)
    assert sorted(sum(info.splits.values(), ())) == names
    assert info.generated
    assert "seed 1" in info.notes[0]
    assert tuple(stems(load_split(tmp_path, "test", seed=1))) == info.splits["test"]
    assert len(load_split(tmp_path, "trainval")) == 16
    assert len(load_split(tmp_path, "all")) == 20

    train, val, info = load_datasets(tmp_path, split="trainval", seed=1)
    assert (len(train), len(val), len(info.splits["test"])) == (14, 2, 4)
    assert info.held_out

    train, val, info = load_datasets(tmp_path, split="all", seed=1)
    assert (len(train), len(val)) == (18, 2)
    assert "test" not in info.splits


def test_stored_stems(tmp_path):
    names = fill(tmp_path, 5)
    dataset = load_stems(tmp_path, [names[3], names[1], "gone"], classes=["cat", "dog"])
    assert stems(dataset) == [names[1], names[3]]
    assert dataset.notes == ("gone: not in this folder; left out",)
    with pytest.raises(UserError, match="none of the 1 photos"):
        load_stems(tmp_path, ["gone"])


def test_too_few_photos(tmp_path):
    fill(tmp_path, 1)
    with pytest.raises(UserError, match="too few"):
        load_datasets(tmp_path)


# A devkit


def devkit(folder):
    for year, first in (("2007", 0), ("2012", 100)):
        voc = folder / f"VOC{year}"
        names = [f"{i:06}" for i in range(first, first + 12)]
        for i, stem in enumerate(names):
            pair(voc, stem, CAT, *([DOG] if i % 2 else []))
        lists(voc, train=names[:5], val=names[5:8], trainval=names[:8])
        if year == "2007":
            lists(voc, test=names[8:])


@pytest.mark.parametrize("inner", [".", "VOCdevkit"])
def test_years_are_joined(tmp_path, inner):
    devkit(tmp_path / inner)
    layout = find_layout(tmp_path)
    assert layout.years == ("2007", "2012")
    assert len(layout.entries) == 24

    train, val, info = load_datasets(tmp_path, split="2007:trainval,2012:trainval")
    assert (len(train), len(val)) == (14, 2)
    assert info.held_out
    train, val, info = load_datasets(tmp_path, split="2007:train")
    assert (len(train), len(val), info.val) == (5, 3, "2007:val")
    train, val, info = load_datasets(tmp_path, split="VOC2007:trainval", val_split="2012:val")
    assert (len(train), len(val), info.held_out) == (8, 3, False)
    assert len(load_datasets(tmp_path, split="train")[0]) == 10
    assert stems(load_split(tmp_path, "2007:test")) == [f"{i:06}" for i in range(8, 12)]
    assert stems(load_split(tmp_path, "test")) == [f"{i:06}" for i in range(8, 12)]
    with pytest.raises(UserError, match=r"'2012:test'.*2007:test, 2007:train"):
        load_split(tmp_path, "2012:test")


def test_same_names_in_two_years(tmp_path):
    for year in ("2007", "2012"):
        pair(tmp_path / f"VOC{year}", "1", CAT)
        lists(tmp_path / f"VOC{year}", train=["1"])
    assert list(find_layout(tmp_path).entries) == ["2007/1", "2012/1"]
    assert stems(load_split(tmp_path, "2012:train")) == ["2012/1"]


# Nothing to read


def test_what_is_no_dataset(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        load_datasets(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        load_datasets(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no annotated photos.*JPEGImages.*VOCdevkit"):
        load_datasets(tmp_path / "empty")
    photo(tmp_path / "photos" / "a.jpg")
    (tmp_path / "photos" / "a.txt").write_text("0 0.5 0.5 1 1")
    with pytest.raises(UserError, match=r"1 photos, 0 XML files, 1 \.txt"):
        load_datasets(tmp_path / "photos")
    (tmp_path / "photos" / "b.xml").write_text(xml(CAT))
    with pytest.raises(UserError, match=r"none of its 1 photos belongs.*First problem.*b\.xml"):
        load_datasets(tmp_path / "photos")


def test_none_readable_is_an_error(tmp_path):
    fill(tmp_path, 2)
    for path in (tmp_path / "Annotations").iterdir():
        path.write_text("<broken")
    with pytest.raises(UserError, match=r"none of 2 XML can be read.*not well-formed"):
        load_datasets(tmp_path)


def test_no_photo_readable_is_an_error(tmp_path):
    fill(tmp_path, 5)
    for path in (tmp_path / "JPEGImages").iterdir():
        path.write_text("broken")
    with pytest.raises(UserError, match=r"no photo of 'train' can be used.*not an image"):
        load_datasets(tmp_path)


def test_no_object_anywhere_is_an_error(tmp_path):
    for i in range(3):
        pair(tmp_path, str(i))
    with pytest.raises(UserError, match="none of the XML files has an object"):
        load_datasets(tmp_path)


@pytest.mark.parametrize("split", ["", " , "])
def test_an_empty_split_name(tmp_path, split):
    fill(tmp_path, 3)
    with pytest.raises(UserError, match="a split has a name"):
        load_split(tmp_path, split)


def test_lists_that_name_nothing_usable(tmp_path):
    names = fill(tmp_path, 4)
    photo(tmp_path / "JPEGImages" / "alone.jpg")
    lists(tmp_path, train=names, test=["alone"])
    with pytest.raises(UserError, match=r"no photo of 'test' can be used .*lacks an XML"):
        load_split(tmp_path, "test")


def test_files_come_in_any_order(tmp_path, monkeypatch):
    fill(tmp_path, 12)
    first = load_datasets(tmp_path)
    scandir = os.scandir

    class Reversed:
        def __init__(self, path):
            self.path = path

        def __enter__(self):
            with scandir(self.path) as listing:
                return iter(sorted(listing, key=lambda entry: entry.name, reverse=True))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Reversed)
    second = load_datasets(tmp_path)
    assert stems(first[0]) == stems(second[0])
    assert first[2] == second[2]


def test_paths_as_text(tmp_path):
    fill(tmp_path, 3)
    assert isinstance(load_split(str(tmp_path), "all").records[0].image, Path)


def test_a_namesake_elsewhere_does_not_take_a_photo(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.xml").write_text(xml(("wrong", 1, 1, 5, 5)))
    photo(tmp_path / "b" / "1.jpg")
    (tmp_path / "b" / "1.xml").write_text(xml(("right", 2, 2, 9, 9)))
    dataset = load_split(tmp_path, "all")
    assert [dataset.classes[i] for record in dataset.records for i in record.class_ids] == ["right"]


def test_photos_beside_a_usual_folder_count_too(tmp_path):
    for stem in "abc":
        photo(tmp_path / f"{stem}.jpg")
        (tmp_path / f"{stem}.xml").write_text(xml(("cat", 2, 2, 9, 9)))
    photo(tmp_path / "images" / "d.jpg")
    (tmp_path / "images" / "d.xml").write_text(xml(("cat", 2, 2, 9, 9)))
    assert len(load_split(tmp_path, "all")) == 4


def test_lists_without_a_usual_name_are_no_split(tmp_path):
    """CVAT writes ImageSets/Main/default.txt, which names every photo."""
    for i in range(10):
        photo(tmp_path / "JPEGImages" / f"{i}.jpg")
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        (tmp_path / "Annotations" / f"{i}.xml").write_text(xml(("cat", 2, 2, 9, 9)))
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "default.txt").write_text("\n".join(map(str, range(10))))
    train, val, info = load_datasets(tmp_path)
    assert info.generated
    assert (len(train), len(val)) == (7, 1)


def test_copies_of_validation_photos_are_not_trained_on(tmp_path):
    for i in range(6):
        photo(tmp_path / "JPEGImages" / f"{i}.jpg")
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        (tmp_path / "Annotations" / f"{i}.xml").write_text(xml(("cat", 2, 2, 9, 9)))
    copied = tmp_path / "JPEGImages" / "5.jpg"
    copied.write_bytes((tmp_path / "JPEGImages" / "0.jpg").read_bytes())
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for name, stems in (("train", "0123"), ("val", "45")):
        (tmp_path / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(stems))
    train, _, info = load_datasets(tmp_path)
    assert [record.stem for record in train.records] == ["1", "2", "3"]
    assert "copies of validation photos" in info.notes[-1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_the_project_writes_it_reads_back_upright(tmp_path, orientation):
    photo(tmp_path / "1.jpg", orientation=orientation)
    size = (40, 30) if orientation < 5 else (30, 40)
    write_voc_annotation(tmp_path / "1.xml", "1.jpg", *size, np.array([[1, 1, 10, 12]]), ["cat"])
    record = load_split(tmp_path, "all").records[0]
    assert record.boxes.tolist() == [[1, 1, 10, 12]]
