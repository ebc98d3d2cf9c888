"""Lists and folders that say what is trained on: found whatever they are called, never guessed."""

import shutil

import pytest

from tests.label_folders import (
    CAT,
    coco_image,
    coco_json,
    coco_object,
    fill,
    image_ids,
    lists,
    pair,
    photo,
    xml,
    yolo_pair,
)
from utils.commands.write_lists import main as write_lists
from utils.data.annotations import SplitList
from utils.data.datasets import load_datasets, load_split
from utils.data.doctor import check_dataset
from utils.data.folder.data_folder import DataFolder
from utils.data.formats import find_layout
from utils.data.splits.names import split_name, usable_lists
from utils.errors import UserError


def pairs_of(kind, folder, count):
    """Labelled photos 0, 1, … in usual folders."""
    for i in range(count):
        if kind == "voc":
            pair(folder, f"{i}", CAT, images="images", xmls="annotations")
        else:
            yolo_pair(folder, f"images/{i}.jpg", f"labels/{i}.txt")
            (folder / "classes.txt").write_text("cat\n")


def found_lists(folder):
    return {name: part.image_ids for name, part in find_layout(folder).lists.items()}


def coco_years(folder, *names):
    for split in names:
        files = [f"{split}-{i}.jpg" for i in range(4)]
        for file in files:
            photo(folder / split / file)
        coco_json(
            folder / "annotations" / f"instances_{split}.json",
            [coco_image(i, file) for i, file in enumerate(files)],
            [coco_object(i, [1, 2, 9, 9]) for i in range(4)],
        )


def test_two_years_of_coco_are_joined_and_stay_apart_by_split(tmp_path):
    coco_years(tmp_path, "train2014", "val2014", "train2017", "val2017")
    train, val, info = load_datasets(tmp_path)
    assert not info.generated
    assert (len(train), len(val), info.val) == (8, 8, "val")
    assert {image_id.partition("20")[0] for image_id in image_ids(train)} == {"train"}
    train, val, info = load_datasets(tmp_path, split="train2017")
    assert (len(train), len(val), info.val) == (4, 4, "val2017")
    assert len(load_split(tmp_path, "trainval")) == 16


def test_lists_with_other_usual_names_count():
    given = {"valid": SplitList(("b",)), "train2014": SplitList(("a",)), "cat": SplitList(("c",))}
    found = usable_lists(given)
    assert found["val"].image_ids == ("b",)
    assert found["train"].image_ids == ("a",)
    assert found.items() >= given.items()
    assert usable_lists({"default": SplitList(("a",))}) == {}
    assert list(usable_lists({"2007:train": SplitList(())})) == ["2007:train"]


@pytest.mark.parametrize(
    ("names", "joined"),
    [
        (["fruit_train", "fruit_val", "fruit-test"], {"train", "val", "test"}),
        (["train.v2", "Valid set"], {"train", "val"}),
        (["crash_test"], None),  # one alone may be anything
        (["crash_test", "field_test"], None),
        (["toy_train", "crash_test", "night_shift"], None),  # not all mean a split
        (["fold0_train", "fold0_test", "fold1_train", "fold1_test"], None),  # of a cross-validation
        (["fruit_val", "fruit_test"], None),  # nothing to train on
        (["train_test", "val"], {"val"}),
        (["fruit_train", "test"], {"test"}),  # a usual name: others are lists of their own
        (["2007:fruit_train", "2012:fruit_test"], None),
    ],
)
def test_splits_within_the_names_of_lists(names, joined):
    given = {name: SplitList((name,)) for name in names}
    found = usable_lists(given)
    assert set(found) == (set() if joined is None else {*names, *joined})


def test_lists_of_common_photos_are_no_splits():
    given = {"old_train": SplitList(("a", "b")), "new_test": SplitList(("b", "c"))}
    assert usable_lists(given) == {}


def test_lists_of_a_few_photos_do_not_drop_the_others(tmp_path):
    given = {"toy_train": SplitList(("a", "b")), "toy_test": SplitList(("c",))}
    assert usable_lists(given, "abc")["train"].image_ids == ("a", "b")
    assert usable_lists(given, "abcd") == {}
    names = fill(tmp_path, 20)
    lists(tmp_path, night_train=names[:6], night_test=names[6:8])
    train, val, info = load_datasets(tmp_path)
    assert info.generated
    assert len(train) + len(val) == 16
    assert any("not used" in n and "(night_test and night_train)" in n for n in info.notes)
    assert len(load_split(tmp_path, "night_train")) == 6
    assert write_lists([str(tmp_path)]) == 0
    assert len(load_split(tmp_path, "train")) == 14


def coco_lists(folder, names, count=4):
    for name in names:
        files = [f"{name}-{i}.jpg" for i in range(count)]
        for file in files:
            photo(folder / "images" / file)
        images = [coco_image(i, file) for i, file in enumerate(files)]
        objects = [coco_object(i, [1, 2, 9, 9]) for i in range(count)]
        coco_json(folder / "annotations" / f"{name}.json", images, objects)


def test_everyday_names_of_coco_files(tmp_path):
    coco_lists(tmp_path, ["fruit_train", "fruit_val", "fruit_test"])
    train, val, info = load_datasets(tmp_path)
    assert {i.partition("-")[0] for i in image_ids(train)} == {"fruit_train"}
    assert {i.partition("-")[0] for i in image_ids(val)} == {"fruit_val"}
    assert not info.generated
    assert len(load_split(tmp_path, "fruit_train")) == len(load_split(tmp_path, "test")) == 4


def test_lists_of_other_names_are_told_and_taken_by_name(tmp_path):
    coco_lists(tmp_path, ["night_shift", "day_shift"], 10)
    _, _, info = load_datasets(tmp_path)
    assert info.generated
    assert any("(day_shift and night_shift)" in note for note in info.notes)
    train, val, info = load_datasets(tmp_path, split="night_shift")
    assert not info.generated
    assert len(train) + len(val) == 10
    assert {i.partition("-")[0] for i in image_ids(train)} == {"night_shift"}
    assert len(check_dataset(tmp_path, split="day_shift").folder.photos) == 10
    with pytest.raises(UserError, match="there is no split 'dusk'"):
        load_datasets(tmp_path, split="dusk")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("{}/annotations/instances_default.json", "{}"),
        ("{}/export/of monday/result.json", "{}"),
        ("train/fruit_{}.json", "fruit_{}"),
    ],
)
def test_coco_files_below_folders_of_splits(tmp_path, path, name):
    for split in ("val", "test"):
        photo(tmp_path / split / "images" / f"{split}.jpg")
        images = [coco_image(1, f"{split}.jpg")]
        coco_json(tmp_path / path.format(split), images, [coco_object(1, [1, 2, 9, 9])])
    assert {
        list_name: part.image_ids for list_name, part in find_layout(tmp_path).lists.items()
    } == {name.format(split): (split,) for split in ("val", "test")}


def one_coco_photo(folder, json, name):
    photo(folder / f"{name}.jpg")
    coco_json(folder / json, [coco_image(1, f"{name}.jpg")], [coco_object(1, [1, 2, 9, 9])])


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("rest", ["annotations/instances_default.json", "annotations/cam1.json"])
def test_a_coco_file_far_below_a_folder_of_a_split(tmp_path, split, rest):
    one_coco_photo(tmp_path, f"{split}/annotations/instances_default.json", "a")
    assert found_lists(tmp_path) == {}  # all in one such folder: nobody divided them
    one_coco_photo(tmp_path, rest, "b")
    found = {name: ids for name, ids in found_lists(tmp_path).items() if name != "cam1"}
    assert found == ({} if split == "train" else {split: ("a",), "train": ("b",)})
    notes = find_layout(tmp_path).notes
    assert any("(b.jpg), and none is called train" in note for note in notes) == bool(found)


def test_photos_that_no_coco_list_of_a_split_has_are_told(tmp_path):
    for name in ("train", "test", "default"):
        one_coco_photo(tmp_path, f"annotations/instances_{name}.json", name)
    assert found_lists(tmp_path) == {"train": ("train",), "test": ("test",)}
    (note,) = find_layout(tmp_path).notes
    assert note.endswith("(default.jpg); no split has it")


def test_one_word_in_a_coco_files_name_says_less_than_its_folder(tmp_path):
    for split, path in (
        ("train", "train/test_drive.json"),
        ("val", "valid/_annotations.coco.json"),
    ):
        photo((tmp_path / path).with_name(f"{split}.jpg"))
        coco_json(tmp_path / path, [coco_image(1, f"{split}.jpg")], [coco_object(1, [1, 2, 9, 9])])
    assert found_lists(tmp_path) == {"train": ("train",), "val": ("val",)}


def yolo(folder, names, count=2):
    for i in range(count):
        yolo_pair(folder, f"images/{folder.name}{i}.png", f"labels/{folder.name}{i}.txt")
    (folder / "data.yaml").write_text(f"names: [{names}]\nnc: 1\ntrain: images\n")


def test_two_datasets_of_other_classes_are_not_mixed(tmp_path):
    yolo(tmp_path / "one", "cat")
    yolo(tmp_path / "two", "bolt")
    with pytest.raises(UserError, match=r"point --data at .*one or .*two$"):
        find_layout(tmp_path)
    assert find_layout(tmp_path / "two").class_order == ("bolt",)
    yolo(tmp_path / "two", "cat")
    assert len(find_layout(tmp_path).entries) == 4


def folders(root):
    for split, count in (("train", 3), ("test", 4)):
        for i in range(count):
            pair(root, f"{split}/{i}", CAT, images="images", xmls="annotations")
    path = root / "ImageSets" / "Main"
    path.mkdir(parents=True)
    (path / "test.txt").write_text("".join(f"test/{i}\n" for i in range(4)))
    return path / "train.txt"


def test_a_missing_photo_is_not_taken_from_the_test_list(tmp_path):
    folders(tmp_path).write_text("train/0\ntrain/1\ntrain/3\n")
    train = load_split(tmp_path, "train")
    assert image_ids(train) == ["train/0", "train/1"]
    assert any("train.txt names train/3, which lacks a photo" in note for note in train.notes)


def test_an_xml_without_its_photo_does_not_take_another_splits(tmp_path):
    for i in range(3):
        pair(tmp_path, f"train/{i}", CAT, images="images", xmls="annotations")
    photo(tmp_path / "images" / "test" / "9.jpg")
    (tmp_path / "annotations" / "train" / "9.xml").write_text(xml(CAT))
    layout = find_layout(tmp_path)
    assert len(layout.entries) == 3
    assert layout.unmatched_labels == ("annotations/train/9.xml",)


@pytest.mark.parametrize("line", ["/home/me/data/JPEGImages/photo 01.jpg", "old/photo 01.jpg"])
def test_a_list_of_another_machine_is_understood_and_reported(tmp_path, line):
    names = fill(tmp_path, 6)
    lists(tmp_path, train=[line], val=names[2:])
    train = load_split(tmp_path, "train")
    assert image_ids(train) == ["photo 01"]
    assert any("taken for JPEGImages/photo 01.jpg" in note for note in train.notes)


def test_a_longer_path_finds_the_folder_that_it_ends_in(tmp_path):
    folders(tmp_path).write_text("/data/mine/train/1.jpg\n")
    assert image_ids(load_split(tmp_path, "train")) == ["train/1"]


def test_a_bare_name_in_another_splits_folder_is_reported(tmp_path):
    folders(tmp_path).write_text("3\n")
    train = load_split(tmp_path, "train")
    assert image_ids(train) == ["3"]
    assert any("3 (taken for images/test/3.jpg)" in note for note in train.notes)


def test_a_yolo_list_does_not_take_a_namesake(tmp_path):
    for name in ("train/1", "test/2"):
        yolo_pair(tmp_path, f"images/{name}.jpg", f"labels/{name}.txt")
    (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "train.txt").write_text("images/train/1.jpg\nimages/train/2.jpg\n")
    layout = find_layout(tmp_path)
    assert layout.lists["train"].image_ids == ("1",)
    assert any("names images/train/2.jpg, which is not there" in note for note in layout.notes)


@pytest.mark.parametrize(
    ("line", "suffix"),
    [("{}", ".jpg"), ("images/{}", ".jpg"), ("/far/data/images/{}", ".jpg"), ("{}.gif", ".gif"),
     ("images/{}.PPM", ".PPM"), ("images/{}.avif", ".avif")],
)  # fmt: skip
def test_lists_beside_yolo_folders_need_no_usual_suffix(tmp_path, line, suffix):
    for split in ("train", "test"):
        names = [f"{split}.{i}" for i in range(2)]
        for name in names:
            yolo_pair(tmp_path, f"images/{name}.jpg", f"labels/{name}.txt")
            (tmp_path / f"images/{name}.jpg").rename(tmp_path / f"images/{name}{suffix}")
        lines = ["images/gone", *(line.format(name) for name in names)]
        (tmp_path / f"{split}.txt").write_text("\n".join(lines))
    (tmp_path / "valid.txt").write_text("0.93 of the boxes were checked\n")
    (tmp_path / "classes.txt").write_text("cat\n")
    assert found_lists(tmp_path) == {
        "train": ("train.0", "train.1"), "test": ("test.0", "test.1"),
    }  # fmt: skip


def test_a_line_without_suffix_means_the_photo_of_its_folder(tmp_path):
    for split in ("a", "b"):
        yolo_pair(tmp_path, f"images/{split}/1.jpg", f"labels/{split}/1.txt")
    (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "train.txt").write_text("a/1\n")
    (tmp_path / "test.txt").write_text("images/b/1\n")
    layout = find_layout(tmp_path)
    assert found_lists(tmp_path) == {"train": ("a/1",), "test": ("b/1",)}
    assert layout.notes == ()


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_a_name_that_several_photos_have_is_not_called_missing(tmp_path, kind):
    for name in ("a/0", "a/1", "b/0", "b/1"):
        if kind == "voc":
            pair(tmp_path, name, CAT, images="images", xmls="annotations")
        else:
            yolo_pair(tmp_path, f"images/{name}.jpg", f"labels/{name}.txt")
            (tmp_path / "classes.txt").write_text("cat\n")
    path = tmp_path / ("ImageSets/Main/train.txt" if kind == "voc" else "train.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("0.jpg\n1.jpg\na/1.jpg\ngone.jpg\n")
    layout = find_layout(tmp_path)
    assert found_lists(tmp_path) == {"train": ("a/1",)}
    notes = [note for note in (*layout.notes, *layout.lists["train"].notes) if "train" in note]
    assert len(notes) == 2
    assert any("0.jpg may mean images/a/0.jpg and images/b/0.jpg); left" in n for n in notes)
    assert any("names gone.jpg, which " in note for note in notes)


@pytest.mark.parametrize("line", ["{}", "{}.jpg", "images/{}.jpg"])
def test_lists_beside_voc_folders_of_photos_and_xml(tmp_path, line):
    names = fill(tmp_path, 6, images="images", xmls="annotations")
    (tmp_path / "train.txt").write_text("\n".join(map(line.format, ["gone", *names[:4]])))
    (tmp_path / "test.txt").write_text("\n".join(map(line.format, names[4:])))
    (tmp_path / "val.txt").write_text("checked by Ann\n")
    (tmp_path / "readme.txt").write_text(names[0])
    assert found_lists(tmp_path) == {"train": tuple(names[:4]), "test": tuple(names[4:])}
    lists(tmp_path, train=names)
    assert found_lists(tmp_path) == {"train": tuple(names)}
    assert find_layout(tmp_path).notes == (
        "test.txt: left out, as ImageSets has lists", "train.txt: left out, as ImageSets has lists",
    )  # fmt: skip
    (tmp_path / "test.txt").write_bytes(b"\xe9")
    assert found_lists(tmp_path) == {"train": tuple(names)}
    (tmp_path / "ImageSets" / "Main" / "train.txt").unlink()
    with pytest.raises(UserError, match=r"test\.txt: cannot be read as a list"):
        find_layout(tmp_path)


def split_folder_pairs(folder, kind, *splits, count=2):
    for split in splits:
        for i in range(count):
            if kind == "voc":
                pair(folder, f"{split}{i}", CAT, images=split, xmls=split)
            else:
                yolo_pair(folder, f"{split}/{split}{i}.jpg", f"{split}/{split}{i}.txt")
                (folder / "classes.txt").write_text("cat\n")


@pytest.mark.parametrize("kind", ["voc", "yolo"])
@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_one_list_does_not_hide_the_folders_of_other_splits(tmp_path, kind, name):
    split_folder_pairs(tmp_path, kind, "train", "val", "test")
    (tmp_path / f"{name}.txt").write_text(f"{name}0\n{name}1\n")
    expected = {split: (f"{split}0", f"{split}1") for split in ("train", "val", "test")}
    assert found_lists(tmp_path) == expected
    missing = " and ".join(sorted(expected.keys() - {name}))
    (note,) = find_layout(tmp_path).notes
    assert note.startswith(f"folders are called {missing}, and no list is; photos count by")
    for split in expected:
        (tmp_path / f"{split}.txt").write_text("train0\n")
    assert found_lists(tmp_path) == dict.fromkeys(expected, ("train0",))


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_what_a_list_or_a_folder_holds_out_is_not_trained_on(tmp_path, kind):
    split_folder_pairs(tmp_path, kind, "train", "test", "more")
    (tmp_path / "val.txt").write_text("train0\n")
    assert found_lists(tmp_path) == {
        "train": ("train1",), "val": ("train0",), "test": ("test0", "test1"),
    }  # fmt: skip
    assert find_layout(tmp_path).notes[-1].endswith("(more/more0.jpg and more/more1.jpg); no split "
                                                    "has them")  # fmt: skip
    (tmp_path / "val.txt").rename(tmp_path / "test.txt")
    shutil.rmtree(tmp_path / "train")
    (tmp_path / "test.txt").write_text("test1\n")
    assert found_lists(tmp_path) == {"train": ("more0", "more1"), "test": ("test1", "test0")}


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_lists_divide_the_photos_of_one_folder_whatever_it_is_called(tmp_path, kind):
    split_folder_pairs(tmp_path, kind, "test", count=4)
    (tmp_path / "train.txt").write_text("test0\ntest1\n")
    (tmp_path / "val.txt").write_text("test2\n")
    assert found_lists(tmp_path) == {"train": ("test0", "test1"), "val": ("test2",)}
    for note in find_layout(tmp_path).notes:
        assert note.endswith("(test/test3.jpg); no split has it")


@pytest.mark.parametrize("kind", ["voc", "yolo"])
@pytest.mark.parametrize(("name", "split"), [("test", "test"), ("valid", "val")])
def test_one_list_beside_the_folders_leaves_the_rest_to_train_on(tmp_path, kind, name, split):
    pairs_of(kind, tmp_path, 4)
    (tmp_path / f"{name}.txt").write_text("1\n2\n")
    found = {split_name(list_name): ids for list_name, ids in found_lists(tmp_path).items()}
    assert found == {"train": ("0", "3"), split: ("1", "2")}
    (note,) = find_layout(tmp_path).notes
    assert note.startswith("2 labelled photos lie in no list called train, val or test (images/0.")
    assert note.endswith("counted as train")
    with pytest.raises(UserError, match="has split lists"):
        write_lists([str(tmp_path)])


def test_trainval_beside_voc_folders_is_trained_on(tmp_path):
    names = tuple(fill(tmp_path, 6, images="images", xmls="annotations"))
    (tmp_path / "trainval.txt").write_text("\n".join(names))
    assert found_lists(tmp_path) == {"train": names, "trainval": names}
    (tmp_path / "val.txt").write_text(names[0])
    assert found_lists(tmp_path) == {"train": names[1:], "trainval": names, "val": names[:1]}
    (tmp_path / "val.txt").rename(tmp_path / "train.txt")
    assert found_lists(tmp_path) == {"train": names[:1], "trainval": names}


def test_a_list_of_all_photos_as_val_leaves_none_to_train_on(tmp_path):
    names = fill(tmp_path, 10, images="images", xmls="annotations")
    (tmp_path / "valid.txt").write_text("\n".join(names))
    train, _, info = load_datasets(tmp_path)
    assert (len(train), info.generated) == (7, True)
    assert find_layout(tmp_path).notes == ("valid.txt: not used, as no photo is left to train on",)
    (tmp_path / "trainval.txt").write_text("\n".join(names))
    assert found_lists(tmp_path) == {}
    (tmp_path / "trainval.txt").unlink()
    (tmp_path / "valid.txt").rename(tmp_path / "test.txt")
    assert found_lists(tmp_path) == {"test": tuple(names)}  # test photos are never trained on


@pytest.mark.parametrize("place", ["VOC2007", "VOC2007/ImageSets/Main"])
def test_a_voc_folder_without_lists_beside_one_with_lists(tmp_path, place):
    for year in ("2007", "2012"):
        for i in range(2):
            pair(tmp_path / f"VOC{year}", f"{year}-{i}", CAT)
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / "train.txt").write_text("2007-0")
    (tmp_path / place / "test.txt").write_text("2007-1")
    found = found_lists(tmp_path)
    assert (found["train"], found["test"]) == (("2007-0",), ("2007-1",))
    (note,) = find_layout(tmp_path).notes
    assert note.startswith("2 labelled photos lie in no list called train")
    assert note.endswith("2012-1.jpg); no split has them")
    (tmp_path / place / "train.txt").unlink()
    rest = ("2012-0", "2012-1") if place.endswith("Main") else ("2007-0", "2012-0", "2012-1")
    found = found_lists(tmp_path)
    assert (found["train"], found["test"]) == (rest, ("2007-1",))


@pytest.mark.parametrize(("size", "taken"), [((40, 30), True), ((30, 40), False)])
def test_a_coco_photo_elsewhere_must_have_the_size_that_is_listed(tmp_path, size, taken):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "deep" / "b.jpg")
    names = ("a.jpg", "gone/b.jpg")
    images = [coco_image(i, name, size) for i, name in enumerate(names)]
    coco_json(tmp_path / "x.json", images, [coco_object(i, [1, 2, 9, 9]) for i in range(2)])
    layout = find_layout(tmp_path)
    assert ("b" in layout.entries) == taken
    assert any("gone/b.jpg (taken for deep/b.jpg)" in note for note in layout.notes) == taken


def test_written_lists_are_read_as_the_split_that_was_made(tmp_path):
    for i in range(12):
        for name in (f"{i}", f"{i}.jpg", f"{i}.v1 ä "):
            pair(tmp_path, name, CAT)
    before = DataFolder.open(tmp_path).splits(0)
    assert write_lists([str(tmp_path)]) == 0
    after = DataFolder.open(tmp_path).splits(0)
    assert not after.generated
    assert all(after.image_ids(part) == before.image_ids(part) for part in ("train", "val", "test"))
    assert sum(map(len, map(before.image_ids, ("train", "val", "test")))) == 36


def test_lists_of_photos_that_differ_only_in_their_suffix(tmp_path):
    images = [
        coco_image(2 * i + j, f"{i}.{end}")
        for i in range(8)
        for j, end in enumerate(("jpg", "png"))
    ]
    for image in images:
        photo(tmp_path / "data" / image["file_name"])
    coco_json(tmp_path / "data" / "x.json", images, [coco_object(i) for i in range(16)])
    assert write_lists([str(tmp_path / "data"), "--out", str(tmp_path / "lists")]) == 0
    lines = [line for path in (tmp_path / "lists").rglob("*.txt")
             for line in path.read_text().splitlines()]  # fmt: skip
    assert sorted(lines) == sorted(image["file_name"] for image in images)


@pytest.mark.parametrize("name", ["a\\b", " a", "a\u2028b", "a\nb"])
def test_names_that_no_list_can_hold_are_refused(tmp_path, name):
    names = fill(tmp_path, 6)
    photo(tmp_path / "JPEGImages" / f"{name}.png")
    (tmp_path / "Annotations" / f"{name}.xml").write_text(xml(CAT))
    with pytest.raises(UserError, match=r"a list cannot hold the 1 name '.*'; rename"):
        write_lists([str(tmp_path)])
    assert not (tmp_path / "ImageSets").exists()
    assert len(DataFolder.open(tmp_path).image_ids) == len(names) + 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-be"])
def test_lists_that_windows_writes(tmp_path, encoding):
    names = fill(tmp_path, 6)
    lists(tmp_path, train=names[:2], test=names[2:])
    path = tmp_path / "ImageSets" / "Main" / "test.txt"
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    path.write_bytes(mark + "\r\n".join(names[2:]).encode(encoding))
    assert image_ids(load_split(tmp_path, "test")) == names[2:]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\xe9\xe8", b"a\0b"])
def test_a_list_that_cannot_be_read_is_no_reason_for_another_split(tmp_path, content):
    names = fill(tmp_path / "voc", 6)
    lists(tmp_path / "voc", cat=names, train=[])
    main = tmp_path / "voc" / "ImageSets" / "Main"
    (main / "other.txt").write_bytes(content)
    assert any("not a text file" in note for note in find_layout(tmp_path / "voc").notes)
    (main / "train.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"train\.txt: cannot be read as a list"):
        find_layout(tmp_path / "voc")
    yolo(tmp_path / "yolo", "cat")
    (tmp_path / "yolo" / "data.yaml").unlink()
    (tmp_path / "yolo" / "classes.txt").write_text("cat\n")
    (tmp_path / "yolo" / "test.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"test\.txt: cannot be read as a list"):
        find_layout(tmp_path / "yolo")


def test_split_folders_one_level_down(tmp_path):
    for split in ("train", "val"):
        for i in range(3):
            pair(tmp_path / "voc", f"my/{split}/{split}{i}", CAT, images="images", xmls="labels")
            name = f"my/{split}/{split}{i}"
            yolo_pair(tmp_path / "yolo", f"{name}.jpg", f"{name}.txt")
    (tmp_path / "yolo" / "classes.txt").write_text("cat\n")
    for kind in ("voc", "yolo"):
        found = {
            name: len(part.image_ids) for name, part in find_layout(tmp_path / kind).lists.items()
        }
        assert found == {"train": 3, "val": 3}


def test_a_voc_folder_for_each_split(tmp_path):
    for split in ("train", "valid", "test"):
        for i in range(2):
            pair(tmp_path / split, f"{split}{i}", CAT)
    expected = {
        "train": ("train0", "train1"), "val": ("valid0", "valid1"), "test": ("test0", "test1"),
    }  # fmt: skip
    assert found_lists(tmp_path) == expected
    for split in ("train", "valid", "test"):
        lists(tmp_path / split, default=[f"{split}{i}" for i in range(2)])
    assert found_lists(tmp_path) == expected
    assert find_layout(tmp_path).notes == ()
    # An export that calls each folder's list train, and a folder with lists of its own.
    lists(tmp_path / "test", train=["test0"])
    lists(tmp_path / "train", train=["train0"], val=["train1"])
    assert found_lists(tmp_path) == expected | {
        "train": ("train0",), "val": ("train1", "valid0", "valid1"),
    }  # fmt: skip
    (note,) = find_layout(tmp_path).notes
    assert note.startswith("test/ is the list test")
    assert note.endswith("not used: test/ImageSets/Main/train.txt")


@pytest.mark.parametrize("name", ["train", "validation", "test", "trainval"])
def test_a_voc_folder_alone_is_divided_whatever_it_is_called(tmp_path, name):
    names = fill(tmp_path / name, 10)
    assert found_lists(tmp_path) == {}
    assert len(load_split(tmp_path, "train")) == 7
    lists(tmp_path / name, train=names[:6], val=names[6:8], test=names[8:])
    found = found_lists(tmp_path)
    assert [found[split] for split in ("train", "val", "test")] == [
        tuple(names[:6]), tuple(names[6:8]), tuple(names[8:]),
    ]  # fmt: skip


def test_the_voc_folders_trainval_and_test(tmp_path):
    for name in ("VOCtrainval", "VOCtest"):
        pair(tmp_path / name, name, CAT)
    trainval, test = ("VOCtrainval",), ("VOCtest",)
    assert found_lists(tmp_path) == {"train": trainval, "trainval": trainval, "test": test}


def test_a_voc_folder_called_test_beside_others(tmp_path):
    for name in ("data", "test"):
        for i in range(2):
            pair(tmp_path / name, f"{name}{i}", CAT)
    expected = {"train": ("data0", "data1"), "test": ("test0", "test1")}
    assert found_lists(tmp_path) == expected
    (note,) = find_layout(tmp_path).notes
    assert note.endswith("(data/JPEGImages/data0.jpg and data/JPEGImages/data1.jpg), and none is "
                         "called train; counted as train")  # fmt: skip
    lists(tmp_path / "data", train=["data0"], val=["data1"])
    found = found_lists(tmp_path)
    assert (found["train"], found["val"], found["test"]) == (
        ("data0",), ("data1",), ("test0", "test1"),
    )  # fmt: skip
    (tmp_path / "test").rename(tmp_path / "train")
    assert found_lists(tmp_path)["train"] == ("data0",)


@pytest.mark.parametrize("kind", ["voc", "yolo"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_folder_without_labels_divides_nothing(tmp_path, kind, split):
    pairs_of(kind, tmp_path, 3)
    photo(tmp_path / split / "new.jpg")
    assert found_lists(tmp_path) == {}
    assert sorted(find_layout(tmp_path).entries) == ["0", "1", "2"]


def test_more_photos_in_a_folder_called_train_do_not_replace_the_others(tmp_path):
    fill(tmp_path, 6, images="images", xmls="annotations")
    for i in range(4):
        pair(tmp_path / "train", f"new{i}", CAT, images="images", xmls="annotations")
    train, val, info = load_datasets(tmp_path)
    assert info.generated
    assert len(train) + len(val) + len(info.test) == 10
    (tmp_path / "train").rename(tmp_path / "test")  # test photos are never trained on
    assert found_lists(tmp_path)["test"] == ("new0", "new1", "new2", "new3")


def test_photos_without_labels_are_not_called_labelled(tmp_path):
    yolo_pair(tmp_path, "test/t.jpg", "test/t.txt")
    yolo_pair(tmp_path, "all/a.jpg", "all/a.txt")
    photo(tmp_path / "all" / "b.jpg")
    photo(tmp_path / "plots" / "curve.png")
    (tmp_path / "classes.txt").write_text("cat\n")
    assert found_lists(tmp_path) == {"train": ("a", "b"), "test": ("t",)}
    first = find_layout(tmp_path).notes[0]
    assert first.startswith("1 labelled photo lies in no folder called train, val or test (all/a.")


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_split_folders_below_others(tmp_path, kind):
    for camera in ("cam1", "cam2"):
        for split in ("train", "test"):
            name = f"{camera}/{split}/{camera}{split}"
            if kind == "voc":
                pair(tmp_path, name, CAT, images=".", xmls=".")
            else:
                yolo_pair(tmp_path, f"{name}.jpg", f"{name}.txt")
                (tmp_path / "classes.txt").write_text("cat\n")
    expected = {"train": ("cam1train", "cam2train"), "test": ("cam1test", "cam2test")}
    assert found_lists(tmp_path) == expected
    if kind == "voc":
        pair(tmp_path, "more/x", CAT, images=".", xmls=".")
    else:
        yolo_pair(tmp_path, "more/x.jpg", "more/x.txt")
        photo(tmp_path / "plots" / "curve.png")
    layout = find_layout(tmp_path)
    assert found_lists(tmp_path) == expected
    assert "x" in layout.entries
    assert any("(more/x.jpg); no split has it" in note for note in layout.notes)


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_labels_in_split_folders_and_photos_in_one(tmp_path, kind):
    for split in ("train", "test"):
        for i in range(2):
            photo(tmp_path / "images" / f"{split}{i}.jpg")
            if kind == "voc":
                path = tmp_path / "annotations" / split / f"{split}{i}.xml"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(xml(CAT))
            else:
                yolo_pair(tmp_path, f"images/{split}{i}.jpg", f"labels/{split}/{split}{i}.txt")
                (tmp_path / "classes.txt").write_text("cat\n")
    assert found_lists(tmp_path) == {"train": ("train0", "train1"), "test": ("test0", "test1")}
    shutil.rmtree(tmp_path / ("annotations" if kind == "voc" else "labels") / "test")
    assert found_lists(tmp_path) == {}  # all labels below labels/train: nobody divided them
    place = tmp_path / ("annotations" if kind == "voc" else "labels")
    for split in ("test", "valid"):
        (place / "train").rename(place / split)
        assert found_lists(tmp_path) == {}
        (place / split).rename(place / "train")
    for path in (tmp_path / "images").glob("test*"):
        path.unlink()
    (place / "train").rename(place / "val")
    label = next((place / "val").glob("train1.*"))
    label.rename(place / label.name)
    assert found_lists(tmp_path) == {"val": ("train0",), "train": ("train1",)}


def test_folders_beside_a_devkit_are_told_and_no_year_is_lost(tmp_path):
    for name in ("VOC2007", "2007"):
        pair(tmp_path / name, f"{name}x", CAT)
    pair(tmp_path / "extra", "y", CAT, images="pictures", xmls="xml")
    layout = find_layout(tmp_path)
    assert sorted(layout.years) == ["2007", "VOC2007"]
    assert sorted(layout.entries) == ["2007x", "VOC2007x"]
    assert any(note.startswith("extra/ holds 1 XML file") for note in layout.notes)
    pair(tmp_path / "VOC2007" / "more", "z", CAT)
    assert any(n.startswith("more/ holds 1 XML") for n in find_layout(tmp_path / "VOC2007").notes)


def test_copies_of_test_photos_are_not_trained_on(tmp_path):
    for year, names in (("2007", "abcd"), ("2012", "efgh")):
        for name in names:
            pair(tmp_path / f"VOC{year}", name, CAT)
    lists(tmp_path / "VOC2007", train=["a"], val=["b"], test=["c", "d"])
    lists(tmp_path / "VOC2012", train=["e", "f"], val=["g", "h"])
    copied = (tmp_path / "VOC2007" / "JPEGImages" / "c.jpg").read_bytes()
    (tmp_path / "VOC2012" / "JPEGImages" / "e.jpg").write_bytes(copied)
    train, _, info = load_datasets(tmp_path, split="2007:train,2012:train")
    assert image_ids(train) == ["a", "f"]
    assert "1 training photo left out: copies of test photos (e)" in info.notes
    train, _, info = load_datasets(tmp_path, split="2007:test,2012:train")
    assert image_ids(train) == ["c", "d", "e", "f"]


def test_a_photo_in_the_training_and_the_test_list_is_reported(tmp_path):
    names = fill(tmp_path, 8)
    lists(tmp_path, train=names[:4], val=names[4:6], test=names[3:4] + names[6:])
    train, _, info = load_datasets(tmp_path)
    assert image_ids(train) == names[:4]
    assert any("the test list also has 1 photo of 'train' (photo 03)" in n for n in info.notes)
