"""What the report says in words, and which part of a large evaluation it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from utils.evaluation.analysis import Analysis, Comparison, Confusion, Difference, ErrorKind
from utils.evaluation.report.formatting import KINDS, interval, percent, score, signed
from utils.evaluation.worst import LABELS
from utils.text import counted, listed, one_line

MOST_CONFUSED = 20  # classes in the confusion matrix
_WIDE = 0.1  # an interval of AP50 this wide deserves a warning
_FEW_OBJECTS = 10  # a class with fewer tells little


@dataclass(frozen=True)
class Tile:
    """One figure of the answer: its name, its value, and what stands beside it."""

    name: str
    value: str
    beside: str


@dataclass(frozen=True)
class Matrix:
    """The part of a confusion matrix that is shown.

    Attributes:
        names: of its rows and columns, "background" last.
        counts: ``counts[true][said]``.
        shares: each count over the sum of its whole row.
        left_out: classes that are not shown, having fewer confusions.
        frequent: the most frequent confusions, ``(count, sentence)``.
    """

    names: list[str]
    counts: list[list[int]]
    shares: list[list[float]]
    left_out: int
    frequent: list[tuple[int, str]]


def tiles(metrics: dict, analysis: Analysis) -> list[Tile]:
    """The figures under the first sentence."""
    overall, best = analysis.overall, analysis.overall.best
    found = []
    if overall.ap50.value is not None:
        beside = interval(overall.ap50)
        found.append(Tile("AP50", score(overall.ap50.value), beside or "boxes must half fit"))
        beside = interval(overall.ap)
        found.append(Tile("AP (0.50–0.95)", score(overall.ap.value), beside or "COCO's first"))
        found.append(
            Tile("VOC 2010 mAP", score(overall.voc2010), f"2007: {score(overall.voc2007)}")
        )
    if best.confidence is not None:
        found.append(
            Tile("Precision", percent(best.precision), f"from confidence {score(best.confidence)}")
        )
        found.append(Tile("Recall", percent(best.recall), f"best F1: {score(best.f1)}"))
    return found


def lead_rest(metrics: dict) -> str:
    """How the first sentence goes on after the score."""
    classes = counted(len(metrics["classes"]), "class", "classes")
    return (
        f"on {counted(metrics['images'], 'photo')} with {counted(metrics['boxes'], 'object')} "
        f"of {classes}."
    )


def what_then(analysis: Analysis) -> list[str]:
    """The sentences after the first: how it works in use, and where the most is to gain."""
    overall, best = analysis.overall, analysis.overall.best
    if not overall.objects:
        return ["None of the photos has an object that counts, so there is nothing to score by."]
    if not overall.detections:
        return ["Nothing was detected: all objects are missed."]
    sentences = []
    if best.confidence is not None:
        sentences.append(
            f"Keeping what has a confidence of at least {score(best.confidence)}, "
            f"{percent(best.precision)} of the boxes are right and {percent(best.recall)} of the "
            "objects are found."
        )
    gains = [f"{KINDS[kind.kind][0].lower()} (+{kind.gain:.3f})" for kind in most_to_gain(analysis)]
    if gains:
        sentences.append(f"The most to gain in AP50: {listed(gains)}.")
    if analysis.comparison:
        sentences.append(overall_verdict(analysis.comparison))
    return list(filter(None, sentences))


def overall_verdict(comparison: Comparison) -> str:
    """The comparison in a sentence; empty without a score."""
    if comparison.ap50.value is None:
        return ""
    change = comparison.ap50
    between = "" if change.low is None else f" ({signed(change.low)} to {signed(change.high)})"
    return (
        f"Against {one_line(comparison.other)}, AP50 differs by {signed(change.value)}{between}: "
        f"{verdict(change)}."
    )


def most_to_gain(analysis: Analysis) -> list[ErrorKind]:
    """The three kinds of errors whose mending gives the most, if it gives anything to speak of."""
    worth = [kind for kind in analysis.errors.kinds if (kind.gain or 0) >= 0.0005]
    return sorted(worth, key=lambda kind: -kind.gain)[:3]


def own_warnings(analysis: Analysis, images: int) -> list[str]:
    """What a reader must know before trusting the numbers."""
    found = []
    ap50 = analysis.overall.ap50
    if ap50.value is not None and analysis.resamples:
        if ap50.low is None or ap50.high is None:
            found.append(f"With {counted(images, 'photo')} nobody can say how sure the scores are.")
        elif ap50.high - ap50.low > _WIDE:
            found.append(
                f"With {counted(images, 'photo')} AP50 could as well be anything from "
                f"{score(ap50.low, 2)} to {score(ap50.high, 2)}: smaller differences may be luck. "
                "More test photos narrow this down."
            )
    elif ap50.value is not None:
        found.append("No intervals were computed: differences of a few points may be luck.")
    return found


def unread(stems: Sequence[str]) -> list[str]:
    """The warning that photos are missing from the gallery."""
    if not stems:
        return []
    names = listed([one_line(stem) for stem in stems])
    return [f"{counted(len(stems), 'photo')} could not be read for the pictures below: {names}."]


def suspicious(count: int) -> str:
    """The link to the labels that may be wrong; empty without any."""
    if not count:
        return ""
    least = "At least " if count >= LABELS else ""
    looks = "looks" if count == 1 else "look"
    return f"{least}{counted(count, 'label')} {looks} suspicious: check first."


def class_notes(analysis: Analysis) -> list[str]:
    """Remarks below the table of classes."""
    notes = []
    empty = [one_line(one.name) for one in analysis.classes if not one.objects]
    few = [one_line(one.name) for one in analysis.classes if 0 < one.objects < _FEW_OBJECTS]
    if empty and len(empty) < len(analysis.classes):
        notes.append(f"Without objects, and so outside every mean: {listed(empty, 6)}.")
    if few:
        notes.append(
            f"Fewer than {_FEW_OBJECTS} objects, so its numbers say little: {listed(few, 6)}."
            if len(few) == 1
            else f"Fewer than {_FEW_OBJECTS} objects each, so their numbers say little: "
            f"{listed(few, 6)}."
        )
    return notes


def matrix(confusion: Confusion) -> Matrix:
    """The confusion matrix; of many classes, those with the most confusions."""
    counts, names = confusion.counts, [one_line(name) for name in confusion.names]
    background = len(names) - 1
    wrong = [
        sum(counts[i]) + sum(row[i] for row in counts) - 2 * counts[i][i] for i in range(background)
    ]
    shown = sorted(sorted(range(background), key=lambda i: -wrong[i])[:MOST_CONFUSED])
    shown.append(background)
    sums = [max(1, sum(row)) for row in counts]
    pairs = sorted(
        (
            (counts[true][said], true, said)
            for true in range(background)
            for said in range(background)
            if true != said and counts[true][said]
        ),
        key=lambda pair: -pair[0],
    )
    return Matrix(
        names=[names[i] for i in shown],
        counts=[[counts[i][j] for j in shown] for i in shown],
        shares=[[counts[i][j] / sums[i] for j in shown] for i in shown],
        left_out=background + 1 - len(shown),
        frequent=[(n, f"{names[true]} taken for {names[said]}") for n, true, said in pairs[:8]],
    )


def verdict(difference: Difference) -> str:
    """Whether a difference is more than luck, in words."""
    if difference.more_than_luck is None:
        return "too few photos to tell"
    if not difference.more_than_luck:
        return "could be luck"
    return "better, more than luck" if difference.value > 0 else "worse, more than luck"
