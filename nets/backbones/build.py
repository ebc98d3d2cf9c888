"""One builder for every family: a table in, a Keras model out."""

import os

import keras

from nets.backbones.scaling import resolve
from nets.backbones.spec import BackboneSpec
from nets.backbones.weights import find_weights, load_weights
from nets.layers import activate, conv_norm_act, fused_mbconv, mbconv

_BLOCKS = {"mbconv": mbconv, "fused": fused_mbconv}


def build_backbone(
    name: str,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    weights: str | os.PathLike | None = None,
    **scaling: float | None,
) -> keras.Model:
    """A feature extractor: RGB pixels in 0-255 in, three feature levels out.

    Args:
        name: a key of ``BACKBONES``, or a family's name with ``width`` and ``depth``.
        input_shape: (height, width, 3), sides multiples of 32, or None for any such side.
        weights: None for random ones, "imagenet" for the published ones, or the path of a file.
        scaling: ``width``, ``depth``, ``stochastic_depth``, ``se_ratio`` as ``resolve`` takes them.

    Returns:
        keras.Model (B, H, W, 3) -> [C3, C4, C5], shapes (B, H / 8, W / 8, c3),
        (B, H / 16, W / 16, c4), (B, H / 32, W / 32, c5): the last block of each stride. Layers
        are named ``stem_...`` and ``stage{i}_block{j}_...``.
    """
    if len(input_shape) != 3 or input_shape[-1] != 3 or any(n and n % 32 for n in input_shape[:2]):
        raise ValueError(
            "input_shape must be (height, width, 3) with sides that are multiples of 32 or None, "
            f"not {tuple(input_shape)}."
        )
    spec = resolve(name, **scaling)
    path = weights if weights is None else find_weights(name, spec, weights, classifier=False)
    image = keras.Input(input_shape, name="image")
    features = _features(image, spec)
    if path is not None:
        *_, last = features.values()
        whole = keras.Model(image, _top(last, spec, classes=1000))  # files hold whole classifiers
        load_weights(whole, name, spec, path, classifier=False)
    return keras.Model(image, [features[block.name] for block in spec.levels()], name=name)


def build_classifier(
    name: str,
    classes: int = 1000,
    weights: str | os.PathLike | None = None,
    **scaling: float | None,
) -> keras.Model:
    """The whole classifier of the paper: RGB pixels in 0-255 in, logits (B, classes) out.

    Any input size works; ``BACKBONES[name].resolution`` is the one the weights were trained for.
    ``weights`` and ``scaling`` are as in ``build_backbone``, with ``dropout`` besides. Layers
    behind the last block are named ``top_...``.
    """
    spec = resolve(name, **scaling)
    path = weights if weights is None else find_weights(name, spec, weights, classifier=True)
    image = keras.Input((None, None, 3), name="image")
    *_, last = _features(image, spec).values()
    model = keras.Model(image, _top(last, spec, classes), name=name)
    if path is not None:
        load_weights(model, name, spec, path, classifier=True)
    return model


def _features(image, spec: BackboneSpec) -> dict:
    """The output of every block by its name, in order."""
    family = spec.family
    # float32 under every dtype policy: in 16 bits the offset would swallow the pixels' last digit
    x = keras.layers.Rescaling(family.scale, family.offset, dtype="float32", name="stem_rescale")(
        image
    )
    x = conv_norm_act(
        x,
        spec.stem_filters,
        3,
        stride=2,
        activation=family.activation,
        momentum=family.momentum,
        name="stem",
    )
    features = {}
    for block in spec.blocks():
        x = features[block.name] = _BLOCKS[block.kind](x, block)
    return features


def _top(x, spec: BackboneSpec, classes: int):
    """The last convolution, pooling and the classes' logits, in float32 under every policy."""
    family = spec.family
    x = conv_norm_act(
        x,
        spec.top_filters,
        1,
        activation=family.activation,
        momentum=family.momentum,
        name="top",
    )
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="top_pool")(x)
    if spec.hidden_filters:
        x = keras.layers.Dense(spec.hidden_filters, name="top_hidden")(x)
        x = activate(x, family.activation, "top_hidden_act")
    x = keras.layers.Dropout(spec.dropout, name="top_dropout")(x)
    initializer = keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform")
    return keras.layers.Dense(
        classes, kernel_initializer=initializer, dtype="float32", name="top_logits"
    )(x)
