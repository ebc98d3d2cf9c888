"""YOLO label files: ``parse_labels``, of objects and of bodies."""

from __future__ import annotations

import numpy as np

from tests.bad_input import yolo
from tests.fuzz.target import Target, files_of, is_plain, require
from utils.data.formats.yolo_txt import parse_labels

_CLASSES = {0: "cat", 1: "dog", 7: "sheep"}


def _run(data: bytes) -> None:
    for pose in (False, True):
        found = parse_labels(data, _CLASSES, pose=pose)
        count = len(found.names)
        require(found.boxes.shape == (count, 4), "as many boxes as names")
        require(len(found.numbers) == len(found.scores) == count, "as many of all")
        require(bool(np.isfinite(found.boxes).all()), "finite boxes")
        require(bool((found.boxes[:, 2:] >= found.boxes[:, :2]).all()), "corners in order")
        for error in found.errors:
            require(is_plain(error.message), f"an error that can be shown: {error.message!a:.100}")


TARGET = Target(
    finds=(b"0 0.5 0.5 0.5 0.5\n,", b";;\n,,"),
    name="yolo_labels",
    run=_run,
    seeds=lambda: files_of(yolo.cases(), "yolo", "odd-one.txt", 8000),
    refusals=(ValueError,),
    most_bytes=1024,
    words=(b"0 0.5 0.5 0.5 0.5\n", b"nan", b"inf", b"1e308", b"1_0", b",", b";", b"\t", b"0,5",
           b"\xff\xfe", b"\xc2\x85", b"\xe2\x80\xa8"),
)  # fmt: skip
