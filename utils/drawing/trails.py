"""Trails: the way that each tracked object took in the last seconds."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from utils.drawing.boxes import sizes
from utils.drawing.colours import colour

if TYPE_CHECKING:
    from utils.detections import Detections

TRAIL_S = 2.0  # seconds that a trail shows
_SUBPIXEL_BITS = 3  # of OpenCV's coordinates, so that slow objects have smooth trails


class Trails:
    """Where the tracked objects of a video were lately."""

    def __init__(self) -> None:
        self._places: dict[int, deque[tuple[float, float, float]]] = {}  # seconds, x, y by id
        self._time_s = 0.0  # of the last frame

    def add(self, detections: Detections, time_s: float) -> None:
        """Take note of the next frame, whose objects have track ids."""
        for one in detections:
            if one.track_id is not None:
                x0, y0, x1, y1 = one.box
                places = self._places.setdefault(one.track_id, deque())
                places.append((time_s, (x0 + x1) / 2, (y0 + y1) / 2))
        self._time_s = time_s
        for track_id, places in list(self._places.items()):
            while places and not time_s - TRAIL_S <= places[0][0] <= time_s:
                places.popleft()
            if not places:
                del self._places[track_id]

    def draw(self, picture: np.ndarray) -> None:
        """Draw the trails of the last frame's objects on uint8 (H, W, 3) RGB, in place.

        They have the colour of the id and a dark edge, and are thick at the object.
        """
        thickness = 1.5 * sizes(picture.shape[1], picture.shape[0])[0]
        for track_id, places in self._places.items():
            if places[-1][0] != self._time_s:
                continue
            points = np.array([place[1:] for place in places])
            widths = thickness * (np.arange(len(points)) + 1) / len(points)
            rgb = colour(track_id)
            _polyline(picture, points, widths + 2, tuple(value // 4 for value in rgb))
            _polyline(picture, points, widths, rgb)


def _polyline(
    picture: np.ndarray, points: np.ndarray, widths: np.ndarray, rgb: tuple[int, int, int]
) -> None:
    """A line through points (N, 2) whose width in pixels grows from the first to the last."""
    corners = [
        tuple(map(int, corner)) for corner in np.rint((points - 0.5) * 2**_SUBPIXEL_BITS)
    ]  # OpenCV counts from pixel centres
    for (start, end), width in zip(pairwise(corners), widths[1:], strict=True):
        cv2.line(picture, start, end, rgb, max(1, round(width)), cv2.LINE_AA, _SUBPIXEL_BITS)
