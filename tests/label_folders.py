"""Folders of photos with labels of each format, for tests of everything that reads them."""

import json
import zlib

from PIL import Image

from utils.data.datasets import load_split
from utils.label_files.voc import write_voc_list


def photo(path, size=(40, 30), orientation=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = Image.Exif()
    if orientation:
        tags[0x0112] = orientation
    shade = zlib.crc32(str(path).encode())  # no two photos are the same file
    Image.new("RGB", size, (shade & 255, shade >> 8 & 255, shade >> 16 & 255)).save(path, exif=tags)
    return path


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# VOC


def xml(*objects, size=(40, 30), filename=None):
    """Text of an annotation; an object is (name, xmin, ymin, xmax, ymax[, more elements])."""
    lines = ["<annotation>"]
    if filename:
        lines.append(f"<filename>{filename}</filename>")
    if size:
        lines.append(f"<size><width>{size[0]}</width><height>{size[1]}</height></size>")
    for name, *sides, more in ((*item, "") if len(item) == 5 else item for item in objects):
        box = "".join(
            f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)
        )
        lines.append(f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>")
    return "\n".join([*lines, "</annotation>"])


CAT = ("cat", 1, 1, 20, 20)
DOG = ("dog", 11, 6, 30, 25)


def pair(
    folder, image_id, *objects, images="JPEGImages", xmls="Annotations", suffix=".jpg", **options
):
    photo(folder / images / (image_id + suffix), options.get("size") or (40, 30))
    put(folder / xmls / (image_id + ".xml"), xml(*objects, **options))


def fill(folder, count=10, **options):
    image_ids = [f"photo {i:02}" for i in range(count)]
    for i, image_id in enumerate(image_ids):
        pair(folder, image_id, *([CAT, DOG] if i % 3 == 0 else [CAT]), **options)
    return image_ids


def image_ids(dataset):
    return [record.image_id for record in dataset.records]


def only(folder, **options):
    """The one record of a folder with one photo, and the notes."""
    dataset = load_split(folder, "all", **options)
    (record,) = dataset.records
    return record, dataset.notes


def lists(folder, **splits):
    for name, names in splits.items():
        write_voc_list(folder, name, names)


def devkit(folder):
    for year, first in (("2007", 0), ("2012", 100)):
        voc = folder / f"VOC{year}"
        names = [f"{i:06}" for i in range(first, first + 12)]
        for i, image_id in enumerate(names):
            pair(voc, image_id, CAT, *([DOG] if i % 2 else []))
        lists(voc, train=names[:5], val=names[5:8], trainval=names[:8])
        if year == "2007":
            lists(voc, test=names[8:])


# COCO


def coco_image(key, name, size=(40, 30), **more):
    return {"id": key, "file_name": name, "width": size[0], "height": size[1], **more}


def coco_object(image_id, box=(1, 2, 3, 4), category=3, **more):
    return {"image_id": image_id, "category_id": category, "bbox": box, "iscrowd": 0, **more}


CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 17, "name": "dog"}]


def coco_json(path, images, annotations, categories=CATEGORIES):
    for number, item in enumerate(annotations):
        item.setdefault("id", number)
    content = {"images": images, "annotations": annotations, "categories": categories}
    put(path, json.dumps(content, ensure_ascii=False))


# YOLO


def yolo_pair(folder, image, label, text="0 0.5 0.5 0.5 0.5\n"):
    photo(folder / image)
    put(folder / label, text)
