"""Writing YOLO: a photo's label file (``write_yolo_labels``) and the YAML (``write_yolo_yaml``).

``utils.data.formats.yolo`` reads such files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from utils.files import atomic_write

# Moves no side of a box by more than a millionth of a pixel in photos of up to 10,000.
_DIGITS = 10


def write_yolo_labels(
    path: str | Path,
    width: int,
    height: int,
    boxes: np.ndarray,
    class_ids: Sequence[int] | np.ndarray,
    *,
    decimals: int | None = None,
) -> None:
    """Write the text file of one photo, atomically: ``class cx cy width height`` a line.

    Args:
        path: the text file; its folder is made if missing.
        width, height: size in pixels of the upright photo.
        boxes: (N, 4) ``x0, y0, x1, y1`` in pixels of the photo.
        class_ids: N class ids.
        decimals: how many decimals the numbers have; None for ten digits that count, without
            zeros at the end.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) / ([width, height] * 2)
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]

    def number(value: np.float64) -> str:
        if decimals is not None:
            return f"{value:.{decimals}f}"
        return np.format_float_positional(value, _DIGITS, unique=False, fractional=False, trim="-")

    with atomic_write(path) as file:
        for class_id, row in zip(class_ids, np.hstack([centres, sizes]), strict=True):
            file.write(" ".join([str(int(class_id)), *map(number, row)]) + "\n")


def write_yolo_yaml(
    path: str | Path, classes: Sequence[str], splits: Mapping[str, str | Sequence[str]]
) -> None:
    """Write ``data.yaml``, atomically.

    Args:
        path: the YAML file.
        classes: names in the order of the class ids.
        splits: list name → folder, folders or list file, relative to the YAML. The file has no
            ``path``: without one, readers start from where it lies.
    """
    content = {
        **{name: value if isinstance(value, str) else [*value] for name, value in splits.items()},
        "nc": len(classes),
        "names": dict(enumerate(classes)),
    }
    with atomic_write(path) as file:
        yaml.safe_dump(content, file, allow_unicode=True, sort_keys=False)
