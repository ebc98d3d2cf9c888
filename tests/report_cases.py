"""Evaluations with photos, for the tests of the report."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.evaluation_cases import analysed, generated, metrics_of
from utils.evaluation.report import write_report


def written(
    folder: Path,
    names: dict[int, str] | None = None,
    warnings=(),
    *,
    compare: bool = False,
    unreadable: int = 0,
    **case,
) -> Path:
    """The report of a generated case whose photos are noise.

    ``names`` renames classes; ``compare`` adds a comparison with the same detections, every box
    moved by a third of its width; the first ``unreadable`` photos are no pictures.
    """
    truth, results = generated(**case)
    for class_id, name in (names or {}).items():
        truth["categories"][class_id]["name"] = name
    rng = np.random.default_rng(0)
    photos = {}
    for place, image in enumerate(truth["images"]):
        photos[image["stem"]] = folder / image["file_name"]
        if place < unreadable:
            photos[image["stem"]].write_bytes(b"no picture")
            continue
        pixels = rng.integers(0, 256, (50, 60, 3), np.uint8)
        shape = (image["width"], image["height"])
        Image.fromarray(pixels).resize(shape).save(photos[image["stem"]])
    worse = [{**one, "bbox": _moved(one["bbox"])} for one in results]
    metrics = {**metrics_of(truth, results), "weights": "<i>w</i>.keras", "split": "test"}
    path = folder / "report.html"
    write_report(
        path,
        metrics=metrics,
        analysis=analysed(truth, results, other=("worse.json", worse) if compare else None),
        ground_truth=truth,
        results=results,
        photos=photos,
        warnings=warnings,
    )
    return path


def _moved(box: list[float]) -> list[float]:
    x, y, width, height = box
    return [x + width / 3, y, width, height]
