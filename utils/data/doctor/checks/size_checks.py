"""Object sizes against the network: its finest grid, its anchors, its input size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from utils.data.anchors import choose_anchors, object_sizes
from utils.data.doctor.checked import CheckedFolder
from utils.data.doctor.findings import Finding

CELL = 8  # pixels, the finest stride
MANY_SMALL = 0.05  # share of objects below a cell that is worth a warning
FEW_SMALL = 0.01  # share that the advised input size leaves
POOR_RECALL = 0.9  # best possible recall of the anchors
MIN_OBJECTS = 30  # with fewer, recall is too uncertain
_MAX_INPUT_SIZE = 1280  # beyond this, tiles are the better advice


@dataclass(frozen=True)
class Sizes:
    """How large the training objects are at the network input.

    Attributes:
        input_size: side of the input in pixels.
        objects: float32 (N, 2) widths and heights in pixels.
        anchors: float32 (9, 2), what ``--anchors auto`` would take.
        note: why these, with mean best IoU and best possible recall.
        recall: share of the objects whose best anchor overlaps by IoU 0.5 or more.
        small: share of the objects smaller than a cell in both directions.
        advised: an input size that leaves few such objects; None where the present one does, or
            where no usual size does.
    """

    input_size: int
    objects: np.ndarray
    anchors: np.ndarray
    note: str
    recall: float
    small: float
    advised: int | None

    def text(self) -> str:
        """In sentences: percentiles of the objects' √area, and the share of small objects."""
        ordered = np.sort(self.objects.prod(axis=1) ** 0.5)
        low, middle, high = (ordered[round(q * (len(ordered) - 1))] for q in (0.1, 0.5, 0.9))
        text = (
            f"At --input-size {self.input_size}, half of the {len(ordered):,} training objects are "
            f"smaller than {middle:.0f} pixels (square root of the area). One in ten is smaller "
            f"than {low:.0f}, one in ten larger than {high:.0f}. {self.small:.1%} are smaller than "
            f"one {CELL}-pixel cell of the finest grid."
        )
        if self.advised:
            text += f" --input-size {self.advised} would bring that to 1%."
        return text


def measure_sizes(folder: CheckedFolder) -> Sizes | None:
    """Sizes of the training objects (of all, without lists); None where there are none."""
    input_size = folder.input_size
    objects = object_sizes(folder.training_records(), input_size)
    if not len(objects):
        return None
    choice = choose_anchors(objects, input_size)
    small = _small(objects)
    advised = _advised(objects, input_size) if small > FEW_SMALL else None
    return Sizes(input_size, objects, choice.anchors, choice.note, choice.recall, small, advised)


def check_sizes(sizes: Sizes | None) -> Iterator[Finding]:
    """Too many objects below a cell of the finest grid; shapes that the anchors do not reach."""
    if sizes is None:
        return
    count = len(sizes.objects)
    if sizes.small > MANY_SMALL:
        advice = "no usual input size is large enough: train with --tile"
        if sizes.advised:
            left = _small(sizes.objects * sizes.advised / sizes.input_size)
            advice = f"--input-size {sizes.advised} would leave {left:.1%}"
        yield Finding(
            "objects-small",
            f"{round(sizes.small * count):,} of {count:,} objects ({sizes.small:.0%}) are smaller "
            f"than {CELL}×{CELL} pixels at --input-size {sizes.input_size}; {advice}",
        )
    if count >= MIN_OBJECTS and sizes.recall < POOR_RECALL:
        yield Finding(
            "anchors-poor",
            f"{1 - sizes.recall:.0%} of {count:,} objects overlap their best anchor by less than "
            "IoU 0.5",
        )


def _small(objects: np.ndarray) -> float:
    return float((objects.max(axis=1) < CELL).mean())


def _advised(objects: np.ndarray, input_size: int) -> int | None:
    """The smallest usual input size that leaves few small objects; None where none does."""
    for size in range(input_size // 32 * 32 + 32, _MAX_INPUT_SIZE + 1, 32):
        if _small(objects * size / input_size) <= FEW_SMALL:
            return size
    return None
