"""The detector: an EfficientNet backbone, a feature pyramid, and YOLOv3's heads and decoding.

Reads downwards from pixels to boxes. ``YOLOv3`` is a Keras model that knows its classes,
anchors and input size; ``decode`` turns the raw heads into boxes and is the same for training
and for prediction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from nets.backbones import build_backbone
from nets.backbones.spec import STRIDES
from nets.necks import NECKS, conv

ANCHORS_PER_LEVEL = 3

# Widths and heights published with YOLOv3 (Redmon & Farhadi, 2018, section 2.3): k-means on COCO
# at an input size of 416.
COCO_ANCHORS_416 = (
    (10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326),
)  # fmt: skip

# The centre of a prediction may lie up to half a cell outside its own cell: offsets span
# [−0.5, 1.5]. YOLOv3's plain sigmoid has a span of 1.0. It reaches a cell's border only at infinity
# and cannot predict objects centred in a neighbouring cell (Bochkovskiy et al., YOLOv4, 2020: "grid
# sensitivity").
OFFSET_SPAN = 2.0

# exp(4.2) = 67: no object is 67 times its anchor, and float16 activations stay finite.
MAX_LOG_SIZE = 4.2

# The initial objectness of all predictions (Lin et al., Focal Loss, 2017, section 4.1). With a
# higher one, the first steps would only unlearn thousands of false positives.
OBJECTNESS_PRIOR = 0.01


class Predictions(NamedTuple):
    """Decoded output of the heads, one row for each anchor of each cell, N rows in all.

    Rows run over strides 8, 16, 32; within a stride over cells row by row; within a cell over its
    three anchors.

    Attributes:
        boxes: float32 (B, N, 4), ``x0, y0, x1, y1`` in pixels of the network input.
        objectness: float32 (B, N) logits.
        class_logits: float32 (B, N, classes); classes are independent, not exclusive.
    """

    boxes: Any
    objectness: Any
    class_logits: Any


@keras.saving.register_keras_serializable(package="efficient_yolo3")
class YOLOv3(keras.Model):
    """An object detector in one serialisable model.

    Called on RGB pixels 0 to 255, (B, H, W, 3) with H and W multiples of 32, it returns
    ``{"boxes": (B, N, 4), "scores": (B, N, classes)}`` in float32: decoded boxes in pixels of the
    network input and objectness × class probability, before non-maximum suppression.
    ``raw(images)`` gives the three maps beneath, for training.

    Args:
        backbone: a name in ``nets.backbones.BACKBONES``.
        classes: class names; the class id is the index.
        input_size: side of the square input in pixels that the anchors belong to and that
            prediction uses, a multiple of 32. Other multiples of 32 work too.
        anchors: nine (width, height) pairs in pixels of the network input, smallest first; the
            COCO anchors scaled to ``input_size`` when None.
        backbone_weights: None for random, ``"imagenet"``, or a weights file.
        backbone_options: what ``nets.backbones.build_backbone`` takes beside the name, such as
            ``stochastic_depth``.
        metadata: anything JSON can hold; it is saved in the checkpoint.
        neck: the feature pyramid, a name in ``nets.necks.NECKS``.

    Raises:
        ValueError: no classes or a class twice, a size that is no multiple of 32, anchors that
            are not nine positive pairs, or an unknown backbone or neck.
    """

    def __init__(
        self,
        backbone: str = "efficientnet_b0",
        classes: Sequence[str] = (),
        input_size: int = 416,
        anchors: Sequence[Sequence[float]] | np.ndarray | None = None,
        backbone_weights: str | None = None,
        backbone_options: dict[str, float] | None = None,
        metadata: dict[str, Any] | None = None,
        neck: str = "yolov3",
        name: str = "yolov3",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.classes = _checked_classes(classes)
        self.input_size = checked_input_size(input_size)
        self.anchors = _checked_anchors(anchors, self.input_size)
        self.metadata = metadata or {}
        self.neck = checked_neck(neck)
        self.backbone_name = backbone
        self.backbone_options = dict(backbone_options or {})
        with _dtype_policy(self.dtype_policy):
            self.backbone = build_backbone(
                backbone, weights=backbone_weights, **self.backbone_options
            )
            self.head = build_head(self.backbone.output_shape, len(self.classes), neck)
        self.built = True  # both parts have their weights from here on

    @property
    def metadata(self) -> dict[str, Any]:
        """A copy of the metadata in the checkpoint; assign to change it."""
        return json.loads(self._metadata)

    @metadata.setter
    def metadata(self, value: dict[str, Any]) -> None:
        self._metadata = json.dumps(value)  # a string: Keras would track and wrap a dict

    def raw(self, images: Any, training: bool = False) -> list[Any]:
        """(B, H, W, 3) pixels → three maps (B, H/s, W/s, 3·(5 + classes)) for s = 8, 16, 32."""
        return self.head(self.backbone(images, training=training), training=training)

    def call(self, images: Any, training: bool = False) -> dict[str, Any]:
        return detections(decode(self.raw(images, training=training), self.anchors))

    def get_config(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone_name,
            "backbone_options": dict(self.backbone_options),
            "classes": list(self.classes),
            "input_size": self.input_size,
            "anchors": [list(pair) for pair in self.anchors],
            "metadata": self.metadata,
            "neck": self.neck,
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> YOLOv3:
        return cls(**config)


@contextmanager
def _dtype_policy(policy: keras.DTypePolicy) -> Iterator[None]:
    """Layers built in the block get this policy; afterwards the global one is restored."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_head(feature_shapes: Sequence[tuple], classes: int, neck: str = "yolov3") -> keras.Model:
    """The feature pyramid and the three heads as one functional model.

    Args:
        feature_shapes: shapes of C3, C4, C5, of which only the last axis (filters) is read.
        classes: number of classes.
        neck: a name in ``nets.necks.NECKS``.

    Returns:
        [C3, C4, C5] → raw maps (B, H/s, W/s, 3·(5 + classes)) in float32 for s = 8, 16, 32; each
        anchor's channels are x, y, w, h, objectness, then the classes.
    """
    build, head_width, _ = NECKS[neck]
    features = [keras.Input((None, None, shape[-1])) for shape in feature_shapes]
    raw = [
        _head(p, int(head_width * p.shape[-1]), classes, name)
        for p, name in zip(build(features), ("head3", "head4", "head5"), strict=True)
    ]
    return keras.Model(features, raw, name="head")


def _head(x: Any, filters: int, classes: int, name: str) -> Any:
    x = conv(x, filters, 3, name)
    return keras.layers.Conv2D(
        ANCHORS_PER_LEVEL * (5 + classes),
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=HeadBias(classes),
        dtype="float32",  # logits, decoding and loss stay in float32 under mixed precision
        name=f"{name}_out",
    )(x)


@keras.saving.register_keras_serializable(package="efficient_yolo3")
class HeadBias(keras.initializers.Initializer):
    """Objectness and class logits start at the log-odds of their priors, all other channels at 0.

    The prior of a class is 1 / (1 + classes). With a prior of ½ for each of many classes, the first
    steps would only unlearn it.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        bias = np.zeros((ANCHORS_PER_LEVEL, 5 + self.classes), np.float32)
        bias[:, 4] = math.log(OBJECTNESS_PRIOR / (1 - OBJECTNESS_PRIOR))
        bias[:, 5:] = -math.log(self.classes)  # of probability 1 / (1 + classes)
        return ops.convert_to_tensor(bias.reshape(shape), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"classes": self.classes}


def decode(
    raw: Sequence[Any], anchors: Sequence[Sequence[float]], offset_span: float = OFFSET_SPAN
) -> Predictions:
    """Raw maps of the three levels → boxes in pixels of the network input, and logits.

    With (cx, cy) the cell, s the stride and (pw, ph) the anchor,

        x = s · (cx + ½ + span · (σ(tx) − ½)),   w = pw · exp(tw),   and so for y and h,

    which for a span of 1 is section 2.1 of the YOLOv3 paper.

    Args:
        raw: three maps (B, H/s, W/s, 3·(5 + classes)), strides 8, 16, 32.
        anchors: nine (width, height) pairs in pixels, three a level.
        offset_span: width of the range of a centre's offset, in cells.
    """
    levels = []
    for level, stride in enumerate(STRIDES):
        pairs = anchors[level * ANCHORS_PER_LEVEL : (level + 1) * ANCHORS_PER_LEVEL]
        levels.append(_decode_level(raw[level], pairs, stride, offset_span))
    return Predictions(*(ops.concatenate(parts, axis=1) for parts in zip(*levels, strict=True)))


def detections(predictions: Predictions) -> dict[str, Any]:
    """``boxes`` (B, N, 4) and ``scores`` (B, N, classes): objectness × class probability."""
    objectness = ops.sigmoid(predictions.objectness)[..., None]
    scores = objectness * ops.sigmoid(predictions.class_logits)
    return {"boxes": predictions.boxes, "scores": scores}


def _decode_level(
    raw: Any, anchors: Sequence[Sequence[float]], stride: int, offset_span: float
) -> Predictions:
    _, height, width, channels = ops.shape(raw)
    outputs = channels // ANCHORS_PER_LEVEL
    # (B, H·W, 3, 5 + classes): mobile runtimes take tensors of at most four dimensions
    cells = ops.reshape(raw, (-1, height * width, ANCHORS_PER_LEVEL, outputs))

    cell = ops.arange(height * width)
    x = ops.cast(cell % width, "float32")[:, None, None]
    y = ops.cast(cell // width, "float32")[:, None, None]
    offsets = 0.5 + offset_span * (ops.sigmoid(cells[..., 0:2]) - 0.5)
    centre_x = (offsets[..., 0:1] + x) * stride
    centre_y = (offsets[..., 1:2] + y) * stride

    sizes = ops.convert_to_tensor(np.asarray(anchors, np.float32))
    half = 0.5 * sizes * ops.exp(ops.clip(cells[..., 2:4], -MAX_LOG_SIZE, MAX_LOG_SIZE))
    half_width, half_height = half[..., 0:1], half[..., 1:2]
    boxes = ops.concatenate(
        [
            centre_x - half_width,
            centre_y - half_height,
            centre_x + half_width,
            centre_y + half_height,
        ],
        axis=-1,
    )
    rows = height * width * ANCHORS_PER_LEVEL
    return Predictions(
        boxes=ops.reshape(boxes, (-1, rows, 4)),
        objectness=ops.reshape(cells[..., 4], (-1, rows)),
        class_logits=ops.reshape(cells[..., 5:], (-1, rows, outputs - 5)),
    )


def checked_input_size(size: int) -> int:
    """``size`` itself when it is a positive multiple of 32.

    Raises:
        ValueError: it is not.
    """
    if size != int(size) or size < STRIDES[-1] or size % STRIDES[-1]:
        lower = max(int(size) // 32 * 32, 32)
        raise ValueError(
            f"the input size must be a multiple of 32 pixels, not {size}; "
            f"take {lower} or {lower + 32}"
        )
    return int(size)


def checked_neck(name: str) -> str:
    """``name`` itself when there is such a neck.

    Raises:
        ValueError: there is none.
    """
    if name not in NECKS:
        raise ValueError(f"there is no neck {name!r}; there are {', '.join(NECKS)}")
    return name


def _checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    if isinstance(classes, str) or not classes:
        raise ValueError(f"classes must be a list of at least one name, not {classes!r}")
    if len(set(classes)) != len(classes):
        twice = sorted({name for name in classes if list(classes).count(name) > 1})
        raise ValueError(f"class named twice: {', '.join(twice)}")
    return tuple(str(name) for name in classes)


def _checked_anchors(anchors: Any, input_size: int) -> tuple[tuple[float, float], ...]:
    if anchors is None:
        anchors = np.asarray(COCO_ANCHORS_416, np.float32) * input_size / 416
    pairs = np.asarray(anchors, np.float32)
    if pairs.shape != (9, 2) or not np.isfinite(pairs).all() or (pairs <= 0).any():
        raise ValueError(
            f"anchors must be nine (width, height) pairs of positive pixels, not {anchors!r}"
        )
    return tuple((float(width), float(height)) for width, height in pairs)
