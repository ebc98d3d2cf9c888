"""All scores of a set of detections: ``evaluate`` for files, ``format_table`` for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len, set_cell_size

from utils.evaluation import coco, voc
from utils.evaluation.analysis import Analysis, Estimate
from utils.evaluation.matched_results import Case, open_case


def evaluate(ground_truth: dict, results: list[dict]) -> dict:
    """Score COCO results against a COCO ground truth (``utils.evaluation.coco_files`` makes both).

    Returns:
        What ``metrics.json`` holds, but for ``weights`` and ``split``, in plain Python values:
        ``coco`` (the twelve; -1 where nothing counts), ``coco_classes`` (``AP`` and ``AP50`` by
        class name), ``voc2007`` and ``voc2010`` (``mAP`` and ``AP`` by class name), ``images``,
        ``boxes`` (objects that are not difficult), ``objects`` (the same by class name) and
        ``classes``. A class without countable objects has None and is outside every mean.
    """
    return evaluate_case(open_case(ground_truth, results))


def evaluate_case(case: Case) -> dict:
    """As ``evaluate``, from what has been matched already."""
    names, truth, found = case.names, case.truth, case.found
    ap_2007, ap_2010 = voc.average_precisions(truth, found, len(names))
    by_coco = coco.score(truth, found, case.matching)
    objects = np.bincount(truth.class_ids[~truth.difficult], minlength=len(names)).tolist()
    return {
        "coco": by_coco.summary,
        "coco_classes": {
            "AP": dict(zip(names, by_coco.ap, strict=True)),
            "AP50": dict(zip(names, by_coco.ap50, strict=True)),
        },
        "voc2007": {"mAP": voc.mean(ap_2007), "AP": dict(zip(names, ap_2007, strict=True))},
        "voc2010": {"mAP": voc.mean(ap_2010), "AP": dict(zip(names, ap_2010, strict=True))},
        "images": case.images,
        "boxes": sum(objects),
        "objects": dict(zip(names, objects, strict=True)),
        "classes": names,
    }


def format_table(metrics: dict, analysis: Analysis | None = None) -> str:
    """The scores as lines of text: a row a class, the mean, and COCO's other numbers below.

    With an analysis, COCO's two columns are followed by their 95 % intervals.
    """
    columns = (
        metrics["voc2007"]["AP"],
        metrics["voc2010"]["AP"],
        metrics["coco_classes"]["AP"],
        metrics["coco_classes"]["AP50"],
    )
    rows = [["class", "objects", "VOC 2007", "VOC 2010", "COCO AP", "COCO AP50"]]
    for name in metrics["classes"]:
        scores = [_score(column[name]) for column in columns]
        rows.append([_one_line(name), str(metrics["objects"][name]), *scores])
    means = [metrics["voc2007"]["mAP"], metrics["voc2010"]["mAP"]]
    means += [metrics["coco"]["AP"], metrics["coco"]["AP50"]]
    rows.append(["mean", str(metrics["boxes"]), *map(_score, means)])
    if analysis is not None and analysis.resamples:
        for row, one in zip(rows[1:], [*analysis.classes, analysis.overall], strict=True):
            row[5:] = [_interval(one.ap), row[5], _interval(one.ap50)]
        rows[0][5:] = ["95 %", "COCO AP50", "95 %"]
    lines = _aligned(rows)
    rule = "-" * cell_len(lines[0])
    others = [
        f"{name} {_score(value)}"
        for name, value in metrics["coco"].items()
        if name not in ("AP", "AP50")
    ]
    table = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    return "\n".join([*table, "", "COCO: " + "  ".join(others)])


def _score(value: float | None) -> str:
    return "–" if value is None or value < 0 else f"{value:.3f}"


def _interval(estimate: Estimate) -> str:
    return "–" if estimate.low is None else f"{estimate.low:.3f} – {estimate.high:.3f}"


def _one_line(name: str) -> str:
    return "".join(c if c.isprintable() else " " for c in name)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right, by the width on a terminal."""
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [set_cell_size(row[0], widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]
