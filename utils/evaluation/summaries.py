"""What people and their tools read of an evaluation: a CSV with a row a class, a Markdown summary,
and the sentences that ``get_map.py`` prints."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from utils.evaluation.analysis import (
    IOUS,
    Analysis,
    ClassAnalysis,
    Difference,
    Estimate,
    OperatingPoint,
)
from utils.files import atomic_write

KIND_NAMES = {
    "class": "wrong class",
    "location": "wrong place",
    "both": "wrong class and place",
    "duplicate": "found twice",
    "background": "nothing there",
    "missed": "missed",
}

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet compute a cell


def write_csv(path: str | Path, analysis: Analysis) -> None:
    """One row a class and a last one, ``all``; an empty cell where a number cannot be told.

    The first column is the class id, −1 for all. A class name that a spreadsheet would take for a
    formula has an apostrophe before it.
    """
    ids = (*range(len(analysis.classes)), -1)
    ones = (*analysis.classes, analysis.overall)
    rows = [{"id": i, **_columns(one)} for i, one in zip(ids, ones, strict=True)]
    with atomic_write(path) as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _columns(one: ClassAnalysis) -> dict:
    columns = {
        "class": f"'{one.name}" if one.name.startswith(_FORMULA) else one.name,
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


def sentences(metrics: dict, analysis: Analysis) -> list[str]:
    """How good, how sure, what goes wrong, and what else was asked for, as plain text."""
    overall = analysis.overall
    lines = [f"AP50 {_sure(overall.ap50)}; AP {_sure(overall.ap)}"]
    if analysis.resamples and overall.ap50.low is not None:
        lines[0] += (
            f" (95 % intervals, {analysis.resamples:,} resamples of {metrics['images']:,} photos)"
        )
    if overall.best.confidence is not None:
        lines.append(f"best F1: {_point(overall.best)}")
    kinds = [k for k in analysis.errors.kinds if k.count and k.gain is not None]
    kinds.sort(key=lambda k: -k.gain)
    if kinds:
        costs = ", ".join(f"{KIND_NAMES[k.kind]} {k.gain:.3f} ({k.count:,})" for k in kinds)
        lines.append(f"AP50 lost to each kind of error (how many): {costs}")
    if analysis.errors.suspicions:
        lines.append(f"{len(analysis.errors.suspicions)} labels look suspicious; see the report")
    if analysis.comparison:
        compared = analysis.comparison
        lines.append(f"against {compared.other}: AP50 {_difference(compared.ap50)}")
        lines.append(f"against {compared.other}: AP {_difference(compared.ap)}")
    if analysis.tuning:
        tuning = analysis.tuning
        lines.append(
            f"tuned on the split {tuning.split!r} for {tuning.goal}: --conf "
            f"{tuning.confidence:g} --iou {tuning.iou:g} ({_point(tuning.point)} there)"
        )
    return lines


def write_summary(
    path: str | Path, metrics: dict, analysis: Analysis, warnings: Sequence[str] = ()
) -> None:
    """The evaluation as Markdown, for a pull request or a model card."""
    lines = [f"# {_cell(metrics['weights'])} on {_cell(metrics['split'])}", ""]
    lines += [f"> **Warning:** {_cell(warning)}\n" for warning in warnings]
    lines += [
        f"{metrics['images']:,} photos, {metrics['boxes']:,} objects, "
        f"{len(metrics['classes'])} classes.",
        "",
    ]
    lines += [f"- {_cell(sentence)}" for sentence in sentences(metrics, analysis)]
    lines += ["", "| class | objects | VOC 2007 | VOC 2010 | AP | 95 % | AP50 | 95 % | best F1 |"]
    lines += ["|:--|--:|--:|--:|--:|:-:|--:|:-:|--:|"]
    for one in (*analysis.classes, analysis.overall):
        cells = [
            _cell(one.name) if one is not analysis.overall else "**all**",
            f"{one.objects:,}",
            _score(one.voc2007),
            _score(one.voc2010),
            _score(one.ap.value),
            _interval(one.ap),
            _score(one.ap50.value),
            _interval(one.ap50),
            _score(one.best.f1),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    with atomic_write(path) as file:
        file.write("\n".join(lines) + "\n")


def _sure(estimate: Estimate) -> str:
    interval = f" ({_interval(estimate)})" if estimate.low is not None else ""
    return _score(estimate.value) + interval


def _point(point: OperatingPoint) -> str:
    return (
        f"{_score(point.f1)} at confidence {_score(point.confidence)}, "
        f"precision {_score(point.precision)}, recall {_score(point.recall)}"
    )


def _difference(difference: Difference) -> str:
    if difference.value is None:
        return "–"
    text = f"{difference.value:+.3f}"
    if difference.low is None:
        return f"{text} (too few photos to say how sure)"
    verdict = "more than luck" if difference.more_than_luck else "may be luck"
    return f"{text} ({difference.low:+.3f} – {difference.high:+.3f}): {verdict}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(estimate: Estimate) -> str:
    return "–" if estimate.low is None else f"{estimate.low:.3f} – {estimate.high:.3f}"


def _cell(text: str) -> str:
    """Text of one line that neither ends a table's cell nor turns into markup."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return "".join("\\" + c if c in "\\|*_`<>[]#~&" else c for c in shown)
