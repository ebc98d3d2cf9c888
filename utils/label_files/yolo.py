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
    scores: Sequence[float] | np.ndarray | None = None,
) -> None:
    """Write the text file of one photo, atomically: ``class cx cy width height [score]`` a line.

    Args:
        path: the text file; its folder is made if missing.
        width, height: size in pixels of the upright photo.
        boxes: (N, 4) ``x0, y0, x1, y1`` in pixels of the photo.
        class_ids: N class ids.
        scores: N scores of a detector, 0 to 1, for a sixth column; without them it is left out.
            Many programs refuse to train on labels with that column.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) / ([width, height] * 2)
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]

    def number(value: np.float64) -> str:
        return np.format_float_positional(value, _DIGITS, unique=False, fractional=False, trim="-")

    with atomic_write(path) as file:
        for i, (class_id, row) in enumerate(
            zip(class_ids, np.hstack([centres, sizes]), strict=True)
        ):
            score = [] if scores is None else [f"{scores[i]:.6f}"]
            file.write(" ".join([str(int(class_id)), *map(number, row), *score]) + "\n")


def write_yolo_yaml(
    path: str | Path,
    classes: Sequence[str],
    splits: Mapping[str, str | Sequence[str]],
    *,
    names: bool = True,
) -> None:
    """Write ``data.yaml``, atomically.

    Args:
        path: the YAML file.
        classes: names in the order of the class ids.
        splits: list name → folder, folders or list file, relative to the YAML. The file has no
            ``path``: without one, readers start from where it lies.
        names: write the names, not only how many there are.
    """
    content = {
        **{name: value if isinstance(value, str) else [*value] for name, value in splits.items()},
        "nc": len(classes),
    }
    if names:
        content["names"] = dict(enumerate(classes))
    with atomic_write(path) as file:
        yaml.safe_dump(content, file, allow_unicode=True, sort_keys=False)
