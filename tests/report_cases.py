"""Evaluations with photos, for the tests of the report."""

from pathlib import Path

import numpy as np
from evaluation_cases import generated
from PIL import Image

from utils.evaluation.analyse import analyse
from utils.evaluation.metrics import evaluate
from utils.evaluation.report import write_report


def written(folder: Path, names: dict[int, str] | None = None, warnings=(), **case) -> Path:
    """The report of a generated case whose photos are noise; ``names`` renames classes."""
    truth, results = generated(**case)
    for class_id, name in (names or {}).items():
        truth["categories"][class_id]["name"] = name
    rng = np.random.default_rng(0)
    photos = {}
    for image in truth["images"]:
        photos[image["stem"]] = folder / image["file_name"]
        pixels = rng.integers(0, 256, (50, 60, 3), np.uint8)
        shape = (image["width"], image["height"])
        Image.fromarray(pixels).resize(shape).save(photos[image["stem"]])
    metrics = {**evaluate(truth, results), "weights": "<i>w</i>.keras", "split": "test"}
    path = folder / "report.html"
    write_report(
        path,
        metrics=metrics,
        analysis=analyse(truth, results),
        ground_truth=truth,
        results=results,
        photos=photos,
        warnings=warnings,
    )
    return path
