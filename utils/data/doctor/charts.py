"""The plots of the page, as SVG that takes the colour of the text around it."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from utils.data.doctor.checks.sizes import CELL, Sizes

_INK = "#010203"  # stands for the colour of the text until the SVG is written
_POINTS, _ANCHORS = "#3b82c4", "#e08a00"  # readable on white and on black
_MOST = 1500  # points that are drawn


def size_plot(sizes: Sizes, input_size: int) -> str:
    """Widths and heights of the objects at the network input, beside the anchors."""
    figure, axes = _axes()
    rng = np.random.default_rng(0)
    objects = sizes.objects
    if len(objects) > _MOST:
        objects = objects[rng.choice(len(objects), _MOST, replace=False)]
    low = min(CELL / 2, objects.min(), sizes.anchors.min()) * 0.9
    limits = (low, input_size * 1.1)
    axes.plot(*objects.T, ".", color=_POINTS, alpha=0.45, markersize=4, label="objects")
    axes.plot(
        *sizes.anchors.T, "s", color=_ANCHORS, fillstyle="none", markersize=8, markeredgewidth=2,
        label="anchors",
    )  # fmt: skip
    axes.plot([low, CELL, CELL], [CELL, CELL, low], "--", color=_INK, linewidth=1)
    axes.annotate("one cell", (CELL, low), (3, 4), textcoords="offset points", color=_INK)
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal")
    axes.set(xlabel="width, pixels at the input", ylabel="height")
    ticks = [side for side in (4, 8, 16, 32, 64, 128, 256, 512, 1024) if low <= side <= limits[1]]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [str(side) for side in ticks])
        axis.set_ticks([], minor=True)
    axes.legend(frameon=False, labelcolor=_INK, loc="upper left")
    return _svg(figure, "sizes")


def shape_plot(sizes: Sizes) -> str:
    """How many objects are how much wider than high, and the anchors' shapes."""
    figure, axes = _axes()
    ratios = sizes.objects[:, 0] / sizes.objects[:, 1]
    reach = float(np.clip(np.exp(np.abs(np.log(ratios)).max()), 4, 32))
    edges = np.geomspace(1 / reach, reach, 32)
    axes.hist(np.clip(ratios, edges[0], edges[-1]), edges, color=_POINTS, alpha=0.8)
    for anchor in sizes.anchors:
        axes.axvline(anchor[0] / anchor[1], 0, 0.06, color=_ANCHORS, linewidth=3)
    axes.set(xscale="log", xlabel="width ÷ height (marks: anchors)", ylabel="objects")
    ticks = [r for r in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16) if 1 / reach <= r <= reach]
    axes.set_xticks(ticks, [f"1:{1 / r:.0f}" if r < 1 else f"{r:.0f}:1" for r in ticks])
    axes.set_xticks([], minor=True)
    return _svg(figure, "shapes")


def _axes():
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(_INK)
    axes.tick_params(colors=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    axes.grid(alpha=0.25, color=_INK)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure, name: str) -> str:
    """The figure as an ``svg`` element without a background, as wide as there is room.

    ``name`` keeps the ids within it apart from those of the page's other plots.
    """
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    for side in ("width", "height"):  # the view box gives the shape
        start = text.index(f' {side}="')
        text = text[:start] + text[text.index('"', start + len(side) + 3) + 1 :]
    return text
