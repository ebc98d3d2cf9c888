"""Datasets for tests of the doctor: a clean one, and one with every problem planted in it.

``write_clean`` draws a sound VOC folder; ``write_bad`` adds to such a folder one photo for each
problem, and returns what was planted where.
"""

from __future__ import annotations

import io
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIZE = (200, 150)
CAT, DOG = ("cat", 21, 31, 90, 100), ("dog", 101, 41, 180, 130)


@dataclass(frozen=True)
class Planted:
    """A problem: its kind, the file that it must be reported for, the object's number."""

    kind: str
    where: str = ""
    number: int | None = None


def pixels(name: str, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture unlike those of other names: soft blotches and a few rectangles."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        w, h = rng.integers(8, 60, 2)
        picture[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return picture


def xml(*objects: Sequence | str, size=SIZE, filename: str | None = None) -> str:
    """An annotation; an object is (name, xmin, ymin, xmax, ymax), or its elements as text."""
    lines = ["<annotation>"]
    if filename:
        lines.append(f"<filename>{filename}</filename>")
    if size:
        lines.append(f"<size><width>{size[0]}</width><height>{size[1]}</height></size>")
    for item in objects:
        if not isinstance(item, str):
            name, *sides = item
            item = f"<name>{name}</name>" + bndbox(*sides)
        lines.append(f"<object>{item}</object>")
    return "\n".join([*lines, "</annotation>"])


def bndbox(*sides) -> str:
    tags = ("xmin", "ymin", "xmax", "ymax")
    inside = "".join(f"<{tag}>{side}</{tag}>" for tag, side in zip(tags, sides, strict=True))
    return f"<bndbox>{inside}</bndbox>"


class Writer:
    """Puts photos, XML and lists into a VOC folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lists: dict[str, list[str]] = {}
        for folder in ("JPEGImages", "Annotations"):
            (root / folder).mkdir(parents=True, exist_ok=True)

    def image(self, name: str) -> Path:
        return self.root / "JPEGImages" / name

    def photo(self, name: str, picture=None, split: str | None = "train", **options) -> Path:
        """A photo drawn from its name, or of that picture, and in that list."""
        picture = pixels(name) if picture is None else picture
        if not isinstance(picture, Image.Image):
            picture = Image.fromarray(picture)
        picture.save(self.image(name), **options)
        self.listed(name, split)
        return self.image(name)

    def listed(self, name: str, split: str | None) -> None:
        if split:
            self.lists.setdefault(split, []).append(name.rsplit(".", 1)[0])

    def labels(self, image_id: str, *objects, text: str | bytes | None = None, **options) -> str:
        """The XML of a photo; its name relative to the folder."""
        text = xml(*objects, **options) if text is None else text
        path = self.root / "Annotations" / f"{image_id}.xml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return f"Annotations/{image_id}.xml"

    def pair(self, image_id: str, *objects, split: str | None = "train", **options) -> str:
        self.photo(f"{image_id}.jpg", split=split)
        return self.labels(image_id, *objects, **options)

    def write_lists(self) -> None:
        folder = self.root / "ImageSets" / "Main"
        folder.mkdir(parents=True, exist_ok=True)
        for name, image_ids in self.lists.items():
            (folder / f"{name}.txt").write_text("".join(f"{image_id}\n" for image_id in image_ids))


def clean(writer: Writer) -> None:
    """Two classes, each with examples enough in each list."""
    for split, count in (("train", 26), ("val", 4), ("test", 6)):
        for i in range(count):
            image_id = f"{split} {i:02}"
            writer.pair(image_id, near(image_id, CAT), near(image_id, DOG), split=split)


def near(image_id: str, item: tuple) -> tuple:
    """The object moved by some pixels that depend on the name: no two photos have the same box."""
    rng = np.random.default_rng(zlib.crc32(image_id.encode()))
    shift = np.tile(rng.integers(-15, 16, 2), 2)
    return (item[0], *(int(side) for side in np.array(item[1:]) + shift))


def write_clean(root: Path) -> None:
    writer = Writer(root)
    clean(writer)
    writer.write_lists()


def write_bad(root: Path) -> list[Planted]:
    """A clean dataset with one photo more for each problem; returns the problems."""
    writer = Writer(root)
    clean(writer)
    planted = [
        *_bad_photos(writer),
        *_odd_photos(writer),
        *_bad_labels(writer),
        *_bad_objects(writer),
        *_bad_boxes(writer),
        *_bad_classes(writer),
        *_bad_lists(writer),
        *_copies(writer),
    ]
    writer.write_lists()
    return planted


def _bad_photos(writer: Writer) -> list[Planted]:
    writer.labels("empty", CAT)
    writer.image("empty.jpg").write_bytes(b"")
    writer.labels("no photo at all", CAT)
    writer.image("no photo at all.jpg").write_text("<html>404 not found</html>")
    for name in ("cut off.jpg", "cut off too.png"):
        path = writer.photo(name, split=None)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        writer.labels(name.rsplit(".", 1)[0], CAT)
    for image_id in ("empty", "no photo at all", "cut off", "cut off too"):
        writer.listed(f"{image_id}.jpg", "train")
    writer.photo("without labels.jpg", split=None)
    writer.labels("without photo", CAT)
    return [
        Planted("photo-empty", "JPEGImages/empty.jpg"),
        Planted("photo-unreadable", "JPEGImages/no photo at all.jpg"),
        Planted("photo-damaged", "JPEGImages/cut off.jpg"),
        Planted("photo-damaged", "JPEGImages/cut off too.png"),
        Planted("photo-no-labels", "JPEGImages/without labels.jpg"),
        Planted("labels-no-photo", "Annotations/without photo.xml"),
    ]


def _odd_photos(writer: Writer) -> list[Planted]:
    picture = Image.fromarray(pixels("misnamed"))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    writer.image("misnamed.jpg").write_bytes(buffer.getvalue())
    writer.listed("misnamed.jpg", "train")
    writer.labels("misnamed", near("misnamed", CAT))

    deep = np.outer(np.arange(150), np.arange(200)).astype(np.uint16)
    writer.photo("sixteen bits.png", deep)
    writer.photo("cmyk.jpg", Image.fromarray(pixels("cmyk")).convert("CMYK"))
    see_through = np.dstack([pixels("alpha"), np.full(SIZE[::-1], 90, np.uint8)])
    writer.photo("alpha.png", see_through)
    for image_id in ("sixteen bits", "cmyk", "alpha"):
        writer.labels(image_id, near(image_id, CAT))

    for image_id, size in (("small", (60, 45)), ("large", (8000, 5100)), ("long", (1000, 120))):
        writer.photo(f"{image_id}.jpg", pixels(image_id, size))
        box = ("cat", 20, 11, 20 + size[0] // 4, 11 + size[1] // 2)
        writer.labels(image_id, box, size=size)

    turned = Image.Exif()
    turned[0x0112] = 3
    writer.photo("upside down.jpg", exif=turned)
    writer.labels("upside down", near("upside down", CAT))
    writer.pair("nothing to see")
    return [
        Planted("photo-suffix", "JPEGImages/misnamed.jpg"),
        Planted("photo-pixels", "JPEGImages/sixteen bits.png"),
        Planted("photo-pixels", "JPEGImages/cmyk.jpg"),
        Planted("photo-pixels", "JPEGImages/alpha.png"),
        Planted("photo-small", "JPEGImages/small.jpg"),
        Planted("photo-large", "JPEGImages/large.jpg"),
        Planted("photo-shape", "JPEGImages/long.jpg"),
        Planted("photo-turned", "Annotations/upside down.xml"),
        Planted("photo-no-objects", "Annotations/nothing to see.xml"),
    ]


_BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "cat">]>
<annotation><object><name>&b;</name></object></annotation>"""


def _bad_labels(writer: Writer) -> list[Planted]:
    whole = xml(CAT)
    return [
        Planted("labels-unreadable", writer.pair("stops early", text=whole[: len(whole) // 2])),
        Planted("labels-unreadable", writer.pair("entities", text=_BOMB)),
        Planted("labels-unreadable", writer.pair("other root", text="<html><p>hello</p></html>")),
        Planted(
            "labels-unreadable", writer.pair("ampersand", text=xml(CAT, filename="cats & dogs.jpg"))
        ),
        Planted("labels-size", writer.pair("resized", near("resized", CAT), size=(400, 300))),
        Planted("labels-no-size", writer.pair("no size", near("no size", CAT), size=None)),
        Planted(
            "labels-filename", writer.pair("renamed", near("renamed", CAT), filename="holiday.jpg")
        ),
    ]


def _bad_objects(writer: Writer) -> list[Planted]:
    box = bndbox(10, 10, 60, 60)
    number = bndbox("ten", 10, 60, 60)
    objects = {
        "object-no-class": ("no name", f"<name> </name>{box}"),
        "object-no-box": ("no box", "<name>cat</name>"),
        "box-not-a-number": ("no number", f"<name>cat</name>{number}"),
        "box-empty": ("inside out", ("cat", 60, 60, 10, 10)),
    }
    return [
        Planted(kind, writer.pair(image_id, near(image_id, DOG), item), 2)
        for kind, (image_id, item) in objects.items()
    ]


def _bad_boxes(writer: Writer) -> list[Planted]:
    boxes = {
        "box-normalised": ("fractions", ("cat", 0.25, 0.25, 0.75, 0.75)),
        "box-outside": ("outside", ("cat", 230, 20, 280, 90)),
        "box-beyond": ("beyond", ("cat", 120, 20, 230, 90)),
        "box-tiny": ("tiny", ("cat", 50, 50, 50, 50)),
        "box-duplicate": ("twice", near("twice", (*DOG[:2], DOG[2] + 1, *DOG[3:]))),
        "box-two-classes": ("two classes", near("two classes", ("cat", *DOG[1:]))),
        "box-whole-photo": ("whole photo", ("cat", 1, 1, 200, 150)),
        "box-shape": ("thin", ("cat", 10, 50, 190, 54)),
    }
    planted = [
        Planted(kind, writer.pair(image_id, near(image_id, DOG), item), 2)
        for kind, (image_id, item) in boxes.items()
    ]
    swapped = ("cat", 20, 110, 110, 190)  # x and y of a box that ends at 190, 110
    planted.append(Planted("box-swapped", writer.pair("swapped", swapped), 1))
    same = [writer.pair(f"default {i}", ("cat", 51, 51, 101, 101)) for i in range(5)]
    return [*planted, Planted("box-repeated", same[0], 1)]


def _bad_classes(writer: Writer) -> list[Planted]:
    """Misspelt names, a class with three examples, one that is only in the test list."""
    for i in range(3):
        writer.pair(f"owl {i}", ("owl", 11 + i, 21, 80, 90))
    for i in range(30):
        split = "val" if i == 29 else "train"
        writer.pair(f"scooter {i:02}", ("scooter", 31 + i, 21, 90 + i, 80), split=split)
    writer.pair("yak", ("yak", 11, 21, 80, 95), split="test")
    return [
        Planted("class-similar-names", writer.pair("case", ("Cat", 13, 22, 83, 91)), 1),
        Planted("class-similar-names", writer.pair("plural", ("dogs", 12, 22, 84, 92)), 1),
        Planted("class-similar-names", writer.pair("slip", ("scotoer", 14, 23, 85, 93)), 1),
        Planted("class-few"),
        Planted("class-not-validated"),
        Planted("class-not-trained"),
    ]


def _bad_lists(writer: Writer) -> list[Planted]:
    writer.listed("not there.jpg", "val")
    writer.pair("in no list", near("in no list", CAT), split=None)
    writer.pair("in two lists", near("in two lists", CAT))
    writer.listed("in two lists.jpg", "test")
    return [
        Planted("split-missing-photo"),
        Planted("split-unlisted-photo", "JPEGImages/in no list.jpg"),
        Planted("split-two-lists", "JPEGImages/in two lists.jpg"),
    ]


def _copies(writer: Writer) -> list[Planted]:
    """Copies and near copies, across lists and inside one."""
    for image_id in ("across", "inside", "labels", "near across", "near inside"):
        writer.pair(f"copy {image_id} 1", near(image_id, CAT))
        split = "test" if "across" in image_id else "train"
        first, second = (writer.image(f"copy {image_id} {i}.jpg") for i in (1, 2))
        writer.listed(second.name, split)
        writer.labels(f"copy {image_id} 2", near(image_id, DOG if image_id == "labels" else CAT))
        if "near" in image_id:
            with Image.open(first) as picture:
                picture.resize((190, 142)).resize(SIZE).save(second, quality=70)
        else:
            shutil.copyfile(first, second)
    return [
        Planted("copy-across", "JPEGImages/copy across 2.jpg"),
        Planted("copy-inside", "JPEGImages/copy inside 2.jpg"),
        Planted("copy-labels", "JPEGImages/copy labels 2.jpg"),
        Planted("near-across", "JPEGImages/copy near across 2.jpg"),
        Planted("near-inside", "JPEGImages/copy near inside 2.jpg"),
    ]
