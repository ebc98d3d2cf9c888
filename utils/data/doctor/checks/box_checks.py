"""Checks of boxes: their place, their size and shape, and objects with two boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from utils.data.doctor.checked import CheckedFolder, CheckedPhoto
from utils.data.doctor.findings import Finding
from utils.data.record_maker import TOLERANCE
from utils.letterbox import Letterbox
from utils.overlap import iou

TINY = 3.0  # pixels at the network input
SAME = 0.95  # IoU from which two boxes of one class are one object labelled twice
SAME_PLACE = 0.9  # IoU from which two boxes of different classes are one object
WHOLE = 0.98  # share of the photo, in both directions
THIN = 20.0  # times longer than wide
CLEARLY_BEYOND = 1.05  # times the photo's side; less may be careless drawing
REPEATED = 5  # photos with the very same box, at least
REPEATED_SHARE = 0.005  # of all photos: among many, a few boxes coincide by chance


def check_boxes(folder: CheckedFolder) -> Iterator[Finding]:
    """Boxes in wrong units, outside the photo, tiny, huge or very thin; one finding for each."""
    for photo in folder.photos:
        if photo.content.size is None:
            continue
        limits = np.array([photo.size.width, photo.size.height] * 2, np.float32)
        swapped = _all_swapped(photo)
        for number, name, box in photo.objects():
            found = _placed(box, limits, swapped) or _shaped(box, limits, folder.input_size)
            if found:
                kind, message = found
                yield _finding(kind, f"{name} {message}", photo, number, box)


def check_pairs(folder: CheckedFolder) -> Iterator[Finding]:
    """Objects labelled twice, and objects under two classes.

    Each is a finding about the later object, or about a difficult one beside one that counts.
    """
    for photo in folder.usable():
        names, numbers = photo.annotation.names, photo.annotation.numbers
        clipped = photo.clipped()  # as training sees them
        order = np.argsort(photo.annotation.difficult, kind="stable")  # those that count first
        for pair in same_objects(clipped[order], [names[i] for i in order]):
            first, second = order[list(pair)].tolist()
            boxes = photo.boxes[[second, first]]
            overlap = float(iou(*clipped[[second, first]]))
            if names[first] == names[second]:
                kind, words = "box-duplicate", f"{names[second]} is object {numbers[first]} again"
            else:
                kind = "box-two-classes"
                words = f"{names[second]} lies on object {numbers[first]}, {names[first]}"
            message = f"{words} (IoU {overlap:.2f})"
            yield _finding(kind, message, photo, numbers[second], *boxes)


def check_repeated(folder: CheckedFolder) -> Iterator[Finding]:
    """The very same coordinates in many photos, of which copies of a photo do not count."""
    by_box: dict[tuple, list[tuple[CheckedPhoto, int]]] = defaultdict(list)
    for photo in folder.usable():
        if photo.image_id in folder.duplicates.near or photo.image_id in folder.duplicates.exact:
            continue
        for index in range(len(photo.boxes)):
            box = photo.boxes[index]
            if not _is_whole(box, np.array(photo.size[:2] * 2, np.float32)):
                by_box[photo.annotation.names[index], *box.tolist()].append((photo, index))
    for (name, *_), found in by_box.items():
        photos = {photo.image_id: (photo, index) for photo, index in reversed(found)}
        if len(photos) >= max(REPEATED, REPEATED_SHARE * len(folder.photos)):
            photo, index = found[0]
            message = f"{name} has exactly this box in {len(photos)} photos"
            others = tuple(sorted(photos.keys() - {photo.image_id}))
            number, box = photo.annotation.numbers[index], photo.boxes[index]
            yield _finding("box-repeated", message, photo, number, box, others=others)


def same_objects(boxes: np.ndarray, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of indices, lower first, of boxes around the same object; each later box once.

    Its partner is the first one of its own class, or else the first one of another class.

    Args:
        boxes: (N, 4) ``x0, y0, x1, y1``.
        names: N class names.
    """
    boxes = boxes.astype(np.float64)
    classes = np.unique(np.array(names, object), return_inverse=True)[1]
    partners = np.full(len(boxes), -1)
    _find_partners(partners, boxes, classes, SAME, own_class=True)
    _find_partners(partners, boxes, classes, SAME_PLACE, own_class=False)
    for second in np.flatnonzero(partners >= 0).tolist():
        yield int(partners[second]), second


def _find_partners(
    partners: np.ndarray, boxes: np.ndarray, classes: np.ndarray, limit: float, *, own_class: bool
) -> None:
    """Set the first earlier box with an IoU above the limit for each box that has no partner yet.

    Left sides of such boxes are near each other. So boxes sorted by them have all candidates in a
    window; and those that have a partner are no candidates, which are most where boxes pile up.
    """
    order = np.argsort(boxes[:, 0], kind="stable")
    sides = boxes[order, 0]
    reach = (1 - limit) / limit * (boxes[:, 2] - boxes[:, 0]) + 1e-6 * np.abs(boxes[:, ::2]).max(
        axis=1, initial=1
    )
    start = np.searchsorted(sides, boxes[:, 0] - reach).tolist()
    stop = np.searchsorted(sides, boxes[:, 0] + reach, "right").tolist()
    waiting = partners[order] < 0
    for first in range(len(boxes)):
        window = slice(start[first], stop[first])
        positions = np.flatnonzero(waiting[window]) + window.start
        later = order[positions]
        allowed = (later > first) & ((classes[later] == classes[first]) == own_class)
        positions, later = positions[allowed], later[allowed]
        if len(later):
            found = iou(boxes[first], boxes[later]) > limit
            partners[later[found]] = first
            waiting[positions[found]] = False


def _finding(
    kind: str, message: str, photo: CheckedPhoto, number: int, *boxes: np.ndarray, others=()
) -> Finding:
    drawn = tuple(tuple(float(side) for side in box) for box in boxes)
    return Finding(kind, message, photo.image_id, photo.where, number, drawn, others)


def _placed(box: np.ndarray, limits: np.ndarray, swapped: bool) -> tuple[str, str] | None:
    """What is wrong with the place of a box."""
    x0, y0, x1, y1 = box
    if max(x1, y1) <= 1 and min(limits) > 4 and (box % 1).any():  # not a click on one pixel
        return "box-normalised", f"ends at {x1:g}, {y1:g}"
    width, height = limits[:2]
    words = f"reaches from {_point(x0, y0)} to {_point(x1, y1)} in a {_size(limits)} photo"
    if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
        return ("box-swapped" if swapped else "box-outside"), words
    beyond = max(-x0, -y0, x1 - width, y1 - height)
    if beyond > TOLERANCE:
        return ("box-swapped" if swapped else "box-beyond"), words
    return None


def _shaped(box: np.ndarray, limits: np.ndarray, input_size: int) -> tuple[str, str] | None:
    """What is wrong with the size or shape of a box whose place is right."""
    width, height = map(int, limits[:2])
    fitted = Letterbox(width, height, input_size, input_size).to_input(box[None])[0]
    sides = fitted[2:] - fitted[:2]
    long, short = max(sides), min(sides)
    if short < TINY:
        words = f"of {box[2] - box[0]:.3g}×{box[3] - box[1]:.3g} pixels"
        return "box-tiny", f"{words} becomes {sides[0]:.1f}×{sides[1]:.1f} at {input_size}"
    if _is_whole(box, limits):
        return "box-whole-photo", "fills the photo"
    if long >= THIN * short:
        return "box-shape", f"is {long / short:.0f} times longer than wide"
    return None


def _is_whole(box: np.ndarray, limits: np.ndarray) -> bool:
    inside = np.clip(box, 0, limits)
    return bool((inside[2:] - inside[:2] >= WHOLE * limits[2:]).all())


def _all_swapped(photo: CheckedPhoto) -> bool:
    """Whether the boxes do not fit the photo as they are, and all fit it with x and y swapped."""
    if not len(photo.boxes) or photo.size.width == photo.size.height:
        return False
    width, height = photo.size[:2]
    far = photo.boxes[:, 2:].max(axis=0)
    beyond = (far > (width * CLEARLY_BEYOND, height * CLEARLY_BEYOND)).any()
    fits_swapped = (far <= (height + TOLERANCE, width + TOLERANCE)).all()
    return bool(beyond and fits_swapped and photo.boxes.min() >= -TOLERANCE)


def _point(x: float, y: float) -> str:
    return f"{x:.5g}, {y:.5g}"


def _size(limits: np.ndarray) -> str:
    return f"{limits[0]:.0f}×{limits[1]:.0f}"
