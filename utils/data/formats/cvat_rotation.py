"""Rotated rectangles as CVAT exports them to COCO and VOC: ``rotation_of``, ``box_around_rotated``.

CVAT writes the rectangle as it was before it was rotated, and with it an attribute ``rotation``:
degrees, clockwise about the centre (``_convert_shape`` in CVAT's ``dataset_manager/bindings.py``).
All of its rectangles have the attribute; it is 0 where nothing was rotated.
"""

from __future__ import annotations

import math
from typing import Any

from utils.data.annotations import ObjectError
from utils.data.formats.outlines import Box, rotated_box

_MAX_DEGREES = 1e9


def rotation_of(value: Any) -> float:
    """Degrees between −180 and 180 of an attribute ``rotation``, by which the rectangle is another.

    0 for what is no number, since an attribute of that name may mean anything; NaN for a number
    that is no angle.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    if not abs(value) <= _MAX_DEGREES:  # NaN too, and whole numbers of any length
        return math.nan
    return math.fmod(value, 180)  # half a turn gives the same rectangle


def box_around_rotated(box: Box, degrees: float) -> Box:
    """The box around a rectangle that is rotated; one without area stays as it is.

    Raises:
        ObjectError: ``degrees`` is NaN.
    """
    if math.isnan(degrees):
        raise ObjectError("not-a-number", "its attribute rotation is not an angle in degrees")
    x0, y0, x1, y1 = box
    if not (x1 > x0 and y1 > y0):
        return box
    return rotated_box((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, math.radians(degrees))
