"""``heat_sheet``: the heat maps of a picture on one sheet, with captions and a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from utils.detections import Detection, Detections
from utils.drawing.fonts import Typeface, drawable
from utils.heatmaps.heat_map import HeatMap
from utils.heatmaps.layer_cam import AGREE_IOU
from utils.heatmaps.overlay import overlay, scale_bar
from utils.text import counted, one_line

WIDTH = 1280  # pixels of the sheet, for pictures of any size
_GAP = 16  # pixels between panels
_TEXT, _TITLE = 19, 24  # pixels
_INK, _PALE_INK = (20, 20, 20), (90, 90, 90)
_HIGHEST_PANEL = 860  # pixels
_AROUND = 1.0  # a part of a picture shows so many sides of the box to each side of its centre
_MIN_PART = 48  # pixels of the photo
_A_ROW = 4  # panels of single objects
_LITTLE = 0.1  # score below which a map, scaled to its own highest heat, may look like more


@dataclass(frozen=True)
class Panel:
    """One picture with heat on it.

    Attributes:
        heat: what is drawn.
        lines: of the caption.
        highest: the heat with the last colour.
        boxes: (N, 4) in pixels of the photo.
        region: the part of the photo that is shown, in whole pixels; None for all.
    """

    heat: HeatMap
    lines: Sequence[str]
    highest: float
    boxes: Sequence[Sequence[float]] = ()
    region: tuple[int, int, int, int] | None = None


def heat_sheet(
    image: np.ndarray,
    name: str,
    maps: Sequence[HeatMap],
    objectness: Sequence[HeatMap],
    *,
    subject: str,
    detections: Detections | None = None,
) -> np.ndarray:
    """A sheet of ``WIDTH`` pixels, uint8 (H, W, 3) RGB.

    Args:
        image: uint8 (H, W, 3) RGB, the photo.
        name: its name.
        maps: what LayerCAM gave; several are shown together and each for itself.
        objectness: the maps of the three strides.
        subject: says what the maps are for, or why there are none.
        detections: the object of each map, where they are of detections.
    """
    titles = [_title(one) for one in detections] if detections is not None else [*map(_name, maps)]
    rows = [_texts([one_line(name)], _TITLE, WIDTH, _INK)]
    rows.append(_texts([subject], _TEXT, WIDTH, _PALE_INK))
    if len(maps) == 1:
        rows.append(_row(image, [_panel(maps[0], titles[0])]))
    elif maps:
        rows.append(_row(image, [_together(maps)]))
        panels = [
            _panel(heat, title, part_around(heat.box, image.shape[1], image.shape[0]))
            for heat, title in zip(maps, titles, strict=True)
        ]
        for start in range(0, len(panels), _A_ROW):
            rows.append(_row(image, panels[start : start + _A_ROW], _A_ROW))
    strides = [
        Panel(heat, [f"objectness, stride {stride}", f"highest {heat.score:.2f}"], 1.0)
        for heat in objectness
        for stride in heat.levels
    ]
    rows.append(_row(image, strides, len(strides)))
    rows.append(_scale())
    body = np.vstack([part for row in rows for part in (row, _white(_GAP, WIDTH))])
    return np.pad(body, ((_GAP, 0), (_GAP, _GAP), (0, 0)), constant_values=255)


def part_around(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """The square part of a photo, in whole pixels, that shows a box and what is around it.

    It is moved into the photo, and not square where the photo is too small.
    """
    x0, y0, x1, y1 = box
    side = max(2 * _AROUND * max(x1 - x0, y1 - y0), _MIN_PART)
    part = []
    for centre, length in (((x0 + x1) / 2, width), ((y0 + y1) / 2, height)):
        size = min(round(side), length)
        start = int(np.clip(round(centre - size / 2), 0, length - size))
        part.append((start, start + size))
    (left, right), (top, bottom) = part
    return left, top, right, bottom


def _panel(heat: HeatMap, title: str, region: tuple[int, int, int, int] | None = None) -> Panel:
    if heat.box is None:
        return Panel(heat, [title], heat.highest)
    inside = f"{heat.share_in(heat.box):.0%} of the heat in the box"
    if heat.overlap < AGREE_IOU:
        inside = f"no prediction fits the box (best IoU {heat.overlap:.2f})"
    return Panel(heat, [title, inside], heat.highest, [heat.box], region)


def _together(maps: Sequence[HeatMap]) -> Panel:
    """The highest of all maps in each cell, each map divided by its highest value."""
    levels = {
        stride: np.max([heat.levels[stride] / max(heat.highest, 1e-30) for heat in maps], axis=0)
        for stride in maps[0].levels
    }
    caption = f"{counted(len(maps), 'object')} together, each scaled to its own highest heat"
    return Panel(HeatMap(levels, maps[0].letterbox), [caption], 1.0, [heat.box for heat in maps])


def _title(one: Detection) -> str:
    return f"{drawable(one.class_name, one.class_id)} {min(one.score, 1):.2f}"


def _name(heat: HeatMap) -> str:
    where = "of the predictions for this box" if heat.box else "on the picture"
    little = " (very little; the colours show its own scale)" if heat.score < _LITTLE else ""
    return f"{drawable(heat.class_name, 0)}, best score {where}: {heat.score:.2f}{little}"


# Drawing ---------------------------------------------------------------------------------------


def _row(image: np.ndarray, panels: Sequence[Panel], columns: int = 1) -> np.ndarray:
    """Panels side by side, with their captions below, as wide as the sheet."""
    column = (WIDTH - _GAP * (columns - 1)) // columns
    blocks = []
    for panel in panels:
        x0, y0, x1, y1 = panel.region or (0, 0, image.shape[1], image.shape[0])
        scale = min(column / (x1 - x0), _HIGHEST_PANEL / (y1 - y0))
        size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
        picture = overlay(
            image, panel.heat, size=size, highest=panel.highest, boxes=panel.boxes,
            region=panel.region,
        )  # fmt: skip
        caption = _texts(panel.lines, _TEXT, column, _INK)
        blocks.append(np.vstack([_widened(picture, column), _white(4, column), caption]))
    height = max(len(block) for block in blocks)
    blocks += [_white(0, column)] * (columns - len(blocks))
    padded = [
        np.pad(block, ((0, height - len(block)), (0, _GAP), (0, 0)), constant_values=255)
        for block in blocks
    ]
    return _widened(np.hstack(padded)[:, :WIDTH], WIDTH)


def _scale() -> np.ndarray:
    low, high = "none", "highest of the map; for objectness 1"
    left, right = (_texts([text], _TEXT, None, _PALE_INK) for text in (low, high))
    bar = np.full((left.shape[0], 360, 3), 255, np.uint8)
    bar[3:-3] = scale_bar(360, len(bar) - 6)
    return _widened(
        np.hstack([left, _white(len(bar), 8), bar, _white(len(bar), 8), right])[:, :WIDTH], WIDTH
    )


def _texts(
    lines: Sequence[str], size: int, width: int | None, ink: tuple[int, int, int]
) -> np.ndarray:
    """Lines of text on white, shortened where they are too long."""
    face = Typeface(size)
    lines = [line if width is None else face.fitting(line, width) for line in lines]
    width = width or round(max(map(face.width, lines))) + 1
    step = round(1.4 * size)
    picture = Image.new("RGB", (width, step * len(lines)), (255, 255, 255))
    drawer = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        face.draw(drawer, (0, step * number + size), line, ink)
    return np.asarray(picture)


def _widened(picture: np.ndarray, width: int) -> np.ndarray:
    missing = width - picture.shape[1]
    return np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def _white(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 255, np.uint8)
