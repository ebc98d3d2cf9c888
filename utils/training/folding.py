"""A backbone with its frozen batch norms folded into the convolutions before them.

A batch norm that does not learn multiplies each channel by a constant and adds another. Done to the
kernel instead of the map, the same comes out, and the passes over memory that cost more time than
their arithmetic are gone: forward, and backward too.
"""

from __future__ import annotations

import keras
from keras import ops

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def folded(backbone: keras.Model) -> keras.Model:
    """The same network over the same variables; for the batch norms that are frozen now.

    Gradients reach the kernels as before. A batch norm that learns, or that does not follow a
    convolution of its own, stays as it is.
    """
    norms = {}
    for layer in backbone.layers:
        norm = _only_reader(layer)
        if isinstance(layer, _CONVOLUTIONS) and _is_frozen_norm(norm) and not layer.use_bias:
            norms[layer] = norm
    gone = set(norms.values())

    def call(layer: keras.Layer, *args, **kwargs):
        if layer in norms:
            return FoldedConvolution(layer, norms[layer])(*args)
        return args[0] if layer in gone else layer(*args, **kwargs)

    if not norms:
        return backbone
    return keras.models.clone_model(
        backbone, clone_function=lambda layer: layer, call_function=call
    )


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


def _only_reader(layer: keras.Layer) -> keras.Layer | None:
    """The layer that takes this one's output, where it is the only one."""
    if len(layer._inbound_nodes) != 1 or len(layer._outbound_nodes) != 1:
        return None
    return layer._outbound_nodes[0].operation


def _is_frozen_norm(layer: keras.Layer | None) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization) and not layer.trainable
