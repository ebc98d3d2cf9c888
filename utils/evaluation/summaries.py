"""What an evaluation prints and writes: ``write_evaluation`` writes every file."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from utils.evaluation.coco_files import named_results
from utils.evaluation.formatting import ERROR_NAMES, NONE, interval, score, signed, verdict
from utils.evaluation.schema import (
    IOUS,
    Analysis,
    ClassAnalysis,
    Difference,
    Estimate,
    OperatingPoint,
)
from utils.evaluation.stopwatch import Stopwatch
from utils.files import RemovedError, atomic_write
from utils.text import counted, one_line

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet computes cells that begin so


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
        scores = [score(column[name]) for column in columns]
        rows.append([one_line(name), str(metrics["objects"][name]), *scores])
    means = [metrics["voc2007"]["mAP"], metrics["voc2010"]["mAP"]]
    coco = {name: None if value == -1 else value for name, value in metrics["coco"].items()}
    means += [coco["AP"], coco["AP50"]]
    rows.append(["mean", str(metrics["boxes"]), *map(score, means)])
    if analysis is not None and analysis.resamples:
        for row, one in zip(rows[1:], [*analysis.classes, analysis.overall], strict=True):
            row[5:] = [interval(one.ap) or NONE, row[5], interval(one.ap50) or NONE]
        rows[0][5:] = ["95 %", "COCO AP50", "95 %"]
    lines = _aligned(rows)
    rule = "-" * cell_len(lines[0])
    others = [
        f"{name} {score(value)}" for name, value in coco.items() if name not in ("AP", "AP50")
    ]
    table = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    return "\n".join([*table, "", "COCO: " + "  ".join(others)])


def sentences(metrics: dict, analysis: Analysis) -> list[str]:
    """The scores, their intervals, the errors, and the comparison and tuning, if any."""
    overall = analysis.overall
    lines = [f"AP50 {_with_interval(overall.ap50)}; AP {_with_interval(overall.ap)}"]
    if seen := metrics.get("leaks", {}).get("train"):
        lines.append(f"too good: {seen} of {counted(metrics['images'], 'photo')} trained on")
    if analysis.resamples and overall.ap50.low is not None:
        photos = counted(metrics["images"], "photo")
        lines[0] += f" (95 % intervals, {analysis.resamples:,} resamples of {photos})"
    if overall.best.confidence is not None:
        lines.append(f"best F1: {_point(overall.best)}")
    kinds = [k for k in analysis.errors.kinds if k.count and k.gain is not None]
    kinds.sort(key=lambda k: -k.gain)
    if kinds:
        costs = [f"{ERROR_NAMES[k.kind][0].lower()} {k.gain:.3f} ({k.count:,})" for k in kinds]
        lines.append(f"AP50 lost by kind of error (number of errors): {', '.join(costs)}")
    if analysis.errors.suspicions:
        labels = counted(len(analysis.errors.suspicions), "suspected label error")
        lines.append(f"{labels}; see the report")
    if analysis.comparison:
        compared = analysis.comparison
        lines.append(f"against {compared.other}: AP50 {_difference(compared.ap50)}")
        lines.append(f"against {compared.other}: AP {_difference(compared.ap)}")
    if analysis.tuning:
        tuning = analysis.tuning
        lines.append(
            f"tuned on the split {tuning.split!r} for {tuning.goal}: --conf "
            f"{tuning.confidence:g} --iou {tuning.iou:g} (there {_point(tuning.point)})"
        )
    return lines


def write_evaluation(
    out: Path,
    *,
    metrics: dict,
    analysis: Analysis,
    ground_truth: dict,
    results: list[dict],
    photos: Mapping[str, Path],
    warnings: Sequence[str],
    stopwatch: Stopwatch,
    report: bool = True,
) -> list[str]:
    """Write every file of an evaluation.

    Args:
        out: folder of the files.
        metrics: of ``utils.evaluation.metrics.compute_metrics``, with ``weights`` and ``split``.
        analysis: of ``utils.evaluation.analysis.analyse``.
        ground_truth: the labels, in COCO's format with ``stem`` in its images.
        results: the detections, COCO results.
        photos: files by the records' ``image_id``.
        warnings: sentences for the summary and the report.
        stopwatch: that of ``analysis.seconds``.
        report: whether to write ``report.html``; otherwise that of an earlier run is removed.

    Returns:
        The names of the files, the one to open first in front.

    Raises:
        RemovedError: somebody has removed some of them meanwhile.
    """
    if not report:  # one of an earlier evaluation would show other numbers than the rest
        (out / "report.html").unlink(missing_ok=True)
    with stopwatch.phase("files"):
        for name, content in (
            ("ground_truth.json", ground_truth),
            ("detections.json", named_results(results, ground_truth)),
        ):
            with atomic_write(out / name) as file:
                file.write(json.dumps(content, ensure_ascii=False))
        write_csv(out / "classes.csv", analysis)
        write_summary(out / "summary.md", metrics, analysis, warnings)
    names = ["summary.md", "classes.csv", "metrics.json", "ground_truth.json", "detections.json"]
    if report:
        from utils.evaluation.report import write_report  # imports Matplotlib

        with stopwatch.phase("report"):
            write_report(
                out / "report.html",
                metrics=metrics,
                analysis=analysis,
                ground_truth=ground_truth,
                results=results,
                photos=photos,
                warnings=warnings,
            )
        names.insert(0, "report.html")
    with atomic_write(out / "metrics.json") as file:  # last: it holds the seconds of all phases
        file.write(_metrics_text(metrics, analysis))
    if gone := [name for name in names if not (out / name).exists()]:
        raise RemovedError(
            f"{out}: {gone[0]} was removed while the others were written; start again"
        )
    return names


def _metrics_text(metrics: dict, analysis: Analysis) -> str:
    """The content of ``metrics.json``, with a line for each row of the confusion matrix: one for
    each number would be millions of lines where there are thousands of classes."""
    confusion = analysis.confusion
    rows = ",\n    ".join(json.dumps(row, separators=(",", ":")) for row in confusion.counts)
    # In place of the matrix a text, as it stands nowhere else under this key.
    slim = replace(analysis, confusion=replace(confusion, counts="matrix"))
    content = {**metrics, "analysis": asdict(slim)}
    text = json.dumps(content, ensure_ascii=False, indent=1)
    return text.replace('"counts": "matrix"', f'"counts": [\n    {rows}\n   ]')


def write_csv(path: str | Path, analysis: Analysis) -> None:
    """One row a class and a last one, ``all``; an empty cell where a number is unknown.

    The first column is the class id, −1 for all. A class name that a spreadsheet would take for a
    formula gets an apostrophe in front.
    """
    rows = class_rows(analysis)
    for row in rows:
        if row["class"].startswith(_FORMULA):
            row["class"] = f"'{row['class']}"
    with atomic_write(path) as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def class_rows(analysis: Analysis) -> list[dict]:
    """The rows of ``write_csv``: one a class and a last one, ``all``; None where unknown."""
    ids = (*range(len(analysis.classes)), -1)
    ones = (*analysis.classes, analysis.overall)
    return [{"id": i, **_columns(one)} for i, one in zip(ids, ones, strict=True)]


def write_summary(
    path: str | Path, metrics: dict, analysis: Analysis, warnings: Sequence[str] = ()
) -> None:
    """The evaluation as Markdown, for a pull request or a model card."""
    counts = (
        counted(metrics["images"], "photo"),
        counted(metrics["boxes"], "object"),
        counted(len(metrics["classes"]), "class", "classes"),
    )
    lines = [f"# {_cell(metrics['weights'])} on {_cell(metrics['split'])}", ""]
    lines += [f"> **Warning:** {_cell(warning)}\n" for warning in warnings]
    lines += [f"{', '.join(counts)}.", ""]
    lines += [f"- {_cell(sentence)}" for sentence in sentences(metrics, analysis)]
    lines += ["", "| class | objects | VOC 2007 | VOC 2010 | AP | 95 % | AP50 | 95 % | best F1 |"]
    lines += ["|:--|--:|--:|--:|--:|:-:|--:|:-:|--:|"]
    for one in (*analysis.classes, analysis.overall):
        cells = [
            _cell(one.name) if one is not analysis.overall else "**all**",
            f"{one.objects:,}",
            score(one.voc2007),
            score(one.voc2010),
            score(one.ap.value),
            interval(one.ap) or NONE,
            score(one.ap50.value),
            interval(one.ap50) or NONE,
            score(one.best.f1),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    with atomic_write(path) as file:
        file.write("\n".join(lines) + "\n")


def _columns(one: ClassAnalysis) -> dict:
    columns = {
        "class": one.name,
        "objects": one.objects,
        "images": one.images,
        "detections": one.detections,
    }
    for name, estimate in (("ap", one.ap), ("ap50", one.ap50)):
        columns |= {
            name: estimate.value,
            f"{name}_low": estimate.low,
            f"{name}_high": estimate.high,
        }
    columns |= {f"ap_iou_{iou:.2f}": v for iou, v in zip(IOUS, one.ap_by_iou, strict=True)}
    columns |= {"voc2007": one.voc2007, "voc2010": one.voc2010}
    for prefix, point in (("best", one.best), ("at", one.at_confidence)):
        columns |= {
            f"{prefix}_{key}": getattr(point, key)
            for key in ("confidence", "precision", "recall", "f1")
        }
    columns["log_average_miss_rate"] = one.log_average_miss_rate
    columns |= {f"ap_{size}": value for size, value in one.ap_by_size.items()}
    columns |= {f"ap_{aspect}": value for aspect, value in one.ap_by_aspect.items()}
    columns |= {f"errors_{kind}": count for kind, count in one.errors.items()}
    return columns


def _with_interval(estimate: Estimate) -> str:
    between = interval(estimate)
    return score(estimate.value) + (f" ({between})" if between else "")


def _point(point: OperatingPoint) -> str:
    return (
        f"{score(point.f1)} at confidence {score(point.confidence)}, "
        f"precision {score(point.precision)}, recall {score(point.recall)}"
    )


def _difference(difference: Difference) -> str:
    if difference.value is None:
        return NONE
    between = ""
    if difference.low is not None:
        between = f" ({signed(difference.low)} to {signed(difference.high)})"
    return f"{signed(difference.value)}{between}: {verdict(difference)}"


def _cell(text: str) -> str:
    """Text as one line that Markdown neither splits into cells nor takes for markup."""
    return "".join("\\" + c if c in "\\|*_`<>[]#~&" else c for c in one_line(text))


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
