"""Label Studio's JSON: ``read_tasks``, and the labels of each task."""

from __future__ import annotations

from tests.bad_input import json_labels
from tests.fuzz.target import Target, files_of, written
from tests.fuzz.targets.labels import check_annotation
from utils.data.formats.label_studio_json import read_tasks


def _run(data: bytes) -> None:
    for task in read_tasks(written(data, "tasks.json"))[:50]:
        check_annotation(task.annotation(task.size or (640, 480), "tasks.json"))


TARGET = Target(
    name="label_studio",
    run=_run,
    seeds=lambda: files_of(json_labels.cases(), "label-studio", "*.json", 8000),
    refusals=(ValueError,),
    words=(
        b'"data"', b'"image"', b'"annotations"', b'"predictions"', b'"result"', b'"value"', b'"x"',
        b'"y"', b'"width"', b'"height"', b'"rotation"', b'"rectanglelabels"', b'"polygonlabels"',
        b'"points"', b'"radiusX"', b'"radiusY"', b'"ellipselabels"', b'"brushlabels"', b'"rle"',
        b'"original_width"', b'"original_height"', b'"was_cancelled"', b'"ground_truth"', b'"id"',
        b'"score"', b'"choices"', b"/data/local-files/?d=", b"s3://", b"data:image/png;base64,",
        b"http://[", b"NaN", b"null", b"1e999", b"%00", b"\\u0000",
    ),
)  # fmt: skip
