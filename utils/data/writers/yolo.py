"""Writing YOLO: a photo's label file (``write_yolo_labels``) and the YAML (``write_yolo_yaml``).

The files are as ``utils.data.formats.yolo`` reads them. Shares of the photo are written with ten
digits that count, which moves no side of a box by more than a millionth of a pixel in photos of
up to 10,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from utils.data.records import Record
from utils.files import atomic_write

_DIGITS = 10


def write_yolo_labels(path: str | Path, record: Record) -> int:
    """Write the text file of one photo, atomically; return how many objects are left out.

    The format cannot say that an object is difficult: such objects are left out. A photo without
    objects gets an empty file.
    """
    kept = ~record.difficult
    boxes = record.boxes[kept].astype(np.float64) / ([record.width, record.height] * 2)
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    with atomic_write(path) as file:
        rows = zip(record.class_ids[kept].tolist(), np.hstack([centres, sizes]), strict=True)
        for class_id, shares in rows:
            file.write(" ".join([str(class_id), *map(_share, shares)]) + "\n")
    return int(record.difficult.sum())


def write_yolo_yaml(
    path: str | Path, classes: Sequence[str], splits: Mapping[str, str | Sequence[str]]
) -> None:
    """Write ``data.yaml``, atomically.

    Args:
        classes: names in the order of the class ids.
        splits: list name → folder, folders or list file, relative to the YAML. There is no
            ``path`` in the file: without one, readers start from where it lies.
    """
    content = {
        **{
            name: value if isinstance(value, str) else list(value) for name, value in splits.items()
        },
        "nc": len(classes),
        "names": dict(enumerate(classes)),
    }
    with atomic_write(path) as file:
        yaml.safe_dump(content, file, allow_unicode=True, sort_keys=False)


def _share(value: np.float64) -> str:
    return np.format_float_positional(value, _DIGITS, unique=False, fractional=False, trim="-")
