"""The detector as other runtimes get it: a functional float32 model of ordinary layers.

Raw RGB pixels go in as uint8. Batch norms are folded, and no tensor has more than four dimensions,
which is what mobile runtimes take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nets.backbones.spec import STRIDES
from nets.folding import folded_weights, followed_by_batch_norm
from nets.randomness import StochasticDepth
from nets.yolo import YOLOv3, decode, detections

INPUT = "images"
HEADS = tuple(f"head{stride}" for stride in STRIDES)  # names of the raw maps


def export_network(
    model: YOLOv3,
    *,
    heads: bool = False,
    input_shape: tuple[int | None, int | None, int | None] = (None, None, None),
) -> keras.Model:
    """``model`` for inference, with the same numbers but for rounding.

    Args:
        model: a detector of any dtype policy; it is not changed.
        heads: stop at the raw maps, without decoding.
        input_shape: batch, height and width of the input; None leaves one open.

    Returns:
        uint8 ``images`` (B, H, W, 3) → a dictionary of float32 tensors: ``boxes`` (B, N, 4) in
        pixels of the network input and ``scores`` (B, N, classes); or with ``heads`` the maps
        ``head8``, ``head16`` and ``head32``, (B, H/s, W/s, 3·(5 + classes)).
    """
    images = keras.Input(batch_shape=(*input_shape, 3), dtype="uint8", name=INPUT)
    pixels = ops.cast(images, "float32")
    raw = folded_copy(model.head)(folded_copy(model.backbone)(pixels))
    if heads:
        outputs = dict(zip(HEADS, raw, strict=True))
    else:
        outputs = Decoding(model.anchors, dtype="float32", name="decoding")(raw)
    return keras.Model(images, outputs, name=model.name)


def folded_copy(network: keras.Model) -> keras.Model:
    """A float32 copy for inference, with the batch norms folded into constant kernels and biases.

    ``nets.folding.folded`` follows the variables instead, so that exporters would see the
    arithmetic of folding. Stochastic depth, which does nothing at inference, is left out.

    Args:
        network: a functional model of any dtype policy.
    """
    batch_norms = followed_by_batch_norm(network)
    left_out = {layer for layer in network.layers if isinstance(layer, StochasticDepth)}
    left_out |= set(batch_norms.values())
    copies: dict[keras.Layer, keras.Layer] = {}

    def copy(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config() | {"dtype": "float32"}
        if layer in batch_norms:
            config["use_bias"] = True
        if isinstance(layer, keras.layers.UpSampling2D):
            copies[layer] = NearestUpsampling(layer.size, name=layer.name, dtype="float32")
        else:
            copies[layer] = type(layer).from_config(config)
        return copies[layer]

    def call(layer: keras.Layer, *args, **kwargs):
        original = network.get_layer(layer.name)
        return args[0] if original in left_out else layer(*args, **kwargs)

    result = keras.models.clone_model(network, clone_function=copy, call_function=call)
    for layer, copied in copies.items():
        if layer in batch_norms:
            copied.set_weights(folded_weights(layer, batch_norms[layer]))
        elif copied.weights:
            copied.set_weights(layer.get_weights())
    return result


class NearestUpsampling(keras.layers.Layer):
    """Repeats rows and columns in one resizing operation; Keras' layer has tensors of rank 5."""

    def __init__(self, size: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, x: Any) -> Any:
        return tf.image.resize(x, tf.shape(x)[1:3] * self.size, method="nearest")

    def compute_output_shape(self, shape: tuple) -> tuple:
        batch, *sides, channels = shape
        scaled = (side and side * factor for side, factor in zip(sides, self.size, strict=True))
        return (batch, *scaled, channels)


class Decoding(keras.layers.Layer):
    """Raw maps → boxes and scores, as ``YOLOv3`` returns them.

    A layer, because its tensors depend on a height and width that a functional model may not know.
    """

    def __init__(self, anchors: Sequence[Sequence[float]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.anchors = anchors

    def call(self, raw: Sequence[Any]) -> dict[str, Any]:
        return detections(decode(raw, self.anchors))
