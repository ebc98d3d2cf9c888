"""The sentences of the report, and the part of a large evaluation that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from utils.evaluation.formatting import ERROR_NAMES, interval, percent, score, signed, verdict
from utils.evaluation.label_errors import MAX_LABELS
from utils.evaluation.schema import Analysis, Comparison, Confusion, ErrorKind
from utils.text import counted, listed, one_line

MAX_CONFUSION_CLASSES = 20
_WIDE_INTERVAL = 0.1  # of AP50; from here on the report warns
_FEW_OBJECTS = 10  # the scores of a class with fewer are unreliable
_MIN_GAIN = 0.0005  # of AP50; smaller gains are not mentioned


@dataclass(frozen=True)
class KeyFigure:
    """A number at the top of the report, with its name and a remark."""

    name: str
    value: str
    remark: str


@dataclass(frozen=True)
class ConfusionTable:
    """The part of a confusion matrix that is shown.

    Attributes:
        names: of its rows and columns, "background" last.
        counts: ``counts[true][predicted]``.
        shares: each count over the sum of its whole row.
        left_out: number of classes that are not shown; they have fewer confusions.
        frequent: the most frequent confusions, ``(count, sentence)``.
    """

    names: list[str]
    counts: list[list[int]]
    shares: list[list[float]]
    left_out: int
    frequent: list[tuple[int, str]]


def key_figures(analysis: Analysis) -> list[KeyFigure]:
    """The numbers at the top of the report."""
    overall, best = analysis.overall, analysis.overall.best
    figures = []
    if overall.ap50.value is not None:
        figures += [
            KeyFigure(
                "AP50", score(overall.ap50.value), interval(overall.ap50) or "IoU at least 0.5"
            ),
            KeyFigure(
                "AP", score(overall.ap.value), interval(overall.ap) or "mean over IoU 0.50 to 0.95"
            ),
            KeyFigure(
                "VOC 2010 mAP", score(overall.voc2010), f"VOC 2007: {score(overall.voc2007)}"
            ),
        ]
    if best.confidence is not None:
        figures += [
            KeyFigure(
                "Precision", percent(best.precision), f"at confidence {score(best.confidence)}"
            ),
            KeyFigure("Recall", percent(best.recall), f"best F1: {score(best.f1)}"),
        ]
    return figures


def dataset_size(metrics: dict) -> str:
    """The end of the first sentence, after the score."""
    classes = counted(len(metrics["classes"]), "class", "classes")
    return (
        f"on {counted(metrics['images'], 'photo')} with {counted(metrics['boxes'], 'object')} "
        f"of {classes}."
    )


def answer(analysis: Analysis) -> list[str]:
    """The sentences after the first: precision and recall, errors, and the comparison."""
    overall, best = analysis.overall, analysis.overall.best
    if not overall.objects:
        return ["No photo has an object that counts, so there is no score."]
    if not overall.detections:
        return ["There are no detections: all objects are missed."]
    sentences = []
    if best.confidence is not None:
        sentences.append(
            f"At a confidence threshold of {score(best.confidence)}, precision is "
            f"{percent(best.precision)} and recall is {percent(best.recall)}."
        )
    gains = [
        f"{ERROR_NAMES[kind.kind][0].lower()} (+{kind.gain:.3f})"
        for kind in largest_gains(analysis)
    ]
    if gains:
        sentences.append(f"The errors that cost most AP50: {listed(gains)}.")
    if analysis.comparison:
        sentences.append(comparison_sentence(analysis.comparison))
    return list(filter(None, sentences))


def comparison_sentence(comparison: Comparison) -> str:
    """The comparison in a sentence; empty without a score."""
    change = comparison.ap50
    if change.value is None:
        return ""
    between = "" if change.low is None else f" ({signed(change.low)} to {signed(change.high)})"
    return (
        f"Against {one_line(comparison.other)}, AP50 differs by {signed(change.value)}{between}: "
        f"{verdict(change)}."
    )


def largest_gains(analysis: Analysis) -> list[ErrorKind]:
    """The three kinds of errors whose correction gains most AP50, without negligible gains."""
    kinds = [kind for kind in analysis.errors.kinds if (kind.gain or 0) >= _MIN_GAIN]
    return sorted(kinds, key=lambda kind: -kind.gain)[:3]


def interval_warnings(analysis: Analysis, images: int) -> list[str]:
    """Warnings about wide or missing intervals."""
    ap50 = analysis.overall.ap50
    if ap50.value is None:
        return []
    if not analysis.resamples:
        return ["No intervals were computed: differences of a few points may be chance."]
    photos = counted(images, "photo")
    if ap50.low is None or ap50.high is None:
        return [f"With {photos} there is no 95 % interval: too few to estimate one."]
    if ap50.high - ap50.low > _WIDE_INTERVAL:
        return [
            f"With {photos} AP50 can lie anywhere between {score(ap50.low, 2)} and "
            f"{score(ap50.high, 2)}. Smaller differences may be chance. More test photos narrow "
            "the interval."
        ]
    return []


def unreadable_photos(image_ids: Sequence[str]) -> list[str]:
    """The warning that photos are missing from the gallery."""
    if not image_ids:
        return []
    names = listed([one_line(image_id) for image_id in image_ids])
    photos = counted(len(image_ids), "photo")
    return [f"{photos} could not be read for the pictures below: {names}."]


def label_errors(count: int) -> str:
    """The link to the suspected label errors; empty without any."""
    if not count:
        return ""
    least = "At least " if count >= MAX_LABELS else ""
    return f"{least}{counted(count, 'suspected label error')}: check these first."


def class_notes(analysis: Analysis) -> list[str]:
    """Remarks below the table of classes."""
    notes = []
    empty = [one_line(one.name) for one in analysis.classes if not one.objects]
    few = [one_line(one.name) for one in analysis.classes if 0 < one.objects < _FEW_OBJECTS]
    if empty and len(empty) < len(analysis.classes):
        notes.append(f"Without objects, and therefore outside every mean: {listed(empty, 6)}.")
    if few:
        notes.append(
            f"Unreliable scores, with fewer than {_FEW_OBJECTS} objects: {listed(few, 6)}."
        )
    return notes


def confusion_table(confusion: Confusion) -> ConfusionTable:
    """The confusion matrix; of many classes, those with the most confusions."""
    counts, names = confusion.counts, [one_line(name) for name in confusion.names]
    background = len(names) - 1
    wrong = [
        sum(counts[i]) + sum(row[i] for row in counts) - 2 * counts[i][i] for i in range(background)
    ]
    shown = sorted(sorted(range(background), key=lambda i: -wrong[i])[:MAX_CONFUSION_CLASSES])
    shown.append(background)
    sums = [max(1, sum(row)) for row in counts]
    confused = sorted(
        (
            (counts[true][predicted], true, predicted)
            for true in range(background)
            for predicted in range(background)
            if true != predicted and counts[true][predicted]
        ),
        key=lambda pair: -pair[0],
    )
    return ConfusionTable(
        names=[names[i] for i in shown],
        counts=[[counts[i][j] for j in shown] for i in shown],
        shares=[[counts[i][j] / sums[i] for j in shown] for i in shown],
        left_out=background + 1 - len(shown),
        frequent=[(n, f"{names[i]} predicted as {names[j]}") for n, i, j in confused[:8]],
    )
