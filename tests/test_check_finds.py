"""``--check`` finds what training finds: on 50 generated bad folders both leave out the same.

Each folder is written from a seed, in one of the three formats, together with a list of what is
wrong in it. That list is the truth, and needs no reader.
"""

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.label_folders import coco_image, coco_json, photo, put
from utils.data.datasets import load_split
from utils.data.doctor.doctor import check_dataset

WIDTH, HEIGHT = 40, 30
LOST_OBJECTS = {  # kinds of the doctor for an object that training leaves out
    "object-no-class", "object-no-id", "object-no-name", "object-no-box", "box-not-a-number",
    "box-empty", "box-outside",
}  # fmt: skip
LOST_PHOTOS = {"photo-empty", "photo-unreadable", "labels-unreadable"}


@dataclass
class Truth:
    """What is wrong in a folder: (image id, number of the object), image ids, names of labels."""

    objects: set[tuple[str, int]] = field(default_factory=set)
    photos: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    used: dict[str, int] = field(default_factory=dict)


# What an object may be, by format: text of the object, whether it can be used


def yolo_line(rng):
    good = ["0 .5 .5 .3 .3", "1,.5,.5,.2,.2", "0 .1 .1 .9 .1 .9 .9", "1\t.4\t.4\t.2\t.2\t.9"]
    bad = ["7 .5 .5 .2 .2", "cat .5 .5 .2 .2", "0 .5 .5 .2", "0 200 100 20 20", "0 .5 .5 0 .2",
           "0 .5 nan .2 .2", "0 3 3 .2 .2", "0 .5 ,5 .1 .1", "-1 .5 .5 .2 .2"]  # fmt: skip
    return (rng.choice(bad), False) if rng.random() < 0.4 else (rng.choice(good), True)


def box(*sides):
    tags = ("xmin", "ymin", "xmax", "ymax")
    inside = "".join(f"<{tag}>{side}</{tag}>" for tag, side in zip(tags, sides, strict=True))
    return f"<bndbox>{inside}</bndbox>"


def voc_object(rng):
    outline = "<polygon><x1>2</x1><y1>3</y1><x2>20</x2><y2>3</y2><x3>20</x3><y3>25</y3></polygon>"
    rotated = "<robndbox><cx>20</cx><cy>15</cy><w>9</w><h>6</h><angle>0.7</angle></robndbox>"
    good = [f"<name>cat</name>{box(2, 3, 20, 25)}", f"<name>dog</name>{outline}",
            f"<name>cat</name>{rotated}"]  # fmt: skip
    bad = [f"<name/>{box(2, 3, 20, 25)}", "<name>cat</name>", f"<name>cat</name>{box(9, 9, 3, 3)}",
           f"<name>cat</name>{box('x', 3, 20, 25)}", f"<name>cat</name>{box(200, 200, 220, 225)}",
           "<name>cat</name><polygon><x1>2</x1><y1>3</y1></polygon>"]  # fmt: skip
    return (rng.choice(bad), False) if rng.random() < 0.4 else (rng.choice(good), True)


def coco_item(rng):
    outline = [[2, 3, 20, 3, 20, 25]]
    good = [{"bbox": [2, 3, 18, 20]}, {"segmentation": outline},
            {"bbox": [], "segmentation": outline},
            {"segmentation": {"size": [HEIGHT, WIDTH], "counts": [33, 5, 1162]}}]  # fmt: skip
    bad = [{"bbox": [2, 3, 18, 20], "category_id": 99}, {"bbox": [2, 3, 18]},
           {"bbox": [2, 3, 0, 9]},
           {"bbox": ["2", 3, 18, 20]}, {"bbox": [200, 200, 18, 20]}, {},
           {"segmentation": [[2, 3, 2, 9]]}]  # fmt: skip
    item, usable = (bad, False) if rng.random() < 0.4 else (good, True)
    return {"category_id": 3, **rng.choice(item)}, usable


MAKERS = {"yolo": yolo_line, "voc": voc_object, "coco": coco_item}


def write(root: Path, seed: int) -> Truth:
    """One folder, in a format that the seed chooses, and what is wrong in it."""
    rng = random.Random(seed)
    form = sorted(MAKERS)[seed % 3]
    truth = Truth()
    items, images = [], []
    for place in range(rng.randint(4, 9)):
        image_id = f"p{place}"
        folder = rng.choice(["", "a/", "b/"]) if seed % 2 else ""
        made = [MAKERS[form](rng) for _ in range(rng.randint(0, 4))] if place else []
        if not place:  # one photo is always sound, and keeps ids from looking counted from 1
            sound = {
                "yolo": "0 .5 .5 .3 .3", "voc": f"<name>cat</name>{box(2, 3, 20, 25)}",
                "coco": {"category_id": 3, "bbox": [2, 3, 18, 20]},
            }  # fmt: skip
            made = [(sound[form], True)]
        damage = (
            rng.choice(["", "", "", "", "photo", "empty", "no photo", "labels"]) if place else ""
        )
        path = root / f"images/{folder}{image_id}.jpg"
        if damage != "no photo":
            photo(path, (WIDTH, HEIGHT))
        if damage in ("photo", "empty"):
            path.write_bytes(b"no photo at all" if damage == "photo" else b"")
        label = f"labels/{folder}{image_id}.txt" if form == "yolo" else ""
        label = f"annotations/{folder}{image_id}.xml" if form == "voc" else label
        if form == "yolo":
            put(root / label, "\n".join(text for text, _ in made) + "\n")
        elif form == "voc":
            objects = "".join(f"<object>{text}</object>" for text, _ in made)
            size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
            put(root / label, f"<annotation>{size}{objects}</annotation>")
        else:
            images.append(coco_image(place, f"{folder}{image_id}.jpg", (WIDTH, HEIGHT)))
            items += [{"image_id": place, **item} for item, _ in made]
            label = f"labels.json, image {place}"
            damage = "" if damage == "labels" else damage
        if damage == "labels":
            (root / label).write_bytes(b"\xff\xfe\xff" if form == "yolo" else b"<annotation><obj")
        if damage == "no photo":
            if form != "yolo" or made:  # an empty text file may be anything
                truth.labels.add(label)
        elif damage:
            truth.photos.add(image_id)
        else:
            truth.objects |= {(image_id, n) for n, (_, ok) in enumerate(made, start=1) if not ok}
            truth.used[image_id] = sum(ok for _, ok in made)
    if form == "yolo":
        put(root / "classes.txt", "cat\ndog\n")
    elif form == "coco":
        coco_json(root / "labels.json", images, items)
    return truth


def of_training(root: Path) -> Truth:
    """What training uses, and what its notes say that it leaves out."""
    data = load_split(root, "all")
    found = Truth(used={record.image_id: len(record.boxes) for record in data.records})
    for note in data.notes:
        stem = re.match(r"(?:\S*/)?(p\d+)\.|\S*labels\.json, image (\d+)", note)
        number = re.search(r", object (\d+): ", note)
        name = stem and (stem[1] or f"p{stem[2]}")
        if " left out" in note and "no photo" in note:
            listed = note[note.index("(") + 1 : note.rindex(")")]
            listed = re.sub(r" \(\S*\.jpg\)", "", listed)
            found.labels |= set(re.split(r", (?!image)| and ", listed))
        elif number and name and note.endswith(("skipped", "left out")):
            found.objects.add((name, int(number[1])))
        elif note.endswith("skipped"):
            found.photos.add(re.search(r"(p\d+)\.", note)[1])
    return found


def of_the_check(root: Path) -> Truth:
    report = check_dataset(root)
    found = Truth()
    lost = {f.photo for f in report.findings if f.kind in LOST_PHOTOS}
    for finding in report.findings:
        if finding.kind in LOST_PHOTOS:
            found.photos.add(finding.photo)
        elif finding.kind in LOST_OBJECTS and finding.photo not in lost:
            found.objects.add((finding.photo, finding.number))
        elif finding.kind == "labels-no-photo":
            found.labels.add(re.sub(r" \(\S*\.jpg\)", "", finding.where))
    found.used = {photo.image_id: len(photo.record.boxes) for photo in report.folder.usable()}
    return found


@pytest.mark.parametrize("seed", range(50))
def test_training_and_the_check_leave_out_what_is_wrong(tmp_path, seed):
    truth = write(tmp_path, seed)
    training, check = of_training(tmp_path), of_the_check(tmp_path)
    assert training.used == truth.used == check.used
    assert training.objects == truth.objects == check.objects
    assert training.photos == truth.photos == check.photos
    assert training.labels == truth.labels == check.labels


def test_the_folders_have_every_kind_of_damage(tmp_path):
    truths = [write(tmp_path / str(seed), seed) for seed in range(50)]
    for name in ("objects", "photos", "labels"):
        assert sum(map(len, (getattr(truth, name) for truth in truths))) > 20
