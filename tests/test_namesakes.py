"""Labels in other folders than their photos, names that are not unique, and links inside."""

import pytest

from tests.label_folders import CAT, coco_image, coco_json, coco_object, image_ids, photo, put, xml
from utils.data.datasets import load_split
from utils.data.doctor.doctor import check_dataset
from utils.data.folder.data_folder import DataFolder
from utils.errors import UserError

FORMATS = ("yolo", "voc", "coco")


def write(folder, form, photos, labels):
    """Photos, and labels that lie (or in COCO: are called) so, without suffix."""
    for path in photos:
        photo(folder / f"images/{path}")
    if form == "yolo":
        put(folder / "classes.txt", "cat\n")
    for path in labels:
        if form == "yolo":
            put(folder / f"labels/{path}.txt", "0 .5 .5 .5 .5\n")
        elif form == "voc":
            name = path.rpartition("/")[2]
            put(folder / f"annotations/{path}.xml", xml(CAT, filename=f"{name}.jpg"))
    if form == "coco":
        images = [coco_image(i, f"{path}.jpg") for i, path in enumerate(labels)]
        coco_json(folder / "labels.json", images, [coco_object(i) for i in range(len(labels))])


def objects(folder):
    return {record.image_id: len(record.boxes) for record in load_split(folder, "all").records}


@pytest.mark.parametrize("form", FORMATS)
def test_flat_labels_meet_photos_in_folders(tmp_path, form):
    write(tmp_path, form, ["1.jpg", "night/2.jpg", "night/rain/3.jpg"], ["1", "2", "3"])
    assert objects(tmp_path) == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("form", FORMATS)
def test_labels_in_folders_meet_flat_photos(tmp_path, form):
    write(tmp_path, form, ["1.jpg", "2.jpg", "3.jpg"], ["1", "a/2", "b/3"])
    assert objects(tmp_path) == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("form", FORMATS)
def test_capitals_do_not_part_labels_and_photos(tmp_path, form):
    write(tmp_path, form, ["IMG_1.JPG", "2.jpg", "Night/3.jpg"], ["img_1", "2", "night/3"])
    assert sorted(objects(tmp_path).values()) == [1, 1, 1]
    assert load_split(tmp_path, "all").notes == ()


@pytest.mark.parametrize("form", FORMATS[:2])
def test_labels_called_like_the_photo_with_its_suffix(tmp_path, form):
    write(tmp_path, form, ["1.jpg", "night/2.jpg"], ["1.jpg", "night/2.jpg"])
    assert objects(tmp_path) == {"1": 1, "2": 1}


@pytest.mark.parametrize("form", FORMATS)
def test_photos_of_one_name_are_left_out_and_never_empty(tmp_path, form):
    day, night = ["day/1.jpg", "day/2.jpg", "day/4.jpg"], ["night/1.jpg", "night/3.jpg"]
    write(tmp_path, form, day + night, ["1", "2", "3", "4"])
    assert objects(tmp_path) == {"2": 1, "3": 1, "4": 1}
    notes = " ".join(load_split(tmp_path, "all").notes)
    assert "1.jpg" in notes
    assert "left out" in notes
    report = check_dataset(tmp_path)
    assert {entry.image_id for entry in report.folder.photos} == {"2", "3", "4"}
    assert any("1.jpg" in f"{f.where} {f.message}" for f in report.findings)


def test_two_label_files_for_one_photo_leave_it_out(tmp_path):
    write(tmp_path, "yolo", ["1.jpg", "2.jpg"], ["a/1", "b/1", "2"])
    assert objects(tmp_path) == {"2": 1}
    assert any("labels/a/1.txt" in note for note in load_split(tmp_path, "all").notes)


def test_a_photo_without_labels_whose_namesake_has_its_own_is_empty(tmp_path):
    write(tmp_path, "yolo", ["train/1.jpg", "val/1.jpg", "val/2.jpg"], ["train/1", "val/2"])
    assert objects(tmp_path) == {"train/1": 1, "val/1": 0, "2": 1}
    (note,) = load_split(tmp_path, "all").notes
    assert "labels/val/1.txt" in note


def test_captions_are_no_labels(tmp_path):
    write(tmp_path, "yolo", ["1.jpg", "2.jpg"], ["1"])
    put(tmp_path / "captions/2.txt", "a cat on a mat")
    assert objects(tmp_path) == {"1": 1, "2": 0}


# Links


@pytest.mark.parametrize("form", FORMATS)
def test_links_inside_the_folder_are_followed(tmp_path, form):
    write(tmp_path, form, [], ["train/1", "train/2", "val/3"])
    for split, names in {"train": "12", "val": "3"}.items():
        for name in names:
            photo(tmp_path / f"raw/{split} photos/{name}.jpg")
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / split).symlink_to(tmp_path / f"raw/{split} photos")
    assert objects(tmp_path) == {"1": 1, "2": 1, "3": 1}
    if form != "coco":  # where files, not folders, are the lists
        lists = DataFolder.open(tmp_path).index.layout.lists
        assert {name: found.image_ids for name, found in lists.items()} == {
            "train": ("1", "2"),
            "val": ("3",),
        }


@pytest.mark.parametrize("form", FORMATS)
def test_linked_files_inside_the_folder_are_followed(tmp_path, form):
    write(tmp_path, form, [], ["1"])
    target = photo(tmp_path / "store/ab12.jpg")
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "images/1.jpg").symlink_to(target)
    assert image_ids(load_split(tmp_path, "all")) == ["1"]


def test_a_link_to_its_own_parent_is_no_maze(tmp_path):
    write(tmp_path, "yolo", ["1.jpg"], ["1"])
    (tmp_path / "images/train").symlink_to(tmp_path / "images")
    assert objects(tmp_path) == {"1": 1}


def test_many_links_that_lead_out_are_few_notes(tmp_path):
    outside, data = tmp_path / "outside", tmp_path / "data"
    write(data, "yolo", ["a.jpg"], ["a"])
    for i in range(50):
        (data / f"images/{i}.jpg").symlink_to(photo(outside / f"{i}.jpg"))
    *_, last = notes = [note for note in load_split(data, "all").notes if "link" in note]
    assert len(notes) == 6
    assert "45 more" in last


def coco_names(folder, photos, names, size=(40, 30)):
    for path in photos:
        photo(folder / path)
    images = [coco_image(i, name, size) for i, name in enumerate(names)]
    coco_json(folder / "labels.json", images, [coco_object(i) for i in range(len(names))])


def test_coco_names_of_photos_that_were_saved_in_another_format(tmp_path):
    coco_names(tmp_path, ["a/1.png", "a/2.png"], ["1.jpg", "a/2.JPG"])
    found = load_split(tmp_path, "all")
    assert [len(record.boxes) for record in found.records] == [1, 1]
    assert any("1.jpg (taken for a/1.png)" in note and "suffix" in note for note in found.notes)


@pytest.mark.parametrize(
    ("photos", "names", "size"),
    [
        (["1.png", "1.bmp", "2.jpg"], ["1.jpg", "2.jpg"], (40, 30)),  # two photos
        (["1.png", "2.jpg"], ["1.jpg", "1.bmp", "2.jpg"], (40, 30)),  # two names
        (["a/1.png", "b/2.jpg"], ["b/1.jpg", "b/2.jpg"], (40, 30)),  # another folder
        (["masks/1.png", "images/2.jpg"], ["1.jpg", "2.jpg"], (40, 30)),
    ],
)
def test_coco_names_of_another_suffix_that_are_not_plain(tmp_path, photos, names, size):
    coco_names(tmp_path, photos, names, size)
    assert [record.image.name for record in load_split(tmp_path, "all").records] == ["2.jpg"]


def test_a_photo_of_another_suffix_and_size_is_another_photo(tmp_path):
    coco_names(tmp_path, ["1.png"], ["1.jpg"], (400, 300))
    with pytest.raises(UserError, match="none of them is there"):
        load_split(tmp_path, "all")


def test_coco_names_that_two_folders_have_are_not_said_to_be_missing(tmp_path):
    coco_names(tmp_path, ["a/1.jpg", "b/1.jpg"], ["1.jpg", "1.jpg"])
    with pytest.raises(UserError, match=r"a/1\.jpg and b/1\.jpg.*the folder before each"):
        load_split(tmp_path, "all")


def test_labels_that_are_all_contested_are_no_folder_without_labels(tmp_path):
    write(
        tmp_path,
        "yolo",
        [f"{part}/{i}.jpg" for part in ("train", "val") for i in (1, 2)],
        ["1", "2"],
    )
    with pytest.raises(UserError, match=r"label file of its own.*4 photos have labels that cannot"):
        load_split(tmp_path, "all")


def test_masks_of_missing_photos_are_no_photos(tmp_path):
    photos = ["2.jpg", *(f"../masks/{i}.png" for i in (1, 2, 3))]
    write(tmp_path, "yolo", photos, ["1", "2", "3"])
    assert objects(tmp_path) == {"2": 1}


def test_copies_of_labelled_photos_never_count_as_empty(tmp_path):
    photos = ["2.jpg", "3.jpg", *(f"../small/{i}.jpg" for i in (1, 2, 3, 4))]
    write(tmp_path, "yolo", photos, ["1", "2", "3"])
    assert objects(tmp_path) == {"1": 1, "2": 1, "3": 1, "4": 0}


def test_masks_in_the_folder_of_a_split_are_no_photos_without_objects(tmp_path):
    for part in ("train", "val"):
        for path in (f"{part}/images/{part}.jpg", f"{part}/masks/{part}.png", f"{part}/more/x.jpg"):
            photo(tmp_path / path)
        put(tmp_path / f"{part}/labels/{part}.txt", "0 .5 .5 .5 .5\n")
    put(tmp_path / "classes.txt", "cat\n")
    found = load_split(tmp_path, "train")
    assert sorted(record.image.name for record in found.records) == ["train.jpg", "x.jpg"]
