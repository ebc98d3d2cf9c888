"""Scores of a detector on squares and at the photos' own shapes.

    python -m bench.input_shape --weights best.keras --data photos

The same network in OpenVINO, float32. Networks that take any shape get each photo with as little
padding as possible; this says whether their scores stay what they were on squares.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bench.common import append_result
from utils.cli import OK, option, parse, run
from utils.detector import Detector
from utils.evaluation.coco_files import ground_truth, to_results
from utils.evaluation.leaks import load_evaluation_split
from utils.evaluation.matching import match_results
from utils.evaluation.metrics import compute_metrics
from utils.evaluation.run_detector import detect_records
from utils.runtime.runtime import open_runtime

CONF, IOU, MAX_DET = 0.001, 0.6, 300


@dataclass(frozen=True)
class ShapeConfig:
    """The options of this measurement."""

    weights: Path = option(help="a checkpoint", metavar="FILE")
    data: Path = option(help="folder with the labelled photos", metavar="DIR")
    split: str = option("test", help="list of photos to score", metavar="NAME")


def main(argv: list[str]) -> int:
    config = parse(ShapeConfig, argv, __doc__.split("\n\n")[0])
    runtime = open_runtime(config.weights, "openvino", throughput=True)
    dataset = load_evaluation_split(
        config.data, config.split, metadata=runtime.metadata, classes=runtime.class_names,
        only_listed=False,
    )  # fmt: skip
    truth = ground_truth(dataset.records, dataset.classes)
    row = {"data": config.data.name, "split": config.split, "photos": len(dataset),
           "size": max(runtime.input_size)}  # fmt: skip
    for name, any_shape in (("square", False), ("own shape", True)):
        found = detect_records(
            Detector(replace(runtime, any_shape=any_shape)), dataset.records,
            conf=CONF, ious=(IOU,), max_det=MAX_DET,
        )[IOU]  # fmt: skip
        coco = compute_metrics(match_results(truth, to_results(found, truth)))["coco"]
        row[name] = {"AP": round(coco["AP"], 4), "AP50": round(coco["AP50"], 4)}
    print(json.dumps(row))
    append_result("input_shape", row)
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
