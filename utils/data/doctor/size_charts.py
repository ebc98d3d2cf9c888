"""The plots of object sizes and shapes on the page."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from utils.data.doctor.checks.size_checks import CELL, Sizes
from utils.html.svg import INK, SERIES, drawing, inline_svg

_WIDTH, _HEIGHT = 420, 380  # CSS pixels
_OBJECTS, _ANCHORS = SERIES[0], SERIES[1]
_MAX_POINTS = 1500  # points that are drawn


def size_plot(sizes: Sizes) -> Markup:
    """Widths and heights of the objects at the network input, beside the anchors."""
    objects = sizes.objects
    if len(objects) > _MAX_POINTS:
        objects = objects[np.random.default_rng(0).choice(len(objects), _MAX_POINTS, replace=False)]
    low = min(CELL / 2, objects.min(), sizes.anchors.min()) * 0.9
    limits = (low, sizes.input_size * 1.1)
    with drawing(_WIDTH, _HEIGHT) as figure:
        axes = figure.subplots()
        axes.grid()
        axes.plot(*objects.T, ".", color=_OBJECTS, alpha=0.45, markersize=4, label="objects")
        axes.plot(
            *sizes.anchors.T, "s", color=_ANCHORS, fillstyle="none", markersize=8,
            markeredgewidth=2, label="anchors",
        )  # fmt: skip
        axes.plot([low, CELL, CELL], [CELL, CELL, low], "--", color=INK, linewidth=1)
        axes.annotate("one cell", (CELL, low), (3, 4), textcoords="offset points", color=INK)
        axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal")
        axes.set(xlabel="width, pixels at the input", ylabel="height, pixels at the input")
        ticks = [side for side in 2 ** np.arange(2, 11) if low <= side <= limits[1]]
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks, [str(side) for side in ticks])
            axis.set_ticks([], minor=True)
        axes.legend(loc="upper left")
        return inline_svg(figure, "sizes", "Widths and heights of objects and anchors")


def shape_plot(sizes: Sizes) -> Markup:
    """How many objects have which ratio of width to height, and the anchors' ratios."""
    ratios = sizes.objects[:, 0] / sizes.objects[:, 1]
    reach = float(np.clip(np.exp(np.abs(np.log(ratios)).max()), 4, 32))
    edges = np.geomspace(1 / reach, reach, 32)
    with drawing(_WIDTH, _HEIGHT) as figure:
        axes = figure.subplots()
        axes.grid()
        axes.hist(np.clip(ratios, edges[0], edges[-1]), edges, color=_OBJECTS, alpha=0.8)
        for anchor in sizes.anchors:
            axes.axvline(anchor[0] / anchor[1], 0, 0.06, color=_ANCHORS, linewidth=3)
        axes.set(xscale="log", xlabel="width ÷ height (marks: anchors)", ylabel="objects")
        ticks = [r for r in 2.0 ** np.arange(-4, 5) if 1 / reach <= r <= reach]
        axes.set_xticks(ticks, [f"1:{1 / r:.0f}" if r < 1 else f"{r:.0f}:1" for r in ticks])
        axes.set_xticks([], minor=True)
        return inline_svg(figure, "shapes", "Ratio of width to height of objects and anchors")
