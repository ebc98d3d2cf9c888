"""Joined sets: every picture and object of each source, under names that cannot meet."""

import json

import pytest

from bench.pretraining.mix import main
from utils.cli import run


def coco(count, names, prefix=""):
    return {
        "images": [
            {"id": 10 + i, "file_name": f"{prefix}{i}.jpg", "width": 8, "height": 6}
            for i in range(count)
        ],
        "annotations": [
            {"id": i, "image_id": 10 + i, "category_id": 7 + i % len(names), "bbox": [1, 2, 3, i]}
            for i in range(count)
        ],
        "categories": [{"id": 7 + i, "name": name} for i, name in enumerate(names)],
    }


@pytest.fixture
def sources(tmp_path):
    drawn, photos = tmp_path / "drawn", tmp_path / "photos"
    (drawn / "annotations").mkdir(parents=True)
    for split, count in (("train", 4), ("val", 2)):
        (drawn / "images" / split).mkdir(parents=True)
        text = json.dumps(coco(count, ["cat"], f"{split}/"))
        (drawn / "annotations" / f"instances_{split}.json").write_text(text)
        for i in range(count):
            (drawn / "images" / split / f"{i}.jpg").write_bytes(b"drawn")
    (photos / "images").mkdir(parents=True)
    (photos / "labels.json").write_text(json.dumps(coco(30, ["cat", "dog"], "images/")))
    for i in range(30):
        (photos / "images" / f"{i}.jpg").write_bytes(f"photo {i}".encode())
    return [str(drawn), f"{photos / 'labels.json'}:3"]


def test_all_objects_stay_with_their_pictures_and_classes(sources, tmp_path):
    out = tmp_path / "out"
    assert run(main, [*sources, "--out", str(out)]) == 0
    train, val = (
        json.loads((out / "annotations" / f"instances_{s}.json").read_text())
        for s in ("train", "val")
    )
    assert len(val["images"]) == 2 + 2  # one of 25
    assert len(train["images"]) == len(train["annotations"]) == 4 + 3 * 28
    names = {category["id"]: category["name"] for category in train["categories"]}
    assert sorted(names.values()) == ["0/cat", "1/cat", "1/dog"]
    images = {image["id"]: image for image in train["images"]}
    for annotation in train["annotations"]:
        source, _, name = images[annotation["image_id"]]["file_name"].split("/", 2)
        number = int(name.rpartition("/")[2].removesuffix(".jpg"))
        assert annotation["bbox"][3] == number
        expected = "0/cat" if source == "0" else ("1/cat", "1/dog")[number % 2]
        assert names[annotation["category_id"]] == expected
        content = (out / "images" / images[annotation["image_id"]]["file_name"]).read_bytes()
        assert content == (b"drawn" if source == "0" else f"photo {number}".encode())
    held_out = {
        image["file_name"].rpartition("/")[2]
        for image in val["images"]
        if image["file_name"][0] == "1"
    }
    assert not held_out & {
        i["file_name"].rpartition("/")[2] for i in train["images"] if i["file_name"][0] == "1"
    }


def test_what_exists_is_not_overwritten(sources, tmp_path, capsys):
    assert run(main, [*sources, "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(main, ["nothing.json", "--out", str(tmp_path / "new")]) == 2
    assert "nothing.json: there is no such file" in capsys.readouterr().err
