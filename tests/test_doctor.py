"""The doctor finds every planted problem, none in clean data, and repairs what it can."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.bad_dataset import CAT, DOG, Writer, bndbox, near, pixels, write_bad, write_clean, xml
from train import main as train_main
from utils.cli import USAGE_ERROR, run
from utils.commands.doctor import main
from utils.data.annotations import Annotation, Entry, Layout
from utils.data.conversion import convert
from utils.data.doctor import check_dataset, fix_dataset
from utils.data.doctor.checked import CheckedFolder, CheckedPhoto, FileContent
from utils.data.doctor.checks.box_checks import (
    REPEATED,
    REPEATED_SHARE,
    SAME,
    SAME_PLACE,
    check_boxes,
    check_pairs,
    check_repeated,
    same_objects,
)
from utils.data.doctor.checks.class_checks import (
    _within,
    check_classes,
    check_names,
    renames,
    similar_names,
)
from utils.data.doctor.checks.size_checks import check_sizes, measure_sizes
from utils.data.doctor.checks.split_checks import _pairs, agreement
from utils.data.doctor.doctor import run_doctor
from utils.data.doctor.doctor_report import SHOWN, DoctorReport
from utils.data.doctor.examine import look_at
from utils.data.doctor.findings import KINDS, SEVERITIES
from utils.data.doctor.fix import CleanedCopy
from utils.data.doctor.repair import repaired_labels
from utils.data.duplicates.groups import Duplicates
from utils.data.formats.voc_xml import parse_annotation
from utils.data.records import Record
from utils.errors import UserError
from utils.images import ImageSize, image_size, read_image
from utils.label_files.voc import write_voc_annotation
from utils.overlap import iou


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder with every kind of problem, what was planted, and the report on it."""
    root = tmp_path_factory.mktemp("bad") / "data"
    planted = write_bad(root)
    return root, planted, check_dataset(root)


def a_photo(image_id="photo", *objects, size=(200, 150)) -> CheckedPhoto:
    """A photo with (name, x0, y0, x1, y1) objects, as the checks see it."""
    boxes = np.array([item[1:] for item in objects], np.float32).reshape(-1, 4)
    difficult = np.zeros(len(objects), bool)
    labels = Annotation(
        where=f"{image_id}.xml", filename="", size=size, names=tuple(item[0] for item in objects),
        boxes=boxes, difficult=difficult, upright=False,
        numbers=tuple(range(1, len(objects) + 1)), errors=(),
    )  # fmt: skip
    entry = Entry(image_id, Path(f"{image_id}.jpg"), None)
    record = Record(image_id, entry.image, *size, boxes, np.zeros(len(boxes), int), difficult)
    return CheckedPhoto(
        entry, entry.image.name, labels.where, labels, "", FileContent(ImageSize(*size, 1)), record
    )


def a_folder(*photos: CheckedPhoto, **more) -> CheckedFolder:
    layout = Layout("voc", Path("data"), {photo.image_id: photo.entry for photo in photos}, {})
    return CheckedFolder("data", layout, more.pop("input_size", 416), photos, **more)


def kinds(findings) -> list[str]:
    return [finding.kind for finding in findings]


# Planted problems


def test_every_planted_problem_is_found_with_file_and_object_and_nothing_more(bad):
    _, planted, report = bad
    found = {(f.kind, f.where, f.number) for f in report.findings}
    assert found == {(p.kind, p.where, p.number) for p in planted}
    assert len({p.kind for p in planted}) >= 25


def test_every_kind_is_tested(bad):
    elsewhere = {"split-none", "class-imbalance", "objects-small", "anchors-poor", "folder"}
    elsewhere |= {"class-not-compared"}
    elsewhere |= {
        "object-no-id",
        "object-no-name",
        "class-ids-from-1",
        "object-outline",
    }  # test_reasons
    assert {p.kind for p in bad[1]} | elsewhere == KINDS.keys()


def test_findings_say_what_training_does_and_come_worst_first(bad):
    levels = [SEVERITIES.index(f.severity) for f in bad[2].findings]
    assert levels == sorted(levels)
    for kind in KINDS.values():
        assert kind.severity in SEVERITIES
        assert kind.consequence.endswith(".")
        assert kind.advice.endswith(".") or kind.advice == ""
        assert not kind.fix.endswith(".")


def test_the_report_opens_with_the_answer(bad):
    root, _, report = bad
    levels = [f.severity for f in report.findings]
    objects = sum(len(photo.boxes) for photo in report.folder.usable())
    assert report.text().splitlines()[0] == (
        f"{root}: {len(report.folder.photos)} photos, {objects} objects, 8 classes: "
        f"{levels.count('error')} errors, {levels.count('warning')} warnings, "
        f"{levels.count('note')} notes"
    )


def test_the_text_shows_a_few_of_each_kind_and_counts_the_rest(bad):
    report = bad[2]
    many = replace(report, findings=report.findings[:1] * 400)
    text = many.text()
    assert text.count("the file has no content") == SHOWN
    assert f"… and {400 - SHOWN} more" in text


def test_a_clean_dataset_has_no_findings(tmp_path):
    write_clean(tmp_path)
    report = check_dataset(tmp_path)
    assert report.findings == ()
    assert report.headline().startswith("36 photos, 72 objects, 2 classes: no ")


@pytest.mark.slow
def test_generated_road_scenes_have_no_findings(tmp_path):
    from utils.data.synthetic import write_dataset

    write_dataset(tmp_path / "signs", train=130, val=40, test=20, seed=3, workers=1)
    assert check_dataset(tmp_path / "signs").findings == ()


@pytest.mark.parametrize("form", ["coco", "yolo"])
def test_the_same_data_in_another_format_has_no_findings_either(tmp_path, form):
    write_clean(tmp_path / "voc")
    convert(tmp_path / "voc", tmp_path / form, to=form)
    report = check_dataset(tmp_path / form)
    assert report.folder.layout.format == form
    assert report.findings == ()
    fixed = fix_dataset(report, tmp_path / "copy")  # as VOC
    assert (fixed.photos, fixed.objects, fixed.changes) == (36, 72, [])
    assert check_dataset(tmp_path / "copy").findings == ()


def test_problems_in_yolo_labels_have_file_and_object(tmp_path):
    write_clean(tmp_path / "voc")
    convert(tmp_path / "voc", tmp_path / "yolo", to="yolo")
    (label,) = (tmp_path / "yolo").rglob("train 07.txt")
    with label.open("a") as file:
        file.write("0 1.5 0.5 0.1 0.1\n9 0.5 0.5 0.1 0.1\n0 95 60 20 20\n0 0.5 0.5 0 0.2\n")
    where = label.relative_to(tmp_path / "yolo").as_posix()
    assert {(f.kind, f.where, f.number) for f in check_dataset(tmp_path / "yolo").findings} == {
        ("box-outside", where, 3),
        ("object-no-name", where, 4),
        ("box-not-a-number", where, 5),
        ("box-empty", where, 6),
    }


def test_a_folder_without_lists_is_fine_and_says_so(tmp_path):
    write_clean(tmp_path)
    for path in (tmp_path / "ImageSets/Main").iterdir():
        path.unlink()
    assert kinds(check_dataset(tmp_path).findings) == ["split-none"]


def test_a_link_out_of_the_folder_is_mentioned(tmp_path):
    write_clean(tmp_path / "data")
    Image.fromarray(pixels("elsewhere")).save(tmp_path / "elsewhere.jpg")
    (tmp_path / "data/JPEGImages/link.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    assert "folder" in kinds(check_dataset(tmp_path / "data").findings)


def test_only_the_photos_of_a_split_are_looked_at(bad):
    report = check_dataset(bad[0], split="val")
    assert set(kinds(report.findings)) == {"class-few"}  # nothing of the other lists
    assert len(report.folder.photos) == 5
    with pytest.raises(UserError, match="no split 'other'"):
        check_dataset(bad[0], split="other")


def assert_records_of_training(root: Path, folder: CheckedFolder) -> None:
    """Photos, boxes and sizes are those of the dataset that training would load."""
    from utils.data.datasets import load_split

    dataset = load_split(root, "all")
    records = {record.image_id: record for record in dataset.records}
    damaged = {photo.image_id for photo in folder.photos if photo.content.error}
    assert {photo.image_id for photo in folder.usable()} == records.keys() - damaged
    for photo in folder.usable():
        own, theirs = photo.record, records[photo.image_id]
        assert (own.image, own.width, own.height) == (theirs.image, theirs.width, theirs.height)
        np.testing.assert_array_equal(own.boxes, theirs.boxes, photo.image_id)
        np.testing.assert_array_equal(own.difficult, theirs.difficult, photo.image_id)


def test_records_are_those_of_training(bad):
    assert_records_of_training(bad[0], bad[2].folder)


def test_boxes_of_turned_photos_are_those_of_training(tmp_path):
    writer = Writer(tmp_path)
    for orientation in range(1, 9):
        for size in ((200, 150), (150, 200)):
            exif = Image.Exif()
            exif[0x0112] = orientation
            image_id = f"{orientation} {size[0]}"
            writer.photo(f"{image_id}.jpg", exif=exif)
            writer.labels(image_id, ("cat", 11, 21, 60, 90), size=size)
    assert_records_of_training(tmp_path, check_dataset(tmp_path).folder)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(st.data())
@settings(deadline=None, max_examples=60)
def test_no_damage_to_a_photo_stops_the_doctor(data):
    form = data.draw(st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF"]))
    buffer = io.BytesIO()
    Image.fromarray(pixels(form, (32, 24))).save(buffer, form)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo"
        path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
        found = look_at(path)
        if not found.error:
            read_image(path)
            assert found.size == image_size(path)


# Boxes


inside = st.tuples(st.floats(0, 120), st.floats(0, 70), st.floats(20, 80), st.floats(20, 80)).map(
    lambda b: ("cat", b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(inside, max_size=6))
def test_ordinary_boxes_inside_the_photo_are_no_matter(objects):
    assert list(check_boxes(a_folder(a_photo("a", *objects)))) == []


@given(st.lists(inside, max_size=8), st.floats(0, 2), st.booleans())
def test_pairs_are_those_that_overlap(objects, shift, other_class):
    first = objects[:1]
    moved = [(("dog" if other_class else "cat"), *(side + shift for side in o[1:])) for o in first]
    photo = a_photo("a", *objects, *moved)
    boxes, names = photo.clipped(), photo.annotation.names
    expected = {
        j + 1
        for j in range(len(boxes))
        for i in range(j)
        if float(iou(boxes[i], boxes[j])) > (SAME if names[i] == names[j] else 0.9)
    }
    assert {finding.number for finding in check_pairs(a_folder(photo))} == expected


def test_of_two_boxes_on_one_object_the_difficult_one_is_the_second():
    box = (10, 10, 60, 60)
    photo = a_photo("a", ("cat", *box), ("cat", *box), ("cat", *box), ("dog", *box))
    difficult = np.array([True, False, True, True])
    photo = replace(photo, annotation=replace(photo.annotation, difficult=difficult))
    found = {(one.kind, one.number, str(one)) for one in check_pairs(a_folder(photo))}
    assert found == {
        ("box-duplicate", 1, "a.xml, object 1: cat is object 2 again (IoU 1.00)"),
        ("box-duplicate", 3, "a.xml, object 3: cat is object 2 again (IoU 1.00)"),
        ("box-two-classes", 4, "a.xml, object 4: dog lies on object 2, cat (IoU 1.00)"),
    }


def pairs_one_by_one(boxes, names):
    """``same_objects``, each box compared with all before it."""
    for second in range(1, len(names)):
        overlap, same = iou(boxes[second], boxes[:second]), names[:second] == names[second]
        found = np.flatnonzero(overlap > np.where(same, SAME, SAME_PLACE))
        if len(found):
            yield int(found[np.argmax(same[found])]), second


def test_pairs_are_those_of_comparing_all():
    rng = np.random.default_rng(0)
    for count in (0, 1, *rng.integers(2, 80, 60)):
        corners = rng.integers(0, 30, (count, 2))
        boxes = np.concatenate([corners, corners + rng.integers(0, 40, (count, 2))], axis=1)
        copied = boxes[rng.integers(0, max(1, count // 3), count)]
        boxes = (copied + rng.normal(0, 0.4, (count, 4)) * rng.integers(0, 2, (count, 1))).astype(
            np.float32
        )
        names = np.array(["cat", "dog", "car"], object)[rng.integers(0, 3, count)]
        assert list(same_objects(boxes, names)) == list(pairs_one_by_one(boxes, names))


def test_pairs_of_very_many_boxes_on_one_place():
    boxes = np.tile(np.float32([10, 10, 60, 60]), (20_000, 1))
    began = time.process_time()
    assert len(list(same_objects(boxes, ["cat"] * len(boxes)))) == len(boxes) - 1
    assert time.process_time() - began < 10  # seconds; comparing all takes 60


@pytest.mark.parametrize(
    ("box", "kind"),
    [
        ((0, 0, 200, 150), "box-whole-photo"),
        ((-1, -1, 100, 100), None),  # counted from 0 instead of 1
        ((-1.5, 0, 100, 100), "box-beyond"),
        ((0, 0, 100, 151.5), "box-beyond"),
        ((200, 0, 260, 100), "box-outside"),
        ((-60, 0, 0, 100), "box-outside"),
        ((0.1, 0.1, 0.9, 0.9), "box-normalised"),
        ((0, 0, 1, 1), "box-tiny"),  # the first pixel
        ((50, 50, 51.4, 90), "box-tiny"),  # 2.9 pixels at 416
        ((50, 50, 51.5, 79), None),  # 3.1 pixels
        ((10, 50, 190, 59), "box-shape"),
        ((10, 50, 189, 59), None),
        ((20, 110, 110, 190), "box-swapped"),
        ((20, 110, 110, 152), "box-beyond"),  # a little beyond is carelessness
    ],
)  # fmt: skip
def test_where_a_box_lies(box, kind):
    found = kinds(check_boxes(a_folder(a_photo("a", ("cat", *box)))))
    assert found == ([kind] if kind else [])


def test_a_box_that_is_wrong_in_many_ways_is_reported_once():
    photo = a_photo("a", ("cat", -50, 20, 900, 21))
    assert kinds(check_boxes(a_folder(photo))) == ["box-beyond"]


# Classes


def test_names_that_are_one_class():
    found = {"stop": 90, "Stop": 2, "give way": 40, "give_way": 3, "bicycle": 50, "bycicle": 2}
    assert {(rare, common) for rare, common, _ in similar_names(found)} == {
        ("Stop", "stop"),
        ("give_way", "give way"),
        ("bycicle", "bicycle"),
    }


def test_only_unambiguous_names_are_renamed():
    assert renames({"Cat": 18, "cat": 90, "CAT": 1, "dogs": 2, "dog": 9}) == {
        "Cat": "cat",
        "CAT": "cat",
    }
    for found in ({"Cat": 3, "cat": 3}, {"Cat": 19, "cat": 90}):
        assert renames(found) == {}
        assert list(similar_names(found))  # but they are mentioned


@pytest.mark.parametrize(
    "found",
    [
        {"speed 30": 90, "speed 50": 3},
        {"woman": 50, "women": 40},  # too many for a slip of the pen
        {"WBC": 370, "RBC": 4000},
        {"left": 50, "right": 3},
        {"car": 400, "cat": 3},
        {"a": 500, "A": 7, "b": 30, "B": 600, "-": 300, "_": 4, "1": 90, "-1": 2},
        {"E-1": 40, "E1": 50},
        {"E-1": 4, "E1": 500},
        {"-10 degrees": 4, "10 degrees": 90},
        {"exit 1 1": 4, "exit 11": 90},
        {"exit 1-1": 4, "exit 11": 90},
        {" ": 1, "-": 90},
    ],
)
def test_names_of_different_classes_stay_apart(found):
    assert renames(found) == {}
    assert list(similar_names(found)) == []


def test_a_misspelt_class_is_reported_once():
    photos = [a_photo(f"{i}", ("cat", 10, 10, 60 + i, 60)) for i in range(25)]
    folder = a_folder(*photos, a_photo("x", ("Cat", 10, 10, 50, 50)))
    assert kinds(check_names(folder)) == ["class-similar-names"]
    assert list(check_classes(folder)) == []


def test_very_unequal_classes():
    many = [a_photo(f"{i}", *[("car", 10, 10, 60, 60)] * 60) for i in range(25)]
    few = [a_photo(f"b {i}", ("bus", 10, 10, 60, 60)) for i in range(25)]
    assert kinds(check_classes(a_folder(*many, *few))) == ["class-imbalance"]


words = st.text("abc", max_size=6)


@given(words, words)
def test_edits_agree_with_the_definition(first, second):
    def slow(a, b):
        if not a or not b:
            return len(a) + len(b)
        cost = min(
            slow(a[:-1], b) + 1, slow(a, b[:-1]) + 1, slow(a[:-1], b[:-1]) + (a[-1] != b[-1])
        )
        if len(a) > 1 and len(b) > 1 and a[-1] == b[-2] and a[-2] == b[-1]:
            cost = min(cost, slow(a[:-2], b[:-2]) + 1)
        return cost

    if len(first) + len(second) <= 9:
        assert next(n for n in range(10) if _within(first, second, n)) == slow(first, second)


def test_very_many_and_very_long_names_take_little_time():
    started = time.process_time()
    names = [f"class {letter}{number}" for letter, number in product("abcdefgh", range(700))]
    names += ["Cat"] + ["cat"] * 9
    folder = a_folder(a_photo("a", *[(name, 10, 10, 60, 60) for name in names]))
    assert kinds(check_names(folder)) == ["class-not-compared", "class-similar-names"]
    list(check_classes(folder))
    alike = {f"{'ab' * 30}{'abc' * 6}{number:b}".translate({48: "x", 49: "y"}): 1 + 9 * (number % 2)
             for number in range(200)}  # fmt: skip
    assert len(list(similar_names(alike))) > 100
    assert list(similar_names({"x" * 20_000: 1, "x" * 20_001: 90})) == []
    assert time.process_time() - started < 5


# Sizes


def test_objects_below_a_cell_and_the_size_that_is_large_enough():
    small = [("fly", x, 20, x + 24, 44) for x in range(0, 1200, 40)]  # 24 of 1280 pixels
    folder = a_folder(a_photo("a", *small, size=(1280, 720)))
    finding = next(check_sizes(measure_sizes(folder)))
    assert finding.kind == "objects-small"
    assert "30 of 30 objects (100%)" in finding.message
    assert "--input-size 448 would leave 0.0%" in finding.message  # 24 × 448 / 1280 = 8.4


def test_objects_that_no_anchor_fits():
    # Sizes spread over all shapes, so that nine anchors cannot reach them all.
    rng = np.random.default_rng(0)
    sides = np.exp(rng.uniform(np.log(4), np.log(600), (200, 2)))
    photos = [
        a_photo(f"{i}", ("cat", 0, 0, *map(float, side)), size=(600, 600))
        for i, side in enumerate(sides)
    ]
    sizes = measure_sizes(a_folder(*photos))
    assert sizes.recall < 0.9
    assert kinds(check_sizes(sizes)) == ["anchors-poor"]


def test_sizes_are_those_of_the_training_photos():
    photos = [a_photo("a", ("cat", 0, 0, 50, 75)), a_photo("b", ("cat", 0, 0, 100, 100))]
    folder = a_folder(*photos, lists={"train": ("a",), "val": ("b",)}, input_size=400)
    np.testing.assert_allclose(measure_sizes(folder).objects, [[100, 150]])


# Copies


@settings(max_examples=60, deadline=None)
@given(lists=st.lists(st.sampled_from(["", "train", "val", "test"]), min_size=1, max_size=9))
def test_a_copy_is_reported_with_the_first_of_its_group_in_another_list(lists):
    ids = [f"p{i}" for i in range(len(lists))]
    in_list = dict(zip(ids, lists, strict=True))
    parts = {
        name: frozenset(one for one in ids if in_list[one] == name)
        for name in ("test", "train", "val")
    }
    expected = []
    for copy in ids[1:]:
        others = [one for one in ids if in_list[one] not in ("", in_list[copy])]
        expected.append((others[0] if others and in_list[copy] else "p0", copy))
    assert list(_pairs(dict.fromkeys(ids[1:], "p0"), parts)) == expected


def test_very_many_copies_of_one_photo_take_no_time():
    ids = [f"{i:05d}" for i in range(20_000)]
    began = time.perf_counter()
    pairs = list(_pairs(dict.fromkeys(ids[1:], ids[0]), {"train": frozenset(ids)}))
    assert time.perf_counter() - began < 2
    assert len(pairs) == 19_999


def test_copies_with_the_same_labels_agree():
    one = a_photo("a", ("cat", 10, 10, 60, 60), ("cat", 100, 10, 150, 60))
    other = a_photo("b", ("cat", 100, 10, 150, 60), ("cat", 10, 10, 60, 50))
    assert agreement(one, other) == pytest.approx(0.8)
    assert agreement(one, a_photo("c", ("cat", 10, 10, 60, 60))) == 0
    assert agreement(a_photo("d"), a_photo("e")) == 1


# The cleaned copy


def copied(tmp_path: Path) -> tuple[CleanedCopy, CheckedFolder]:
    """The cleaned copy of ``data`` in ``copy``: what was done, and the copy as it is read again."""
    done = fix_dataset(check_dataset(tmp_path / "data"), tmp_path / "copy")
    return done, check_dataset(tmp_path / "copy").folder


def tree(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cleaned(bad, tmp_path_factory):
    """The cleaned copy of the bad folder: where it is, what was done, the report on it."""
    root, _, report = bad
    before, out = tree(root), tmp_path_factory.mktemp("cleaned") / "copy"
    fixed = fix_dataset(report, out)
    assert tree(root) == before  # nothing is touched in place
    return out, fixed, check_dataset(out)


def photo_of(report: DoctorReport, image_id: str) -> CheckedPhoto:
    return next(photo for photo in report.folder.photos if photo.image_id == image_id)


def test_the_cleaned_copy_has_none_of_the_repairable_problems(cleaned):
    _, fixed, again = cleaned
    settled = {kind for kind, about in KINDS.items() if about.fix} - {"class-similar-names"}
    assert not settled & set(kinds(again.findings))
    assert fixed.photos == len(again.folder.photos)
    assert fixed.objects == sum(len(photo.boxes) for photo in again.folder.photos)
    names = again.folder.class_counts()
    assert "Cat" not in names
    assert "scotoer" in names  # perhaps a word; only a person can tell
    assert "class 'Cat' renamed 'cat' (1 object)" in fixed.text()
    assert f"{KINDS['class-similar-names'].title}: 2" in fixed.manual_checks  # dogs and scotoer


def test_photos_are_copied_byte_for_byte_under_the_right_suffix(bad, cleaned):
    before, after = tree(bad[0] / "JPEGImages"), tree(cleaned[0] / "JPEGImages")
    assert after.pop("misnamed.png") == before["misnamed.jpg"]
    assert after.items() <= before.items()
    assert len(after) > 100


def test_what_was_sound_stays_as_it_was(tmp_path):
    write_clean(tmp_path / "data")
    report = check_dataset(tmp_path / "data")
    fixed = fix_dataset(report, tmp_path / "copy")
    assert fixed.changes == []
    assert fixed.manual_checks == []
    again = check_dataset(tmp_path / "copy")
    assert again.findings == ()
    assert again.folder.lists == report.folder.lists
    for one, other in zip(report.folder.photos, again.folder.photos, strict=True):
        assert one.image_id == other.image_id
        assert one.annotation.names == other.annotation.names
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_boxes_of_turned_photos_stay_where_they_were(bad, cleaned):
    before, after = (photo_of(report, "upside down") for report in (bad[2], cleaned[2]))
    assert before.orientation_unclear
    assert not after.orientation_unclear
    np.testing.assert_array_equal(before.boxes, after.boxes)


def test_lists_of_the_copy_share_no_photo(cleaned):
    lists = cleaned[2].folder.lists
    assert not set(lists["train"]) & set(lists["test"])
    assert "in two lists" in lists["test"]  # the score stays comparable
    assert "copy across 2" in lists["test"]
    assert "copy across 1" not in lists["train"]


def a_copied_photo(root: Path, **labels: str | bytes) -> Path:
    """A folder of copies of one photo under several names, with those labels."""
    writer = Writer(root)
    for image_id, text in labels.items():
        writer.photo(f"{image_id}.jpg", pixels("the same"), split=None)
        writer.labels(image_id, text=text)
    return root


def test_of_two_copies_the_one_with_more_objects_stays(tmp_path):
    a_copied_photo(tmp_path / "data", a=xml(), b=xml(CAT, DOG), c=xml(CAT))
    fixed, again = copied(tmp_path)
    (photo,) = again.photos
    assert (photo.image_id, photo.annotation.names) == ("b", ("cat", "dog"))
    assert f"{KINDS['copy-labels'].title}: 2" in fixed.manual_checks  # a person may know better


@pytest.mark.parametrize(
    ("lists", "kept"),
    [
        ({"train": "b", "val": "a", "test": "c"}, "c"),
        ({"train": "b", "val": "a"}, "a"),
        ({"train": "c", "other": "b"}, "c"),
    ],
)
def test_of_two_copies_that_of_the_better_list_stays(tmp_path, lists, kept):
    root = a_copied_photo(tmp_path / "data", a=xml(CAT), b=xml(CAT, DOG), c=xml(CAT))
    writer = Writer(root)
    writer.lists = {name: [image_id] for name, image_id in lists.items()}
    writer.write_lists()
    assert [photo.image_id for photo in copied(tmp_path)[1].photos] == [kept]


def test_a_copy_whose_labels_cannot_be_read_does_not_replace_one_that_has_some(tmp_path):
    broken = xml(CAT)[:60]
    a_copied_photo(tmp_path / "data", a=broken, b=xml(CAT))
    fixed, _ = copied(tmp_path)
    assert (fixed.photos, fixed.objects) == (1, 1)


def test_a_copy_whose_labels_are_repaired_counts_like_others(tmp_path):
    a_copied_photo(tmp_path / "data", a=xml(CAT), b=xml(CAT, DOG, filename="cats & dogs.jpg"))
    fixed, _ = copied(tmp_path)
    assert (fixed.photos, fixed.objects) == (1, 2)


def test_swapped_boxes_are_copied_as_they_are(cleaned):
    photo = photo_of(cleaned[2], "swapped")
    np.testing.assert_array_equal(photo.boxes, [[19, 109, 110, 190]])  # beyond a height of 150


def test_trainval_of_the_copy_shares_no_photo_with_test(tmp_path):
    writer = Writer(tmp_path / "data")
    for image_id in "abc":
        writer.pair(image_id, near(image_id, CAT), split=None)
    writer.lists = {"trainval": ["a", "b"], "test": ["b", "c"]}
    writer.write_lists()
    assert copied(tmp_path)[1].lists == {"trainval": ("a",), "test": ("b", "c")}


def test_lists_of_other_usual_names_share_no_photo_with_test_either(tmp_path):
    writer = Writer(tmp_path / "data")
    for image_id in "abcdef":
        writer.pair(image_id, near(image_id, CAT), split=None)
    writer.lists = {"train2017": ["a", "b", "c"], "valid": ["c", "d"], "test": ["b", "e"]}
    writer.lists["night"] = ["a", "b", "f"]  # no part: it may share photos with all
    writer.write_lists()
    fixed, again = copied(tmp_path)
    assert again.lists == {
        "train2017": ("a",), "train": ("a",), "valid": ("c", "d"), "val": ("c", "d"),
        "test": ("b", "e"), "night": ("a", "b", "f"),
    }  # fmt: skip
    assert "2 photos in two lists kept in one" in fixed.changes


def test_the_name_of_a_list_leads_to_no_other_folder(tmp_path):
    data = tmp_path / "data"
    for name in "abc":
        writer = Writer(data)
        writer.photo(f"{name}.jpg", pixels(name), split=None)
        (data / "labels").mkdir(exist_ok=True)
        (data / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (data / "JPEGImages").rename(data / "images")
    (data / "some.txt").write_text("images/a.jpg\nimages/b.jpg\n")
    lists = "train: images\n../../../../outside: some.txt\n"
    (data / "data.yaml").write_text(f"{lists}nc: 1\nnames: [cat]\n")
    fixed, again = copied(tmp_path)
    assert not list(tmp_path.rglob("outside.txt"))
    (renamed,) = again.lists.keys() - {"train"}
    assert again.lists[renamed] == ("a", "b")
    assert f"list '../../../../outside' renamed {renamed!r}" in fixed.changes


@pytest.mark.parametrize("upright", [True, False])
def test_labels_that_do_not_say_are_taken_as_in_the_rest_of_the_folder(tmp_path, upright):
    writer = Writer(tmp_path / "data")
    for image_id, orientation in (("on its side", 6), ("upside down", 3), ("repaired", 3)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        writer.photo(f"{image_id}.jpg", exif=exif)
    writer.labels("on its side", CAT, size=(150, 200) if upright else (200, 150))
    writer.labels("upside down", CAT)
    writer.labels("repaired", CAT, filename="a & b.jpg")
    report = check_dataset(tmp_path / "data")
    fix_dataset(report, tmp_path / "copy")
    as_drawn, turned = [[20, 30, 90, 100]], [[110, 50, 180, 120]]  # 200 − x, 150 − y
    for found in (report, check_dataset(tmp_path / "copy")):
        boxes = {photo.image_id: photo.boxes for photo in found.folder.usable()}
        for image_id in boxes.keys() - {"on its side"}:
            np.testing.assert_array_equal(
                boxes[image_id], as_drawn if upright else turned, image_id
            )
    assert boxes.keys() == {"on its side", "upside down", "repaired"}


def test_the_order_of_the_classes_is_kept_and_said(tmp_path):
    from utils.data.classes import read_classes

    names = ("zebra", "ant", "bee")
    folder = tmp_path / "data"
    folder.mkdir()
    images, objects = [], []
    for i in range(4):
        Image.fromarray(pixels(f"{i}")).save(folder / f"{i}.jpg")
        images.append({"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 150})
        box = [20 + i, 30, 70, 70]
        objects.append({"id": i, "image_id": i, "category_id": 1 + i % 2, "bbox": box})
    categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
    (folder / "instances.json").write_text(
        json.dumps({"images": images, "annotations": objects, "categories": categories})
    )
    fixed = fix_dataset(check_dataset(folder), tmp_path / "copy")
    assert tuple(read_classes(tmp_path / "copy/classes.txt")) == names
    assert any("classes.txt" in line and "--classes" in line for line in fixed.changes)


def test_photos_whose_names_lists_cannot_hold_stay_in_their_list(tmp_path):
    folder = tmp_path / "data"
    writer = Writer(folder)
    for image_id in ("a", "v1.png", "v1_png"):
        writer.pair(image_id, near(image_id, CAT), split=None)
    writer.lists = {"train": ["a", "v1.png.jpg", "v1_png"]}
    writer.write_lists()
    report = check_dataset(folder)
    assert report.folder.lists == {"train": ("a", "v1.png", "v1_png")}
    fixed = fix_dataset(report, tmp_path / "copy")
    again = check_dataset(tmp_path / "copy").folder
    assert again.lists == {"train": ("a", "v1_png_2", "v1_png")}
    assert len(again.photos) == 3
    assert any("'v1.png' to 'v1_png_2'" in line for line in fixed.changes)


def test_a_copy_is_whole_or_absent(bad, tmp_path, monkeypatch):
    import utils.data.doctor.fix as module

    def fails(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(module, "write_voc_list", fails)
    with pytest.raises(OSError, match="disk full"):
        fix_dataset(bad[2], tmp_path / "clean")
    assert list(tmp_path.iterdir()) == []


def test_the_copy_goes_to_a_new_folder_outside(bad, tmp_path):
    root, _, report = bad
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        fix_dataset(report, tmp_path / "used")
    with pytest.raises(UserError, match="inside the dataset"):
        fix_dataset(report, root / "clean")
    assert (tmp_path / "used/file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert fix_dataset(report, tmp_path / "empty").photos


def test_photos_of_one_name_in_two_folders_both_stay(tmp_path):
    for part in ("train", "val"):
        for image_id in ("a", "b"):
            folder = tmp_path / "data" / part
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels(part + image_id)).save(folder / f"{image_id}.jpg")
            (folder / f"{image_id}.xml").write_text(xml(near(part + image_id, CAT)))
    fixed, again = copied(tmp_path)
    assert fixed.photos == 4
    assert again.lists == {"train": ("train_a", "train_b"), "val": ("val_a", "val_b")}


def test_a_devkit_becomes_one_folder_with_joined_lists(tmp_path):
    for year in ("2007", "2012"):
        writer = Writer(tmp_path / "devkit" / f"VOC{year}")
        for i, split in enumerate(("train", "val", "test")):
            name = year + split
            writer.photo(f"{i}.jpg", pixels(name), split=split)
            writer.labels(f"{i}", near(name, CAT))
        writer.lists["trainval"] = writer.lists["train"] + writer.lists["val"]
        writer.write_lists()
    report = check_dataset(tmp_path / "devkit")
    assert set(kinds(report.findings)) == {"class-few"}
    fix_dataset(report, tmp_path / "copy")
    lists = check_dataset(tmp_path / "copy").folder.lists
    assert lists["trainval"] == ("2007_0", "2007_1", "2012_0", "2012_1")
    assert lists["test"] == ("2007_2", "2012_2")
    some = check_dataset(tmp_path / "devkit", split="2007:trainval,2012:test")
    assert [photo.image_id for photo in some.folder.photos] == ["2007/0", "2007/1", "2012/2"]


@pytest.mark.parametrize(
    "text",
    [
        xml(CAT, filename="cats & dogs.jpg").encode(),
        b"\n\xef\xbb\xbf <?xml version='1.0'?>" + xml(CAT).encode(),
        xml(CAT).replace("cat", "chat à Noël").encode("cp1252"),
        b"<?xml version='1.0' encoding='utf-8'?>" + xml(CAT, filename="é.jpg").encode("cp1252"),
        b"<?xml version='1.0' encoding='no-such'?>" + xml(CAT).encode(),
    ],
)  # fmt: skip
def test_plain_damage_is_repaired_labels(tmp_path, text):
    (tmp_path / "a.xml").write_bytes(text)
    found = repaired_labels(tmp_path / "a.xml", "a.xml")
    assert found.labels.names in (("cat",), ("chat à Noël",))
    assert found.guessed == tuple(name for name in found.labels.names if name != "cat")
    np.testing.assert_array_equal(found.labels.boxes, [[20, 30, 90, 100]])


@pytest.mark.parametrize("declared", ["", "utf-8", "latin-1", "own", "no-such"])
@pytest.mark.parametrize(
    ("name", "encoding"),
    [("猫", "gbk"), ("小狗", "gbk"), ("狗 dog", "gb2312"), ("貓", "big5"), ("ネコ", "shift_jis"),
     ("犬", "shift_jis"), ("高速公路", "big5"), ("猫", "euc-jp"), ("고양이", "euc-kr")],
)  # fmt: skip
def test_other_alphabets_do_not_become_western_letters(tmp_path, name, encoding, declared):
    declared = encoding if declared == "own" else declared
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    text = head + xml(("CLASS", *CAT[1:]), filename="FILE & FILE")
    data = text.encode().replace(b"CLASS", name.encode(encoding))
    (tmp_path / "a.xml").write_bytes(data)
    found = repaired_labels(tmp_path / "a.xml", "a.xml")
    honest = [(name,)]
    if declared in ("", "utf-8", "latin-1"):  # as any reader reads it: not repaired
        with contextlib.suppress(ValueError):
            honest.append(parse_annotation(data.replace(b" & ", b" ")).names)
    assert found is None or found.labels.names in honest


def test_a_file_that_says_another_encoding_is_not_taken_for_western(tmp_path):
    text = '<?xml version="1.0" encoding="utf-8"?>' + xml(("chêne", *CAT[1:]))
    (tmp_path / "a.xml").write_bytes(text.encode("cp1252"))  # might be Greek, Russian, Turkish
    assert repaired_labels(tmp_path / "a.xml", "a.xml") is None


def test_too_many_objects_are_no_damage_that_can_be_repaired(tmp_path, monkeypatch):
    (tmp_path / "a.xml").write_text(xml(CAT, DOG))
    assert repaired_labels(tmp_path / "a.xml", "a.xml") is not None
    monkeypatch.setattr("utils.data.doctor.repair.MAX_OBJECTS", 1)
    assert repaired_labels(tmp_path / "a.xml", "a.xml") is None


def test_a_guessed_encoding_is_left_for_a_person_to_settle(tmp_path):
    writer = Writer(tmp_path / "data")
    for i in range(3):
        text = xml(("chêne", *near(f"{i}", CAT)[1:])).encode("cp1252")
        writer.pair(f"{i}", text=text)
    fixed, again = copied(tmp_path)
    assert any(line.startswith("3 label files ") for line in fixed.changes)
    assert any("'chêne'" in line and "3 label files" in line for line in fixed.manual_checks)
    assert set(again.class_counts()) == {"chêne"}


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_other_damage_is_left_alone(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.xml"
        path.write_bytes(data)
        assert repaired_labels(path, "a.xml") is None
    half = xml(CAT, DOG).encode()
    cut = data[:1] and half[: len(half) * data[0] // 256]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.xml"
        path.write_bytes(cut)
        assert repaired_labels(path, "a.xml") is None


def test_entities_are_never_repaired_labels(tmp_path):
    text = '<!DOCTYPE a [<!ENTITY b "cat">]>' + xml(f"<name>&b;</name>{bndbox(1, 1, 9, 9)}")
    (tmp_path / "a.xml").write_text(text)
    assert repaired_labels(tmp_path / "a.xml", "a.xml") is None


# The command


def test_the_command_reports_writes_the_page_and_the_copy(bad, tmp_path, capsys):
    arguments = [str(bad[0]), "--out", str(tmp_path / "out"), "--fix", str(tmp_path / "copy")]
    assert run(main, arguments) == 0
    text = capsys.readouterr().out
    assert "19 errors" in text
    assert "Cleaned copy" in text
    assert (tmp_path / "out/doctor.html").stat().st_size > 10_000
    assert (tmp_path / "copy/ImageSets/Main/train.txt").is_file()


def test_the_page_goes_to_runs_by_default(tmp_path, monkeypatch, capsys):
    write_clean(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    assert run(main, ["photos"]) == 0
    assert Path("runs/doctor/photos/doctor.html").is_file()
    assert "runs/doctor/photos/doctor.html" in capsys.readouterr().out


def test_unusable_input_is_an_error_in_a_sentence(tmp_path, capsys):
    assert run(main, [str(tmp_path / "nowhere")]) == USAGE_ERROR
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(main, [str(tmp_path / "empty")]) == USAGE_ERROR
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    write_clean(tmp_path / "data")
    assert run(main, [str(tmp_path / "data"), "--fix", str(tmp_path / "full")]) == USAGE_ERROR
    out, err = capsys.readouterr()
    assert out == ""  # refused before the photos are read
    assert "is not empty" in err


def test_a_folder_of_which_nothing_can_be_read_fails_after_the_report(tmp_path, capsys):
    writer = Writer(tmp_path / "photos")
    for image_id in "ab":
        writer.pair(image_id, CAT)
        writer.image(f"{image_id}.jpg").write_bytes(b"")
    assert run(main, [str(tmp_path / "photos"), "--out", str(tmp_path / "out")]) == USAGE_ERROR
    out, err = capsys.readouterr()
    assert "Empty photo files (2)" in out
    assert re.search("photos: 2 photos, .* no photo can be read", err)
    assert (tmp_path / "out/doctor.html").is_file()
    Image.fromarray(pixels("a")).save(writer.image("a.jpg"))  # one is enough
    assert run(main, [str(tmp_path / "photos"), "--out", str(tmp_path / "out")]) == 0


def test_labels_of_which_none_can_be_read_fail_unless_they_are_repaired_labels(tmp_path, capsys):
    writer = Writer(tmp_path / "data")
    for image_id in "ab":
        writer.pair(image_id, CAT, filename="cats & dogs.jpg")
    arguments = [str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert run(main, arguments) == USAGE_ERROR
    assert re.search("data: 2 photos, .* no label file can be read", capsys.readouterr().err)
    assert run(main, [*arguments, "--fix", str(tmp_path / "copy")]) == 0


def test_sizes_are_judged_where_training_would_train(tmp_path, capsys):
    from utils.data.datasets import load_datasets
    from utils.data.input_size import input_size_for_objects

    writer = Writer(tmp_path / "data")
    for i in range(12):
        writer.photo(f"{i}.png", pixels(f"{i}", (700, 500)))
        # Reaches beyond the photo, as boxes do: what counts is what is trained on.
        writer.labels(f"{i}", ("fly", 676, 21 + i, 750, 60 + i), size=(700, 500))
    for i in range(14):  # which the choice must not look at
        writer.pair(f"large {i}", ("fly", 1, 1, 190 - i, 140), split="val")
    writer.write_lists()
    train, *_ = load_datasets(tmp_path / "data", split="train", val_split="val")
    size, note = input_size_for_objects(train)
    assert size != 416
    report = check_dataset(tmp_path / "data")
    assert report.folder.input_size == size
    assert note in " ".join(report.text().split())
    assert check_dataset(tmp_path / "data", input_size=608).folder.input_size == 608
    for text in ("-32", "0", "1", "99999999", "big"):
        size = ["--input-size", text]
        assert run(main, [str(tmp_path / "data"), *size]) == USAGE_ERROR
        assert run(train_main, ["--data", str(tmp_path / "data"), "--check", *size]) == USAGE_ERROR
        for error in capsys.readouterr().err.split("error: ")[1:]:
            assert error.startswith("--input-size") or "argument --input-size" in error
    out = ["--out", str(tmp_path / "out")]
    assert run(main, [str(tmp_path / "data"), *out, "--input-size", "608"]) == 0
    assert "--input-size 608" in capsys.readouterr().out


def test_the_check_of_training_looks_at_a_split_and_names_what_it_does_not_use(tmp_path, capsys):
    writer = Writer(tmp_path / "data")
    for image_id in "abcd":
        writer.pair(image_id, near(image_id, CAT), split=None)
    writer.lists = {"train": ["a", "b", "c"], "val": ["d"]}
    writer.write_lists()
    check = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--check"]
    assert run(train_main, [*check, "--split", "val", "--classes", "no such", "--tile", "64"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("--classes, --tile: not used, because --check looks at photos and lab")
    assert "1 photo, 1 object" in told
    assert run(train_main, [*check, "--split", "nonsense"]) == USAGE_ERROR
    assert "there is no split 'nonsense'" in capsys.readouterr().err
    for other in ("resume", "preview"):
        assert run(train_main, [*check, f"--{other}"]) == USAGE_ERROR
        assert f"--check and --{other} are two tasks" in capsys.readouterr().err
    assert run(train_main, check) == 0
    assert "4 photos, 4 objects" in capsys.readouterr().out


def test_labels_without_any_object_can_be_checked(tmp_path):
    writer = Writer(tmp_path)
    writer.pair("a")
    report = check_dataset(tmp_path)
    assert report.sizes is None
    assert report.headline().startswith("1 photo, 0 objects, 0 classes")
    fixed = fix_dataset(report, tmp_path.parent / "nothing in it")
    assert (fixed.photos, fixed.objects) == (1, 0)


def test_of_an_object_labelled_twice_the_copy_has_the_one_that_counts(tmp_path):
    writer = Writer(tmp_path / "data")
    writer.photo("a.jpg")
    path = tmp_path / "data/Annotations/a.xml"
    boxes = [[10, 20, 99, 80], [10, 20, 99, 81]]
    write_voc_annotation(path, "a.jpg", 200, 150, boxes, ["cat", "cat"], [True, False])
    (photo,) = copied(tmp_path)[1].photos
    np.testing.assert_array_equal(photo.boxes, boxes[1:])
    assert photo.annotation.difficult.tolist() == [False]


def test_an_object_under_two_spellings_of_its_class_is_once_in_the_copy(tmp_path):
    writer = Writer(tmp_path / "data")
    for image_id in "abcdefgh":
        objects = [near(image_id, CAT)]
        if image_id == "a":  # another spelling on the same object
            objects.append(("Cat", *objects[0][1:]))
        writer.pair(image_id, *objects, split=None)
    fixed, _ = copied(tmp_path)
    assert "class 'Cat' renamed 'cat' (1 object)" not in fixed.changes  # it is left out
    assert "1 object left out: labelled twice" in fixed.changes
    assert not any(KINDS["box-two-classes"].title in line for line in fixed.manual_checks)
    again = check_dataset(tmp_path / "copy").by_kind()
    assert not {"box-duplicate", "box-two-classes", "class-similar-names"} & again.keys()


def test_a_fractional_box_survives_the_copy(tmp_path):
    writer = Writer(tmp_path / "data")
    writer.photo("a.jpg")
    path = tmp_path / "data/Annotations/a.xml"
    write_voc_annotation(path, "a.jpg", 200, 150, [[10.25, 20.5, 99.125, 80]], ["cat"], [True])
    (photo,) = copied(tmp_path)[1].photos
    np.testing.assert_array_equal(photo.boxes, [[10.25, 20.5, 99.125, 80]])
    assert photo.annotation.difficult.tolist() == [True]


# What the report says of sizes, and boxes that come again


def test_percentiles_of_sizes_are_named():
    boxes = [("cat", 0, 0, side, side) for side in range(10, 110, 10)]
    text = measure_sizes(a_folder(a_photo("one", *boxes, size=(416, 416)))).text()
    assert "half of the 10 training objects are smaller than 50 pixels" in text
    assert "One in ten is smaller than 20, one in ten larger than 90." in text


def repeated(count: int, *more: CheckedPhoto, **folder) -> list[str]:
    photos = [a_photo(str(number), ("cat", 10, 20, 30, 40)) for number in range(count)]
    return kinds(check_repeated(a_folder(*photos, *more, **folder)))


def test_the_same_box_in_many_photos_is_told_once():
    assert repeated(REPEATED) == ["box-repeated"]
    assert not repeated(REPEATED - 1)
    few = 1 + int(REPEATED / REPEATED_SHARE)
    assert not repeated(REPEATED, *(a_photo(f"other {number}") for number in range(few)))


def test_copies_of_a_photo_do_not_repeat_its_boxes():
    copies = {str(number): "0" for number in range(1, REPEATED)}
    assert not repeated(REPEATED, duplicates=Duplicates({}, copies))


def test_the_page_never_lies_in_the_cleaned_copy(tmp_path):
    write_clean(tmp_path / "data")
    for out in ("clean", "clean/report"):
        with pytest.raises(UserError, match=r"--out .*clean.*--fix .*clean.*two folders"):
            run_doctor(tmp_path / "data", out=tmp_path / out, fix=tmp_path / "clean")
    assert not (tmp_path / "clean").exists()
    run_doctor(tmp_path / "data", out=tmp_path / "report", fix=tmp_path / "clean")
    assert (tmp_path / "report" / "doctor.html").is_file()
