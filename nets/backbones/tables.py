"""Every backbone there is: a table of stages a family, a row a member.

To add one, add a row to ``BACKBONES``, and a table where its family is new. ``official`` lists
where published weights are. ``python -m bench.backbone_costs`` measures the new backbone.

Architectures, scaling and input normalisation are those of the papers and of the published
weights:

- EfficientNet: arXiv 1905.11946, table 1; accuracy: keras.io/api/applications.
- EfficientNet-Lite: the ``efficientnet/lite`` folder of github.com/tensorflow/tpu, accuracy too.
- EfficientNetV2: arXiv 2104.00298, table 4; accuracy: keras.io/api/applications.
- MobileNetV3: arXiv 1905.02244, tables 1 and 2; accuracy: keras.io/api/applications/mobilenet.
"""

from dataclasses import replace

from nets.backbones.spec import BackboneSpec, Family, Stage

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB, for pixels in 0-1
DEVIATION = (0.229, 0.224, 0.225)
_BY_IMAGENET = {  # (pixel / 255 - mean) / deviation
    "scale": tuple(1 / (255 * deviation) for deviation in DEVIATION),
    "offset": tuple(-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)),
}

EFFICIENTNET = Family(
    stages=(
        # kind, expansion, filters, repeats, stride, kernel, squeeze-excite
        Stage("mbconv", 1, 16, 1, 1, 3, 0.25),
        Stage("mbconv", 6, 24, 2, 2, 3, 0.25),
        Stage("mbconv", 6, 40, 2, 2, 5, 0.25),
        Stage("mbconv", 6, 80, 3, 2, 3, 0.25),
        Stage("mbconv", 6, 112, 3, 1, 5, 0.25),
        Stage("mbconv", 6, 192, 4, 2, 5, 0.25),
        Stage("mbconv", 6, 320, 1, 1, 3, 0.25),
    ),
    **_BY_IMAGENET,
)

EFFICIENTNET_LITE = Family(
    stages=tuple(replace(stage, se_ratio=0.0) for stage in EFFICIENTNET.stages),
    scale=1 / 128,  # (pixel - 127) / 128
    offset=-127 / 128,
    activation="relu6",
    scale_ends=False,
)

EFFICIENTNETV2_B = Family(
    stages=(
        Stage("fused", 1, 16, 1, 1, 3),
        Stage("fused", 4, 32, 2, 2, 3),
        Stage("fused", 4, 48, 2, 2, 3),
        Stage("mbconv", 4, 96, 3, 2, 3, 0.25),
        Stage("mbconv", 6, 112, 5, 1, 3, 0.25),
        Stage("mbconv", 6, 192, 8, 2, 3, 0.25),
    ),
    momentum=0.9,
    limit_rounding_down=False,
    **_BY_IMAGENET,
)

EFFICIENTNETV2_S = replace(
    EFFICIENTNETV2_B,
    stages=(
        Stage("fused", 1, 24, 2, 1, 3),
        Stage("fused", 4, 48, 4, 2, 3),
        Stage("fused", 4, 64, 4, 2, 3),
        Stage("mbconv", 4, 128, 6, 2, 3, 0.25),
        Stage("mbconv", 6, 160, 9, 1, 3, 0.25),
        Stage("mbconv", 6, 256, 15, 2, 3, 0.25),
    ),
    stem=24,
    scale=1 / 128,  # pixel / 128 - 1
    offset=-1.0,
)

EFFICIENTNETV2_M = replace(
    EFFICIENTNETV2_S,
    stages=(
        Stage("fused", 1, 24, 3, 1, 3),
        Stage("fused", 4, 48, 5, 2, 3),
        Stage("fused", 4, 80, 5, 2, 3),
        Stage("mbconv", 4, 160, 7, 2, 3, 0.25),
        Stage("mbconv", 6, 176, 14, 1, 3, 0.25),
        Stage("mbconv", 6, 304, 18, 2, 3, 0.25),
        Stage("mbconv", 6, 512, 5, 1, 3, 0.25),
    ),
)

EFFICIENTNETV2_L = replace(
    EFFICIENTNETV2_S,
    stages=(
        Stage("fused", 1, 32, 4, 1, 3),
        Stage("fused", 4, 64, 7, 2, 3),
        Stage("fused", 4, 96, 7, 2, 3),
        Stage("mbconv", 4, 192, 10, 2, 3, 0.25),
        Stage("mbconv", 6, 224, 19, 1, 3, 0.25),
        Stage("mbconv", 6, 384, 25, 2, 3, 0.25),
        Stage("mbconv", 6, 640, 7, 1, 3, 0.25),
    ),
    stem=32,
)

MOBILENET_V3_LARGE = Family(
    stages=(
        # kind, expansion, filters, repeats, stride, kernel, squeeze-excite, activation
        Stage("mbconv", 1, 16, 1, 1, 3, 0.0, "relu"),
        Stage("mbconv", 4, 24, 1, 2, 3, 0.0, "relu"),
        Stage("mbconv", 3, 24, 1, 1, 3, 0.0, "relu"),
        Stage("mbconv", 3, 40, 3, 2, 5, 0.25, "relu"),
        Stage("mbconv", 6, 80, 1, 2, 3),
        Stage("mbconv", 2.5, 80, 1, 1, 3),
        Stage("mbconv", 2.3, 80, 2, 1, 3),
        Stage("mbconv", 6, 112, 2, 1, 3, 0.25),
        Stage("mbconv", 6, 160, 3, 2, 5, 0.25),
    ),
    scale=1 / 127.5,  # pixel / 127.5 - 1
    offset=-1.0,
    stem=16,
    top=960,
    hidden=1280,
    activation="hard_swish",
    se_activation="relu",
    se_gate="hard_sigmoid",
    se_of_expanded=True,
    momentum=0.999,
    stochastic_depth=0.0,
    scale_ends=False,
)

MOBILENET_V3_SMALL = replace(
    MOBILENET_V3_LARGE,
    stages=(
        Stage("mbconv", 1, 16, 1, 2, 3, 0.25, "relu"),
        Stage("mbconv", 72 / 16, 24, 1, 2, 3, 0.0, "relu"),
        Stage("mbconv", 88 / 24, 24, 1, 1, 3, 0.0, "relu"),
        Stage("mbconv", 4, 40, 1, 2, 5, 0.25),
        Stage("mbconv", 6, 40, 2, 1, 5, 0.25),
        Stage("mbconv", 3, 48, 2, 1, 5, 0.25),
        Stage("mbconv", 6, 96, 3, 2, 5, 0.25),
    ),
    top=576,
    hidden=1024,
)

BACKBONES: dict[str, BackboneSpec] = {
    # name: family, width, depth, resolution, dropout, published top-1
    "efficientnet_b0": BackboneSpec(EFFICIENTNET, 1.0, 1.0, 224, 0.2, 77.1),
    "efficientnet_b1": BackboneSpec(EFFICIENTNET, 1.0, 1.1, 240, 0.2, 79.1),
    "efficientnet_b2": BackboneSpec(EFFICIENTNET, 1.1, 1.2, 260, 0.3, 80.1),
    "efficientnet_b3": BackboneSpec(EFFICIENTNET, 1.2, 1.4, 300, 0.3, 81.6),
    "efficientnet_b4": BackboneSpec(EFFICIENTNET, 1.4, 1.8, 380, 0.4, 82.9),
    "efficientnet_b5": BackboneSpec(EFFICIENTNET, 1.6, 2.2, 456, 0.4, 83.6),
    "efficientnet_b6": BackboneSpec(EFFICIENTNET, 1.8, 2.6, 528, 0.5, 84.0),
    "efficientnet_b7": BackboneSpec(EFFICIENTNET, 2.0, 3.1, 600, 0.5, 84.3),
    "efficientnet_lite0": BackboneSpec(EFFICIENTNET_LITE, 1.0, 1.0, 224, 0.2, 75.1),
    "efficientnet_lite1": BackboneSpec(EFFICIENTNET_LITE, 1.0, 1.1, 240, 0.2, 76.7),
    "efficientnet_lite2": BackboneSpec(EFFICIENTNET_LITE, 1.1, 1.2, 260, 0.3, 77.6),
    "efficientnet_lite3": BackboneSpec(EFFICIENTNET_LITE, 1.2, 1.4, 280, 0.3, 79.8),
    "efficientnet_lite4": BackboneSpec(EFFICIENTNET_LITE, 1.4, 1.8, 300, 0.3, 81.5),
    "efficientnetv2_b0": BackboneSpec(EFFICIENTNETV2_B, 1.0, 1.0, 224, 0.2, 78.7),
    "efficientnetv2_b1": BackboneSpec(EFFICIENTNETV2_B, 1.0, 1.1, 240, 0.2, 79.8),
    "efficientnetv2_b2": BackboneSpec(EFFICIENTNETV2_B, 1.1, 1.2, 260, 0.2, 80.5),
    "efficientnetv2_b3": BackboneSpec(EFFICIENTNETV2_B, 1.2, 1.4, 300, 0.2, 82.0),
    "efficientnetv2_s": BackboneSpec(EFFICIENTNETV2_S, 1.0, 1.0, 384, 0.2, 83.9),
    "efficientnetv2_m": BackboneSpec(EFFICIENTNETV2_M, 1.0, 1.0, 480, 0.2, 85.3),
    "efficientnetv2_l": BackboneSpec(EFFICIENTNETV2_L, 1.0, 1.0, 480, 0.2, 85.7),
    "mobilenet_v3_large": BackboneSpec(MOBILENET_V3_LARGE, 1.0, 1.0, 224, 0.2, 75.6),
    "mobilenet_v3_small": BackboneSpec(MOBILENET_V3_SMALL, 1.0, 1.0, 224, 0.2, 68.1),
}

# The unscaled member that a family's name stands for, when width and depth are given freely.
BASES = {
    "efficientnet": "efficientnet_b0",
    "efficientnet_lite": "efficientnet_lite0",
    "efficientnetv2": "efficientnetv2_b0",
}
