"""keras.applications as the truth that our backbones are compared with.

The reference is built as a user builds it, with weights "imagenet", because only then does
keras.applications divide EfficientNet's input as the published weights need it; the download is
replaced by a local file of random weights in the published format.
"""

from pathlib import Path
from unittest import mock

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

from nets.backbones import build_backbone, build_classifier
from nets.backbones.tables import DEVIATION, MEAN

CONSTRUCTORS = {
    **{f"efficientnet_b{i}": f"EfficientNetB{i}" for i in range(8)},
    **{f"efficientnetv2_b{i}": f"EfficientNetV2B{i}" for i in range(4)},
    **{f"efficientnetv2_{size}": f"EfficientNetV2{size.upper()}" for size in "sml"},
    "mobilenet_v3_large": "MobileNetV3Large",
    "mobilenet_v3_small": "MobileNetV3Small",
}


def reference(name: str, path: Path, *, top: bool = True, seed: int = 0) -> keras.Model:
    """keras.applications' network with random weights and statistics: image -> [C3, C4, C5, last].

    The last output is the logits, without ``top`` the last convolution's. The same weights are
    written to ``path`` as keras.applications publishes them.
    """
    with (
        mock.patch("keras.src.utils.file_utils.get_file", return_value=str(path)),
        mock.patch.object(keras.Model, "load_weights"),
    ):
        model = _construct(name, "imagenet", top=top)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            if layer.weights:  # EfficientNet's file; it holds the deviation as the variance
                layer.set_weights([np.float32(MEAN), np.float32(DEVIATION), np.int64(0)])
                layer.finalize_state()
            continue
        for weight in layer.weights:
            weight.assign(_random(weight.name, weight.shape, rng))
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return keras.Model(model.inputs[0], [*_levels(model), model.outputs[0]])


def ours(name: str, path: Path) -> list[keras.Model]:
    """Our feature extractor and our classifier with the same file's weights."""
    return [build_backbone(name, weights=path), build_classifier(name, weights=path)]


def disagreement(models: list[keras.Model], truth: keras.Model, size: tuple[int, int]) -> float:
    """The largest difference of any output, in units of that output's largest value."""
    image = np.random.default_rng(sum(size)).uniform(0, 255, (1, *size, 3)).astype(np.float32)
    levels, logits = (model(image, training=False) for model in models)
    worst = 0.0
    for mine, true in zip([*levels, logits], truth(image, training=False), strict=True):
        mine, true = np.asarray(mine), np.asarray(true)
        assert mine.shape == true.shape
        worst = max(worst, float(np.abs(mine - true).max() / np.abs(true).max()))
    return worst


def parameters(model: keras.Model) -> int:
    """As Keras counts them, its own normalisation layer left out."""
    skipped = [layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)]
    return model.count_params() - sum(layer.count_params() for layer in skipped)


def _construct(name: str, weights: str | None, *, top: bool) -> keras.Model:
    constructor = getattr(keras.applications, CONSTRUCTORS[name])
    # a tensor of open size: with a shape, "imagenet" would accept the paper's resolution only
    image = keras.Input((None, None, 3))
    arguments = {"classifier_activation": None} if top else {}
    return constructor(weights=weights, input_tensor=image, include_top=top, **arguments)


def _levels(model: keras.Model) -> list:
    """The outputs of the last blocks of strides 8, 16 and 32."""
    stride, last = 1, {}
    for layer in model.layers:  # those with strides lie on one chain
        stride *= getattr(layer, "strides", (1,))[0]
        if layer.name.endswith(("project_bn", "_add")):
            last[stride] = layer.output
    return [last[stride] for stride in (8, 16, 32)]


def _random(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if kind == "kernel":  # keeps the signal's variance, whatever the layer
        fan_in = np.prod(shape[:-1]) if shape[-1] != 1 else np.prod(shape[:2])
        return rng.normal(0, np.sqrt(1 / fan_in), shape)
    if kind in ("gamma", "moving_variance"):
        return rng.uniform(0.5, 1.5, shape)
    return rng.normal(0, 0.2, shape)  # beta, moving_mean, bias
