"""The letterbox: a photo scaled to fit a network input, aspect ratio kept, padded evenly.

One value knows the forward map and its inverse; the data pipeline, the detector and the
evaluation all use it. NumPy only: it imports neither ``nets`` nor TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

PAD_VALUE = 114  # grey level of the padding, the same everywhere
INPUT_MULTIPLE = 32  # the sides of a network input are multiples of its largest stride


@dataclass(frozen=True)
class Letterbox:
    """Where a ``width`` × ``height`` photo lies inside a network input.

    The photo is resized to ``inner_width`` × ``inner_height`` whole pixels and placed with its
    corner at (``left``, ``top``). The scales are the ratios of those whole pixels, so each axis
    maps exactly; they may differ by less than a pixel over the whole photo.

    Coordinates are continuous: pixel ``i`` covers ``[i, i + 1)``, as in the project's boxes.
    """

    width: int
    height: int
    input_width: int
    input_height: int

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.input_width, self.input_height) < 1:
            raise ValueError(f"letterbox sizes must be at least 1 pixel: {self}")

    @classmethod
    def fitted(cls, width: int, height: int, longest: int) -> Letterbox:
        """For a ``width`` × ``height`` photo, with as little padding as the network allows.

        The longer side of the network input has ``longest`` pixels. The other one is that of the
        photo at the same scale, rounded up to a multiple of 32: 416×320 for photos of 4:3. Where it
        is less than half a pixel above such a multiple, the photo becomes that much smaller.
        """
        sides = (max(1, round(side * longest / max(width, height, 1))) for side in (width, height))
        return cls(width, height, *(-(-side // INPUT_MULTIPLE) * INPUT_MULTIPLE for side in sides))

    @property
    def _ratio(self) -> float:
        return min(self.input_width / self.width, self.input_height / self.height)

    @property
    def inner_width(self) -> int:
        return max(1, min(self.input_width, round(self.width * self._ratio)))

    @property
    def inner_height(self) -> int:
        return max(1, min(self.input_height, round(self.height * self._ratio)))

    @property
    def left(self) -> int:
        return (self.input_width - self.inner_width) // 2

    @property
    def top(self) -> int:
        return (self.input_height - self.inner_height) // 2

    @property
    def scale(self) -> np.ndarray:
        """(4,) float64 factors for ``x0, y0, x1, y1``."""
        sx, sy = self.inner_width / self.width, self.inner_height / self.height
        return np.array([sx, sy, sx, sy])

    @property
    def offset(self) -> np.ndarray:
        """(4,) float64 shifts in pixels of the network input, applied after the scale."""
        return np.array([self.left, self.top, self.left, self.top], np.float64)

    def to_input(self, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) boxes in pixels of the photo → float32 (N, 4) in pixels of the network input."""
        return (np.asarray(boxes).reshape(-1, 4) * self.scale + self.offset).astype(np.float32)

    def to_photo(self, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) boxes in pixels of the network input → float32 (N, 4) in the photo, clipped."""
        photo = (np.asarray(boxes).reshape(-1, 4) - self.offset) / self.scale
        limits = [self.width, self.height, self.width, self.height]
        return np.clip(photo, 0, limits).astype(np.float32)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 photo → (input_height, input_width, 3) uint8 network input.

        Raises:
            ValueError: the image is not of the size this letterbox was made for.
        """
        if image.shape[:2] != (self.height, self.width):
            raise ValueError(
                f"image of {image.shape[1]}×{image.shape[0]} given to a letterbox for "
                f"{self.width}×{self.height}"
            )
        pixels = np.full((self.input_height, self.input_width, 3), PAD_VALUE, np.uint8)
        inner = pixels[
            self.top : self.top + self.inner_height, self.left : self.left + self.inner_width
        ]
        inner[:] = resize(image, self.inner_width, self.inner_height)
        return pixels


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize an (H, W, C) uint8 image; area averaging when shrinking, so that nothing aliases."""
    if image.shape[:2] == (height, width):
        return image
    shrinking = image.shape[1] > width or image.shape[0] > height
    return cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    )
