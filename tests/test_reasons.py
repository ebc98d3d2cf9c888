"""What is left out is counted, with the commonest reason, an example and what to do about it."""

import pytest

from tests.label_folders import (
    CAT,
    coco_image,
    coco_json,
    coco_object,
    fill,
    pair,
    photo,
    put,
    xml,
    yolo_pair,
)  # fmt: skip
from utils.data.datasets import load_datasets, load_split
from utils.data.doctor.doctor import check_dataset, run_doctor
from utils.data.formats.yolo_txt import parse_labels
from utils.errors import UserError

# Nothing can be used: the folder, and what its error must say


def yolo(folder, line, count=4, names="cat\n"):
    for i in range(count):
        yolo_pair(folder, f"images/{i}.jpg", f"labels/{i}.txt", line + "\n")
    put(folder / "classes.txt", names)


def coco(folder, *, count=4, **more):
    for i in range(count):
        photo(folder / f"{i}.jpg")
    images = [coco_image(i, f"{i}.jpg") for i in range(count)]
    coco_json(folder / "labels.json", images, [{**coco_object(i), **more} for i in range(count)])


def voc(folder, text, count=4):
    for i in range(count):
        photo(folder / "JPEGImages" / f"{i}.jpg")
        put(folder / "Annotations" / f"{i}.xml", text)


NO_CAT = xml(("", 1, 1, 20, 20))
NOTHING = {
    "yolo pixels": (lambda f: yolo(f, "0 20 20 10 10"), ("labels/0.txt, object 1", "pixels")),
    "yolo names": (lambda f: yolo(f, "0 .5 .5 .2 .2\n\ncat .5 .5 .2 .2", names="\n\n\ncat"),
                   ("8", "no name", "classes.txt")),
    "yolo columns": (lambda f: yolo(f, "0 .5 .5 .2 .2", names="\n\n\n\n\ncat"), ("4", "id 0")),
    "yolo class names": (lambda f: yolo(f, "cat .5 .5 .2 .2"), ("4", "'cat' is not a class id")),
    "coco categories": (lambda f: coco(f, category_id=99), ("4", "category 99", "labels.json")),
    "coco without boxes": (lambda f: coco(f, bbox=[]), ("4", "no bbox", "labels.json, image 0")),
    "coco text": (lambda f: coco(f, bbox=["1", 2, 3, 4]), ("4", "not a number", "object 1")),
    "voc names": (lambda f: voc(f, NO_CAT), ("4", "no class name", "Annotations/0.xml, object 1")),
    "voc boxes": (lambda f: voc(f, xml(("cat", 9, 9, 3, 3))), ("4", "lies before", "0.xml")),
    "voc broken": (lambda f: voc(f, "<annotation>"), ("none of 4", "0.xml", "Export")),
    "voc no objects": (lambda f: voc(f, xml()), ("4 photos", "none of them has an object")),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOTHING)
def test_an_error_with_nothing_left_says_how_many_and_why(tmp_path, kind):
    make, said = NOTHING[kind]
    make(tmp_path)
    with pytest.raises(UserError) as caught:
        load_datasets(tmp_path)
    for words in said:
        assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_training_list_without_objects_is_no_training(tmp_path):
    fill(tmp_path, 6)
    pair(tmp_path, "bad", ("cat", 9, 9, 3, 3))
    put(tmp_path / "ImageSets/Main/train.txt", "bad\n")
    put(tmp_path / "ImageSets/Main/val.txt", "photo 00\n")
    with pytest.raises(UserError, match=r"'train' has a labelled object.*bad.xml, object 1"):
        load_datasets(tmp_path)


@pytest.mark.parametrize("size", [(40, 30), (400, 300)])
def test_much_less_than_was_found_is_said_first(tmp_path, size):
    inside, outside = ("cat", 1, 1, 20, 20), ("cat", 900, 900, 920, 920)
    for i in range(8):
        pair(tmp_path, f"{i}", inside, outside, size=size)
    train, _, _ = load_datasets(tmp_path)
    count = len(train.records)
    assert f"{count} of {2 * count} labelled objects" in train.notes[0]
    assert "object 2" in train.notes[0]
    assert "outside the photo" in train.notes[0]


def test_a_few_lost_objects_are_no_headline(tmp_path):
    fill(tmp_path, 20)
    pair(tmp_path, "bad", CAT, ("cat", 9, 9, 3, 3))
    notes = load_split(tmp_path, "all").notes
    assert any("bad.xml, object 2" in note for note in notes)
    assert not any("labelled objects" in note for note in notes)


# Names of classes that cannot be read


def test_a_yaml_in_another_encoding_is_named(tmp_path):
    yolo_pair(tmp_path, "images/a.jpg", "labels/a.txt")
    (tmp_path / "data.yaml").write_bytes("train: images\nnames: [Bär]\n".encode("latin-1"))
    with pytest.raises(UserError) as caught:
        load_datasets(tmp_path)
    for words in ("data.yaml", "UTF-8", "0xE4", "line 2"):
        assert words in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["data.yaml", "classes.txt"])
def test_names_with_a_byte_order_mark_are_read(tmp_path, name, encoding):
    yolo_pair(tmp_path, "images/a.jpg", "labels/a.txt")
    text = "Bär\n" if name == "classes.txt" else "train: images\nnames: [Bär]\n"
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert load_split(tmp_path, "all").classes == ("Bär",)


# Columns between other signs


@pytest.mark.parametrize(
    "line",
    ["1,.5,.25,.5,.5", "1, .5, .25, .5, .5", "1;.5;.25;.5;.5", "1\t.5\t.25\t.5\t.5"]
    + ["1 .5,.25,.5,.5", "1 0,5 0,25 0,5 0,5", "1;0,5;0,25;0,5;0,5", "1 , .5 , .25 , .5 , .5,"]
    + ["1 .25,0 .75,.5", "1; 0.5; 0.25; 0.5; 0.5;"][1:],
)
def test_columns_may_stand_between_commas_semicolons_or_tabs(line):
    labels = parse_labels(line.encode(), {0: "cat", 1: "dog"})
    assert labels.names == ("dog",)
    assert labels.boxes.tolist() == [[0.25, 0, 0.75, 0.5]]


def test_an_outline_between_commas():
    labels = parse_labels(b"0 0.25,0 0.75,0 0.75,0.5\n", {0: "cat"})
    assert labels.boxes.tolist() == [[0.25, 0, 0.75, 0.5]]


def test_a_folder_of_labels_with_commas_is_one_of_labels(tmp_path):
    yolo(tmp_path, "0,.5,.5,.2,.2")
    assert len(load_split(tmp_path, "all").records.boxes) == 4


# Class ids from 1


def from_one(folder, names="cat\ndog\n", ids=(1, 2), name="classes.txt"):
    lines = [f"{i} .5 .5 .2 .2" for i in ids]
    yolo(folder, "\n".join(lines), names=names)
    if name != "classes.txt":
        (folder / "classes.txt").rename(folder / name)


@pytest.mark.parametrize("read", [load_datasets, lambda folder: load_split(folder, "all")])
def test_ids_from_one_stop_training_and_scoring(tmp_path, read):
    from_one(tmp_path)
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    for words in ("counted from 1", "cat", "labels/0.txt, object 2", "classes.txt", "data.yaml"):
        assert words in str(caught.value)


def test_ids_from_one_are_found_by_the_doctor_and_never_copied(tmp_path):
    from_one(tmp_path / "data")
    report = check_dataset(tmp_path / "data")
    assert [f.kind for f in report.findings if f.kind == "class-ids-from-1"]
    with pytest.raises(UserError, match="counted from 1"):
        run_doctor(tmp_path / "data", out=tmp_path / "out", fix=tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ("\ncat\ndog\n", "classes.txt"),
        ("nc: 2\ntrain: images\nnames: {1: cat, 2: dog}", "data.yaml"),
    ],
)
def test_either_reading_can_be_said(tmp_path, names, name):
    from_one(tmp_path, names, name=name)
    data = load_split(tmp_path, "all")
    assert data.classes == ("cat", "dog")
    assert sorted({data.classes[i] for i in data.records.class_ids}) == ["cat", "dog"]


def test_the_other_reading_is_a_name_more(tmp_path):
    from_one(tmp_path, "cat\ndog\ncow\n")
    data = load_split(tmp_path, "all")
    assert {data.classes[i] for i in data.records.class_ids} == {"dog", "cow"}


def coco_ids(folder, ids, category_ids):
    """One photo with an object of each id; the categories are called a, b, c…"""
    photo(folder / "1.png")
    categories = [{"id": own, "name": "abc"[i]} for i, own in enumerate(category_ids)]
    objects = [coco_object(1, category=own) for own in ids]
    coco_json(folder / "labels.json", [coco_image(1, "1.png")], objects, categories)


@pytest.mark.parametrize(
    ("ids", "category_ids", "words"),
    [((1, 2), (0, 1), "counted from 1"), ((0, 1), (1, 2), "counted from 0")],
)
def test_category_ids_that_are_all_one_off_stop_training(tmp_path, ids, category_ids, words):
    coco_ids(tmp_path, ids, category_ids)
    with pytest.raises(UserError, match=rf"{words}.*labels\.json, image 1, object .*categor"):
        load_split(tmp_path, "all")
    assert "class-ids-from-1" in {f.kind for f in check_dataset(tmp_path).findings}


@pytest.mark.parametrize(
    ("ids", "category_ids"),
    [
        ((1, 2), (1, 2)),  # right
        ((1,), (0, 1)),  # the first does not occur
        ((0, 1, 2), (0, 1)),  # one category is missing
        ((0, 1, 2), (1, 2)),  # the last occurs, too
        ((2, 3, 17), (2, 17)),  # with gaps
    ],
)
def test_other_category_ids_are_not_one_off(tmp_path, ids, category_ids):
    coco_ids(tmp_path, ids, category_ids)
    found = load_split(tmp_path, "all")
    assert len(found.records.boxes) == len(set(ids) & set(category_ids))


def test_yolo_ids_from_zero_with_names_from_one(tmp_path):
    from_one(tmp_path, "\ncat\ndog\n", ids=(0, 1))
    with pytest.raises(UserError, match=r"counted from 0.*labels/0\.txt, object 1"):
        load_split(tmp_path, "all")


def test_objects_that_are_all_left_out_are_not_said_to_be_missing(tmp_path):
    photo(tmp_path / "1.png")
    photo(tmp_path / "2.png")
    images = [coco_image(1, "1.png"), coco_image(2, "2.png")]
    coco_json(tmp_path / "labels.json", images, [coco_object(1, box=[1, 2, 0, 0])])
    with pytest.raises(UserError, match=r"left out, as in labels\.json") as caught:
        load_datasets(tmp_path)
    assert "without any object" not in str(caught.value)


def test_the_last_error_has_no_double_full_stop(tmp_path):
    yolo(tmp_path, "0 5 5 .1 .1")
    with pytest.raises(UserError, match="outside the photo") as caught:
        load_datasets(tmp_path)
    assert ".." not in str(caught.value)


@pytest.mark.parametrize("ids", [(0, 1, 2), (1,), (1, 3), (1, 2, 3)])
def test_other_ids_are_not_counted_from_one(tmp_path, ids):
    from_one(tmp_path, ids=ids)
    assert len(load_split(tmp_path, "all")) == 4


# Few photos


@pytest.mark.parametrize(
    ("count", "said"), [(1, "of 1 labelled photo"), (2, "of 2 labelled photos")]
)
def test_too_few_photos_are_counted(tmp_path, count, said):
    fill(tmp_path, count)
    with pytest.raises(UserError) as caught:
        load_datasets(tmp_path)
    assert said in str(caught.value)
    assert "at least 3" in str(caught.value)


def test_copies_of_one_photo_are_one_photo(tmp_path):
    fill(tmp_path, 3)
    first, *others = (tmp_path / "JPEGImages").iterdir()
    for other in others:
        other.write_bytes(first.read_bytes())
    with pytest.raises(UserError, match="the same picture"):
        load_datasets(tmp_path)


def test_three_photos_are_enough(tmp_path):
    fill(tmp_path, 3)
    train, val, _ = load_datasets(tmp_path)
    assert (len(train), len(val)) == (1, 1)


# Where labels were looked for


def test_labels_that_are_not_there_are_said_with_an_example(tmp_path):
    photo(tmp_path / "images/night/7.jpg")
    put(tmp_path / "data.yaml", "train: images\nnames: [cat]\n")
    with pytest.raises(UserError, match=r"7\.jpg were looked for in labels/night/7\.txt"):
        load_datasets(tmp_path)


def test_photos_without_any_labels_are_said_with_an_example(tmp_path):
    photo(tmp_path / "a/7.jpg")
    with pytest.raises(UserError, match=r"a/7\.jpg.*7\.xml and 7\.txt were looked for"):
        load_datasets(tmp_path)


def test_a_json_in_utf_16_is_read(tmp_path):
    coco(tmp_path)
    text = (tmp_path / "labels.json").read_text()
    (tmp_path / "labels.json").write_bytes(text.encode("utf-16"))
    assert len(load_split(tmp_path, "all").records.boxes) == 4


def test_links_that_lead_out_are_said_in_every_format(tmp_path):
    outside = tmp_path / "outside"
    photo(outside / "1.jpg")
    for form, labels in (("yolo", "data.yaml"), ("voc", "1.xml"), ("coco", "labels.json")):
        data = tmp_path / form
        data.mkdir()
        (data / "images").symlink_to(outside)
        if form == "yolo":
            put(data / labels, "train: images\nnames: [cat]\n")
            put(data / "labels/1.txt", "0 .5 .5 .2 .2\n")
        elif form == "voc":
            put(data / labels, xml(CAT))
        else:
            coco_json(data / labels, [coco_image(1, "1.jpg")], [coco_object(1)])
        with pytest.raises(UserError, match=r"images.*link.*out of the data folder"):
            load_datasets(data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"0|.5|.5|.2|.2\n", r"labels/0\.txt.* images/0\.jpg, but begins with '0\|\.5"),
        (b"\n0 .5 .5\n", r"begins with '0 \.5 \.5', which is no label.* 0 0\.5 0\.5 0\.2 0\.3"),
        (b"# \xe9\n0 .5 .5 .2 .2\n", r"labels/0\.txt.* cannot be read: not a text file"),
        (b"", r"labels/0\.txt.* is empty"),
    ],
)
def test_text_files_that_hold_no_labels_are_named_in_the_last_error(tmp_path, content, words):
    yolo(tmp_path, "")
    for path in (tmp_path / "labels").iterdir():
        path.write_bytes(content)
    with pytest.raises(UserError, match=f"no annotated photos.*{words}"):
        load_datasets(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("images/0.json", '{"shapes": [], "imagePath": "0.jpg"}', "a labelme file"),
        ("x.json", '[{"image": "0.jpg", "annotations": [{"coordinates": {}}]}]', "a CreateML file"),
        ("via.json", '{"0.jpg": {"regions": [{"shape_attributes": {}}]}}', "a file of the VGG"),
        ("_annotations.csv", "filename,class,xmin,ymin,xmax,ymax\n", "a CSV table of boxes"),
        ("annotations.xml", '<annotations>\n<image id="0" name="0.jpg"/></annotations>',
         "a file of CVAT's own format"),
    ],
)  # fmt: skip
def test_a_format_that_is_not_read_is_named(tmp_path, name, content, kind):
    photo(tmp_path / "images" / "0.jpg")
    put(tmp_path / name, content)
    with pytest.raises(UserError) as caught:
        load_datasets(tmp_path)
    assert f"{name} is {kind}" in str(caught.value)
    assert str(caught.value).endswith("not read; export the labels as COCO, YOLO or Pascal VOC")


def test_other_tables_are_no_labels(tmp_path):
    photo(tmp_path / "0.jpg")
    put(tmp_path / "weather.csv", "day,rain\n")
    with pytest.raises(UserError, match=r"Formats that can be read: .* 0\.xml and 0\.txt were"):
        load_datasets(tmp_path)


def test_files_that_cannot_be_used_have_a_sentence_for_each_reason(tmp_path):
    yolo(tmp_path, "0 .5 .5 .2 .2\n" * 5001)
    (tmp_path / "labels" / "0.txt").write_bytes(b"# \xe9\n0 .5 .5 .2 .2\n")
    with pytest.raises(UserError) as caught:
        load_datasets(tmp_path)
    assert "1 of 4 label files cannot be read" in str(caught.value)
    assert "3 of 4 label files cannot be used" in str(caught.value)


def test_one_object_is_counted_as_one(tmp_path):
    yolo(tmp_path, "0 .5 .5 0 0", count=1)
    with pytest.raises(UserError, match="The only labelled object is left out, as in"):
        load_datasets(tmp_path)


def test_yolo_labels_in_utf_16(tmp_path):
    yolo(tmp_path, "")
    for path in (tmp_path / "labels").iterdir():
        path.write_text("0 .5 .5 .2 .2\n", encoding="utf-16")
    assert len(load_split(tmp_path, "all").records.boxes) == 4


def test_a_photo_with_too_many_objects_is_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.data.formats.MAX_OBJECTS", 3)
    yolo(tmp_path / "some", "0 .5 .5 .2 .2\n" * 3)
    yolo_pair(tmp_path / "some", "images/9.jpg", "labels/9.txt", "0 .5 .5 .2 .2\n" * 4)
    found = load_split(tmp_path / "some", "all")
    assert [record.image_id for record in found.records] == ["0", "1", "2", "3"]
    said = "labels/9.txt: 4 objects, and a photo may have 3; skipped"
    assert said in found.notes
    yolo(tmp_path / "all", "0 .5 .5 .2 .2\n" * 4)
    with pytest.raises(UserError, match=r"4 objects, and a photo may have 3\. Cut these photos"):
        load_split(tmp_path / "all", "all")
