"""``Detector``: a weights file in, objects on photos out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from utils.detections import Detections
from utils.errors import UserError
from utils.images import read_image
from utils.letterbox import Letterbox
from utils.postprocess import to_detections

Picture = np.ndarray | str | Path
RUNTIMES = ("auto", "tensorflow")


class Detector:
    """Finds objects on photos with a trained detector.

        detections = Detector("best.keras")("photo.jpg")
        detections.boxes, detections.scores, detections.names()

    Args:
        weights: a ``.keras`` checkpoint made by ``train.py``.
        runtime: ``auto`` or ``tensorflow``.

    Attributes:
        class_names: all classes that it knows; a class id is an index.
        input_size: side of the square network input in pixels.
        network_ms: how long the network took for each picture so far, in milliseconds.

    Raises:
        UserError: the file is missing, damaged or no detector.
    """

    def __init__(self, weights: str | Path, runtime: str = "auto") -> None:
        if runtime not in RUNTIMES:
            raise UserError(f"runtime {runtime!r} is not one of {', '.join(RUNTIMES)}")
        # Imported here: a detector is the first thing that needs TensorFlow.
        from utils.checkpoint import compile_inference, load_checkpoint

        model = load_checkpoint(weights)
        self._set_up(compile_inference(model), model.classes, model.input_size)

    @classmethod
    def from_network(
        cls,
        infer: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        class_names: Sequence[str],
        input_size: int,
    ) -> Detector:
        """A detector around any function uint8 (B, S, S, 3) → boxes (B, N, 4), scores (B, N, C)."""
        self = cls.__new__(cls)
        self._set_up(infer, class_names, input_size)
        return self

    def _set_up(self, infer: Callable, class_names: Sequence[str], input_size: int) -> None:
        self._infer = infer
        self.class_names = tuple(class_names)
        self.input_size = input_size
        self.network_ms: list[float] = []

    def __call__(
        self,
        pictures: Picture | Sequence[Picture],
        *,
        conf: float = 0.25,
        iou: float = 0.45,
        max_det: int = 300,
    ) -> Detections | list[Detections]:
        """Find objects on one picture, or on each of a list.

        Args:
            pictures: uint8 (H, W, 3) RGB arrays or paths of pictures; one or several.
            conf: lowest score.
            iou: IoU above which the weaker of two boxes of a class is dropped.
            max_det: most objects a picture.

        Returns:
            One ``Detections``, or a list of them for a list. Boxes are in pixels of the picture.

        Raises:
            UserError: a picture cannot be read.
        """
        if isinstance(pictures, np.ndarray | str | Path):
            return self([pictures], conf=conf, iou=iou, max_det=max_det)[0]
        found = []
        for picture in pictures:
            image = picture if isinstance(picture, np.ndarray) else read_image(picture)
            _check(image)
            letterbox = Letterbox(image.shape[1], image.shape[0], self.input_size, self.input_size)
            network_input = letterbox.apply(image)[None]
            began = time.perf_counter()
            boxes, scores = self._infer(network_input)
            self.network_ms.append((time.perf_counter() - began) * 1000)
            found.append(
                to_detections(
                    boxes[0],
                    scores[0],
                    letterbox,
                    self.class_names,
                    conf=conf,
                    iou=iou,
                    max_det=max_det,
                )
            )
        return found


def _check(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f"a picture must be a uint8 array (height, width, 3), not {image.dtype} {image.shape}"
        )
