"""``analyse``: everything about an evaluation beyond its scores.

Detections are matched with objects once. Intervals, curves, the confusion matrix and the error
breakdown all use these matches.
"""

from __future__ import annotations

import numpy as np

from utils.evaluation import bootstrap, tide
from utils.evaluation.bootstrap import ALL_IOUS, IOU_50
from utils.evaluation.coco import coco_average_precisions
from utils.evaluation.confusion import confusion_matrix
from utils.evaluation.error_costs import ErrorCosts, error_costs, worst_errors, worst_images
from utils.evaluation.label_errors import suspected_label_errors
from utils.evaluation.matching import MatchedResults
from utils.evaluation.operating_points import ThresholdCurve, reliability, threshold_curve
from utils.evaluation.schema import (
    ASPECTS,
    ERROR_KINDS,
    SIZE_GROUPS,
    Analysis,
    ClassAnalysis,
    Comparison,
    ErrorKind,
    Errors,
    Tuning,
)
from utils.evaluation.stopwatch import Stopwatch
from utils.evaluation.tables import FALSE_POSITIVE, mean_of_known
from utils.evaluation.voc import voc_average_precisions


def analyse(
    matched: MatchedResults,
    *,
    resamples: int = bootstrap.RESAMPLES,
    seed: int = 0,
    other: tuple[str, MatchedResults] | None = None,
    tuning: Tuning | None = None,
    stopwatch: Stopwatch | None = None,
) -> Analysis:
    """Analyse detections that were matched with a ground truth.

    Args:
        matched: as ``utils.evaluation.matching.match_results`` makes it.
        resamples: of the bootstrap; 0 for no intervals.
        seed: of the bootstrap; the same seed gives the same intervals.
        other: name and results of a detector to compare with, on the same images.
        tuning: becomes part of the result.
        stopwatch: may hold phases of the caller. Default: a new one.
    """
    watch = stopwatch or Stopwatch()
    with watch.phase("bootstrap"):
        draws = bootstrap.draw(matched.images, resamples, seed)
        samples = bootstrap.sample(matched, draws)
    comparison = None
    if other is not None:
        with watch.phase("comparison"):
            comparison = _compare(matched, samples, draws, *other)
    with watch.phase("curves"):
        curves = [threshold_curve(matched, c) for c in range(len(matched.names))]
        overall_curve = threshold_curve(matched)
        confidence = overall_curve.best_f1().confidence or 0.0
        confusion = confusion_matrix(matched, confidence)
        calibration = reliability(matched)
    with watch.phase("errors"):
        breakdown = tide.break_down_errors(matched)
        costs = error_costs(matched, breakdown)
        class_confidence = np.array([curve.best_f1().confidence or 0.0 for curve in curves])
        errors = Errors(
            ap50=mean_of_known(samples.value[:, 0]),
            kinds=_error_kinds(matched, samples, breakdown, costs),
            worst=worst_errors(matched, costs),
            images=worst_images(matched, costs),
            suspicions=suspected_label_errors(matched, breakdown, class_confidence),
        )
    with watch.phase("curves"):
        error_counts = costs.counts(costs.label, len(matched.names))
        classes, overall = _classes(
            matched, samples, curves, overall_curve, confidence, error_counts
        )
    return Analysis(
        overall=overall,
        classes=classes,
        confidence=confidence,
        confusion=confusion,
        reliability=calibration,
        errors=errors,
        resamples=resamples,
        comparison=comparison,
        tuning=tuning,
        seconds=watch.seconds,
    )


def _compare(
    matched: MatchedResults,
    samples: bootstrap.Samples,
    draws: bootstrap.Draws,
    name: str,
    other: MatchedResults,
) -> Comparison:
    return bootstrap.compare(
        samples,
        bootstrap.sample(other, draws),
        name,
        matched.names,
        matched.images_of_class,
        matched.images_with_objects,
    )


def _error_kinds(
    matched: MatchedResults,
    samples: bootstrap.Samples,
    breakdown: tide.ErrorBreakdown,
    costs: ErrorCosts,
) -> list[ErrorKind]:
    """Number of errors of each kind, and AP50 with all of them corrected."""
    ap50 = mean_of_known(samples.value[:, 0])
    counts = np.bincount(costs.kind, minlength=len(ERROR_KINDS))
    rows = matched.ranked_rows[matched.outcome[0, 0, matched.ranked_rows] == FALSE_POSITIVE]
    labels = matched.detections.class_ids[rows]
    has_false_positives = np.bincount(labels, minlength=len(matched.names)) > 0
    kinds = []
    for i, kind in enumerate(ERROR_KINDS):
        by_class = tide.corrected_ap50(matched, breakdown, i)
        # If every object of a class was missed, none is left after the correction. Its AP is then
        # 0 with false positives, as in TIDE, and 1 without.
        emptied = np.isnan(by_class) & ~np.isnan(samples.value[:, 0])
        corrected = mean_of_known(
            np.where(emptied, np.where(has_false_positives, 0.0, 1.0), by_class)
        )
        if ap50 is not None:  # COCO's 101 recalls can make a correction look slightly harmful
            corrected = max(corrected, ap50)
        gain = None if ap50 is None else corrected - ap50
        kinds.append(ErrorKind(kind, int(counts[i]), corrected, gain))
    return kinds


def _classes(
    matched: MatchedResults,
    samples: bootstrap.Samples,
    curves: list[ThresholdCurve],
    overall_curve: ThresholdCurve,
    confidence: float,
    errors: np.ndarray,
) -> tuple[list[ClassAnalysis], ClassAnalysis]:
    """One ``ClassAnalysis`` a class, and that of all together; ``errors`` (C, kinds)."""
    names = matched.names
    groups = range(1, len(matched.counted))
    group_ap = np.stack(
        [coco_average_precisions(matched, group=g)[..., 0].mean(axis=1) for g in groups], axis=1
    )  # (C, 6)
    objects = np.stack(
        [matched.objects_by_class(g) for g in range(len(matched.counted))], axis=1
    )  # (C, 7)
    detections = np.bincount(matched.detections.class_ids, minlength=len(names))
    ap_2007, ap_2010 = voc_average_precisions(matched.truth, matched.detections, len(names))
    images = matched.images_of_class
    classes = [
        ClassAnalysis(
            name=name,
            objects=int(objects[c, 0]),
            images=images[c],
            detections=int(detections[c]),
            ap=bootstrap.estimate_class(samples, c, ALL_IOUS, images[c]),
            ap50=bootstrap.estimate_class(samples, c, IOU_50, images[c]),
            ap_by_iou=[mean_of_known([v]) for v in samples.value[c]],
            voc2007=ap_2007[c],
            voc2010=ap_2010[c],
            best=curves[c].best_f1(),
            at_confidence=curves[c].at(confidence),
            curve=curves[c].curve(),
            log_average_miss_rate=curves[c].log_average_miss_rate(matched.images),
            **_groups(group_ap[c : c + 1], objects[c]),
            errors=dict(zip(ERROR_KINDS, errors[c].tolist(), strict=True)),
        )
        for c, name in enumerate(names)
    ]
    with_objects = matched.images_with_objects
    overall = ClassAnalysis(
        name="all",
        objects=int(objects[:, 0].sum()),
        images=with_objects,
        detections=len(matched.detections),
        ap=bootstrap.estimate_mean(samples, ALL_IOUS, images, with_objects),
        ap50=bootstrap.estimate_mean(samples, IOU_50, images, with_objects),
        ap_by_iou=[mean_of_known(v) for v in samples.value.T],
        voc2007=mean_of_known(ap_2007),
        voc2010=mean_of_known(ap_2010),
        best=overall_curve.best_f1(),
        at_confidence=overall_curve.at(confidence),
        curve=overall_curve.curve(),
        log_average_miss_rate=mean_of_known([c.log_average_miss_rate for c in classes]),
        **_groups(group_ap, objects.sum(axis=0)),
        errors=dict(zip(ERROR_KINDS, errors.sum(axis=0).tolist(), strict=True)),
    )
    return classes, overall


def _groups(ap: np.ndarray, objects: np.ndarray) -> dict:
    """AP (c, 6), mean over classes, and objects (7) of the groups, by their names."""
    means = [mean_of_known(column) for column in ap.T]
    return {
        "ap_by_size": dict(zip(SIZE_GROUPS, means[:3], strict=True)),
        "ap_by_aspect": dict(zip(ASPECTS, means[3:], strict=True)),
        "objects_by_size": dict(zip(SIZE_GROUPS, objects[1:4].tolist(), strict=True)),
        "objects_by_aspect": dict(zip(ASPECTS, objects[4:7].tolist(), strict=True)),
    }
