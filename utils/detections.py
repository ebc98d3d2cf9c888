"""``Detections``: the objects found in one image, for NMS, drawing, files and scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """The objects found in one image, best score first.

    Attributes:
        boxes: float32 (N, 4), ``x0, y0, x1, y1`` in pixels of the original image, continuous
            coordinates (a box around a whole W×H image is ``0, 0, W, H``).
        scores: float32 (N,), 0 to 1.
        class_ids: int32 (N,), indices into ``class_names``.
        class_names: the names of all classes the detector knows.
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.class_ids.shape != (n,):
            raise ValueError(
                f"boxes {self.boxes.shape}, scores {self.scores.shape} and class ids "
                f"{self.class_ids.shape} do not describe the same number of objects"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def names(self) -> list[str]:
        """The class name of each detection."""
        return [self.class_names[i] for i in self.class_ids]
