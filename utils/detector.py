"""``Detector``: any weights file and any picture → the objects on it.

    detector = Detector("best.keras")
    detections = detector("photo.jpg")          # .boxes .scores .class_ids .class_names
    several = detector(["a.jpg", "b.jpg"], conf=0.5)

What runs the network is a ``Runtime``; what happens to a photo before and to the boxes after is
here, once, the same for all of them. Importing this module does not import TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.detections import Detections
from utils.errors import UserError
from utils.images import read_image
from utils.letterbox import Letterbox
from utils.postprocess import to_detections

Picture = np.ndarray | str | Path  # uint8 (H, W, 3) RGB, upright; or the path of an image


class Runtime(Protocol):
    """What runs a network: one class for each kind of weights file.

    Attributes:
        class_names: names of the classes, by class id.
        input_size: (height, width) of the network input in pixels.
        batch_size: how many pictures it takes at once to be fast here.
        description: runtime, precision and device in words.
        operating_point: thresholds noted in the file, of ``conf`` and ``iou``; empty without.
    """

    class_names: tuple[str, ...]
    input_size: tuple[int, int]
    batch_size: int
    description: str
    operating_point: dict[str, float]

    def infer(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (B, H, W, 3) RGB → boxes (B, N, 4) in pixels of it, scores (B, N, classes)."""
        ...


class TensorFlowRuntime:
    """A ``.keras`` checkpoint in TensorFlow."""

    def __init__(self, weights: str | Path, device: str | None = None) -> None:
        from utils.quiet import import_tensorflow

        import_tensorflow()
        import tensorflow as tf

        from utils.checkpoint import compile_inference, load_checkpoint, operating_point
        from utils.runtime.device import use_device

        where = use_device(device) if device else _visible_device(tf)
        model = load_checkpoint(weights)
        self.class_names = tuple(model.classes)
        self.input_size = (model.input_size, model.input_size)
        self.batch_size = 8 if "GPU" in where else 1
        self.operating_point = operating_point(model.metadata)
        precision = model.dtype_policy.compute_dtype
        self.description = f"TensorFlow {tf.__version__}, {precision}, {where}"
        self._forward = compile_inference(model)
        self.infer(np.zeros((1, *self.input_size, 3), np.uint8))  # compile now, not at a photo

    def infer(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # A batch that is not full is filled up: the graph is compiled for one size only.
        missing = -len(batch) % self.batch_size
        if missing:
            batch = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), np.uint8)])
        boxes, scores = self._forward(batch)
        return boxes[: len(batch) - missing], scores[: len(batch) - missing]


RUNTIMES: dict[str, Callable[..., Runtime]] = {"tensorflow": TensorFlowRuntime}
_BY_SUFFIX = {".keras": "tensorflow"}


def open_runtime(weights: str | Path, runtime: str = "auto", device: str | None = None) -> Runtime:
    """The runtime for a weights file; ``auto`` goes by the file's suffix.

    Raises:
        UserError: no such file or runtime, or the file is no detector.
    """
    path = Path(weights)
    if runtime != "auto" and runtime not in RUNTIMES:
        raise UserError(f"there is no runtime {runtime!r}; choose auto, {', '.join(RUNTIMES)}")
    if not path.exists():
        raise UserError(f"--weights {path}: there is no such file")
    if runtime == "auto":
        runtime = _BY_SUFFIX.get(path.suffix.lower(), "")
    if not runtime:
        raise UserError(f"--weights {path}: not a .keras checkpoint, as train.py writes it")
    return RUNTIMES[runtime](path, device)


class Detector:
    """Finds objects in pictures.

    Args:
        weights: a file that ``train.py`` wrote, or a ready ``Runtime``.
        runtime: ``auto``, or one of ``RUNTIMES``.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``; None leaves the choice to the runtime, for
            programs that have set up their devices themselves.

    Raises:
        UserError: the file is missing, or no detector.
    """

    def __init__(
        self, weights: str | Path | Runtime, runtime: str = "auto", device: str | None = None
    ) -> None:
        given = hasattr(weights, "infer")
        self.runtime: Runtime = weights if given else open_runtime(weights, runtime, device)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.runtime.class_names

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the network input in pixels."""
        return self.runtime.input_size

    @property
    def operating_point(self) -> dict[str, float]:
        """``conf`` and ``iou`` as ``get_map.py --tune`` noted them; only those that it did."""
        return getattr(self.runtime, "operating_point", {})

    def __call__(
        self,
        images: Picture | Sequence[Picture],
        *,
        conf: float = 0.25,
        iou: float = 0.45,
        max_det: int = 300,
    ) -> Detections | list[Detections]:
        """The objects on a picture; a list of them for a list of pictures.

        Args:
            images: a path, uint8 (H, W, 3) RGB pixels, or a sequence of either.
            conf: lowest score that is kept, 0 to 1.
            iou: IoU above which the weaker of two boxes of a class is dropped, 0 to 1.
            max_det: most objects a picture.

        Raises:
            UserError: a file that cannot be read as an image.
            ValueError: pixels of another type or shape.
        """
        if isinstance(images, (str, Path)) or (isinstance(images, np.ndarray) and images.ndim <= 3):
            return self([images], conf=conf, iou=iou, max_det=max_det)[0]
        limits = {"conf": conf, "iou": iou, "max_det": max_det}
        found: list[Detections] = []
        step = self.runtime.batch_size
        for start in range(0, len(images), step):
            prepared = [self.prepare(_pixels(image)) for image in images[start : start + step]]
            boxes, scores = self.runtime.infer(np.stack([pixels for pixels, _ in prepared]))
            for (_, letterbox), box, score in zip(prepared, boxes, scores, strict=True):
                found.append(self.finish(box, score, letterbox, **limits))
        return found

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, Letterbox]:
        """uint8 (H, W, 3) photo → the network input made of it, and where the photo lies in it."""
        height, width = self.input_size
        letterbox = Letterbox(image.shape[1], image.shape[0], width, height)
        return letterbox.apply(image), letterbox

    def finish(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        letterbox: Letterbox,
        *,
        conf: float,
        iou: float,
        max_det: int,
    ) -> Detections:
        """The network's output for one input, boxes (N, 4) and scores (N, classes) → objects."""
        return to_detections(
            boxes, scores, letterbox, self.class_names, conf=conf, iou=iou, max_det=max_det
        )


def _pixels(image: Picture) -> np.ndarray:
    if isinstance(image, (str, Path)):
        return read_image(image)
    if not isinstance(image, np.ndarray):
        raise ValueError(f"expected a path or a NumPy array, not {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f"expected uint8 pixels of shape (H, W, 3), RGB; got {image.dtype} {image.shape}"
        )
    return image


def _visible_device(tf) -> str:
    gpus = tf.config.get_visible_devices("GPU")
    return f"GPU ({len(gpus)} visible)" if gpus else "CPU"
