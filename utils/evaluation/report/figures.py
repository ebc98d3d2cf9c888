"""The plots of the report, drawn by Matplotlib, as SVG that follows the page's theme.

Each function returns a drawing for a page column of about 400 pixels, so that its text is readable
on a phone. It returns None if there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from utils.evaluation.formatting import score
from utils.evaluation.schema import IOUS, ClassAnalysis, Estimate, Reliability
from utils.html.svg import INK, SERIES, drawing, inline_svg
from utils.text import counted, short

MAX_CLASSES = 30  # in one drawing
_WIDTH = 420
_MAX_COLOURED = 6  # curves with a colour each; with more the reader highlights one


def precision_recall(overall: ClassAnalysis, classes: Sequence[ClassAnalysis]) -> Markup | None:
    """Precision against recall of each class, a dot where F1 is best.

    Each class's curve is an element ``curve-ID``; the page can highlight one.
    """
    drawn = [(i, one) for i, one in enumerate(classes) if one.curve.recall]
    if not drawn:
        return None
    few = len(drawn) <= _MAX_COLOURED
    with drawing(_WIDTH, 360) as figure:
        axes = figure.subplots()
        axes.grid()
        for place, (i, one) in enumerate(drawn):
            style: dict[str, Any] = {
                "color": SERIES[place] if few else SERIES[6],
                "linewidth": 1.6 if few else 0.9,
                "alpha": 1 if few else 0.5,
            }
            label = short(one.name) if few else None
            axes.plot(one.curve.recall, one.curve.precision, gid=f"curve-{i}", label=label, **style)
            if one.best.f1 is not None:
                size = 6 if few else 3
                axes.plot(
                    one.best.recall, one.best.precision, "o", markersize=size,
                    color=style["color"], gid=f"curve-{i}-point",
                )  # fmt: skip
        if len(drawn) > 1:
            axes.plot(
                overall.curve.recall, overall.curve.precision, color=INK, linewidth=2,
                linestyle=(0, (4, 2)), label="all together", gid="curve-all",
            )  # fmt: skip
            if overall.best.f1 is not None:
                axes.plot(
                    overall.best.recall, overall.best.precision, "D", color=INK, markersize=6,
                    gid="curve-all-point",
                )  # fmt: skip
            axes.legend(loc="lower left", labelspacing=0.3)
        _unit_axes(axes, "recall", "precision")
        best = overall.best
        return inline_svg(
            figure,
            "pr",
            f"Precision against recall at IoU 0.5. At the best F1 of all classes together, with "
            f"a confidence of {score(best.confidence)}, precision is {score(best.precision)} and "
            f"recall {score(best.recall)}.",
        )


def by_confidence(overall: ClassAnalysis) -> Markup | None:
    """Precision and recall of all classes together against the confidence threshold."""
    curve, best = overall.curve, overall.best
    if not curve.confidence:
        return None
    with drawing(_WIDTH, 300) as figure:
        axes = figure.subplots()
        axes.grid()
        for values, name, colour, style in (
            (curve.precision, "precision", SERIES[0], "-"),
            (curve.recall, "recall", SERIES[1], (0, (5, 2))),
        ):
            axes.plot(curve.confidence, values, color=colour, linestyle=style, label=name)
        if best.confidence is not None:
            axes.axvline(best.confidence, color=INK, linewidth=1, linestyle=":")
            low, high = _confidence_limits(curve.confidence)
            left = best.confidence > low + 0.6 * (high - low)
            axes.annotate(
                f"best F1 at {score(best.confidence, 2)}", (best.confidence, 0.04),
                xytext=(-4 if left else 4, 0), textcoords="offset points",
                ha="right" if left else "left", color=INK,
            )  # fmt: skip
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
        _unit_axes(axes, "confidence threshold", "precision or recall")
        axes.set_xlim(_confidence_limits(curve.confidence))
        return inline_svg(
            figure,
            "confidence",
            "Precision and recall against the confidence threshold; F1 is best at "
            f"{score(best.confidence)}.",
        )


def intervals(overall: ClassAnalysis, classes: Sequence[ClassAnalysis]) -> Markup | None:
    """AP50 and AP with their intervals, of the ``MAX_CLASSES`` classes with the lowest AP50."""
    known = [one for one in classes if one.ap50.value is not None]
    if not known:
        return None
    rows = sorted(known, key=lambda one: one.ap50.value)[:MAX_CLASSES]
    rows = [*reversed(rows), overall] if len(known) > 1 else rows
    with drawing(_WIDTH, 110 + 34 * len(rows) if len(rows) < 8 else 120 + 25 * len(rows)) as figure:
        axes = figure.subplots()
        axes.grid(axis="x")
        for name, colour, marker, offset in (
            ("AP50", SERIES[0], "o", 0.14), ("AP", SERIES[1], "s", -0.14),
        ):  # fmt: skip
            estimates = [one.ap50 if name == "AP50" else one.ap for one in rows]
            heights = [y + offset for y in range(len(rows))]
            values = [e.value or 0.0 for e in estimates]
            axes.errorbar(
                values, heights, xerr=_error_bars(estimates), fmt=marker, color=colour, label=name,
                markersize=5, elinewidth=2, capsize=3, ecolor=colour,
            )  # fmt: skip
        names = [short(one.name) for one in rows]
        if len(known) > 1:
            names[-1] = "mean"
            axes.axhline(len(rows) - 1.5, color=INK, linewidth=0.6)
        axes.set_yticks(range(len(rows)), names)
        axes.tick_params(axis="y", length=0)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(rows) - 0.4), xlabel="average precision")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
        return inline_svg(
            figure,
            "intervals",
            "AP50 and AP by class with their 95 % intervals; the same numbers are in the table "
            "of classes.",
        )


def calibration(reliability: Reliability) -> Markup | None:
    """Precision of the detections in each bin of score, and their number."""
    pairs = [
        (confidence, precision)
        for confidence, precision in zip(reliability.confidence, reliability.precision, strict=True)
        if confidence is not None and precision is not None
    ]
    if not pairs:
        return None
    with drawing(_WIDTH, 360) as figure:
        axes, below = figure.subplots(2, height_ratios=(3, 1), sharex=True)
        axes.grid()
        axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="calibrated")
        confidence, precision = zip(*pairs, strict=True)
        axes.plot(confidence, precision, "-o", color=SERIES[0], markersize=5, label="detector")
        axes.legend(loc="upper left")
        _unit_axes(axes, "", "precision")
        middles = [
            (low + high) / 2
            for low, high in zip(reliability.edges, reliability.edges[1:], strict=False)
        ]
        below.bar(middles, reliability.counts, width=0.085, color=SERIES[6])
        below.set(xlabel="score of the detection", ylabel="detections")
        below.locator_params(axis="y", nbins=3, integer=True)
        return inline_svg(
            figure,
            "calibration",
            "Precision of detections against their score; the expected calibration error is "
            f"{score(reliability.error)}.",
        )


def by_overlap(overall: ClassAnalysis) -> Markup | None:
    """AP against the IoU that a match needs."""
    if any(value is None for value in overall.ap_by_iou):
        return None
    with drawing(_WIDTH, 280) as figure:
        axes = figure.subplots()
        axes.grid()
        axes.plot(IOUS, overall.ap_by_iou, "-o", color=SERIES[0], markersize=5)
        axes.set(ylim=(0, 1.02), xlabel="IoU threshold", ylabel="AP")
        values = ", ".join(
            f"{iou}: {score(value)}" for iou, value in zip(IOUS, overall.ap_by_iou, strict=True)
        )
        return inline_svg(figure, "overlap", f"AP by IoU threshold: {values}.")


def by_group(
    name: str, values: Mapping[str, float | None], objects: Mapping[str, int]
) -> Markup | None:
    """AP of objects by size or by shape, with the number of objects below each bar."""
    if all(value is None for value in values.values()):
        return None
    with drawing(_WIDTH, 280) as figure:
        axes = figure.subplots()
        axes.grid(axis="y")
        bars = axes.bar(
            range(len(values)), [value or 0 for value in values.values()], width=0.6,
            color=SERIES[0],
        )  # fmt: skip
        axes.bar_label(bars, [score(value) for value in values.values()], padding=2, color=INK)
        labels = [f"{group}\n{objects[group]:,}" for group in values]
        axes.set_xticks(range(len(values)), labels)
        axes.tick_params(axis="x", length=0)
        axes.set(ylim=(0, 1.08), ylabel="AP", xlim=(-0.6, len(values) - 0.4))
        text = ", ".join(
            f"{group}: {score(value)} ({counted(objects[group], 'object')})"
            for group, value in values.items()
        )
        return inline_svg(figure, name, f"AP by {name} of the objects: {text}.")


def _unit_axes(axes: Any, xlabel: str, ylabel: str) -> None:
    axes.set(xlim=(-0.01, 1.02), ylim=(0, 1.02), xlabel=xlabel, ylabel=ylabel)


def _confidence_limits(confidence: Sequence[float]) -> tuple[float, float]:
    """Both ends of an axis of confidence: 0 and 1, or further where the scores of a file go."""
    low, high = min(0.0, *confidence), max(1.0, *confidence)
    return low - 0.01 * (high - low), high + 0.02 * (high - low)


def _error_bars(estimates: Sequence[Estimate]) -> list[list[float]] | None:
    """Distances from the values to the ends of their intervals; None without intervals."""
    known = [e for e in estimates if e.value is not None and e.low is not None]
    if not known:
        return None
    ends = [
        (e.value - e.low, e.high - e.value) if e.value is not None and e.low is not None else (0, 0)
        for e in estimates
    ]
    return [[max(0.0, end[side]) for end in ends] for side in (0, 1)]
