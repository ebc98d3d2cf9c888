"""Score a detector, or a file of detections, on labelled photos. See ``--help``."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli import MISSED, OK, option, parse, run
from utils.errors import UserError
from utils.evaluation.id_readings import CATEGORY_IDS, IMAGE_IDS
from utils.quiet import import_tensorflow
from utils.text import counted

if TYPE_CHECKING:  # slow imports follow inside main, after the options are checked
    from collections.abc import Mapping, Sequence

    from utils.data.records import Dataset
    from utils.detections import Detections
    from utils.detector import Detector
    from utils.evaluation.schema import Tuning
    from utils.evaluation.stopwatch import Stopwatch

DESCRIPTION = """\
Score a detector, or a file of detections, on labelled photos: VOC 2007, VOC 2010 and COCO mAP with
95 % intervals, and an analysis of the errors and their cost.

Writes report.html (open it first), summary.md, classes.csv, metrics.json, and ground_truth.json and
detections.json (COCO format, for scoring with other tools), and prints a table."""

EPILOG = """\
examples:
  python get_map.py --weights runs/mine/best.keras --data photos --split test
  python get_map.py --weights new.keras --compare old.keras --data photos    (is new better?)
  python get_map.py --weights runs/mine/best.keras --data photos --tune val  (thresholds to use)
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
    split: str = option("test", help="list of photos to score", metavar="NAME")
    classes: Path | None = option(
        None, help="text file with one class name a line (default: the detector's classes, or "
        "all classes in the data)", metavar="FILE",
    )  # fmt: skip
    only_listed: bool = option(False, help="ignore objects of classes that are not listed")
    out: Path | None = option(
        None, help="folder for the results (default: runs/map/NAME with a number)", metavar="DIR"
    )
    conf: float = option(0.001, help="lowest score that counts", low=0, high=1)
    iou: float = option(
        0.6, help="NMS removes the weaker of two boxes above this IoU", low=0, high=1
    )
    max_det: int = option(300, help="most detections a photo", low=1)
    batch_size: int = option(8, help="photos a batch on each device", low=1)
    device: str = option(
        "auto", help="auto takes all GPUs, or the CPU if there is none",
        metavar="auto|cpu|gpu|gpu:0,1",
    )  # fmt: skip
    compare: Path | None = option(
        None, help="another detector, or its detections (.json), to compare with on the same "
        "photos", metavar="FILE", group="analysis",
    )  # fmt: skip
    image_ids: str = option(
        "auto", help="what numbers in image_id of a detections file are: the position in "
        "ground_truth.json, the number in the file name, or the id in the dataset's own JSON; auto "
        "takes the one that fits", choices=("auto", *IMAGE_IDS), group="detections of other tools",
    )  # fmt: skip
    category_ids: str = option(
        "auto", help="what numbers in category_id of a detections file are: the place in the class "
        "list, counted from 0 or 1, or the id in the dataset's own JSON; auto takes the one that "
        "fits", choices=("auto", *CATEGORY_IDS), group="detections of other tools",
    )  # fmt: skip
    resamples: int = option(
        1000, help="bootstrap resamples for the 95 % intervals, at least 100; 0 for none",
        low=0, high=100_000, group="analysis",
    )  # fmt: skip
    report: bool = option(True, help="write report.html", group="analysis")
    min_map50: float | None = option(
        None, help="exit with status 1 if COCO AP50 is lower", low=0, high=1, group="analysis",
    )  # fmt: skip
    tune: str | None = option(
        None, help="find the confidence and NMS thresholds with the best F1 on this split, and "
        "store them in the checkpoint for predict.py; take a split that is not reported, such as "
        "val", metavar="NAME", group="tuning",
    )  # fmt: skip
    tune_precision: float | None = option(
        None, help="tune for the highest recall at this precision or better, instead of F1",
        low=0, high=1, group="tuning",
    )  # fmt: skip


def main(argv: list[str]) -> int:
    config = parse(MapConfig, argv, DESCRIPTION, EPILOG)
    check_options(config)
    from utils.data.classes import read_classes
    from utils.evaluation.analysis import analyse
    from utils.evaluation.coco_files import ground_truth, to_results
    from utils.evaluation.dataset_ids import json_label_files
    from utils.evaluation.leaks import load_evaluation_split
    from utils.evaluation.matching import match_results
    from utils.evaluation.metrics import compute_metrics
    from utils.evaluation.read_detections import read_detections
    from utils.evaluation.stopwatch import Stopwatch
    from utils.evaluation.summaries import format_table, sentences, write_evaluation
    from utils.evaluation.tuning import store_operating_point
    from utils.files import next_free

    watch = Stopwatch()
    warnings = Warnings()

    # The detectors. A checkpoint knows its classes and the photos of its training.
    classes = read_classes(config.classes) if config.classes else None
    with watch.phase("start-up"):
        detector, other_detector = open_detectors(config, watch)
    metadata = detector.runtime.metadata if detector else {}
    classes = classes or (detector.class_names if detector else None)

    # The photos, their labels and given detections. Errors in them are found before the long run.
    with watch.phase("labels"):
        load = partial(
            load_evaluation_split, config.data, metadata=metadata, classes=classes,
            only_listed=config.only_listed,
        )  # fmt: skip
        dataset = load(config.split)
        truth = ground_truth(dataset.records, dataset.classes)
        photos = counted(len(dataset), "photo")
        objects = counted(len(truth["annotations"]), "object")
        print(f"{photos} of the split {config.split!r}, {objects}")
        warnings.add_remarks(dataset)
        tuning_dataset = load(config.tune) if config.tune else None
        if tuning_dataset:
            check_tuning_photos(config.tune, tuning_dataset)
        leak_counts = warn_of_leaks(
            config, dataset, tuning_dataset, detector, other_detector, warnings
        )
        labels = json_label_files(config.data, dataset.records)
        given = {
            path: read_detections(
                path, truth, labels=labels, warn=warnings.add,
                image_ids=None if config.image_ids == "auto" else config.image_ids,
                category_ids=None if config.category_ids == "auto" else config.category_ids,
            )
            for path in (config.detections, None if other_detector else config.compare)
            if path
        }  # fmt: skip
    check_classes(config.weights, detector, dataset)
    check_classes(config.compare, other_detector, dataset)

    # The detections.
    def results_of(path: Path, detector: Detector | None) -> list[dict]:
        if detector is None:
            return given[path]
        by_iou = detect(
            detector, dataset, config, watch, warnings, conf=config.conf, ious=(config.iou,)
        )
        return to_results(by_iou[config.iou], truth)

    source = config.weights or config.detections
    results = results_of(source, detector)
    other_results = results_of(config.compare, other_detector) if config.compare else None
    tuning = None
    if tuning_dataset:
        tuning = tune_thresholds(detector, tuning_dataset, config, watch, warnings)

    # The scores and the analysis.
    with watch.phase("scores"):
        matched = match_results(truth, results)
        metrics = {
            **compute_metrics(matched),
            "weights": str(source),
            "split": config.split,
            "leaks": leak_counts,
            "warnings": warnings,
            # A file of detections is scored as it is, without limits.
            "conf": config.conf if config.weights else None,
            "iou": config.iou if config.weights else None,
            "max_det": config.max_det if config.weights else None,
        }
    other = None
    if other_results is not None:
        with watch.phase("comparison"):
            other = str(config.compare), match_results(truth, other_results)
    analysis = analyse(
        matched, resamples=config.resamples, other=other, tuning=tuning, stopwatch=watch
    )
    print(f"\n{format_table(metrics, analysis)}\n")
    print(*sentences(metrics, analysis), sep="\n")

    # The files.
    out = config.out or next_free(Path("runs/map"), source.resolve().parent.name)
    names = write_evaluation(
        out,
        metrics=metrics,
        analysis=analysis,
        ground_truth=truth,
        results=results,
        photos={record.image_id: record.image for record in dataset.records},
        warnings=warnings,
        stopwatch=watch,
        report=config.report,
    )
    if tuning:
        store_operating_point(config.weights, tuning)
        thresholds = f"--conf {tuning.confidence:g} --iou {tuning.iou:g}"
        print(f"stored in {config.weights} for predict.py: {thresholds}")
    print(f"\nwritten to {out}: {', '.join(names)}")
    print("seconds: " + ", ".join(f"{name} {s:.1f}" for name, s in watch.seconds.items()))
    if detector:
        share = network_share(watch.seconds)
        print(f"network: {share:.0%} of the time without start-up, files and report")
    ap50 = metrics["coco"]["AP50"]
    if config.min_map50 is not None and ap50 < config.min_map50:
        print(f"AP50 {ap50:.4f} is below --min-map50 {config.min_map50:g}", file=sys.stderr)
        return MISSED
    return OK


class Warnings(list):
    """Sentences for the summary, the report and ``metrics.json``, printed when they are added."""

    def add(self, *messages: str) -> None:
        for message in messages:
            print(f"warning: {message}", file=sys.stderr)
            self.append(message)

    def add_remarks(self, dataset: Dataset, most: int = 5) -> None:
        """What was skipped or repaired in the data."""
        lines = [f"data: {note}" for note in dataset.notes[:most]]
        if len(dataset.notes) > most:
            lines.append(f"data: and {counted(len(dataset.notes) - most, 'more remark')}")
        for line in lines:
            print(line)
            self.append(line)


def check_options(config: MapConfig) -> None:
    """Refuse options that contradict each other."""
    if config.only_listed and config.classes is None:
        raise UserError("--only-listed needs --classes, the list")
    if config.out and config.out.exists() and not config.out.is_dir():
        raise UserError(f"--out {config.out}: is a file, not a folder")
    if (config.weights is None) == (config.detections is None):
        raise UserError("give either --weights or --detections (see get_map.py --help)")
    if config.tune and (config.weights is None or config.weights.suffix.lower() != ".keras"):
        raise UserError("--tune needs --weights with a .keras checkpoint to store the result in")
    if config.tune_precision is not None and not config.tune:
        raise UserError("--tune-precision needs --tune, the split to tune on")
    if 0 < config.resamples < 100:
        raise UserError(
            f"--resamples {config.resamples}: too few for an interval; take 100 or more, or 0"
        )


def check_tuning_photos(split: str, dataset: Dataset) -> None:
    """Refuse to tune on photos without objects."""
    if all(record.difficult.all() for record in dataset.records):
        raise UserError(f"--tune {split}: there is no object on these photos to tune with")


def check_classes(path: Path | None, detector: Detector | None, dataset: Dataset) -> None:
    """Refuse a detector with classes that the data cannot score."""
    if detector and (unlisted := set(detector.class_names) - set(dataset.classes)):
        raise UserError(
            f"the class list lacks {', '.join(sorted(unlisted))}, which the detector {path} knows; "
            "leave --classes out to take the detector's own list"
        )


def warn_of_leaks(
    config: MapConfig,
    dataset: Dataset,
    tuning_dataset: Dataset | None,
    detector: Detector | None,
    other_detector: Detector | None,
    warnings: Warnings,
) -> dict[str, int]:
    """Warn of photos that the detectors have seen; return their number by kind, as in
    ``metrics.json``."""
    from utils.evaluation import leaks

    hashes = detector.runtime.metadata.get("hashes", {}) if detector else {}
    found = leaks.find_leaks(dataset.records, hashes)
    warnings.add(*leaks.leak_warnings(found))
    if other_detector:
        hashes_of_other = other_detector.runtime.metadata.get("hashes", {})
        of_other = leaks.find_leaks(dataset.records, hashes_of_other)
        warnings.add(*leaks.leak_warnings(of_other, f"{config.compare}: "))
    if tuning_dataset:
        trained = leaks.find_leaks(tuning_dataset.records, hashes)["train"]
        shared = leaks.find_shared(tuning_dataset.records, dataset.records)
        found |= {"tune_train": trained, "tune_reported": shared}
        warnings.add(*leaks.tuning_leak_warnings(
            trained, shared, len(tuning_dataset), tune=config.tune, split=config.split
        ))  # fmt: skip
    return {kind: len(image_ids) for kind, image_ids in found.items()}


def open_detectors(config: MapConfig, watch: Stopwatch) -> list[Detector | None]:
    """The detectors of ``--weights`` and ``--compare``; None without one, or for a ``.json``."""
    from utils.detector import Detector
    from utils.runtime.runtime import open_runtime

    device = None
    detectors: list[Detector | None] = []
    for option_name, path in (("--weights", config.weights), ("--compare", config.compare)):
        if path is None or path.suffix.lower() == ".json":
            detectors.append(None)
            continue
        if path.suffix.lower() == ".keras" and device is None:
            import_tensorflow()
            from utils.runtime.distribution import make_cluster

            device = make_cluster(config.device)
        runtime = open_runtime(
            path, device=device or config.device, batch_size=config.batch_size, option=option_name
        )
        timed = watch.phase("network")(runtime.infer)
        detectors.append(Detector(replace(runtime, infer=timed)))
    return detectors


def detect(
    detector: Detector,
    dataset: Dataset,
    config: MapConfig,
    watch: Stopwatch,
    warnings: Warnings,
    *,
    conf: float,
    ious: Sequence[float],
) -> dict[float, dict[str, Detections]]:
    """Detections by NMS threshold and image id. Photos that cannot be read become warnings."""
    from tqdm import tqdm

    from utils.evaluation.run_detector import detect_records

    network_before = watch.seconds.get("network", 0.0)
    start = time.perf_counter()
    found = detect_records(
        detector,
        dataset.records,
        conf=conf,
        ious=ious,
        max_det=config.max_det,
        progress=lambda batches: tqdm(
            batches, "detecting", unit="batch", leave=False, disable=None
        ),
        on_unreadable=warnings.add,
    )
    network = watch.seconds.get("network", 0.0) - network_before
    watch.add("photos and boxes", time.perf_counter() - start - network)
    return found


def tune_thresholds(
    detector: Detector,
    dataset: Dataset,
    config: MapConfig,
    watch: Stopwatch,
    warnings: Warnings,
) -> Tuning:
    """The thresholds with the best result on the photos to tune on."""
    from utils.evaluation.coco_files import ground_truth, to_results
    from utils.evaluation.tuning import LOWEST_CONFIDENCE, NMS_IOUS, tune

    by_iou = detect(
        detector, dataset, config, watch, warnings, conf=LOWEST_CONFIDENCE, ious=NMS_IOUS
    )
    with watch.phase("tuning"):
        truth = ground_truth(dataset.records, dataset.classes)
        results = {iou: to_results(found, truth) for iou, found in by_iou.items()}
        return tune(truth, results, config.tune, config.tune_precision)


def network_share(seconds: Mapping[str, float]) -> float:
    """The network's share of the seconds without start-up, files and report."""
    rest = sum(s for name, s in seconds.items() if name not in ("start-up", "files", "report"))
    return seconds.get("network", 0.0) / rest


if __name__ == "__main__":
    sys.exit(run(main))
