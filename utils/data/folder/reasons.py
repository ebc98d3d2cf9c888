"""What of a data folder is left out, and why: counts, the commonest reason, an example, what to do.

Errors, notes of training and scoring, and the doctor take their words from here, for all formats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from utils.data.annotations import Layout
from utils.data.folder.index import Index
from utils.data.folder.tables import LabelTable
from utils.text import counted, listed

# What to do about each kind of ``AnnotationError``, and about objects outside their photo.
ADVICE = {
    "unreadable": "Export these files again.",
    "crowded": "Cut these photos into parts, and their labels with them.",
    "no-class": "Name the object.",
    "no-id": (
        "The first column of a line must be the number of a class, such as 0 0.5 0.5 0.2 0.3."
    ),
    "no-name": (
        "Add the missing names to the file that names the classes (classes.txt, data.yaml, or the "
        "categories of the JSON), or correct the ids."
    ),
    "no-box": "Draw the box.",
    "not-a-number": "Draw the box again, or export again with the coordinates of this format.",
    "empty-box": "Draw the box again; often it is an accidental click.",
    "outside": "Look at its photo: it may be another one, or have been resized after labelling.",
}
AFTER_LAST = "after-last"  # the id one above those with names: counted from 1, or without a name
BEFORE_FIRST = "before-first"  # id 0, where the names begin with id 1
ADVICE[AFTER_LAST] = ADVICE[BEFORE_FIRST] = ADVICE["no-name"]
_MANY = 0.1  # share of what was found that is worth a sentence of its own at the start
_SUSPICIOUS = 0.01  # share of the objects with the id after the last: fewer may be slips


def object_losses(
    index: Index, rows: np.ndarray | None = None, outside: tuple[int, str] = (0, "")
) -> Counter[str]:
    """How many objects of these photos (default: all) are left out, by kind of error."""
    errors = index.labels.errors
    found = Counter(error.kind for row in _with_errors(index, rows) for error in errors[row])
    if outside[0]:
        found["outside"] = outside[0]
    return found


def objects_left_out(
    index: Index,
    used: int,
    rows: np.ndarray | None = None,
    outside: tuple[int, str] = (0, ""),
) -> str:
    """A sentence on the objects that are left out, the commonest reason and its remedy; "" if none.

    Args:
        used: how many objects of these photos are used.
        rows: the photos; default: all.
        outside: how many objects lie outside their photo, and one of them in words.
    """
    losses = object_losses(index, rows, outside)
    lost = losses.total()
    if not lost:
        return ""
    kind, count = losses.most_common(1)[0]
    example = outside[1] if kind == "outside" else _example(index, kind, rows)
    of_all = f"{lost:,} of" if used else "all"
    what = f"{of_all} {used + lost:,} labelled objects are"
    if used + lost == 1:
        what = "the only labelled object is"
    most = f", most often ({count:,} times)" if 1 < count < lost else ""
    end = "" if example.endswith("?") else "."
    return f"{what} left out{most}, as in {example}{end} {ADVICE[kind]}"


def many_left_out(index: Index, used: int, rows: np.ndarray, outside: tuple[int, str]) -> str:
    """``objects_left_out`` where it is a tenth or more of what was found; else ""."""
    lost = object_losses(index, rows, outside).total()
    return objects_left_out(index, used, rows, outside) if lost >= _MANY * (lost + used) else ""


def nothing_left(index: Index, what: str = "no photo has a labelled object") -> str:
    """The message where a whole folder has no object that can be used."""
    sentences = [objects_left_out(index, 0), *files_left_out(index)]
    if not any(sentences):
        files = counted(len(index.labels), "photo")
        sentences.append(f"{files} with labels were read, and none of them has an object")
    sentences = [sentence[0].upper() + sentence[1:] for sentence in sentences if sentence]
    sentences += index.layout.notes[:2]
    ends = (sentence.removesuffix(".") for sentence in sentences)
    return f"{index.layout.root}: {what}. {'. '.join(ends)}"


def files_left_out(index: Index) -> list[str]:
    """Sentences on label files that cannot be used, and on labels and photos without the other."""
    first: dict[str, int] = {}
    for row, error in index.labels.unreadable.items():
        first.setdefault(error.kind, row)
    counts = Counter(error.kind for error in index.labels.unreadable.values())
    sentences = []
    for kind, count in counts.most_common():
        entry, error = index.entries.at(first[kind]), index.labels.unreadable[first[kind]]
        sentences.append(
            f"{count:,} of {counted(len(index.labels), 'label file')} cannot be "
            f"{'used' if kind == 'crowded' else 'read'}, as "
            f"{index.layout.name(entry.label or entry.image)}: {error.message}. {ADVICE[kind]}"
        )
    return [*sentences, *unpaired_notes(index.layout)]


def unpaired_notes(layout: Layout) -> Iterator[str]:
    """Sentences on labels without photo and photos without labels."""
    if names := layout.unmatched_labels:
        json = layout.format in ("coco", "label-studio")
        what = "image of the JSON has" if json else "label file has"
        many = "images of the JSON have" if json else "label files have"
        yield (
            f"{counted(len(names), what, many)} no photo: it is missing, or labelled elsewhere "
            f"({listed(names, most=8)}); left out"
        )
    if layout.unlabelled:
        names = [layout.name(path) for path in layout.unlabelled]
        have = counted(len(names), "photo has", "photos have")
        yield f"{have} no labels ({listed(names, most=8)}); left out"


def outline_notes(labels: LabelTable) -> Iterator[str]:
    """A sentence on the objects that are labelled by an outline or a rotated box."""
    if count := int(labels.outlines.sum()):
        first = labels.where[int(np.flatnonzero(labels.outlines)[0])]
        yield (
            f"{counted(count, 'object is', 'objects are')} labelled by an outline or a rotated "
            f"box (first in {first}); the bounding box of that is used"
        )


def prediction_notes(labels: LabelTable) -> Iterator[str]:
    """A sentence on the objects that a detector found, and nobody may have checked."""
    if count := int(np.isfinite(labels.scores).sum()):
        first = labels.where[int(labels.photo_of_object()[np.isfinite(labels.scores)][0])]
        yield (
            f"{counted(count, 'object has', 'objects have')} the score of a detector (first in "
            f"{first}); correct what it found wrong before you train on it"
        )


def class_id_shift_warning(index: Index) -> str:
    """A sentence where the class ids look as if they were all one off; "" where they do not.

    No object has the first id, and some have the one after the last: either the ids were counted
    from 1, or the name of the last is missing. The two readings name every object differently. The
    same holds where no object has the last id, and some have 0, although the names begin with 1.
    """
    labels, order = index.labels, index.layout.class_order
    if index.layout.format == "voc" or not order:
        return ""
    losses = object_losses(index)
    total = len(labels.boxes) + losses.total()
    for kind, unused in ((AFTER_LAST, order[0]), (BEFORE_FIRST, order[-1])):
        count = losses[kind]
        others = losses["no-name"] + losses[AFTER_LAST] + losses[BEFORE_FIRST] - count
        if unused in labels.names or others or not count or count < _SUSPICIOUS * total:
            continue
        return _shift_text(index, kind, count)
    return ""


def _shift_text(index: Index, kind: str, count: int) -> str:
    order, coco = index.layout.class_order, index.layout.format == "coco"
    first, last = repr(order[0]), repr(order[-1])
    objects = counted(count, "object has", "objects have")
    example = _example(index, kind, None)
    if kind == AFTER_LAST:
        text = (
            f"the class ids look as if they were counted from 1: no object has id 0 ({order[0]}), "
            f"and {objects} an id after the last name ({example}). "
        )
        if coco:
            return (
                f"{text}If id 1 means {first}, correct the ids of the categories in the JSON; if "
                f"id 0 means {first}, add the category that is missing"
            )
        return (
            f"{text}If id 1 means {first}, say so in the file that names the classes: an empty "
            f"line before the first name in a classes.txt, or '1: {order[0]}' and so on as names "
            f"in a data.yaml. If id 0 means {first}, add the name that is missing at the end"
        )
    where = "the categories of the JSON" if coco else "the file that names the classes"
    return (
        f"the class ids look as if they were counted from 0: {objects} id 0 ({example}), but the "
        f"names begin with id 1, and no object has the last one ({order[-1]}). If id 0 means "
        f"{first}, correct the ids in {where}; if the last id means {last}, add the name "
        "of id 0 there"
    )


def _with_errors(index: Index, rows: np.ndarray | None) -> list[int]:
    """Those of the rows (default: all) that have objects left out."""
    found = np.fromiter(index.labels.errors, np.int64)
    return (found if rows is None or not len(found) else found[np.isin(found, rows)]).tolist()


def _example(index: Index, kind: str, rows: np.ndarray | None) -> str:
    for row in _with_errors(index, rows):
        for error in index.labels.errors[row]:
            if error.kind == kind:
                return f"{index.labels.where[row]}, object {error.number}: {error.message}"
    raise AssertionError(kind)
