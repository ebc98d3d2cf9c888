"""A file of ``--anchors``: ``read_anchors``."""

from __future__ import annotations

import numpy as np

from tests.fuzz.target import Target, require, written
from utils.data.anchors import read_anchors
from utils.errors import UserError

_SOUND = "10,13, 16,30, 33,23\n30,61, 62,45, 59,119\n116,90, 156,198, 373,326\n"


def _run(data: bytes) -> None:
    found = read_anchors(written(data, "anchors.txt"))
    require(found.shape == (9, 2) and found.dtype == np.float32, "nine pairs")
    require(bool(np.isfinite(found).all() and (found > 0).all()), "sizes above 0")
    require(bool((np.diff(found.prod(1)) >= 0).all()), "the smallest first")


TARGET = Target(
    finds=(b"1e-50 " * 18,),
    name="anchors_file",
    run=_run,
    seeds=lambda: [
        _SOUND.encode(), _SOUND.encode("utf-16"), _SOUND.replace(",", " ").encode(),
        b"# sizes\n" + _SOUND.encode(), _SOUND[:20].encode(), b"\xff\xfe\0", b"nan " * 18,
        b"1e-320 " * 18, b"1e5 " * 18, b"1_0 " * 18, "٣ ".encode() * 18,
    ],
    refusals=(UserError,),
    words=(b"#", b",", b" ", b"\n", b"nan", b"inf", b"1e-400", b"-1", b"0x1", b"\xff\xfe"),
    most_bytes=512,
)  # fmt: skip
