"""``analyse``: everything about an evaluation beyond its scores, in one pass.

Detections meet objects once; intervals, curves, confusion, errors and suspicions all read that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from utils.evaluation import bootstrap, tide, voc
from utils.evaluation.analysis import (
    ASPECTS,
    ERROR_KINDS,
    SIZES,
    Analysis,
    ClassAnalysis,
    Comparison,
    ErrorKind,
    Errors,
    Tuning,
)
from utils.evaluation.average_precision import average_precisions
from utils.evaluation.confusion import confusion_matrix
from utils.evaluation.matched_results import Case, open_case
from utils.evaluation.operating import Sweep, reliability, sweep_class
from utils.evaluation.tables import class_names
from utils.evaluation.worst import Photos, ledger, suspicions, worst_errors, worst_images

_ALL_IOUS, _AT_HALF = slice(None), slice(0, 1)


@dataclass
class Stopwatch:
    """Seconds by name of the phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done inside; times of one name add up."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def analyse(
    ground_truth: dict,
    results: list[dict],
    *,
    case: Case | None = None,
    resamples: int = bootstrap.RESAMPLES,
    seed: int = 0,
    other: tuple[str, list[dict]] | None = None,
    tuning: Tuning | None = None,
    stopwatch: Stopwatch | None = None,
) -> Analysis:
    """Analyse COCO results against a COCO ground truth; neither is changed.

    Args:
        ground_truth: as ``utils.evaluation.coco_files`` makes it.
        results: COCO results.
        case: the two, where they have been matched already.
        resamples: of the bootstrap; 0 leaves the intervals out.
        seed: of the bootstrap: the same seed, the same intervals.
        other: name and results of a detector to compare with on the same images.
        tuning: passed on.
        stopwatch: also times the phases of the caller; by itself a new one.
    """
    watch = stopwatch or Stopwatch()
    if case is None:
        with watch.phase("matching"):
            case = open_case(ground_truth, results)
    with watch.phase("bootstrap"):
        draws = bootstrap.draw(case.images, resamples, seed)
        samples = bootstrap.sample(case.truth, case.found, case.matching, draws)
    comparison = None
    if other is not None:
        with watch.phase("comparison"):
            comparison = _compare(case, samples, draws, ground_truth, *other)
    with watch.phase("curves"):
        sweeps = [
            sweep_class(case.truth, case.found, case.matching, c) for c in range(len(case.names))
        ]
        together = sweep_class(case.truth, case.found, case.matching, None)
        confidence = together.best_f1().confidence or 0.0
        confusion = confusion_matrix(
            case.truth, case.found, case.matching, case.pairs, case.names, confidence
        )
        believed = reliability(case.found, case.matching)
    with watch.phase("errors"):
        mistakes, by_class = _errors(case, samples, sweeps, _photos(ground_truth))
    with watch.phase("curves"):
        classes, overall = _classes(case, samples, sweeps, together, confidence, by_class)
    return Analysis(
        overall=overall,
        classes=classes,
        confidence=confidence,
        confusion=confusion,
        reliability=believed,
        errors=mistakes,
        resamples=resamples,
        comparison=comparison,
        tuning=tuning,
        seconds=watch.seconds,
    )


def _compare(
    case: Case,
    samples: bootstrap.Samples,
    draws: bootstrap.Draws,
    ground_truth: dict,
    name: str,
    results: list[dict],
) -> Comparison:
    second = open_case(ground_truth, results)
    others = bootstrap.sample(second.truth, second.found, second.matching, draws)
    return bootstrap.compare(
        samples, others, name, case.names, case.images_of_class, case.images_with_objects
    )


def _photos(ground_truth: dict) -> Photos:
    images = sorted(ground_truth["images"], key=lambda image: image["id"])
    return Photos(
        [image["stem"] for image in images],
        [image["file_name"] for image in images],
        class_names(ground_truth),
    )


def _errors(
    case: Case, samples: bootstrap.Samples, sweeps: list[Sweep], photos: Photos
) -> tuple[Errors, np.ndarray]:
    """The error analysis, and counts by class and kind (C, 6)."""
    truth, found, matching = case.truth, case.found, case.matching
    sorted_errors = tide.sort_errors(truth, found, matching, case.pairs)
    entries = ledger(truth, found, matching, sorted_errors)
    counts = np.zeros((len(case.names), len(ERROR_KINDS)), np.int64)
    np.add.at(counts, (entries.label, entries.kind), 1)
    ap50 = _mean(samples.value[:, 0])
    wrong = matching.order[matching.outcome[0, 0, matching.order] == voc.FALSE_POSITIVE]
    claimed = np.bincount(found.class_ids[wrong], minlength=len(case.names)) > 0
    kinds = []
    for i, kind in enumerate(ERROR_KINDS):
        by_class = tide.mended_ap50(truth, found, matching, sorted_errors, case.images, i)
        # A class whose every object was missed has nothing left to find: what it still claims is
        # wrong (0, as in TIDE); where it claims nothing, nothing is wrong.
        emptied = np.isnan(by_class) & ~np.isnan(samples.value[:, 0])
        mended = _mean(np.where(emptied, np.where(claimed, 0.0, 1.0), by_class))
        if ap50 is not None:  # COCO's 101 recalls can make mending look harmful by a hair
            mended = max(mended, ap50)
        gain = None if ap50 is None else mended - ap50
        kinds.append(ErrorKind(kind, int(counts[:, i].sum()), mended, gain))
    confidence = np.array([s.best_f1().confidence or 0.0 for s in sweeps])
    return (
        Errors(
            ap50=ap50,
            kinds=kinds,
            worst=worst_errors(truth, found, entries, photos),
            images=worst_images(entries, photos),
            suspicions=suspicions(truth, found, matching, sorted_errors, photos, confidence),
        ),
        counts,
    )


def _classes(
    case: Case,
    samples: bootstrap.Samples,
    sweeps: list[Sweep],
    together: Sweep,
    confidence: float,
    errors: np.ndarray,
) -> tuple[list[ClassAnalysis], ClassAnalysis]:
    """One ``ClassAnalysis`` a class, and that of all together."""
    truth, found, matching, names = case.truth, case.found, case.matching, case.names
    once = np.ones((case.images, 1))
    groups = np.stack(
        [
            average_precisions(truth, found, matching, once, group=g)[..., 0].mean(axis=1)
            for g in range(1, len(matching.counted))
        ],
        axis=1,
    )  # (C, 6)
    objects = np.stack(
        [np.bincount(truth.class_ids[m], minlength=len(names)) for m in matching.counted], axis=1
    )  # (C, 7)
    detections = np.bincount(found.class_ids, minlength=len(names))
    ap_2007, ap_2010 = voc.average_precisions(truth, found, len(names))
    images = case.images_of_class
    classes = [
        ClassAnalysis(
            name=name,
            objects=int(objects[c, 0]),
            images=images[c],
            detections=int(detections[c]),
            ap=bootstrap.estimate_class(samples, c, _ALL_IOUS, images[c]),
            ap50=bootstrap.estimate_class(samples, c, _AT_HALF, images[c]),
            ap_by_iou=[_mean(v) for v in samples.value[c]],
            voc2007=ap_2007[c],
            voc2010=ap_2010[c],
            best=sweeps[c].best_f1(),
            at_confidence=sweeps[c].at(confidence),
            curve=sweeps[c].curve(),
            log_average_miss_rate=sweeps[c].log_average_miss_rate(case.images),
            **_groups(groups[c : c + 1], objects[c]),
            errors=dict(zip(ERROR_KINDS, errors[c].tolist(), strict=True)),
        )
        for c, name in enumerate(names)
    ]
    rates = [c.log_average_miss_rate for c in classes]
    with_objects = case.images_with_objects
    overall = ClassAnalysis(
        name="all",
        objects=int(objects[:, 0].sum()),
        images=with_objects,
        detections=len(found),
        ap=bootstrap.estimate_mean(samples, _ALL_IOUS, images, with_objects),
        ap50=bootstrap.estimate_mean(samples, _AT_HALF, images, with_objects),
        ap_by_iou=[_mean(v) for v in samples.value.T],
        voc2007=voc.mean(ap_2007),
        voc2010=voc.mean(ap_2010),
        best=together.best_f1(),
        at_confidence=together.at(confidence),
        curve=together.curve(),
        log_average_miss_rate=voc.mean(rates),
        **_groups(groups, objects.sum(axis=0)),
        errors=dict(zip(ERROR_KINDS, errors.sum(axis=0).tolist(), strict=True)),
    )
    return classes, overall


def _groups(ap: np.ndarray, objects: np.ndarray) -> dict:
    """AP (c, 6) and objects (7) of ``Matching``'s groups by name; AP is the mean over classes."""
    means = [_mean(column) for column in ap.T]
    return {
        "ap_by_size": dict(zip(SIZES, means[:3], strict=True)),
        "ap_by_aspect": dict(zip(ASPECTS, means[3:], strict=True)),
        "objects_by_size": dict(zip(SIZES, objects[1:4].tolist(), strict=True)),
        "objects_by_aspect": dict(zip(ASPECTS, objects[4:7].tolist(), strict=True)),
    }


def _mean(values: np.ndarray) -> float | None:
    known = np.asarray(values)[np.isfinite(values)]
    return float(known.mean()) if known.size else None
