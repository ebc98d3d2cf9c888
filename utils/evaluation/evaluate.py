"""Scoring a detector, or a file of detections, from the options to the numbers: ``evaluate``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from utils.data.classes import read_classes
from utils.data.records import Dataset
from utils.detections import Detections, optional_library
from utils.detector import Detector
from utils.errors import UserError
from utils.evaluation import leaks
from utils.evaluation.analysis import analyse
from utils.evaluation.coco_files import ground_truth, to_results
from utils.evaluation.config import MapConfig, is_detections_file
from utils.evaluation.dataset_ids import json_label_files
from utils.evaluation.error_costs import all_errors, error_costs
from utils.evaluation.leaks import load_evaluation_split
from utils.evaluation.matching import MatchedResults, match_results
from utils.evaluation.metrics import compute_metrics
from utils.evaluation.read_detections import read_detections
from utils.evaluation.run_detector import detect_records, in_one_precision
from utils.evaluation.schema import Analysis, Estimate, Tuning
from utils.evaluation.stopwatch import Stopwatch
from utils.evaluation.summaries import class_rows, write_evaluation
from utils.evaluation.tide import break_down_errors
from utils.evaluation.tuning import LOWEST_CONFIDENCE, NMS_IOUS, tune
from utils.quiet import import_tensorflow
from utils.runtime.runtime import Infer, Runtime, open_runtime, runtime_of_file
from utils.text import counted, listed

if TYPE_CHECKING:
    import pandas


def evaluate(config: MapConfig) -> Evaluation:
    """Score what ``config`` names. Warnings and what is scored are printed as they are found.

    Raises:
        UserError: what is wrong with options, data, detector or detections.
    """
    watch, warnings = Stopwatch(), Warnings()
    classes = read_classes(config.classes) if config.classes else None
    with watch.phase("start-up"):
        detectors = _Detectors(*open_detectors(config))
    with watch.phase("labels"):
        photos = _load_photos(config, detectors, classes, warnings)
    _check_detectors(config, detectors, photos.dataset)
    with watch.phase("start-up"):
        detectors = _in_one_precision(detectors, photos.dataset)
    detections = _run_detectors(config, detectors, photos, watch, warnings)
    return _score(config, photos, detections, watch, warnings)


@dataclass(frozen=True)
class Evaluation:
    """The scores of a detector, or of a file of detections.

    Attributes:
        config: the options.
        metrics: the numbers of ``metrics.json`` but those of ``analysis``; see
            ``utils.evaluation.metrics``.
        analysis: intervals, curves, errors; see ``utils.evaluation.schema``.
        dataset: the photos and their labels.
        matched: labels and detections, matched.
        ground_truth, results: the same in COCO's format.
        warnings: sentences on what the scores depend on.
        stopwatch: seconds of each phase.
    """

    config: MapConfig
    metrics: dict[str, Any]
    analysis: Analysis
    dataset: Dataset = field(repr=False)
    matched: MatchedResults = field(repr=False)
    ground_truth: dict = field(repr=False)
    results: list[dict] = field(repr=False)
    warnings: list[str]
    stopwatch: Stopwatch = field(repr=False)

    @property
    def ap(self) -> Estimate:
        """COCO AP with its 95 % interval: ``value``, ``low``, ``high``."""
        return self.analysis.overall.ap

    @property
    def ap50(self) -> Estimate:
        """COCO AP at IoU 0.5 with its 95 % interval: ``value``, ``low``, ``high``."""
        return self.analysis.overall.ap50

    @property
    def below_threshold(self) -> bool:
        """Whether COCO AP50 is below ``--min-map50``, or there is none, as no object counts."""
        lowest = self.config.min_map50
        return lowest is not None and self.metrics["coco"]["AP50"] < lowest

    @cached_property
    def errors(self) -> list[dict[str, Any]]:
        """Every error, the costliest first, as dictionaries with the fields of
        ``utils.evaluation.schema.ErrorItem``: photo, kind, classes, boxes, score, IoU, cost."""
        costs = error_costs(self.matched, break_down_errors(self.matched))
        return [asdict(error) for error in all_errors(self.matched, costs)]

    def to_pandas(self, table: str = "classes") -> pandas.DataFrame:
        """A table for pandas.

        Args:
            table: ``classes``, a row a class and a last one, ``all``, as in ``classes.csv``; or
                ``errors``, a row an error.

        Raises:
            UserError: pandas is not installed, or there is no such table.
        """
        if table not in ("classes", "errors"):
            raise UserError(f"to_pandas({table!r}): the tables are 'classes' and 'errors'")
        rows = self.errors if table == "errors" else class_rows(self.analysis)
        return optional_library("pandas", "to_pandas").DataFrame(rows)

    def write(self, out: Path, *, report: bool = True) -> list[str]:
        """Write every file into a folder; returns their names, the one to open first in front."""
        return write_evaluation(
            out,
            metrics=self.metrics,
            analysis=self.analysis,
            ground_truth=self.ground_truth,
            results=self.results,
            photos={record.image_id: record.image for record in self.dataset.records},
            warnings=self.warnings,
            stopwatch=self.stopwatch,
            report=report,
        )


class _Detectors(NamedTuple):
    """The detectors of ``--weights`` and ``--compare``; None without one, or for a ``.json``."""

    this: Detector | None
    other: Detector | None


class _Photos(NamedTuple):
    """What is scored on.

    Attributes:
        dataset: the photos of ``--split`` and their labels.
        truth: the labels in COCO's format.
        tuning: the photos of ``--tune``, if any.
        leaks: number of photos that the detector has seen, by kind, as in ``metrics.json``.
        given: COCO results of files of detections, by path.
    """

    dataset: Dataset
    truth: dict
    tuning: Dataset | None
    leaks: dict[str, int]
    given: dict[Path, list[dict]]


class _Detections(NamedTuple):
    """COCO results of ``--weights`` or ``--detections``, of ``--compare``, and the thresholds that
    ``--tune`` found."""

    this: list[dict]
    other: list[dict] | None
    tuning: Tuning | None


def _load_photos(
    config: MapConfig, detectors: _Detectors, classes: Sequence[str] | None, warnings: Warnings
) -> _Photos:
    """The photos, their labels and given detections; errors in them are found before the long run.

    Args:
        config: the options.
        detectors: a checkpoint knows its classes and the photos of its training.
        classes: the list of ``--classes``.
        warnings: gets remarks on the data and leaks.
    """
    load = partial(
        load_evaluation_split, config.data,
        metadata=detectors.this.runtime.metadata if detectors.this else {},
        classes=classes or (detectors.this.class_names if detectors.this else None),
        only_listed=config.only_listed,
    )  # fmt: skip
    dataset = load(config.split)
    truth = ground_truth(dataset.records, dataset.classes)
    photos = counted(len(dataset), "photo")
    objects = counted(len(truth["annotations"]), "object")
    print(f"{photos} of the split {config.split!r}, {objects}")
    warnings.add_remarks(dataset)
    tuning = load(config.tune) if config.tune else None
    if tuning:
        check_tuning_photos(config.tune, tuning)
    leak_counts = warn_of_leaks(config, dataset, tuning, detectors.this, detectors.other, warnings)
    labels = json_label_files(config.data, dataset.records)
    given = {
        path: read_detections(
            path, truth, labels=labels, warn=warnings.add,
            image_ids=None if config.image_ids == "auto" else config.image_ids,
            category_ids=None if config.category_ids == "auto" else config.category_ids,
        )
        for path in (config.detections, None if detectors.other else config.compare)
        if path
    }  # fmt: skip
    return _Photos(dataset, truth, tuning, leak_counts, given)


def _check_detectors(config: MapConfig, detectors: _Detectors, dataset: Dataset) -> None:
    """Refuse detectors whose classes the data cannot score; say how its photos are scaled."""
    check_classes(config, config.weights, detectors.this, dataset)
    check_classes(config, config.compare, detectors.other, dataset)
    if detectors.this and (note := detectors.this.pixel_ranges.note_on(dataset.pixel_ranges)):
        print(note)


def _in_one_precision(detectors: _Detectors, dataset: Dataset) -> _Detectors:
    """All detections of a score come from one precision."""
    return _Detectors(
        *(detector and in_one_precision(detector, dataset.records) for detector in detectors)
    )


def _run_detectors(
    config: MapConfig,
    detectors: _Detectors,
    photos: _Photos,
    watch: Stopwatch,
    warnings: Warnings,
) -> _Detections:
    """What the detectors find, or their files hold."""

    def results_of(path: Path, detector: Detector | None) -> list[dict]:
        if detector is None:
            return photos.given[path]
        by_iou = detect(
            detector, photos.dataset, config, watch, warnings,
            conf=config.conf, ious=(config.iou,),
        )  # fmt: skip
        return to_results(by_iou[config.iou], photos.truth)

    this = results_of(config.weights or config.detections, detectors.this)
    other = results_of(config.compare, detectors.other) if config.compare else None
    tuning = None
    if photos.tuning:
        tuning = tune_thresholds(detectors.this, photos.tuning, config, watch, warnings)
    return _Detections(this, other, tuning)


def _score(
    config: MapConfig,
    photos: _Photos,
    detections: _Detections,
    watch: Stopwatch,
    warnings: Warnings,
) -> Evaluation:
    """The scores and the analysis."""
    with watch.phase("scores"):
        matched = match_results(photos.truth, detections.this)
        metrics = {
            **compute_metrics(matched),
            "weights": str(config.weights or config.detections),
            "split": config.split,
            "leaks": photos.leaks,
            "warnings": warnings,
            # A file of detections is scored as it is, without limits.
            "conf": config.conf if config.weights else None,
            "iou": config.iou if config.weights else None,
            "max_det": config.max_det if config.weights else None,
            "tile": config.tile if config.weights else None,
        }
    other = None
    if detections.other is not None:
        with watch.phase("comparison"):
            other = str(config.compare), match_results(photos.truth, detections.other)
    analysis = analyse(
        matched,
        resamples=config.resamples,
        other=other,
        tuning=detections.tuning,
        stopwatch=watch,
    )
    return Evaluation(
        config, metrics, analysis, photos.dataset, matched, photos.truth, detections.this,
        warnings, watch,
    )  # fmt: skip


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


def check_tuning_photos(split: str, dataset: Dataset) -> None:
    """Refuse to tune on photos without objects."""
    if all(record.difficult.all() for record in dataset.records):
        raise UserError(f"--tune {split}: there is no object on these photos to tune with")


def check_classes(
    config: MapConfig, path: Path | None, detector: Detector | None, dataset: Dataset
) -> None:
    """Refuse a detector with classes that the data cannot score."""
    if not detector or not (unlisted := set(detector.class_names) - set(dataset.classes)):
        return
    names = listed(sorted(unlisted), most=10)
    if config.classes is None:  # then only the second detector can know more
        lacking = f"{config.weights} does not know" if config.weights else "the labels lack"
        raise UserError(
            f"the detector {path} knows {names}, which {lacking}; give --classes a file with these "
            f"and {', '.join(dataset.classes) if len(dataset.classes) < 10 else 'all the others'}"
        )
    advice = f"add the rest to --classes {config.classes}"
    if path == config.weights:
        advice += ", or leave --classes out to take the detector's own list"
    raise UserError(f"the class list lacks {names}, which the detector {path} knows; {advice}")


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


def open_detectors(config: MapConfig) -> list[Detector | None]:
    """The detectors of ``--weights`` and ``--compare``; None without one, or for a ``.json``."""
    cluster = None
    detectors: list[Detector | None] = []
    for option_name, path in (("--weights", config.weights), ("--compare", config.compare)):
        if path is None or is_detections_file(path):
            detectors.append(None)
            continue
        runtime = config.runtime or ("tensorflow" if path.suffix.lower() == ".keras" else "auto")
        device, batch_size = config.device, config.batch_size
        if runtime == "tensorflow" or runtime_of_file(path) == "saved_model":
            import_tensorflow()
            from utils.runtime.device import use_full_float32
            from utils.runtime.distribution import make_cluster

            use_full_float32()
            cluster = cluster or make_cluster(config.device)
            device = None  # what TensorFlow sees is settled now
        if runtime == "tensorflow":
            device, batch_size = cluster, batch_size or 8
        opened = open_runtime(
            path, runtime, device=device, batch_size=batch_size, option=option_name,
            throughput=True,
        )  # fmt: skip
        detector = Detector(opened)
        print(f"{path}: {opened.description}, {detector.shape_in_words}")
        if tiles := config.tiling.in_words(max(detector.input_size), detector.training_sizes):
            print(tiles)
        detectors.append(detector)
    return detectors


def timed(runtime: Runtime, watch: Stopwatch) -> Infer:
    """``runtime.infer``, whose share of the time is added to the phase ``network``."""

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        start = time.perf_counter()
        outputs = runtime.infer(images)
        watch.add("network", (time.perf_counter() - start) / runtime.parallel)
        return outputs

    return infer


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
    runtime = detector.runtime
    detector = Detector(replace(runtime, infer=timed(runtime, watch)))
    network_before = watch.seconds.get("network", 0.0)
    start = time.perf_counter()
    found = detect_records(
        detector,
        dataset.records,
        conf=conf,
        ious=ious,
        max_det=config.max_det,
        progress=lambda records: tqdm(
            records, "detecting", unit=" photos", leave=False, disable=None
        ),
        on_unreadable=warnings.add,
        tiling=config.tiling,
    )
    network = watch.seconds.get("network", 0.0) - network_before
    watch.add("photos and boxes", max(0.0, time.perf_counter() - start - network))
    return found


def tune_thresholds(
    detector: Detector,
    dataset: Dataset,
    config: MapConfig,
    watch: Stopwatch,
    warnings: Warnings,
) -> Tuning:
    """The thresholds with the best result on the photos to tune on."""
    by_iou = detect(
        detector, dataset, config, watch, warnings, conf=LOWEST_CONFIDENCE, ious=NMS_IOUS
    )
    with watch.phase("tuning"):
        truth = ground_truth(dataset.records, dataset.classes)
        results = {iou: to_results(found, truth) for iou, found in by_iou.items()}
        return tune(truth, results, config.tune, config.tune_precision)
