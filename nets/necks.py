"""The necks: feature pyramids that mix the backbone's three levels for the heads.

``yolov3`` is the published one: from coarse to fine, five convolutions a level, twice as wide as
the backbone's maps. ``pan`` is lighter: from coarse to fine and back (Liu et al., *Path Aggregation
Network*, 2018, as YOLOv4 uses it), with widths that do not depend on the backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras

from nets.layers import conv_norm_act

PAN_WIDTHS = (64, 96, 128)  # of the maps of strides 8, 16, 32


class Neck(NamedTuple):
    """A feature pyramid.

    Attributes:
        build: [C3, C4, C5] as Keras tensors → the three maps that heads look at.
        head_width: factor on a map's filters: those of the head's 3×3 convolution.
        maps: names of the layers that give the three maps.
    """

    build: Callable[[Sequence[Any]], list[Any]]
    head_width: float
    maps: tuple[str, str, str]


def conv(x: Any, filters: int, kernel: int, name: str, stride: int = 1) -> Any:
    """Convolution, batch norm, leaky ReLU: YOLOv3's building block."""
    # A momentum of 0.97 follows the statistics of a run of only a few hundred steps.
    return conv_norm_act(
        x, filters, kernel, name=name, stride=stride, activation="leaky_relu", momentum=0.97
    )


def _yolov3(features: Sequence[Any]) -> list[Any]:
    c3, c4, c5 = features
    widths = [feature.shape[-1] for feature in features]
    p5 = _five_convolutions(c5, widths[2], "p5")
    up = _upsample(p5, widths[1], "p5_to_p4")
    p4 = _five_convolutions(_joined("p4_concat", up, c4), widths[1], "p4")
    up = _upsample(p4, widths[0], "p4_to_p3")
    p3 = _five_convolutions(_joined("p3_concat", up, c3), widths[0], "p3")
    return [p3, p4, p5]


def _five_convolutions(x: Any, filters: int, name: str) -> Any:
    for i in range(5):
        wide = i % 2 == 1
        x = conv(x, 2 * filters if wide else filters, 3 if wide else 1, f"{name}_{i + 1}")
    return x


def _pan(features: Sequence[Any]) -> list[Any]:
    fine, middle, coarse = PAN_WIDTHS
    c3, c4, c5 = (
        conv(feature, width, 1, f"c{level}_lateral")
        for feature, width, level in zip(features, PAN_WIDTHS, (3, 4, 5), strict=True)
    )
    down4 = _residual(_joined("c4_concat", _upsample(c5, middle, "p5_to_p4"), c4), middle, "c4")
    p3 = _residual(_joined("p3_concat", _upsample(down4, fine, "p4_to_p3"), c3), fine, "p3")
    up4 = conv(p3, middle, 3, "p3_to_p4", stride=2)
    p4 = _residual(_joined("p4_concat", up4, down4), middle, "p4")
    up5 = conv(p4, coarse, 3, "p4_to_p5", stride=2)
    p5 = _residual(_joined("p5_concat", up5, c5), coarse, "p5")
    return [p3, p4, p5]


def _residual(x: Any, filters: int, name: str) -> Any:
    """A 1×1 convolution, and two 3×3 around which its result goes (He et al., 2016)."""
    x = conv(x, filters, 1, f"{name}_1")
    y = conv(conv(x, filters, 3, f"{name}_2"), filters, 3, f"{name}_3")
    return keras.layers.Add(name=f"{name}_add")([x, y])


def _joined(name: str, *maps: Any) -> Any:
    return keras.layers.Concatenate(name=name)(maps)


def _upsample(x: Any, filters: int, name: str) -> Any:
    return keras.layers.UpSampling2D(2, name=f"{name}_up")(conv(x, filters, 1, name))


NECKS = {
    "yolov3": Neck(_yolov3, 2.0, ("p3_5_act", "p4_5_act", "p5_5_act")),
    "pan": Neck(_pan, 1.5, ("p3_add", "p4_add", "p5_add")),
}
