"""A network with its frozen batch norms folded into the convolutions before them.

A batch norm that does not learn multiplies each channel by a constant and adds another. Done to the
kernel instead of the map, the same comes out, and the passes over memory that cost more time than
their arithmetic are gone: forward, and backward too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from nets.yolo import YOLOv3, decode, detections

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def folded(network: keras.Model, *, inference: bool = False) -> keras.Model:
    """The same network over the same variables; for the batch norms that are frozen now.

    Gradients reach the kernels as before. A batch norm that learns, or that does not follow a
    convolution of its own, stays as it is. For ``inference`` none of them learns.
    """
    norms, readers = {}, _readers(network)
    for layer in network.layers:
        norm = _only(readers[layer])
        if _is_plain(layer) and _is_whole(norm) and (inference or not norm.trainable):
            norms[layer] = norm
    gone = set(norms.values())

    def call(layer: keras.Layer, *args, **kwargs):
        if layer in norms:
            return FoldedConvolution(layer, norms[layer])(*args)
        return args[0] if layer in gone else layer(*args, **kwargs)

    if not norms:
        return network
    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)


def folded_detector(model: YOLOv3) -> Callable[[Any], dict[str, Any]]:
    """What ``model(images, training=False)`` computes, in fewer passes over memory."""
    backbone, head = folded(model.backbone, inference=True), folded(model.head, inference=True)

    def detect(images: Any) -> dict[str, Any]:
        raw = head(backbone(images, training=False), training=False)
        return detections(decode(raw, model.anchors))

    return detect


class FoldedConvolution(keras.layers.Layer):
    """``norm(conv(x))`` for a frozen batch norm, with the variables of both."""

    def __init__(self, conv: keras.layers.Layer, norm: keras.layers.BatchNormalization) -> None:
        # Without autocast the constants are computed in float32, whatever the policy.
        super().__init__(name=f"{conv.name}_folded", dtype=conv.dtype_policy, autocast=False)
        self.conv, self.norm = conv, norm

    def call(self, x):
        scale = self.norm.gamma * ops.rsqrt(self.norm.moving_variance + self.norm.epsilon)
        offset = self.norm.beta - self.norm.moving_mean * scale
        depthwise = isinstance(self.conv, keras.layers.DepthwiseConv2D)
        kernel = self.conv.kernel * (scale[:, None] if depthwise else scale)
        convolve = ops.depthwise_conv if depthwise else ops.conv
        y = convolve(
            ops.cast(x, self.compute_dtype),
            ops.cast(kernel, self.compute_dtype),
            strides=self.conv.strides,
            padding=self.conv.padding,
            dilation_rate=self.conv.dilation_rate,
        )
        return y + ops.cast(offset, self.compute_dtype)

    def compute_output_shape(self, shape):
        return self.conv.compute_output_shape(shape)


def _is_plain(layer: keras.Layer) -> bool:
    """Whether it is a convolution and nothing else."""
    return (
        isinstance(layer, _CONVOLUTIONS)
        and not layer.use_bias
        and layer.activation is keras.activations.linear
        and getattr(layer, "depth_multiplier", 1) == 1
    )


def _is_whole(layer: keras.Layer | None) -> bool:
    """Whether it is a batch norm over channels with all of its four parts."""
    return (
        isinstance(layer, keras.layers.BatchNormalization)
        and layer.center
        and layer.scale
        and layer.axis == -1
    )


def _readers(network: keras.Model) -> dict[keras.Layer, list[keras.Layer | None]]:
    """Who takes each layer's output within this network; layers may be part of others too.

    Whoever reads the network's own outputs stands there as None.
    """
    readers: dict = defaultdict(list)
    for output in network.outputs:
        readers[output._keras_history.operation].append(None)
    for nodes in network._nodes_by_depth.values():
        for node in nodes:
            for parent in node.parent_nodes:
                readers[parent.operation].append(node.operation)
    return readers


def _only(layers: list[keras.Layer | None]) -> keras.Layer | None:
    return layers[0] if len(layers) == 1 else None
