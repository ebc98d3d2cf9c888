"""The pictures of a run: curves of losses and scores, labels, validation detections."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from utils.data.anchors import object_sizes
from utils.data.records import Dataset
from utils.detections import Detections
from utils.drawing.boxes import draw_box, draw_detections
from utils.drawing.boxes import sizes as line_sizes
from utils.drawing.colours import colour
from utils.drawing.contact_sheet import contact_sheet
from utils.drawing.fonts import drawable
from utils.drawing.plot_fonts import all_scripts
from utils.errors import UserError
from utils.files import atomic_write
from utils.images import read_image
from utils.postprocess import nms
from utils.text import counted
from utils.training.forgetting import NEW, OLD

MAX_CLASSES_DRAWN = 10  # more lines cannot be told apart
LOSSES = {"loss": "total", "box": "box", "objectness": "objectness", "classes": "classes"}
SCORES = {"AP50": "AP50", "AP": "AP", OLD: "AP, old classes", NEW: "AP, new classes"}


@all_scripts()
def draw_curves(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Losses, validation scores, those of each class, and learning rate by epoch."""
    names = dict.fromkeys(name for row in rows for name in row if name.startswith("AP/"))
    classes = {
        name: _plot_text(drawable(name.removeprefix("AP/"), i)) for i, name in enumerate(names)
    }
    figure = Figure(figsize=(16, 3.6), layout="constrained")
    losses, scores, by_class, rate = figure.subplots(1, 4)
    _lines(losses, rows, LOSSES)
    losses.set(title="Training loss", xlabel="epoch", ylim=(0, None))
    _lines(scores, rows, SCORES)
    seen = max((row.get("val_trained_on", 0) for row in rows), default=0)
    trained_on = f"\n({counted(seen, 'photo')} trained on before)" if seen else ""
    scores.set(title=f"Validation{trained_on}", xlabel="epoch", ylim=(0, 1))
    few = dict(list(classes.items())[:MAX_CLASSES_DRAWN])
    _lines(by_class, rows, few)
    more = f" (the first {len(few)} of {len(classes)})" if len(few) < len(classes) else ""
    title = f"Validation AP by class{more}{trained_on}"
    by_class.set(title=title, xlabel="epoch", ylim=(0, 1))
    _lines(rate, rows, {"learning_rate": "learning rate"})
    rate.set(title="Learning rate", xlabel="epoch", ylim=(0, None))
    for axes in (losses, scores, by_class, rate):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if axes is not rate and axes.lines:
            axes.legend(frameon=False)
    _save(figure, path)


@all_scripts()
def draw_labels(path: Path, dataset: Dataset, anchors: np.ndarray, input_size: int) -> None:
    """Objects by class, and their sizes at the network input beside the anchors."""
    sizes = object_sizes(dataset, input_size)
    ids = np.concatenate([r.class_ids[~r.difficult] for r in dataset.records])
    counts = np.bincount(ids, minlength=len(dataset.classes))
    order = np.argsort(-counts, kind="stable")[:30]

    figure = Figure(figsize=(12, 4.4), layout="constrained")
    classes, shapes = figure.subplots(1, 2)
    names = [_plot_text(drawable(dataset.classes[i], int(i))) for i in order]
    bars = classes.barh(range(len(order)), counts[order], color="#4477aa")
    classes.bar_label(bars, padding=3)
    classes.set_yticks(range(len(order)), names)
    classes.invert_yaxis()
    classes.margins(x=0.12)
    left_out = len(dataset.classes) - len(order)
    more = f" (the 30 most frequent; {left_out} more)" if left_out else ""
    classes.set(title=f"Objects by class{more}", xlabel="objects")

    shapes.scatter(*sizes.T, s=8, alpha=0.35, color="#4477aa", label="objects", linewidths=0)
    shapes.scatter(*np.asarray(anchors).T, marker="+", s=90, color="#cc3311", label="anchors")
    shapes.set(
        title=f"Object sizes at a network input of {input_size} pixels",
        xlabel="width, pixels",
        ylabel="height, pixels",
        xlim=(0, None),
        ylim=(0, None),
    )
    shapes.legend(frameon=False)
    for axes in (classes, shapes):
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw_val_predictions(
    dataset: Dataset,
    found: Mapping[str, Detections],
    *,
    count: int = 8,
    conf: float = 0.25,
    iou: float = 0.45,
) -> np.ndarray | None:
    """Pairs of the first validation photos: labels on the left, detections on the right.

    Args:
        dataset: the validation photos.
        found: what an evaluation found on them, by image id.
        count: photos shown.
        conf, iou: lowest score and highest overlap shown: those of predict.py.

    Returns:
        uint8 (H, W, 3), or None when none of the photos can be read.
    """
    pictures = []
    for record in dataset.records[:count]:
        try:
            image = read_image(record.image, ranges=dataset.pixel_ranges)
        except UserError:  # the evaluation has said so
            continue
        labelled = image.copy()
        thickness, _ = line_sizes(record.width, record.height)
        for box, class_id in zip(record.boxes, record.class_ids, strict=True):
            draw_box(labelled, box, colour(int(class_id)), thickness)
        shown = _after_nms(found[record.image_id], conf, iou)
        pictures += [labelled, draw_detections(image, shown)]
    return contact_sheet(pictures, columns=4, cell=400) if pictures else None


def _after_nms(found: Detections, conf: float, iou: float) -> Detections:
    scores = np.zeros((len(found), len(found.class_names)), np.float32)
    scores[np.arange(len(found)), found.class_ids] = found.scores
    boxes, kept, class_ids = nms(found.boxes, scores, conf=conf, iou=iou, max_det=300)
    return replace(found, boxes=boxes, scores=kept, class_ids=class_ids)


def _lines(axes: Any, rows: Sequence[dict[str, Any]], names: dict[str, str]) -> None:
    for name, label in names.items():
        points = [(r["epoch"], r[name]) for r in rows if _is_number(r.get(name))]
        if points:
            # A single point is no line: mark it.
            axes.plot(*zip(*points, strict=True), label=label, marker="o", markersize=2.5)


def _plot_text(name: str) -> str:
    """A name that Matplotlib takes for no formula."""
    return name.replace("$", r"\$")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)  # no window system, no global state of pyplot
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png", dpi=110)
