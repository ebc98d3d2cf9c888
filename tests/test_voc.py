"""VOC folders as people have them: photos, XML and lists are found and belong together."""

import os
import unicodedata
from pathlib import Path

import pytest

from tests.label_folders import CAT, DOG, fill, image_ids, only, pair, photo, xml
from utils.data.datasets import load_datasets, load_split
from utils.data.formats import find_layout
from utils.label_files.voc import write_voc_list


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
    assert sorted(image_ids(train) + image_ids(val) + list(info.splits["test"])) == names
    assert train.classes == ("cat", "dog")


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".png", ".bmp", ".webp", ".tif"])
def test_usual_suffixes_and_letters(tmp_path, suffix):
    folder = tmp_path / "мои данные 数据"
    pair(folder, "naïve 照片.v2", CAT, suffix=suffix)
    record, notes = only(folder)
    assert record.image_id == "naïve 照片.v2"
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
    assert "2 label files" in note
    assert "Annotations/a.xml" in note


def test_the_filename_serves_where_there_is_no_photo_of_its_own_name(tmp_path):
    pair(tmp_path, "IMG.1", CAT)
    (tmp_path / "Annotations" / "IMG.1.xml").rename(tmp_path / "Annotations" / "7.xml")
    for named in ("IMG.1.jpg", "C:\\photos\\IMG.1.jpg", "/far/away/IMG.1.png"):
        (tmp_path / "Annotations" / "7.xml").write_text(xml(CAT, filename=named))
        record, notes = only(tmp_path)
        assert record.image_id == "IMG.1"
        assert notes == ()
    write_voc_list(tmp_path, "train", ["7"])
    assert image_ids(load_split(tmp_path, "train")) == ["IMG.1"]


def test_a_photo_counts_once(tmp_path):
    pair(tmp_path, "a", CAT)
    (tmp_path / "Annotations" / "other.xml").write_text(xml(DOG, filename="a.jpg"))
    (tmp_path / "Annotations" / "sub").mkdir()
    (tmp_path / "Annotations" / "sub" / "a.xml").write_text(xml(DOG))
    photo(tmp_path / "JPEGImages" / "a.png")
    record, notes = only(tmp_path)
    assert record.image.name == "a.jpg"
    assert any("Annotations/other.xml" in note and "labelled elsewhere" in note for note in notes)
    assert any("a.png" in note and "same name" in note for note in notes)


def test_names_in_either_unicode_spelling_meet(tmp_path):
    long, short = unicodedata.normalize("NFD", "café"), "café"
    photo(tmp_path / "JPEGImages" / f"{long}.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / f"{short}.xml").write_text(xml(CAT))
    write_voc_list(tmp_path, "train", [long])
    assert image_ids(load_split(tmp_path, "train")) == [short]


def test_photos_and_xml_alone_are_noted(tmp_path):
    fill(tmp_path, 3)
    photo(tmp_path / "JPEGImages" / "alone.jpg")
    (tmp_path / "Annotations" / "lost.xml").write_text(xml(CAT, filename="lost.jpg"))
    layout = find_layout(tmp_path)
    assert layout.unmatched_labels == ("Annotations/lost.xml",)
    assert layout.unlabelled == (tmp_path / "JPEGImages" / "alone.jpg",)
    label, unlabelled = load_split(tmp_path, "all").notes
    assert "1 label file has no photo" in label
    assert "Annotations/lost.xml" in label
    assert unlabelled == "1 photo has no labels (JPEGImages/alone.jpg); left out"


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
    assert "lost.xml" in layout.unmatched_labels[0]


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
    assert image_ids(dataset) == ["photo 00", "photo 02"]
    assert "Annotations/photo 01.xml" in dataset.notes[0]


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
    assert image_ids(first[0]) == image_ids(second[0])
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
    for image_id in "abc":
        photo(tmp_path / f"{image_id}.jpg")
        (tmp_path / f"{image_id}.xml").write_text(xml(("cat", 2, 2, 9, 9)))
    photo(tmp_path / "images" / "d.jpg")
    (tmp_path / "images" / "d.xml").write_text(xml(("cat", 2, 2, 9, 9)))
    assert len(load_split(tmp_path, "all")) == 4


def test_usual_folders_below_others_count_beside_those_at_the_top(tmp_path):
    fill(tmp_path, 3, images="images", xmls="annotations")
    fill(tmp_path / "batch2" / "x", 1, images="images", xmls="annotations")
    pair(tmp_path / "batch3", "b", CAT, images="images", xmls="annotations")
    photo(tmp_path / "plots" / "curve.png")
    layout = find_layout(tmp_path)
    assert len(layout.entries) == 5
    assert "b" in layout.entries
    assert layout.unlabelled == ()
    assert layout.notes == (
        "2 photos have their labels from batch2/x/annotations/ and batch3/annotations/",
    )


@pytest.mark.parametrize("folder", ["rejected", "annotations_old", "images/old"])
def test_labels_that_were_put_aside_do_not_come_back(tmp_path, folder):
    names = fill(tmp_path, 4, images="images", xmls="annotations")
    (tmp_path / folder).mkdir()
    for name in names[2:]:
        (tmp_path / "annotations" / f"{name}.xml").rename(tmp_path / folder / f"{name}.xml")
    named = tmp_path / folder / "renamed.xml"
    named.write_text(xml(DOG, filename=f"{names[3]}.jpg"))
    layout = find_layout(tmp_path)
    assert list(layout.entries) == names[:2]
    assert [path.stem for path in layout.unlabelled] == names[2:]
    assert layout.notes == (f"{folder}/ holds 3 XML files for no photo there; left out",)
    assert layout.unmatched_labels == ()


def test_an_xml_in_another_folder_may_have_the_key_of_its_photo(tmp_path):
    pair(tmp_path, "a", CAT, images="images", xmls="annotations")
    pair(tmp_path, "b", CAT, images="images/night", xmls="night")
    layout = find_layout(tmp_path)
    assert list(layout.entries) == ["a", "b"]
    assert layout.notes == ("1 photo has its labels from night/",)


@pytest.mark.parametrize("images", ["images", "JPEGImages"])
def test_xml_beside_photos_counts_where_a_folder_of_xml_has_none(tmp_path, images):
    xmls = "annotations" if images == "images" else "Annotations"
    for i in range(3):
        pair(tmp_path, f"{i}", CAT, images=images, xmls=images)
    pair(tmp_path, "1", DOG, images=images, xmls=xmls)
    pair(tmp_path, "5", CAT, images=images, xmls=xmls)
    layout = find_layout(tmp_path)
    assert list(layout.entries) == ["0", "1", "2", "5"]
    assert layout.entries["1"].label.parent.name == xmls
    assert layout.notes == (
        f"1 photo has a second XML file ({images}/1.xml beside {xmls}/1.xml); left out",
    )
    assert layout.unlabelled == ()


def test_what_lies_beside_the_folders_of_a_year_is_told(tmp_path):
    pair(tmp_path / "VOC2007", "a", CAT)
    pair(tmp_path / "VOC2007" / "more", "b", CAT)
    (note,) = find_layout(tmp_path).notes
    assert note.startswith("VOC2007/more/ holds 1 XML file")
