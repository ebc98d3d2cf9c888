"""Object sizes against the network: its finest grid, its anchors, its input size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from utils.data.doctor.findings import Finding
from utils.data.doctor.photos import Folder
from utils.letterbox import Letterbox

CELL = 8  # pixels, the finest stride
MANY_SMALL = 0.05  # share of objects below a cell that is worth a warning
FEW_SMALL = 0.01  # share that the advised input size leaves
POOR_RECALL = 0.9  # best possible recall of the anchors
MIN_OBJECTS = 30  # fewer say little
_LARGEST = 1280  # beyond this, tiles are the better advice


@dataclass(frozen=True)
class Sizes:
    """How large the training objects are at the network input.

    Attributes:
        objects: float32 (N, 2) widths and heights in pixels.
        anchors: float32 (9, 2), what ``--anchors auto`` would take.
        note: why these, with mean best IoU and best possible recall.
        recall: share of the objects whose best anchor overlaps by IoU 0.5 or more.
        small: share of the objects smaller than a cell in both directions.
        advised: an input size that leaves few such objects; None where the present one does.
    """

    objects: np.ndarray
    anchors: np.ndarray
    note: str
    recall: float
    small: float
    advised: int | None


def measure_sizes(folder: Folder, input_size: int) -> Sizes | None:
    """Sizes of the training objects (of all, without lists); None where there are none."""
    objects = object_sizes(folder, input_size)
    if not len(objects):
        return None
    from utils.data.anchors import choose_anchors

    choice = choose_anchors(objects, input_size)
    small = _small(objects)
    advised = _advised(objects, input_size) if small > FEW_SMALL else None
    return Sizes(objects, choice.anchors, choice.note, choice.recall, small, advised)


def object_sizes(folder: Folder, input_size: int) -> np.ndarray:
    """float32 (N, 2): widths and heights of the training objects at the network input."""
    train = folder.parts().get("train")
    found = [np.zeros((0, 2), np.float32)]
    for photo in folder.usable():
        if train is None or photo.image_id in train:
            letterbox = Letterbox(*photo.size[:2], input_size, input_size)
            boxes = letterbox.to_input(photo.clipped()[~photo.annotation.difficult])
            sizes = boxes[:, 2:] - boxes[:, :2]
            found.append(sizes[(sizes > 0).all(axis=1)])
    return np.concatenate(found)


def check_sizes(folder: Folder) -> Iterator[Finding]:
    """Too many objects below a cell of the finest grid."""
    objects = object_sizes(folder, folder.input_size)
    share = _small(objects) if len(objects) else 0.0
    if share > MANY_SMALL:
        count = round(share * len(objects))
        advised = _advised(objects, folder.input_size)
        yield Finding(
            "objects-small",
            f"{count:,} of {len(objects):,} objects ({share:.0%}) are smaller than {CELL}×{CELL} "
            f"pixels at --input-size {folder.input_size}; "
            + (
                f"--input-size {advised} would leave "
                f"{_small(objects * advised / folder.input_size):.1%}"
                if advised
                else "no usual input size mends that: cut the photos into tiles"
            ),
        )


def check_anchors(sizes: Sizes | None) -> Iterator[Finding]:
    """Objects of shapes that the anchors cannot reach."""
    if sizes and len(sizes.objects) >= MIN_OBJECTS and sizes.recall < POOR_RECALL:
        yield Finding(
            "anchors-poor",
            f"{1 - sizes.recall:.0%} of {len(sizes.objects):,} objects overlap their best anchor "
            "by less than IoU 0.5",
        )


def _small(objects: np.ndarray) -> float:
    return float((objects.max(axis=1) < CELL).mean())


def _advised(objects: np.ndarray, input_size: int) -> int | None:
    """The smallest usual input size that leaves few small objects; None where none does."""
    for size in range(input_size // 32 * 32 + 32, _LARGEST + 1, 32):
        if _small(objects * size / input_size) <= FEW_SMALL:
            return size
    return None
