"""COCO JSON, Label Studio JSON, and files of detections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .case import Case, content, encoded, picture
from .voc_xml import write_good

_BOX = [5, 6, 30, 31]


def cases() -> Iterator[Case]:
    for name, text in {**_texts(_coco()), **_coco_files()}.items():
        yield Case("coco", name, _photos(text, "annotations/instances_train.json"))
    for name, (boxes, count) in _boxes().items():
        yield Case("coco", name, _photos(json.dumps(_coco(boxes)), "labels.json"), objects=count)
    for name, text in {**_texts(_tasks()), **_task_files()}.items():
        yield Case("label-studio", name, _photos(text, "tasks.json"))
    for name, text in {**_texts(_found()), **_found_files()}.items():
        yield Case("detections", name, _with_detections(text))


def _photos(text: str | bytes, name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for i in range(3):
            content(encoded(picture(seed=20 + i), "PNG"), f"photos/good {i}.png")(folder)
        content(text, name)(folder)

    return write


def _with_detections(text: str | bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        write_good(folder)
        content(text, "found.json")(folder)

    return write


def _texts(whole: Any) -> dict[str, str | bytes]:
    """What can be wrong with any JSON; ``whole`` is what it should hold."""
    text = json.dumps(whole)
    return {
        **{f"cut-{tenth}-tenths": text[: len(text) * tenth // 10] for tenth in range(0, 10, 3)},
        "byte-order-mark": "\ufeff" + text,
        "utf16": text.encode("utf-16"),
        "utf32": text.encode("utf-32"),
        "latin1": text.replace("cat", "größe").encode("latin-1"),
        "deep-lists": text[:-1] + "," * 1 + ' "deep": ' * text.startswith("{") + "[" * 200_000,
        "deep-objects": text[:-1] + ', "deep": ' * text.startswith("{") + '{"a":' * 200_000,
        "many-brackets": text[:-1] + ', "x": [' * text.startswith("{") + "[]," * 5_000_000 + "[]]",
        "duplicate-keys": text[:-1] + "," + text[1:] if text.startswith("{") else text + text,
        "huge-integer": text.replace("30", "9" * 10_000),
        "huge-exponent": text.replace("30", "1e999"),
        "nan": text.replace("30", "NaN"),
        "infinity": text.replace("30", "-Infinity"),
        "text-for-number": text.replace("30", '"30"'),
        "null-for-number": text.replace("30", "null"),
        "list-for-number": text.replace("30", "[[30]]"),
        "lone-surrogate": text.replace("cat", "\\ud800"),
        "nul-in-a-name": text.replace("cat", "c\\u0000t"),
        "trailing-comma": text[:-1] + "," + text[-1],
        "python-tag": "!!python/object/apply:os.system [touch canary]\n" + text,
    }


def _coco(boxes: list[Any] | None = None) -> dict[str, Any]:
    images = [{"id": i, "file_name": f"good {i}.png", "width": 64, "height": 48} for i in range(3)]
    objects = [
        {"id": i, "image_id": i % 3, "category_id": 1, "bbox": box, "iscrowd": 0}
        for i, box in enumerate([_BOX] * 3 if boxes is None else boxes)
    ]
    categories = [{"id": 1, "name": "cat"}]
    return {"images": images, "annotations": objects, "categories": categories}


def _coco_files() -> dict[str, str]:
    def changed(**parts: Any) -> str:
        return json.dumps(_coco() | parts)

    image = _coco()["images"][0]
    named = {
        "name-up": "../../../../etc/passwd", "name-absolute": "/etc/passwd",
        "name-url": "http://127.0.0.1:9/x.jpg", "name-device": "/dev/zero",
        "name-number": 7, "name-empty": "", "name-long": "x" * 100_000, "name-nul": "a\0b.png",
    }  # fmt: skip
    return {
        **{name: changed(images=[image | {"file_name": value}, *_coco()["images"][1:]])
           for name, value in named.items()},
        "images-none": changed(images=[]),
        "images-object": changed(images={"0": image}),
        "images-twice": changed(images=_coco()["images"] * 2),
        "images-same-id": changed(images=[one | {"id": 0} for one in _coco()["images"]]),
        "image-of-wrong-size": changed(images=[image | {"width": 10**9, "height": -1}]),
        "image-size-nan": changed(images=[image | {"width": float("nan")}]),
        "annotations-text": changed(annotations="none"),
        "annotations-numbers": changed(annotations=[1, 2, None]),
        "annotation-of-no-image": changed(
            annotations=[one | {"image_id": 99} for one in _coco()["annotations"]]
        ),
        "categories-none": changed(categories=[]),
        "categories-many-and-ids-beyond": changed(
            categories=[{"id": i, "name": f"c{i}"} for i in range(2000)],
            annotations=[
                one | {"category_id": 10**6} for one in _coco([_BOX] * 40_000)["annotations"]
            ] + _coco()["annotations"],
        ),
        "categories-same-id": changed(categories=[{"id": 1, "name": "cat"}, {"id": 1}]),
        "category-ids-huge": changed(categories=[{"id": 10**400, "name": "cat"}]),
        "mask-bomb": json.dumps(_coco() | {"annotations": [_masked([10**9, 10**9], "0" * 1000)]}),
        "mask-of-noise": json.dumps(_coco() | {"annotations": [_masked([48, 64], "\x00\xff~~")]}),
        "mask-counts-beyond": json.dumps(
            _coco() | {"annotations": [_masked([48, 64], [10**18, 10**18])]}
        ),
        "rotation-nan": json.dumps(_coco() | {"annotations": [_rotated(float("nan"))]}),
        "rotation-of-digits": json.dumps(_coco() | {"annotations": [_rotated("9" * 100_000)]}),
        "polygon-odd": json.dumps(
            _coco() | {"annotations": [_masked(None, None) | {"segmentation": [[1, 2, 3]]}]}
        ),
    }  # fmt: skip


def _masked(size: Any, counts: Any) -> dict[str, Any]:
    mask = {"size": size, "counts": counts}
    return {"id": 1, "image_id": 0, "category_id": 1, "segmentation": mask}


def _rotated(rotation: Any) -> dict[str, Any]:
    return _coco()["annotations"][0] | {"attributes": {"rotation": rotation}}


def _boxes() -> dict[str, tuple[list[Any], int]]:
    """Boxes of objects, and how many they are; the last one of each is good."""
    bad = {
        "box-nan": [5, 6, float("nan"), 31],
        "box-infinite": [5, 6, float("inf"), 31],
        "box-negative": [5, 6, -30, -31],
        "box-empty": [5, 6, 0, 0],
        "box-outside": [500, 600, 30, 31],
        "box-huge": [0, 0, 1e308, 1e308],
        "box-short": [5, 6, 30],
        "box-text": ["5", "6", "30", "31"],
        "box-nested": [[5, 6], [30, 31]],
        "box-none": None,
        "box-true": [True, True, True, True],
        "box-object": {"x": 1},
    }
    return {name: ([box, _BOX], 2) for name, box in bad.items()}


def _tasks(value: Any = None, image: str = "/data/upload/1/good 0.png") -> list[Any]:
    sides = {"x": 10, "y": 10, "width": 30, "height": 40, "rectanglelabels": ["cat"]}
    result = {
        "type": "rectanglelabels", "from_name": "label", "to_name": "image", "original_width": 64,
        "original_height": 48, "value": sides if value is None else value,
    }  # fmt: skip
    return [{"id": 1, "data": {"image": image}, "annotations": [{"result": [result]}]}]


def _task_files() -> dict[str, str]:
    sides = _tasks()[0]["annotations"][0]["result"][0]["value"]
    return {
        "image-up": json.dumps(_tasks(image="/data/local-files/?d=../../../etc/passwd")),
        "image-url": json.dumps(_tasks(image="http://127.0.0.1:9/good 0.png")),
        "image-bad-url": json.dumps(_tasks(image="http://[::1/good%zz 0.png")),
        "image-number": json.dumps([_tasks()[0] | {"data": {"image": 7}}]),
        "data-list": json.dumps([_tasks()[0] | {"data": []}]),
        "annotations-object": json.dumps([_tasks()[0] | {"annotations": {}}]),
        "result-text": json.dumps([_tasks()[0] | {"annotations": [{"result": "none"}]}]),
        "value-text": json.dumps(_tasks(value="none")),
        "width-infinite": json.dumps(_tasks(value=sides | {"width": float("inf")})),
        "rotation-huge": json.dumps(_tasks(value=sides | {"rotation": 1e308})),
        "labels-object": json.dumps(_tasks(value=sides | {"rectanglelabels": {"a": 1}})),
        "labels-none": json.dumps(_tasks(value=sides | {"rectanglelabels": []})),
    }


def _found(**changes: Any) -> list[Any]:
    one = {"image_id": "good 1", "category": "cat", "bbox": _BOX, "score": 0.5}
    return [one | changes]


def _found_files() -> dict[str, str]:
    changed = {
        "score-nan": {"score": float("nan")}, "score-text": {"score": "high"},
        "image-unknown": {"image_id": "no such"}, "image-up": {"image_id": "../../etc/passwd"},
        "image-huge": {"image_id": 10**5000}, "category-unknown": {"category": "dog"},
        "category-list": {"category": ["cat"]}, "box-short": {"bbox": [1, 2, 3]},
        "box-infinite": {"bbox": [1, 2, float("inf"), 4]}, "box-huge": {"bbox": [1, 2, 1e300, 4]},
    }  # fmt: skip
    return {
        **{name: json.dumps(_found(**change)) for name, change in changed.items()
           if name != "image-huge"},
        "image-huge": json.dumps(_found()).replace('"good 1"', "9" * 10_000),
        "number": "7",
        "text": '"detections"',
        "empty-list": "[]",
        "empty-object": "{}",
    }  # fmt: skip
