"""Files of ``get_map.py --detections``: ``read_detections``."""

from __future__ import annotations

import math

from tests.bad_input import json_labels
from tests.fuzz.target import Target, files_of, is_plain, require, written
from utils.errors import UserError
from utils.evaluation.read_detections import read_detections

_TRUTH = {
    "images": [
        {"id": i + 1, "file_name": f"good {i}.png", "stem": f"good {i}", "width": 64, "height": 48}
        for i in range(3)
    ],
    "annotations": [
        {"id": i + 1, "image_id": i + 1, "category_id": 0, "bbox": [4, 5, 26, 26], "area": 676,
         "iscrowd": 0}
        for i in range(3)
    ],
    "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
}  # fmt: skip


def _run(data: bytes) -> None:
    notes: list[str] = []
    for one in read_detections(written(data, "found.json"), _TRUTH, warn=notes.append):
        require(one["image_id"] in (1, 2, 3) and one["category_id"] in (0, 1), "ids of the data")
        require(all(map(math.isfinite, (*one["bbox"], one["score"]))), "finite numbers")
    for note in notes:
        require(is_plain(note), f"a note that can be shown: {note!a:.100}")


TARGET = Target(
    name="detections",
    run=_run,
    seeds=lambda: files_of(json_labels.cases(), "detections", "found.json", 8000),
    refusals=(UserError,),
    words=(
        b'"image_id"', b'"file_name"', b'"category_id"', b'"category"', b'"bbox"', b'"score"',
        b'"images"', b'"categories"', b'"annotations"', b'"id"', b'"name"', b'"good 1"', b'"cat"',
        b"NaN", b"1e999", b"null", b"true", b"-0", b"1.0", b'"12.0"', b"\\u0000", b"\\ud800",
    ),
)  # fmt: skip
