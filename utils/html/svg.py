"""Matplotlib figures as SVG inside a page: they take the page's colours and its font.

Draw a figure in the colours ``INK``, ``FAINT`` and ``SERIES``. They are placeholders: the SVG has
CSS in their place (``currentColor`` and custom properties). One drawing is readable in the light
and in the dark theme.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from utils.drawing.plot_fonts import all_scripts

INK = "#010101"  # lines and text: the page's text colour
FAINT = "#010102"  # grid lines
SERIES = tuple(f"#0101{10 + i}" for i in range(7))  # told apart by any eye; CSS names them

_CSS = {INK: "currentColor", FAINT: "var(--faint)"} | {
    placeholder: f"var(--series-{i})" for i, placeholder in enumerate(SERIES)
}
_PLACEHOLDER = re.compile("|".join(_CSS))
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_STYLE = {
    "svg.fonttype": "none",  # text stays text: it is searched, copied and read aloud
    "svg.hashsalt": "page",  # the same numbers give the same file
    "font.size": 9,
    "text.parse_math": False,  # a class called $5 is no formula
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of that many CSS pixels, in the page's style while the block lasts."""
    with all_scripts(), matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(width / 96, height / 96), dpi=96, layout="constrained")


def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """The figure as an ``<svg>`` element; call it inside ``drawing``.

    Args:
        figure: drawn in the colours of this module.
        name: unique in the page; ids inside the drawing begin with it.
        description: what the drawing shows, for those who cannot see it.
    """
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # The browser has fonts for the scripts that Matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    root = ElementTree.fromstring(stream.getvalue())
    for parent in root.iter():
        for child in list(parent):  # a style sheet here would reach the whole page
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _adapt(element, name)
    width, height = (float(value) for value in root.get("viewBox", "0 0 1 1").split()[2:])
    root.set("width", f"{width * 4 / 3:.0f}")  # points to CSS pixels
    root.set("height", f"{height * 4 / 3:.0f}")
    root.set("role", "img")
    root.set("aria-label", description)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _adapt(element: ElementTree.Element, name: str) -> None:
    """Give an element the page's colours and font, and an id that begins with the drawing's."""
    classes = {}
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
            if value.startswith("curve-"):  # what the page's script makes stand out
                classes["class"], classes["data-class"] = "curve", value.split("-")[1]
        elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
            element.set(key, f"#{name}-{value[1:]}")
        elif key == "clip-path":
            element.set(key, value.replace("url(#", f"url(#{name}-"))
        elif key == "style":
            value = re.sub(r"font-family:[^;]*; ?", "", value)
            element.set(key, _PLACEHOLDER.sub(lambda found: _CSS[found.group()], value))
    element.attrib.update(classes)
