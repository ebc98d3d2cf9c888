"""The JSON that describes a detector in an exported file: ``Facts.from_json``."""

from __future__ import annotations

import json

from tests.fuzz.target import Target, is_plain, require
from utils.errors import UserError
from utils.runtime.facts import Facts

ANCHORS = [[float(side), float(side)] for side in range(4, 40, 4)]
SOUND = json.dumps({
    "format": 1, "class_names": ["cat"], "anchors": ANCHORS, "input_size": [64, 64],
    "backbone": "mobilenet_v3_small", "weights_sha256": "0" * 64, "metadata": {}, "offset_span": 2,
    "outputs": "decoded", "precision": "float32", "version": "1",
})  # fmt: skip


def _run(data: bytes) -> None:
    found = Facts.from_json(data, "--weights fuzz")
    require(all(map(is_plain, found.class_names)), "names that can be shown")
    require(0 < len(found.class_names) == len(set(found.class_names)), "different names")
    require(all(0 < side < 1e7 for pair in found.anchors for side in pair), "anchors")
    require(all(side % 32 == 0 for side in found.input_size), "an input size")
    again = Facts.from_json(found.to_json(), "--weights again")
    same = {**again.__dict__, "metadata": {}} == {**found.__dict__, "metadata": {}}
    require(same and again.metadata.keys() == found.metadata.keys(), "the same, written and read")


def _seeds():
    from tests.bad_input.exports import bad_descriptions

    yield SOUND.encode()
    for text in bad_descriptions(SOUND).values():
        if len(text) <= 4096:
            yield text.encode()


TARGET = Target(
    finds=(
        SOUND.replace('"cat"', '"cat\\u001b[31m\\nred"').encode(),
        SOUND.replace('"metadata": {}', '"metadata": {"a": [NaN, {"b": Infinity}]}').encode(),
    ),
    name="description",
    run=_run,
    seeds=_seeds,
    refusals=(UserError,),
    words=(
        b'"format"', b'"class_names"', b'"anchors"', b'"input_size"', b'"backbone"', b'"metadata"',
        b'"weights_sha256"', b'"offset_span"', b'"outputs"', b'"heads"', b'"suppressed"',
        b'"precision"', b'"version"', b'"hashes"', b'"splits"', b'"training"', b'"seed"', b"NaN",
        b'"class_origins"', b'"operating_point"', b"Infinity", b"1e400", b"null", b"true",
    ),
)  # fmt: skip
