"""``Evidence``: what a checkpoint's network computed on a picture, as heat maps.

The gradients need the network in TensorFlow. An exported file computes only boxes and scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from nets.necks import NECKS
from nets.yolo import YOLOv3, decode
from utils.checkpoint import load_checkpoint
from utils.decoding import ANCHORS_PER_LEVEL, STRIDES
from utils.detector import Picture, check_picture
from utils.heatmaps.heat_map import HeatMap
from utils.heatmaps.layer_cam import layer_cam, prediction_weights
from utils.heatmaps.needs import check_checkpoint
from utils.images import pixels_of, read_image
from utils.letterbox import Letterbox
from utils.overlap import iou
from utils.pixel_range import PixelRanges
from utils.runtime.device import use_device


class Evidence:
    """Opens a checkpoint; called on a picture, it gives what its heat maps are made from.

    Args:
        weights: a ``.keras`` checkpoint, or a network.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``; None for programs that have set up their
            devices themselves.

    Raises:
        UserError: the file is missing, or no checkpoint.
    """

    def __init__(self, weights: str | Path | YOLOv3, device: str | None = None) -> None:
        if not isinstance(weights, YOLOv3):
            check_checkpoint(Path(weights), "heat maps")
            if device:
                use_device(device)
            weights = load_checkpoint(weights)
        self.model = weights
        head = weights.head
        pyramid = [head.get_layer(name).output for name in NECKS[weights.neck].maps]
        self.head = keras.Model(head.inputs, [*pyramid, *head.outputs])

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.model.classes)

    def __call__(self, image: Picture) -> PictureEvidence:
        """Run the network on a picture, at the picture's own shape, as ``Detector`` does.

        Raises:
            UserError: a file that cannot be read as an image.
            ValueError: no picture.
        """
        check_picture(image)
        ranges = PixelRanges.from_metadata(self.model.metadata)
        if isinstance(image, str | Path):
            image = read_image(image, ranges=ranges)
        elif isinstance(image, Image.Image):
            image = pixels_of(image, "image", ranges=ranges)
        height, width = image.shape[:2]
        letterbox = Letterbox.fitted(width, height, self.model.input_size)
        pixels = tf.constant(letterbox.apply(np.ascontiguousarray(image))[None])
        features = self.model.backbone(tf.cast(pixels, tf.float32), training=False)
        return PictureEvidence(self, features, letterbox)


class PictureEvidence:
    """The predictions of the network for one picture, and their heat maps.

    Attributes:
        letterbox: where the photo lies in the network input.
        boxes: float32 (N, 4) in pixels of the network input.
        scores: float32 (N, classes).
    """

    def __init__(self, evidence: Evidence, features: list[tf.Tensor], letterbox: Letterbox) -> None:
        self.class_names = evidence.class_names
        self.letterbox = letterbox
        # The head's own variables are not watched: their gradients are not needed.
        self._tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
        with self._tape:
            self._tape.watch(features)
            *self._pyramid, raw8, raw16, raw32 = evidence.head(features, training=False)
            predictions = decode([raw8, raw16, raw32], evidence.model.anchors)
            self._objectness = predictions.objectness[0]
            self._class_logits = predictions.class_logits[0]
        self._shapes = [tuple(raw.shape[1:3]) for raw in (raw8, raw16, raw32)]
        objectness = tf.sigmoid(self._objectness)
        self.boxes = predictions.boxes[0].numpy()
        self.scores = (objectness[:, None] * tf.sigmoid(self._class_logits)).numpy()
        self._probabilities = objectness.numpy()

    def heat(self, class_name: str | None = None, box: Sequence[float] | None = None) -> HeatMap:
        """LayerCAM of the features that the heads look at, for a class, a box, or both.

        The score is objectness plus class, both as logits, of the predictions that count: those of
        the box if there is one (``AGREE_IOU``), with at least half the best score among them,
        weighted by their scores. Each level gives its map divided by the area of a cell. So the
        heat of a pixel is what the features there add to the score, to first order.

        Args:
            class_name: None for that of the best prediction of the box.
            box: ``x0, y0, x1, y1`` in pixels of the photo; None for predictions anywhere.

        Raises:
            ValueError: neither, or an unknown class.
        """
        if class_name is None and box is None:
            raise ValueError("a heat map needs a class, a box, or both")
        if class_name is not None and class_name not in self.class_names:
            raise ValueError(f"there is no class {class_name!r}")
        overlaps = None if box is None else iou(self.boxes, self.letterbox.to_input(box))
        if class_name is None:
            likeliest = self.scores.max(axis=1)
            best = int(np.argmax(prediction_weights(likeliest, overlaps)))
            class_id = int(np.argmax(self.scores[best]))
        else:
            class_id = self.class_names.index(class_name)
        weights = prediction_weights(self.scores[:, class_id], overlaps)
        return HeatMap(
            self._layer_cam(weights, class_id),
            self.letterbox,
            self.class_names[class_id],
            None if box is None else tuple(float(side) for side in box),
            float(self.scores[weights > 0, class_id].max()),
            None if overlaps is None else float(overlaps.max()),
        )

    def _layer_cam(self, weights: np.ndarray, class_id: int) -> dict[int, np.ndarray]:
        with self._tape:
            score = tf.reduce_sum(weights * (self._objectness + self._class_logits[:, class_id]))
        gradients = self._tape.gradient(
            score, self._pyramid, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return {
            stride: layer_cam(features[0].numpy(), gradient[0].numpy()) / stride**2
            for stride, features, gradient in zip(STRIDES, self._pyramid, gradients, strict=True)
        }

    def objectness(self) -> list[HeatMap]:
        """For each stride, 8, 16 and 32: the highest objectness of a cell's three anchors."""
        sizes = [ANCHORS_PER_LEVEL * height * width for height, width in self._shapes]
        parts = np.split(self._probabilities, np.cumsum(sizes)[:-1])
        maps = [
            part.reshape(*shape, ANCHORS_PER_LEVEL).max(axis=-1)
            for part, shape in zip(parts, self._shapes, strict=True)
        ]
        return [
            HeatMap({stride: cells}, self.letterbox, score=float(cells.max()))
            for stride, cells in zip(STRIDES, maps, strict=True)
        ]
