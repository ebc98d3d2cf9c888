"""Score a detector, or anyone's detections, with VOC and COCO mAP. See ``--help``."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import MISSED, OK, given_options, option, parse, run
from utils.errors import UserError
from utils.files import atomic_write

DESCRIPTION = """\
Score a detector, or a file of detections, on labelled photos: VOC 2007, VOC 2010 and COCO mAP.

Writes metrics.json, ground_truth.json and detections.json (COCO format, so that anyone can score
them again) and prints a table."""

EPILOG = """\
examples:
  python get_map.py --weights runs/mine/best.keras --data photos --split test
  python get_map.py --detections theirs.json --data photos --classes classes.txt
  python get_map.py --weights runs/mine/best.keras --data photos --min-map50 0.8   (exit 1 below)"""


@dataclass(frozen=True)
class MapConfig:
    """The options of ``get_map.py``."""

    data: Path = option(help="folder with the labelled photos", metavar="DIR")
    weights: Path | None = option(None, help="detector to score", metavar="FILE")
    detections: Path | None = option(
        None, help="COCO results to score as they are, instead of a detector", metavar="FILE.json"
    )
    split: str = option("test", help="list of photos to score on", metavar="NAME")
    classes: Path | None = option(
        None, help="text file with one class name a line; by itself the detector's classes, or "
        "those found in the data", metavar="FILE",
    )  # fmt: skip
    only_listed: bool = option(False, help="drop objects of classes that are not listed")
    out: Path | None = option(
        None, help="folder for the results; by itself runs/map/NAME with a number", metavar="DIR"
    )
    conf: float = option(0.001, help="lowest score that counts", low=0, high=1)
    iou: float = option(0.6, help="IoU above which a weaker box is suppressed", low=0, high=1)
    max_det: int = option(300, help="most detections a photo", low=1)
    batch_size: int = option(8, help="photos the network sees at once", low=1)
    device: str = option(
        "auto", help="auto takes a GPU when there is one", metavar="auto|cpu|gpu|gpu:N"
    )
    min_map50: float | None = option(
        None, help="exit with status 1 when COCO AP50 is below this", low=0, high=1
    )


def main(argv: list[str]) -> int:
    config = parse(MapConfig, argv, DESCRIPTION, EPILOG)
    if (config.weights is None) == (config.detections is None):
        raise UserError("give either --weights or --detections (see get_map.py --help)")
    if config.weights and not config.weights.exists():
        raise UserError(f"--weights {config.weights}: there is no such file")

    from utils.data.classes import read_classes
    from utils.data.voc import load_split, load_stems
    from utils.evaluation.files import ground_truth, read_detections, to_results
    from utils.evaluation.leaks import leaked
    from utils.evaluation.metrics import evaluate, format_table
    from utils.training.run_directory import next_free

    # The detector knows its classes, and the photos it was trained on.
    detector, metadata = None, {}
    classes = read_classes(config.classes) if config.classes else None
    if config.weights:
        from utils.detector import Detector
        from utils.training.device import use_device

        use_device(config.device)
        detector = Detector(config.weights)
        metadata = detector.metadata
        classes = classes or detector.class_names
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
