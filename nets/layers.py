"""The operations that backbones and heads are made of, one line of the paper's figure each.

Every function takes a Keras tensor (B, H, W, C) and returns one; the layers it adds are plain
Keras layers (but for stochastic depth) whose names begin with ``name``, so that stages can be
frozen by prefix. ``mbconv`` and ``fused_mbconv`` read a ``Block``, one row of an
expanded architecture table.
"""

from dataclasses import dataclass

import keras

from nets.randomness import StochasticDepth

EPSILON = 1e-3  # of every batch norm: the published weights were trained with it


@dataclass(frozen=True)
class Block:
    """One MBConv or Fused-MBConv with its final widths.

    ``expanded`` equal to ``inputs`` means no expansion convolution; ``squeezed`` is the hidden
    width of squeeze-excite, 0 for none; ``drop_rate`` is the chance that a sample's branch is
    dropped in training.
    """

    name: str
    kind: str  # "mbconv" or "fused"
    inputs: int
    expanded: int
    filters: int
    kernel: int
    stride: int
    squeezed: int
    drop_rate: float
    activation: str
    se_activation: str
    se_gate: str
    momentum: float

    @property
    def has_skip(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.stride == 1 and self.inputs == self.filters


def conv_initializer() -> keras.initializers.Initializer:
    """He's normal initialiser by fan-out (arXiv 1502.01852), as EfficientNet uses it."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def activate(x, activation: str | None, name: str):
    """A named activation layer; ``leaky_relu`` has YOLOv3's slope of 0.1; None is linear."""
    if activation is None:
        return x
    if activation == "leaky_relu":
        return keras.layers.LeakyReLU(negative_slope=0.1, name=name)(x)
    return keras.layers.Activation(activation, name=name)(x)


def batch_norm(x, *, momentum: float, name: str):
    """Batch normalisation (arXiv 1502.03167); frozen layers (trainable False) only infer."""
    return keras.layers.BatchNormalization(momentum=momentum, epsilon=EPSILON, name=name)(x)


def conv_norm_act(
    x,
    filters: int,
    kernel: int,
    *,
    name: str,
    stride: int = 1,
    activation: str | None = None,
    momentum: float = 0.99,
):
    """Convolution without bias, batch norm, activation: ``name`` + ``_conv``, ``_bn``, ``_act``.

    ``padding="same"`` with stride 2 pads as TensorFlow's reference does: on an even side only
    after the last pixel.
    """
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=conv_initializer(),
        name=f"{name}_conv",
    )(x)
    x = batch_norm(x, momentum=momentum, name=f"{name}_bn")
    return activate(x, activation, f"{name}_act")


def depthwise_norm_act(x, kernel: int, *, name: str, stride: int, activation: str, momentum: float):
    """As ``conv_norm_act``, each channel convolved alone."""
    x = keras.layers.DepthwiseConv2D(
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=conv_initializer(),
        name=f"{name}_conv",
    )(x)
    x = batch_norm(x, momentum=momentum, name=f"{name}_bn")
    return activate(x, activation, f"{name}_act")


def squeeze_excite(x, squeezed: int, *, activation: str, gate: str, name: str):
    """Channels weighted by a gate computed from their means (arXiv 1709.01507)."""
    filters = x.shape[-1]
    # in float32: float16 sums of a large map overflow
    pool = keras.layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name=f"{name}_pool")
    hidden = keras.layers.Conv2D(
        squeezed,
        1,
        activation=activation,
        kernel_initializer=conv_initializer(),
        name=f"{name}_reduce",
    )(pool(x))
    weight = keras.layers.Conv2D(
        filters,
        1,
        activation=gate,
        kernel_initializer=conv_initializer(),
        name=f"{name}_expand",
    )(hidden)
    return keras.layers.Multiply(name=f"{name}_scale")([x, weight])


def stochastic_depth(x, rate: float, *, name: str):
    """Drops a sample's whole branch with probability ``rate`` in training (arXiv 1603.09382).

    Branches that stay are divided by 1 - rate, so that inference needs no change.
    """
    return StochasticDepth(rate, noise_shape=(None, 1, 1, 1), name=name)(x)


def mbconv(x, block: Block):
    """Inverted residual: expand, depthwise, squeeze-excite, project (arXiv 1801.04381, 1905.11946).

    (B, H, W, inputs) -> (B, ceil(H / stride), ceil(W / stride), filters)
    """
    name, style = block.name, {"activation": block.activation, "momentum": block.momentum}
    skip = x
    if block.expanded != block.inputs:
        x = conv_norm_act(x, block.expanded, 1, name=f"{name}_expand", **style)
    x = depthwise_norm_act(x, block.kernel, stride=block.stride, name=f"{name}_depthwise", **style)
    x = _excite(x, block)
    x = conv_norm_act(x, block.filters, 1, name=f"{name}_project", momentum=block.momentum)
    return _add_skip(x, skip, block)


def fused_mbconv(x, block: Block):
    """MBConv whose expansion and depthwise are one k x k convolution (arXiv 2104.00298).

    Without expansion the k x k convolution is the projection itself, and is then activated.
    """
    name, style = block.name, {"activation": block.activation, "momentum": block.momentum}
    skip = x
    if block.expanded != block.inputs:
        x = conv_norm_act(
            x, block.expanded, block.kernel, stride=block.stride, name=f"{name}_expand", **style
        )
        x = _excite(x, block)
        x = conv_norm_act(x, block.filters, 1, name=f"{name}_project", momentum=block.momentum)
    else:
        x = _excite(x, block)
        x = conv_norm_act(
            x, block.filters, block.kernel, stride=block.stride, name=f"{name}_project", **style
        )
    return _add_skip(x, skip, block)


def _excite(x, block: Block):
    if not block.squeezed:
        return x
    return squeeze_excite(
        x,
        block.squeezed,
        activation=block.se_activation,
        gate=block.se_gate,
        name=f"{block.name}_se",
    )


def _add_skip(x, skip, block: Block):
    if not block.has_skip:
        return x
    if block.drop_rate > 0:
        x = stochastic_depth(x, block.drop_rate, name=f"{block.name}_drop")
    return keras.layers.Add(name=f"{block.name}_add")([skip, x])
