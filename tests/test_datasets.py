"""Splits by name, made or held out; nothing is both trained on and scored."""

import json

import pytest

from tests.label_folders import CAT, devkit, fill, image_ids, lists, pair, photo, put, xml
from utils.data.datasets import load_datasets, load_photos, load_split
from utils.data.formats import find_layout
from utils.errors import UserError


def test_lists(tmp_path):
    names = fill(tmp_path)
    lists(tmp_path, train=names[:6], val=names[6:8], test=names[8:], cat_train=["photo 00  1"])
    train, val, info = load_datasets(tmp_path)
    assert image_ids(train) == names[:6]
    assert image_ids(val) == names[6:8]
    assert info.splits == {"train": tuple(names[:6]), "val": tuple(names[6:8])}
    assert (info.generated, info.held_out, info.notes) == (False, False, ())
    assert image_ids(load_split(tmp_path, "test")) == names[8:]
    with pytest.raises(UserError, match=r"'dev'; there are all, test, train, trainval, val$"):
        load_split(tmp_path, "dev")


def test_lines_of_a_list_may_be_names_or_paths(tmp_path):
    names = fill(tmp_path, 4)
    lines = [names[0], names[1] + ".jpg", f"./JPEGImages/{names[2]}.jpg", "gone", names[0]]
    lists(tmp_path, train=lines)
    dataset = load_split(tmp_path, "train")
    assert image_ids(dataset) == names[:3]
    assert dataset.notes == ("ImageSets/Main/train.txt names gone, which lacks a photo; left out",)


def test_trainval_holds_out_a_tenth(tmp_path):
    names = fill(tmp_path, 30)
    lists(tmp_path, train=names[:15], val=names[15:20], trainval=names[:20], test=names[20:])
    train, val, info = load_datasets(tmp_path, split="trainval")
    assert (len(train), len(val)) == (18, 2)
    assert sorted(image_ids(train) + image_ids(val)) == names[:20]
    assert info.held_out
    assert "'val' shares photos with 'trainval'" in info.notes[0]
    again = load_datasets(tmp_path, split="trainval")[1]
    assert image_ids(again) == image_ids(val)


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
    with pytest.raises(UserError, match="--split trainval and --val-split val share 2 photos"):
        load_datasets(tmp_path, split="trainval", val_split="val")


def test_splits_are_made_where_there_are_no_lists(tmp_path):
    names = fill(tmp_path, 20)
    train, val, info = load_datasets(tmp_path, seed=1)
    assert (len(train), len(val), len(info.splits["test"])) == (14, 2, 4)
    assert sorted(sum(info.splits.values(), ())) == names
    assert info.generated
    assert "seed 1" in info.notes[0]
    assert tuple(image_ids(load_split(tmp_path, "test", seed=1))) == info.splits["test"]
    assert len(load_split(tmp_path, "trainval")) == 16
    assert len(load_split(tmp_path, "all")) == 20

    train, val, info = load_datasets(tmp_path, split="trainval", seed=1)
    assert (len(train), len(val), len(info.splits["test"])) == (14, 2, 4)
    assert info.held_out

    train, val, info = load_datasets(tmp_path, split="all", seed=1)
    assert (len(train), len(val)) == (18, 2)
    assert "test" not in info.splits


def test_photos_of_a_stored_split(tmp_path):
    names = fill(tmp_path, 5)
    dataset = load_photos(tmp_path, [names[3], names[1], "gone"], classes=["cat", "dog"])
    assert image_ids(dataset) == [names[1], names[3]]
    assert dataset.notes == ("gone: not in this folder; left out",)
    with pytest.raises(UserError, match="none of the 1 photos"):
        load_photos(tmp_path, ["gone"])


def test_too_few_photos(tmp_path):
    fill(tmp_path, 1)
    with pytest.raises(UserError, match="too few"):
        load_datasets(tmp_path)


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
    assert image_ids(load_split(tmp_path, "2007:test")) == [f"{i:06}" for i in range(8, 12)]
    assert image_ids(load_split(tmp_path, "test")) == [f"{i:06}" for i in range(8, 12)]
    with pytest.raises(UserError, match=r"'2012:test'.*2007:test, 2007:train"):
        load_split(tmp_path, "2012:test")


def test_same_names_in_two_years(tmp_path):
    for year in ("2007", "2012"):
        pair(tmp_path / f"VOC{year}", "1", CAT)
        lists(tmp_path / f"VOC{year}", train=["1"])
    assert list(find_layout(tmp_path).entries) == ["2007/1", "2012/1"]
    assert image_ids(load_split(tmp_path, "2012:train")) == ["2012/1"]


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
    with pytest.raises(UserError, match=r"YOLO labels, but nothing that names the classes"):
        load_datasets(tmp_path / "photos")
    (tmp_path / "photos" / "b.xml").write_text(xml(CAT))
    with pytest.raises(UserError, match=r"none of its 1 photos belongs.*First problem.*b\.xml"):
        load_datasets(tmp_path / "photos")


def test_none_readable_is_an_error(tmp_path):
    fill(tmp_path, 2)
    for path in (tmp_path / "Annotations").iterdir():
        path.write_text("<broken")
    with pytest.raises(UserError, match=r"none of 2 label files can be read.*not well-formed"):
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
    with pytest.raises(UserError, match="no photo has a labelled object"):
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
    for name, listed in (("train", "0123"), ("val", "45")):
        (tmp_path / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(listed))
    train, _, info = load_datasets(tmp_path)
    assert [record.image_id for record in train.records] == ["1", "2", "3"]
    assert "copies of validation photos" in info.notes[-1]


def test_voc_is_used_where_there_are_several_formats(tmp_path):
    fill(tmp_path, 4)
    for i in range(4):
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"photo {i:02}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "classes.txt").write_text("bird\n")
    dataset = load_split(tmp_path, "all")
    assert dataset.classes == ("cat", "dog")
    assert dataset.notes == (
        "the folder has YOLO labels of 4 photos as well; those in VOC format are used",
    )


def several_formats(folder, xmls):
    """Four photos with YOLO labels, some of them with XML."""
    for i in range(4):
        photo(folder / "images" / f"{i}.jpg")
        put(folder / "labels" / f"{i}.txt", "0 0.5 0.5 0.2 0.2\n")
    for i in range(xmls):
        put(folder / "labels" / f"{i}.xml", xml(("cat", 2, 2, 9, 9)))
    put(folder / "classes.txt", "bird\n")
    dataset = load_split(folder, "all")
    return dataset.classes, len(dataset), dataset.notes


def test_a_stray_file_of_another_format_does_not_take_the_folder(tmp_path):
    assert several_formats(tmp_path, 1) == (("bird",), 4, (
        "the folder has VOC labels of 1 photo as well; those in YOLO format are used",
    ))  # fmt: skip


def test_photos_that_another_format_labels_are_not_called_unlabelled(tmp_path):
    assert several_formats(tmp_path, 2) == (("cat",), 2, (
        "the folder has YOLO labels of 4 photos as well, 2 of them without VOC labels; those in "
        "VOC format are used",
    ))  # fmt: skip


def test_predictions_do_not_take_the_place_of_labels(tmp_path):
    region = {
        "type": "rectanglelabels", "original_width": 40, "original_height": 30, "score": 0.5,
        "value": {"x": 10, "y": 20, "width": 30, "height": 40, "rectanglelabels": ["bolt"]},
    }  # fmt: skip
    tasks = []
    for i in range(4):
        photo(tmp_path / "images" / f"{i}.jpg")
        tasks.append({"data": {"image": f"{i}.jpg"}, "predictions": [{"result": [region]}]})
    put(tmp_path / "tasks.json", json.dumps(tasks))
    assert load_split(tmp_path, "all").classes == ("bolt",)
    put(tmp_path / "images" / "0.xml", xml(("cat", 2, 2, 9, 9)))
    assert load_split(tmp_path, "all").classes == ("cat",)
    tasks = [{**task, "annotations": task.pop("predictions")} for task in tasks]
    put(tmp_path / "tasks.json", json.dumps(tasks))
    assert load_split(tmp_path, "all").classes == ("bolt",)


@pytest.mark.parametrize(
    ("labels", "line"),
    [("pred/labels", "0 .5 .5 .2 .2"), ("images", "0 .5 .5 .2 .2 .87\n0 .4 .4 .2 .2 .3")],
)
def test_yolo_labels_that_predict_wrote_do_not_take_the_place_of_others(tmp_path, labels, line):
    for i in range(6):
        photo(tmp_path / "images" / f"{i}.jpg")
        put(tmp_path / labels / f"{i}.txt", line)
    put(tmp_path / "classes.txt", "person\n")
    assert load_split(tmp_path, "all").classes == ("person",)
    image = {"id": 1, "file_name": "1.jpg", "width": 40, "height": 30}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 9, 9], "area": 81, "iscrowd": 0}
    coco = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "bolt"}]}
    put(tmp_path / "few.json", json.dumps(coco))  # YOLO comes before COCO
    assert load_split(tmp_path, "all").classes == ("person",)
    put(tmp_path / "images" / "0.xml", xml(("cat", 2, 2, 9, 9)))
    dataset = load_split(tmp_path, "all")
    assert (dataset.classes, len(dataset)) == (("cat",), 1)
    assert any("YOLO labels of 6 photos as well" in note for note in dataset.notes)


def coco_of(path, names, objects, **more):
    """A COCO JSON that lists photos and labels some of them; ``more`` stands in each object."""
    images = [
        {"id": i, "file_name": name, "width": 40, "height": 30} for i, name in enumerate(names)
    ]
    box = {"category_id": 1, "bbox": [1, 2, 9, 9], "area": 81, "iscrowd": 0, **more}
    boxes = [{"id": i, "image_id": i, **box} for i in range(objects)]
    coco = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "bolt"}]}
    put(path, json.dumps(coco))


@pytest.mark.parametrize("first", ["voc", "yolo"])
@pytest.mark.parametrize(
    ("objects", "more", "winner"),
    [(8, {}, "bolt"), (8, {"score": 0.5}, "cat"), (2, {}, "cat"), (0, {}, "cat")],
)
def test_a_coco_file_takes_the_place_of_labels_by_what_people_drew(
    tmp_path, first, objects, more, winner
):
    names = [f"{i}.jpg" for i in range(8)]
    for name in names:
        photo(tmp_path / "images" / name)
    for i in range(2):
        if first == "voc":
            put(tmp_path / "annotations" / f"{i}.xml", xml(("cat", 2, 2, 9, 9)))
        else:
            put(tmp_path / "labels" / f"{i}.txt", "0 0.5 0.5 0.2 0.2\n")
            put(tmp_path / "classes.txt", "cat\n")
    coco_of(tmp_path / "all.json", names, objects, **more)
    assert load_split(tmp_path, "all").classes == (winner,)


def test_labels_with_class_names_of_their_own_folder_count_as_drawn(tmp_path):
    """labelImg writes a ``classes.txt`` into each folder; ids of one mean nothing in another."""
    put(tmp_path / "a" / "classes.txt", "cat\n")
    put(tmp_path / "b" / "classes.txt", "bolt\nnut\n")
    for i in range(8):
        photo(tmp_path / "ab"[i > 0] / f"{i}.jpg")
        put(tmp_path / "ab"[i > 0] / f"{i}.txt", f"{int(i > 0)} 0.5 0.5 0.2 0.2\n")
    put(tmp_path / "a" / "0.xml", xml(("dog", 2, 2, 9, 9)))
    put(tmp_path / "b" / "1.xml", xml(("dog", 2, 2, 9, 9)))
    assert load_split(tmp_path, "all").classes == ("cat", "bolt", "nut")


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_a_data_set_below_another_does_not_take_its_place(tmp_path, kind):
    fill(tmp_path, 3, images="images", xmls="annotations")
    names = [f"{i}.jpg" for i in range(9)]
    for i, name in enumerate(names):
        photo(tmp_path / "other" / "images" / name)
        if kind == "yolo":
            put(tmp_path / "other" / "labels" / f"{i}.txt", "0 0.5 0.5 0.2 0.2\n")
            put(tmp_path / "other" / "classes.txt", "bolt\n")
    if kind == "coco":
        coco_of(tmp_path / "other" / "instances_val2017.json", names, 9)
    dataset = load_split(tmp_path, "all")
    assert (dataset.classes, len(dataset)) == (("cat", "dog"), 3)
    title = {"coco": "COCO", "yolo": "YOLO"}[kind]
    assert f"the folder has {title} labels of 9 photos as well" in dataset.notes[0]


def test_classes_keep_the_order_that_the_folder_declares(tmp_path):
    for i in range(4):
        photo(tmp_path / "images" / f"{i}.png")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{i}.txt").write_text("1 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "classes.txt").write_text("zebra\nape\n")
    for _ in range(2):
        dataset = load_split(tmp_path, "all")
        assert dataset.classes == ("zebra", "ape")
        assert dataset.records[0].class_ids.tolist() == [1, 0]


def test_class_names_in_two_spellings_are_one_class(tmp_path):
    short, long = "caf\u00e9", "cafe\u0301"
    for i, name in enumerate((short, long)):
        pair(tmp_path, f"{i}", (name, 1, 1, 20, 20))
    dataset = load_split(tmp_path, "all")
    assert dataset.classes == (short,)
    assert dataset.records.class_ids.tolist() == [0, 0]
    for only_listed in (False, True):  # the classes of a checkpoint that was trained on the other
        dataset = load_split(tmp_path, "all", classes=("b", long), only_listed=only_listed)
        assert dataset.classes == ("b", long)
        assert dataset.records.class_ids.tolist() == [1, 1]


def test_more_classes_than_a_detector_can_have(tmp_path):
    names = fill(tmp_path, 4)
    many = ["cat", "dog", *(f"class {i}" for i in range(19_998))]
    assert len(load_photos(tmp_path, names, classes=many).classes) == 20_000
    with pytest.raises(UserError, match="20,001 classes are more than the 20,000"):
        load_photos(tmp_path, names, classes=[*many, "one more"])
