"""COCO JSON: ``read_coco``, and the labels of each of its images."""

from __future__ import annotations

from tests.bad_input import json_labels
from tests.fuzz.target import Target, files_of, is_plain, require, written
from tests.fuzz.targets.labels import check_annotation
from utils.data.formats.coco_json import read_coco


def _run(data: bytes) -> None:
    found = read_coco(written(data, "coco.json"))
    for note in found.notes:
        require(is_plain(note), f"a note that can be shown: {note!a:.100}")
    for index in range(min(len(found.images), 50)):
        check_annotation(found.annotation([index], "coco.json"))


TARGET = Target(
    name="coco",
    run=_run,
    seeds=lambda: files_of(json_labels.cases(), "coco", "*.json", 8000),
    refusals=(ValueError,),
    words=(
        b'"images"', b'"annotations"', b'"categories"', b'"id"', b'"file_name"', b'"width"',
        b'"height"', b'"image_id"', b'"category_id"', b'"bbox"', b'"segmentation"', b'"iscrowd"',
        b'"counts"', b'"size"', b'"score"', b'"supercategory"', b'"name"', b"null", b"true",
        b"NaN", b"Infinity", b"1e999", b"\\ud800", b"[[", b"{}",
    ),
)  # fmt: skip
