"""Anchors: the nine sizes that the network's boxes start from.

``choose_anchors`` clusters the sizes of a dataset's objects. It keeps the published anchors if
clustering gains little. Sizes are (width, height) in pixels of the *network input*, after the
letterbox. The overlap of two sizes is the IoU of two boxes with a common corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.data.formats.encoding import decoded
from utils.data.records import Dataset
from utils.errors import UserError
from utils.files import read_limited
from utils.letterbox import Letterbox

# Published with YOLOv3 (Redmon & Farhadi, 2018, section 2.3), for an input size of 416. The same
# as in ``nets.yolo``, which cannot be imported without TensorFlow; a test compares the two.
COCO_ANCHORS_416 = (
    (10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326),
)  # fmt: skip
COUNT = 9
_MAX_BYTES = 1 << 20  # of an anchors file
MIN_GAIN = 0.03  # in mean best IoU; below it, the published anchors are kept
MIN_BOXES = 30  # fewer objects say little about future ones
_SAMPLE = 10_000  # objects; more change nothing visible
_RESTARTS = 5
_ITERATIONS = 50
_MUTATIONS = 300
_MIN_SIDE = 2.0  # pixels; a side that is smaller gives exploding targets


@dataclass(frozen=True)
class AnchorChoice:
    """Anchors for a dataset and why they were chosen.

    Attributes:
        anchors: float32 (9, 2), smallest first.
        recall: best possible recall at IoU 0.5 with these anchors; nan without objects.
        note: the choice in a sentence.
    """

    anchors: np.ndarray
    recall: float
    note: str


def object_sizes(dataset: Dataset, input_size: int) -> np.ndarray:
    """(N, 2) widths and heights of the objects that are trained on, at the network input."""
    sizes = [np.zeros((0, 2), np.float32)]
    for record in dataset.records:
        letterbox = Letterbox(record.width, record.height, input_size, input_size)
        boxes = letterbox.to_input(record.boxes[~record.difficult])
        sizes.append(boxes[:, 2:] - boxes[:, :2])
    return np.concatenate(sizes)


def coco_anchors(input_size: int = 416) -> np.ndarray:
    """The published anchors scaled to an input size, float32 (9, 2)."""
    return np.array(COCO_ANCHORS_416, np.float32) * np.float32(input_size / 416)


def choose_anchors(sizes: np.ndarray, input_size: int, seed: int = 0) -> AnchorChoice:
    """Clustered anchors if they fit the (N, 2) sizes clearly better than the published ones."""
    coco = coco_anchors(input_size)
    sizes = _usable(sizes)
    if len(sizes) < MIN_BOXES or len(np.unique(sizes.round(), axis=0)) < COUNT:
        reason = f"{len(sizes)} objects are too few or too similar to cluster"
        return _choice(sizes, coco, f"{reason}; the COCO anchors are used")
    anchors = cluster_anchors(sizes, COUNT, seed)
    mean_iou = mean_best_iou(sizes, coco)
    gain = mean_best_iou(sizes, anchors) - mean_iou
    if gain < MIN_GAIN:
        return _choice(sizes, coco, f"COCO anchors kept: clustering would gain only {gain:+.3f}")
    choice = _choice(sizes, anchors, f"anchors clustered from {len(sizes)} objects")
    coco_recall = best_possible_recall(sizes, coco)
    note = f"{choice.note} (COCO anchors: {mean_iou:.3f}, {coco_recall:.3f})"
    return replace(choice, note=note)


def cluster_anchors(sizes: np.ndarray, k: int = COUNT, seed: int = 0) -> np.ndarray:
    """k-means on (N, 2) sizes with distance 1 − IoU, then a short evolution.

    Several seeded starts (k-means++) with medians as centres; the best one is kept. Then small
    random changes follow, each kept if the mean best IoU rises. Fewer than ``k`` different sizes
    are filled up with larger and smaller copies.

    Returns:
        float32 (k, 2), sorted by area.

    Raises:
        ValueError: no usable size.
    """
    sizes = _usable(sizes)
    if not len(sizes):
        raise ValueError("anchors need at least one object with an area")
    rng = np.random.default_rng(seed)
    if len(sizes) > _SAMPLE:
        sizes = sizes[np.sort(rng.choice(len(sizes), _SAMPLE, replace=False))]
    distinct = np.unique(sizes, axis=0)
    if len(distinct) <= k:
        return _by_area(_filled_up(distinct, k))
    starts = [_k_means(sizes, _spread_start(sizes, k, rng)) for _ in range(_RESTARTS)]
    best = max(starts, key=lambda anchors: mean_best_iou(sizes, anchors))
    return _by_area(_evolved(sizes, best, rng))


def mean_best_iou(sizes: np.ndarray, anchors: np.ndarray) -> float:
    """Mean over (N, 2) sizes of the IoU with the best of (K, 2) anchors; nan without sizes."""
    return float(size_iou(sizes, anchors).max(axis=1).mean()) if len(sizes) else math.nan


def best_possible_recall(sizes: np.ndarray, anchors: np.ndarray, iou: float = 0.5) -> float:
    """Share of the sizes whose best anchor overlaps by ``iou`` or more; nan without sizes."""
    return float((size_iou(sizes, anchors).max(axis=1) >= iou).mean()) if len(sizes) else math.nan


def size_iou(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """(N, 2) and (K, 2) sizes → (N, K) IoU of boxes that share a corner."""
    sizes, anchors = np.asarray(sizes, np.float64), np.asarray(anchors, np.float64)
    overlap = np.minimum(sizes[:, None, 0], anchors[:, 0]) * np.minimum(
        sizes[:, None, 1], anchors[:, 1]
    )
    return overlap / (sizes.prod(axis=1)[:, None] + anchors.prod(axis=1) - overlap)


def read_anchors(path: str | Path) -> np.ndarray:
    """Nine ``width,height`` pairs from a text file, float32 (9, 2), sorted by area.

    Pairs are in pixels of the network input, one or several a line, separated by commas or spaces.
    A ``#`` starts a comment.

    Raises:
        UserError: the file is missing or does not hold nine pairs of positive numbers.
    """
    try:
        text = decoded(read_limited(path, _MAX_BYTES))
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as an anchors file ({error})") from error
    words = " ".join(line.partition("#")[0] for line in text.splitlines()).replace(",", " ").split()
    numbers = [_anchor_side(word, path) for word in words]
    if len(numbers) != 2 * COUNT:
        raise UserError(
            f"{path}: holds {len(numbers)} numbers; {COUNT} width,height pairs are needed"
        )
    return _by_area(np.array(numbers).reshape(COUNT, 2))


def _anchor_side(word: str, path: str | Path) -> float:
    try:
        value = float(word)
    except ValueError:
        raise UserError(f"{path}: {word!r} is not a number of pixels") from None
    if not 0 < np.float32(value) < 1e5:  # 1e-50 is 0 there
        raise UserError(f"{path}: {word} is not a size in pixels; anchors are greater than 0")
    return value


def _choice(sizes: np.ndarray, anchors: np.ndarray, note: str) -> AnchorChoice:
    recall = best_possible_recall(sizes, anchors)
    if len(sizes):
        mean_iou = mean_best_iou(sizes, anchors)
        note += f"; mean best IoU {mean_iou:.3f}, best possible recall {recall:.3f}"
    return AnchorChoice(anchors, recall, note)


def _usable(sizes: np.ndarray) -> np.ndarray:
    """float64 (N, 2) without what is not finite or has no area, no side below the smallest."""
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    sizes = sizes[np.isfinite(sizes).all(axis=1) & (sizes > 0).all(axis=1)]
    return np.maximum(sizes, _MIN_SIDE)


def _by_area(anchors: np.ndarray) -> np.ndarray:
    order = np.lexsort((anchors[:, 0], anchors.prod(axis=1)))
    return anchors[order].astype(np.float32)


def _filled_up(distinct: np.ndarray, k: int) -> np.ndarray:
    """``k`` anchors from at most ``k`` different sizes: the sizes, then copies ever more scaled."""
    anchors = list(distinct)
    for step in range(k):
        for factor in (1.25 ** (step + 1), 0.8 ** (step + 1)):
            anchors += list(np.maximum(distinct * factor, _MIN_SIDE))
    return np.array(anchors[:k])


def _spread_start(sizes: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++: each further centre is drawn with the squared distance to those before."""
    centres = [sizes[rng.integers(len(sizes))]]
    distance = 1 - size_iou(sizes, np.array(centres))[:, 0]
    while len(centres) < k:
        weights = np.maximum(distance, 0) ** 2
        total = weights.sum()
        chance = weights / total if total > 0 else None
        centres.append(sizes[rng.choice(len(sizes), p=chance)])
        distance = np.minimum(distance, 1 - size_iou(sizes, centres[-1][None])[:, 0])
    return np.array(centres)


def _k_means(sizes: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Lloyd's iterations; a centre without any size assigned to it stays the same."""
    assigned = None
    for _ in range(_ITERATIONS):
        nearest = size_iou(sizes, centres).argmax(axis=1)
        if assigned is not None and (nearest == assigned).all():
            break
        assigned = nearest
        centres = np.array(
            [
                np.median(sizes[assigned == i], axis=0) if (assigned == i).any() else centre
                for i, centre in enumerate(centres)
            ]
        )
    return centres


def _evolved(sizes: np.ndarray, anchors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep random changes of a few per cent that raise the mean best IoU."""
    best = mean_best_iou(sizes, anchors)
    for _ in range(_MUTATIONS):
        factors = np.exp(rng.normal(0, 0.05, anchors.shape) * (rng.random(anchors.shape) < 0.3))
        changed = np.maximum(anchors * factors, _MIN_SIDE)
        fitness = mean_best_iou(sizes, changed)
        if fitness > best:
            anchors, best = changed, fitness
    return anchors
