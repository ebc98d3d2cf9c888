"""A network whose dense convolutions multiply in bfloat16, between maps in float32.

Many CPUs multiply bfloat16 numbers twice as fast as float32. Inputs and kernel are cast before a
convolution, its result is cast back, and so are the gradients. Everything else stays in float32:
depthwise convolutions and additions wait for memory, and their bfloat16 kernels are slower.
"""

from __future__ import annotations

import keras
from keras import ops

from nets.folding import FoldedConvolution, is_plain_convolution

# Into and out of a convolution. With fewer, casts cost more than is gained, and the offset and the
# activation are no longer computed together with the convolution.
MIN_CHANNELS = 32


def with_bfloat16_convolutions(network: keras.Model) -> keras.Model:
    """The same float32 network over the same variables, its dense convolutions in bfloat16.

    Convolutions with a bias or an activation stay as they are, and so do very thin ones.

    Args:
        network: a functional model; its batch norms may be folded.
    """

    def call(layer: keras.Layer, *args, **kwargs):
        if _is_dense(layer):
            return Bfloat16Convolution(layer)(*args)
        return layer(*args, **kwargs)

    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)


class Bfloat16Convolution(keras.layers.Layer):
    """A float32 convolution in bfloat16, with the variables of ``layer``."""

    def __init__(self, layer: keras.layers.Conv2D | FoldedConvolution) -> None:
        super().__init__(name=f"{layer.name}_bfloat16", dtype="float32")
        self.layer = layer

    def call(self, x):
        conv, kernel, offset = _parts(self.layer)
        y = ops.conv(
            ops.cast(x, "bfloat16"),
            ops.cast(kernel, "bfloat16"),
            strides=conv.strides,
            padding=conv.padding,
            dilation_rate=conv.dilation_rate,
        )
        y = ops.cast(y, "float32")
        return y if offset is None else y + offset

    def compute_output_shape(self, shape):
        return self.layer.compute_output_shape(shape)


def _parts(layer: keras.layers.Conv2D | FoldedConvolution) -> tuple:
    """The convolution, its kernel, and what is added to its result: None for nothing."""
    if isinstance(layer, FoldedConvolution):
        return layer.conv, *layer.constants()
    return layer, layer.kernel, None


def _is_dense(layer: keras.Layer) -> bool:
    conv = layer.conv if isinstance(layer, FoldedConvolution) else layer
    return (
        is_plain_convolution(conv)
        and not isinstance(conv, keras.layers.DepthwiseConv2D)
        and min(conv.kernel.shape[2:]) >= MIN_CHANNELS
    )
