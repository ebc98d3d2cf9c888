"""The lines and zones of ``--count-line`` and ``--count-zone``: their text, their corners."""

from __future__ import annotations

import math
from dataclasses import dataclass

from utils.text import exact

MAX_COORDINATE = 100_000  # pixels from the corner; drawing cannot take any number

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line across which objects are counted, from ``start`` to ``end``.

    Crossing it is *forward* from its left to its right, as seen on the picture when looking from
    ``start`` to ``end``: downwards for a line that is drawn from left to right.
    """

    start: Point
    end: Point

    def __str__(self) -> str:
        return ",".join(map(exact, (*self.start, *self.end)))

    @classmethod
    def parse(cls, text: str) -> Line:
        """``x0,y0,x1,y1`` → the line.

        Raises:
            ValueError: it has another form, or no length.
        """
        numbers = _numbers(text)
        if len(numbers) != 4:
            raise ValueError(f"{text!r} is not x0,y0,x1,y1, four numbers in pixels")
        line = cls((numbers[0], numbers[1]), (numbers[2], numbers[3]))
        if line.start == line.end:
            raise ValueError(f"{text!r} ends where it begins")
        return line


@dataclass(frozen=True)
class Zone:
    """A polygon in which objects are counted and timed."""

    corners: tuple[Point, ...]

    def __str__(self) -> str:
        return " ".join(f"{exact(x)},{exact(y)}" for x, y in self.corners)

    @classmethod
    def parse(cls, text: str) -> Zone:
        """``x,y x,y x,y …`` → the zone.

        Raises:
            ValueError: it has another form, fewer than three corners, or no area.
        """
        points = [(_numbers(part), part) for part in text.split()]
        for numbers, part in points:
            if len(numbers) != 2:
                raise ValueError(
                    f"{part!r} is not a corner x,y, two numbers in pixels (SOURCE comes before "
                    "this option)"
                )
        corners = tuple((numbers[0], numbers[1]) for numbers, _ in points)
        if len(set(corners)) < 3:
            raise ValueError(f"{text!r} has fewer than three corners")
        if not any(_turns(corners)):
            raise ValueError(f"the corners {text!r} lie on one line")
        return cls(corners)


Shape = Line | Zone


def is_outside(shape: Shape, width: int, height: int) -> bool:
    """Whether all of a shape lies on one side of a picture, beyond its border."""
    corners = (shape.start, shape.end) if isinstance(shape, Line) else shape.corners
    columns, rows = zip(*corners, strict=True)
    return max(columns) < 0 or min(columns) > width or max(rows) < 0 or min(rows) > height


def _numbers(text: str) -> list[float]:
    """The finite numbers between commas; empty where there is anything else.

    Raises:
        ValueError: no picture is so large.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    if not all(map(math.isfinite, numbers)):
        return []
    if max(map(abs, numbers)) > MAX_COORDINATE:
        raise ValueError(
            f"{text!r} is no place in a picture; {MAX_COORDINATE:,} pixels is the most"
        )
    return numbers


def _turns(corners: tuple[Point, ...]) -> list[float]:
    """Cross products of the first edge and the way from its start to every corner."""
    (ax, ay), (bx, by) = corners[0], next(c for c in corners if c != corners[0])
    return [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in corners]
