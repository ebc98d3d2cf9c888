"""Any format goes to any other and back, and nothing but its rounding is lost on the way."""

import contextlib
import io
import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from tests.label_folders import coco_image, coco_json, coco_object, photo
from utils.cli import run
from utils.commands import convert as command
from utils.data.conversion import convert, write_folder
from utils.data.datasets import load_split
from utils.data.formats import find_layout
from utils.data.formats.naming import IMAGE_FOLDERS
from utils.data.output_names import list_names, output_names
from utils.data.records import Record
from utils.errors import UserError
from utils.label_files.coco import short_xywh
from utils.label_files.voc import write_voc_annotation, write_voc_list

FORMATS = ("voc", "coco", "yolo")
PAIRS = list(itertools.product(FORMATS, FORMATS))
CLASSES = ("zebra", "Übung ⛔", "a cat")
SIZES = [(40, 30), (9999, 7), (3, 5000), (1, 1)]  # of the photos that the random boxes lie in


def record(image_id, image, boxes=(), ids=None, difficult=None, size=(40, 30)):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Record(
        image_id=image_id,
        image=Path(image),
        width=size[0],
        height=size[1],
        boxes=boxes,
        class_ids=np.array(ids if ids is not None else [0] * len(boxes), np.int32),
        difficult=np.array(difficult if difficult is not None else [False] * len(boxes), bool),
    )


def rows(found, classes, *, difficult=True):
    """The objects of a record, by name, in order."""
    return [
        (classes[i], box.tolist(), bool(flag))
        for i, box, flag in zip(found.class_ids, found.boxes, found.difficult, strict=True)
        if difficult or not flag
    ]


def everything(folder):
    """Image id → record, and the class names."""
    dataset = load_split(folder, "all")
    return {found.image_id: found for found in dataset.records}, dataset.classes


def same(before, after, *, exact=True, difficult=True):
    """Both folders have the same photos and labels."""
    (old, old_classes), (new, new_classes) = everything(before), everything(after)
    assert list(old) == list(new)
    for image_id, was in old.items():
        now = new[image_id]
        assert (was.width, was.height) == (now.width, now.height)
        assert was.image.read_bytes() == now.image.read_bytes()
        assert was.image.suffix == now.image.suffix
        ours = rows(was, old_classes, difficult=difficult)
        theirs = rows(now, new_classes)
        assert [(name, flag) for name, _, flag in ours] == [(name, f) for name, _, f in theirs]
        a = np.array([box for _, box, _ in ours], np.float32).reshape(-1, 4)
        b = np.array([box for _, box, _ in theirs], np.float32).reshape(-1, 4)
        if exact:  # but for sides below a millionth of a millionth of a pixel, which VOC adds 1 to
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
        else:
            step = np.spacing(np.float32(max(was.width, was.height)))
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 + step / 2)


# There and back

SPAN = st.tuples(st.floats(0, 0.99), st.floats(0.001, 1))


@st.composite
def boxes_in(draw, size):
    """A box of some area inside a photo, on whole pixels, fractions or the edge."""
    sides = []
    for side in size:
        low, share = draw(SPAN)
        low = np.float32(low * side)
        high = np.float32(low + (side - low) * share)
        if draw(st.booleans()):
            low, high = np.floor(low), np.ceil(high)
        sides.append((low, min(high, np.float32(side))))
    (x0, x1), (y0, y1) = sides
    return [x0, y0, x1, y1]


@st.composite
def objects_in(draw, size):
    return draw(st.lists(st.tuples(st.integers(0, 2), boxes_in(size), st.booleans()), max_size=4))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    return [photo(folder / f"{i}.png", size) for i, size in enumerate(SIZES)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_there_and_back(tmp_path, photos, first, second, data):
    found = [data.draw(objects_in(size), label=str(size)) for size in SIZES]
    # Each class once at least, and something to read whatever is left out.
    found[0] = [*found[0], *((i, [1, 2, 3.5, 4], False) for i in range(3))]
    records = [
        record(f"photo {i}", path, [o[1] for o in objects], [o[0] for o in objects],
               [o[2] for o in objects], size)
        for i, (path, objects, size) in enumerate(zip(photos, found, SIZES, strict=True))
    ]  # fmt: skip
    for name in ("a", "b", "c", "d"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    # Here with the given labels as the truth; from then on with what was read.
    write_folder(tmp_path / "a", first, records, CLASSES, {"train": [r.image_id for r in records]})
    new, classes = everything(tmp_path / "a")
    assert [found.image_id for found in records] == list(new)
    for was in records:
        ours = rows(was, CLASSES, difficult=first != "yolo")
        theirs = rows(new[was.image_id], classes)
        assert [o[::2] for o in ours] == [o[::2] for o in theirs]
        step = np.spacing(np.float32(max(was.width, was.height)))
        np.testing.assert_allclose(
            np.array([o[1] for o in theirs]).reshape(-1, 4),
            np.array([o[1] for o in ours]).reshape(-1, 4),
            rtol=0,
            atol=1e-12 if first != "yolo" else 1e-6 + step / 2,
        )
    convert(tmp_path / "a", tmp_path / "b", to=second)
    same(tmp_path / "a", tmp_path / "b", exact=second != "yolo", difficult=second != "yolo")
    convert(tmp_path / "b", tmp_path / "c", to=first)
    same(tmp_path / "b", tmp_path / "c", exact=first != "yolo")


@settings(max_examples=300, deadline=None)
@given(data=st.data(), size=st.sampled_from(SIZES))
@example(data=None, size=(40, 30))
def test_short_numbers_give_the_same_float32(data, size):
    box = [0.1, 0.2, 20.3, 29.999998] if data is None else data.draw(boxes_in(size))
    x, y, width, height = short_xywh(np.array(box, np.float32))
    again = np.array([x, y, x + width, y + height], np.float64).astype(np.float32)
    np.testing.assert_array_equal(again, np.array(box, np.float32))


def test_numbers_are_as_short_as_can_be():
    assert short_xywh(np.array([1, 2.5, 20.3, 7], np.float32)) == [1, 2.5, 19.3, 4.5]


# A folder to convert


def source(folder, *, lists=True):
    """A VOC folder with what is hard to keep."""
    names = ["a 1", "写真/ü", "写真/x", "other/x", "nothing", "alone.v2"]
    for i, name in enumerate(names):
        suffix = (".jpg", ".JPG", ".png")[i % 3]
        photo(folder / "JPEGImages" / (name + suffix))
        objects = [] if name == "nothing" else [[1, 2, 30, 20.25], [0, 0, 40, 30]]
        write_voc_annotation(
            folder / "Annotations" / f"{name}.xml", "x.jpg", 40, 30, objects,
            ["dog", "Übung ⛔"][: len(objects)], [False, i == 1][: len(objects)],
        )  # fmt: skip
    if lists:
        write_voc_list(folder, "train", ["写真/x", "a 1", "写真/ü"])
        write_voc_list(folder, "val", ["other/x"])
        write_voc_list(folder, "trainval", ["写真/x", "a 1", "写真/ü", "other/x"])
        write_voc_list(folder, "dark", ["a 1", "nothing"])
    return folder


@pytest.mark.parametrize("to", FORMATS)
def test_lists_names_and_letters_survive(tmp_path, to):
    data = source(tmp_path / "мои данные")
    report = convert(data, tmp_path / "out put", to=to)
    same(data, tmp_path / "out put", exact=to != "yolo", difficult=to != "yolo")
    old, new = find_layout(data), find_layout(tmp_path / "out put")
    assert new.format == to
    assert new.lists.keys() == old.lists.keys()
    for name, found in old.lists.items():
        assert set(new.lists[name].image_ids) == set(found.image_ids)
    assert report.lists == {"train": 3, "val": 1, "dark": 2, "trainval": 4}
    assert report.photos == 6
    assert report.objects == (9 if to == "yolo" else 10)
    # Back once more, from whatever it is now.
    convert(tmp_path / "out put", tmp_path / "back", to="voc")
    same(tmp_path / "out put", tmp_path / "back")
    back = find_layout(tmp_path / "back")
    assert {n: set(f.image_ids) for n, f in back.lists.items()} == {
        n: set(f.image_ids) for n, f in old.lists.items()
    }


@pytest.mark.parametrize(("to", "kept"), [("voc", False), ("coco", True), ("yolo", True)])
def test_class_order(tmp_path, to, kept):
    image = photo(tmp_path / "p.jpg")
    records = [record("p", image, [[1, 1, 9, 9]] * 2, [0, 1])]
    write_folder(tmp_path / "a", "coco", records, ("zebra", "ant", "yak"), {})
    report = convert(tmp_path / "a", tmp_path / "b", to=to)
    order = load_split(tmp_path / "b", "all").classes
    assert order == (("zebra", "ant", "yak") if kept else ("ant", "zebra"))
    if not kept:
        assert "classes.txt" in report.lost[0]
        assert (tmp_path / "b" / "classes.txt").read_text() == "zebra\nant\nyak\n"


def test_yolo_says_what_it_cannot_keep(tmp_path, capsys):
    data, out = source(tmp_path / "in"), tmp_path / "out"
    assert run(command.main, [str(data), "--to", "yolo", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "1 object is marked difficult" in printed
    for part in (
        str(out),
        "6 photos, 9 objects",
        "dog and Übung ⛔",
        "3 train, 1 val, 2 dark, 4 trainval",
    ):
        assert part in printed.splitlines()[-1]
    assert len(list((out / "labels").rglob("*.txt"))) == 6
    content = yaml.safe_load((out / "data.yaml").read_text(encoding="utf-8"))
    assert content["names"] == {0: "dog", 1: "Übung ⛔"}
    assert content["train"] == "images/train"
    assert content["trainval"] == ["images/train", "images/val"]
    assert content["dark"] == "dark.txt"


def test_names_that_are_too_long_for_a_yaml_can_be_read_again(tmp_path, monkeypatch):
    data = source(tmp_path / "in")
    convert(data, tmp_path / "usual", to="yolo")
    size = (tmp_path / "usual" / "data.yaml").stat().st_size
    monkeypatch.setattr("utils.data.formats.yolo_yaml.MAX_BYTES", size - 1)
    report = convert(data, tmp_path / "out", to="yolo")
    assert any("too long for data.yaml; they are in classes.txt" in note for note in report.lost)
    same(data, tmp_path / "out", exact=False, difficult=False)
    assert find_layout(tmp_path / "out").lists.keys() == report.lists.keys()


def test_yolo_files_by_hand(tmp_path):
    image = photo(tmp_path / "p.jpg", (40, 30))
    records = [record("p", image, [[10, 0, 30, 15], [0, 0, 40, 30]], [1, 0])]
    write_folder(tmp_path / "a", "yolo", records, ("x", "y"), {"val": ["p"]})
    assert (tmp_path / "a/labels/val/p.txt").read_text() == "1 0.5 0.25 0.5 0.5\n0 0.5 0.5 1 1\n"
    assert (tmp_path / "a/images/val/p.jpg").read_bytes() == image.read_bytes()


def test_areas_of_outlines_go_from_coco_to_coco(tmp_path):
    photo(tmp_path / "in/a.png")
    objects = [
        coco_object(1, (2, 3, 10, 8), area=40.3),
        coco_object(1, (20, 3, 10.5, 8)),  # none is given: that of the box
        coco_object(1, (2, 20, 10, 4), area="large"),
    ]
    coco_json(tmp_path / "in/instances.json", [coco_image(1, "a.png")], objects)
    convert(tmp_path / "in", tmp_path / "out", to="coco")
    with contextlib.redirect_stdout(io.StringIO()):
        written = COCO(str(tmp_path / "out/annotations/instances.json"))
    assert [item["area"] for item in written.dataset["annotations"]] == [40.3, 84, 40]


def test_coco_files_as_pycocotools_reads_them(tmp_path):
    data = source(tmp_path / "in")
    convert(data, tmp_path / "out", to="coco")
    files = sorted(path.name for path in (tmp_path / "out/annotations").iterdir())
    lists = ("dark", "train", "trainval", "unlisted", "val")
    assert files == [f"instances_{name}.json" for name in lists]
    old, classes = everything(data)
    ids = {}
    for name in files:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(tmp_path / "out/annotations" / name))
        for key, image in truth.imgs.items():
            assert (tmp_path / "out/images" / image["file_name"]).is_file()
            assert ids.setdefault(image["file_name"], key) == key
            image_id = image["file_name"].rsplit(".", 1)[0]
            was = old.get(image_id) or old[image_id.rsplit("/", 1)[-1]]
            things = truth.loadAnns(truth.getAnnIds(imgIds=[key]))
            assert [truth.cats[t["category_id"]]["name"] for t in things] == [
                classes[i] for i in was.class_ids
            ]
            assert [bool(t["iscrowd"]) for t in things] == was.difficult.tolist()
            corners = [[x, y, x + w, y + h] for x, y, w, h in (t["bbox"] for t in things)]
            np.testing.assert_array_equal(np.float32(corners).reshape(-1, 4), was.boxes)
    assert len(ids) == 6


@pytest.mark.parametrize("to", FORMATS)
def test_photos_of_no_list_stay(tmp_path, to):
    data = source(tmp_path / "in")
    for name in ("dark", "trainval"):
        (data / "ImageSets" / "Main" / f"{name}.txt").unlink()
    convert(data, tmp_path / "out", to=to)
    same(data, tmp_path / "out", exact=to != "yolo", difficult=to != "yolo")
    lists = find_layout(tmp_path / "out").lists
    assert len(lists["train"].image_ids) == 3
    assert len(lists["val"].image_ids) == 1


@pytest.mark.parametrize("to", FORMATS)
def test_a_devkit_keeps_its_years(tmp_path, to):
    for year in ("2007", "2012"):
        folder = tmp_path / "devkit" / f"VOC{year}"
        for name in (f"{year}_1", "same"):
            photo(folder / "JPEGImages" / f"{name}.jpg")
            write_voc_annotation(
                folder / "Annotations" / f"{name}.xml", "x.jpg", 40, 30, [[1, 1, 9, 9]], [year]
            )
        write_voc_list(folder, "train", [f"{year}_1"])
        write_voc_list(folder, "val", ["same"])
    convert(tmp_path / "devkit", tmp_path / "out", to=to)
    same(tmp_path / "devkit", tmp_path / "out", exact=to != "yolo")
    lists = find_layout(tmp_path / "out").lists
    assert set(lists["val"].image_ids) == {"2007/same", "2012/same"}
    assert set(lists["train"].image_ids) == {"2007_1", "2012_1"}
    assert lists["2012_val"].image_ids == ("2012/same",)


@pytest.mark.parametrize("to", FORMATS)
def test_no_lists_stay_no_lists(tmp_path, to):
    data = source(tmp_path / "in", lists=False)
    report = convert(data, tmp_path / "out", to=to)
    assert report.lists == {}
    assert find_layout(tmp_path / "out").lists == {}
    same(data, tmp_path / "out", exact=to != "yolo", difficult=to != "yolo")


def test_lists_that_are_no_splits_are_not_called_missing(tmp_path):
    data = source(tmp_path / "in", lists=False)
    (some, *_) = (found.image_id for found in load_split(data, "all").records)
    write_voc_list(data, "night", [some])
    (lost,) = convert(data, tmp_path / "out", to="yolo").lost[-1:]
    assert lost.startswith("data.yaml names no train and val, as no list is called so (night)")
    (lost,) = convert(source(tmp_path / "none", lists=False), tmp_path / "x", to="yolo").lost[-1:]
    assert lost.endswith("as there are no lists; --divide makes some")


@pytest.mark.parametrize("to", FORMATS)
def test_divide(tmp_path, to):
    data = source(tmp_path / "in", lists=False)
    for name in ("x", "y"):
        convert(data, tmp_path / name, to=to, divide=True, seed=3)
    parts = {
        name: {found.image_id for found in load_split(data, name, seed=3).records}
        for name in ("train", "val", "test")
    }
    for out in ("x", "y"):
        lists = find_layout(tmp_path / out).lists
        assert {name: set(found.image_ids) for name, found in lists.items()} == parts
    with pytest.raises(UserError, match="has split lists"):
        convert(tmp_path / "x", tmp_path / "z", to=to, divide=True)


# Photos that lie on their side


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photos_keep_their_labels(tmp_path, to, orientation):
    data, box = tmp_path / "in", [4, 6, 14, 26]
    photo(data / "JPEGImages" / "p.jpg", (40, 30), orientation)
    (data / "Annotations").mkdir()
    # As a tool writes it that shows photos as they are stored.
    (data / "Annotations" / "p.xml").write_text(
        "<annotation><size><width>40</width><height>30</height></size><object><name>cat</name>"
        "<bndbox><xmin>5</xmin><ymin>7</ymin><xmax>14</xmax><ymax>26</ymax></bndbox></object>"
        "</annotation>"
    )
    convert(data, tmp_path / "out", to=to)
    same(data, tmp_path / "out", exact=to != "yolo")
    # By hand: a box drawn on the stored pixels, turned by Pillow.
    mask = np.zeros((30, 40), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    turn = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }[orientation]  # fmt: skip
    upright = mask if turn is None else np.asarray(Image.fromarray(mask).transpose(turn))
    ys, xs = np.nonzero(upright)
    (found,) = everything(tmp_path / "out")[0].values()
    expected = [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]
    np.testing.assert_allclose(found.boxes, expected, atol=1e-5)
    convert(tmp_path / "out", tmp_path / "back", to="voc")
    same(tmp_path / "out", tmp_path / "back")


# Where it is written


def snapshot(folder):
    return sorted(
        (str(path.relative_to(folder)), path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
    )


def test_what_is_refused(tmp_path):
    data, full = source(tmp_path / "in"), tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("")
    (tmp_path / "file").write_text("")
    before = snapshot(tmp_path)
    for out, reason in (
        (full, "not empty"),
        (tmp_path / "file", "no folder"),
        (data / "yolo", "lies inside"),
    ):
        with pytest.raises(UserError, match=reason):
            convert(data, out, to="yolo")
    with pytest.raises(UserError, match="no such folder"):
        convert(tmp_path / "none", tmp_path / "out", to="yolo")
    assert snapshot(tmp_path) == before


def test_an_empty_folder_will_do(tmp_path):
    data = source(tmp_path / "in")
    (tmp_path / "out").mkdir()
    convert(data, tmp_path / "out", to="coco")
    same(data, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_never_half_a_folder(tmp_path, monkeypatch, to, error):
    data = source(tmp_path / "in")
    copy, calls = shutil.copyfile, []

    def copy_some(*args):
        calls.append(args)
        if len(calls) == 4:
            raise error
        return copy(*args)

    monkeypatch.setattr(shutil, "copyfile", copy_some)
    before = snapshot(tmp_path)
    with pytest.raises(type(error)):
        convert(data, tmp_path / "out", to=to)
    assert len(calls) == 4
    assert snapshot(tmp_path) == before


def test_links_and_copies(tmp_path):
    data = source(tmp_path / "in")
    convert(data, tmp_path / "linked", to="yolo", link=True)
    convert(data, tmp_path / "copied", to="yolo")
    for name, found in everything(data)[0].items():
        linked = everything(tmp_path / "linked")[0][name].image
        copied = everything(tmp_path / "copied")[0][name].image
        assert linked.samefile(found.image)
        assert not copied.samefile(found.image)
        assert not linked.is_symlink()


def test_where_links_are_not_possible(tmp_path, monkeypatch):
    def link(*args):
        raise OSError(18, "Invalid cross-device link")

    data = source(tmp_path / "in")
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(UserError, match="leave --link out"):
        convert(data, tmp_path / "out", to="yolo", link=True)
    assert os.listdir(tmp_path) == ["in"]


def test_the_source_is_left_alone(tmp_path):
    data = source(tmp_path / "in")
    before = snapshot(data)
    for to in FORMATS:
        convert(data, tmp_path / to, to=to)
    assert snapshot(data) == before


# Names that readers misunderstand

NAME = st.text(st.sampled_from("ab .:\\_-Z\n\udc80#1é"), min_size=1, max_size=6).filter(
    lambda part: part not in (".", "..")
)
FOLDER = NAME | st.sampled_from(["images", "labels", "train", "val", "__MACOSX", "Annotations"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(FOLDER, min_size=1, max_size=3).map("/".join), unique=True, max_size=8))
def test_output_names_are_distinct_and_plain(image_ids):
    names = output_names(image_ids)
    assert set(names) == set(image_ids)
    assert len(set(names.values())) == len(image_ids)
    for name in names.values():
        assert name.encode("utf-8")
        assert "\n" not in name
        parts = name.split("/")
        assert all(part and not part.startswith(".") and part == part.strip() for part in parts)
        assert not any(part.lower() in IMAGE_FOLDERS for part in parts[:-1])
    assert output_names(names.values()) == {name: name for name in names.values()}


LISTS = ["train", "val", "names", "nc", "path", "version", "unlisted", "default", "data", "classes",
         "Train", "train data", "data train", "night shift", "night_shift", "person", "2007:val",
         "2007_val", "images", "a/b", "../x", "trainval set"]  # fmt: skip


@pytest.mark.parametrize("to", FORMATS)
def test_lists_of_any_name_can_be_read_again(tmp_path, to):
    """Each names other photos, and is found under a name of its own; changes are noted."""
    image_ids = [f"p{i}" for i in range(len(LISTS) + 2)]
    records = []
    for i, image_id in enumerate(image_ids):
        image = photo(tmp_path / "p" / f"{i}.png", (40 + i, 30))
        records.append(record(image_id, image, [[1, 0, 9, 5]], size=(40 + i, 30)))
    lists = {name: image_ids[place : place + 2] for place, name in enumerate(LISTS)}
    written = write_folder(tmp_path / "out", to, records, ("cat",), lists)
    found = {
        name: sorted(int(part[1:]) for part in read.image_ids)
        for name, read in find_layout(tmp_path / "out").lists.items()
    }
    new = list_names(LISTS, to)
    assert found == {new[name]: [place, place + 1] for place, name in enumerate(LISTS)}
    assert written.lists == dict.fromkeys(found, 2)
    assert {name for name in LISTS if new[name] != name} == {
        note.split("'")[1] for note in written.notes
    }
    assert all(new[name] == name for name in ("train", "val", "2007_val"))
    assert not (tmp_path / "x.txt").exists()


@pytest.mark.parametrize("lists", [("my_set", "my-set"), ("x", "instances_x"), ("a b", "a_b")])
def test_a_list_that_can_keep_its_name_does(lists):
    names = list_names(lists, "coco")
    assert all(names[name] == name for name in ("my_set", "x", "a_b") if name in lists)


@settings(max_examples=200, deadline=None)
@given(st.sets(FOLDER | st.sampled_from(LISTS), max_size=8), st.sampled_from(FORMATS))
def test_names_of_lists_are_distinct_and_stay(lists, to):
    names = list_names(lists, to)
    assert names.keys() == lists
    assert len({name.casefold() for name in names.values()}) == len(lists)
    assert not any(set(name) & set("/:\\") for name in names.values())
    assert list_names(names.values(), to) == {name: name for name in names.values()}


@pytest.mark.parametrize("to", FORMATS)
def test_odd_names_can_be_read_again(tmp_path, to):
    image_ids = [
        "classes",
        "train",
        "1.jpg",
        "1",
        "x/1",
        "images/y/1",
        ".hidden/z",
        "t/train/1",
        "a#b",
    ]
    records = []
    for i, image_id in enumerate(image_ids):
        image = photo(tmp_path / "p" / f"{i}.png", (40 + i, 30))
        records.append(record(image_id, image, [[i, 0, i + 1, 5]], size=(40 + i, 30)))
    lists = {"train": image_ids[:5], "val": image_ids[5:]}
    written = write_folder(tmp_path / "out", to, records, ("cat",), lists)
    found = everything(tmp_path / "out")[0].values()
    assert sorted((r.width, *r.boxes.round(5).tolist()) for r in found) == [
        (40 + i, [i, 0, i + 1, 5]) for i in range(len(image_ids))
    ]
    lists = find_layout(tmp_path / "out").lists
    assert len(lists["train"].image_ids) == 5
    assert len(lists["val"].image_ids) == 4
    assert {note.split("'")[1] for note in written.notes} == {
        "classes", "1.jpg", "images/y/1", ".hidden/z",
    }  # fmt: skip


@pytest.mark.parametrize("to", FORMATS)
def test_folders_of_splits_in_names(tmp_path, to):
    image_ids = ["1", "train/1", "val/1", "train/2", "3"]
    records = []
    for i, image_id in enumerate(image_ids):
        image = photo(tmp_path / "p" / f"{i}.png", (40 + i, 30))
        records.append(record(image_id, image, [[i, 0, i + 1, 5]], size=(40 + i, 30)))
    lists = {"train": ["1", "train/1", "train/2"], "val": ["val/1", "3"]}
    write_folder(tmp_path / "out", to, records, ("cat",), lists)
    for name, wanted in lists.items():
        found = load_split(tmp_path / "out", name).records
        assert sorted((r.width, *r.boxes.round(5).tolist()) for r in found) == sorted(
            (40 + i, [i, 0, i + 1, 5]) for i in map(image_ids.index, wanted)
        )


def test_two_photos_that_differ_by_their_suffix(tmp_path):
    for place, name in enumerate(("a.jpg", "a.png")):
        photo(tmp_path / "in" / "images" / name, (40 + place, 30))
    images = [
        coco_image(i, f"a{suffix}", (40 + i, 30)) for i, suffix in enumerate((".jpg", ".png"))
    ]
    objects = [coco_object(i, [i, 1, 5, 5]) for i in range(2)]
    coco_json(tmp_path / "in" / "labels.json", images, objects)
    for to in FORMATS:
        convert(tmp_path / "in", tmp_path / to, to=to)
        found, _ = everything(tmp_path / to)
        assert sorted((r.width, r.boxes[0, 0].round()) for r in found.values()) == [
            (40, 0),
            (41, 1),
        ]


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        run(command.main, ["--help"])
    assert "--to voc|coco|yolo" in capsys.readouterr().out
    assert run(command.main, ["x", "--to", "yola", "--out", "y"]) == 2
    assert "did you mean yolo" in capsys.readouterr().err
