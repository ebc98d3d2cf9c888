"""Parameters and multiply-adds of a backbone, counted from its table without building it.

Parameters are all that a file stores, the batch norms' moving statistics included (4 a channel).
Multiply-adds are those of convolutions and dense layers; one multiply-add is two FLOPs.
"""

from dataclasses import dataclass

from nets.backbones.spec import BackboneSpec
from nets.layers import Block


@dataclass(frozen=True)
class Cost:
    """Of one image; costs of parts in a row add up."""

    parameters: int = 0
    multiply_adds: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


def backbone_cost(spec: BackboneSpec, height: int, width: int | None = None) -> Cost:
    """Of ``build_backbone``'s model, stem to deepest level, at (height, width or height) pixels."""
    return _features(spec, (height, width or height))[0]


def classifier_cost(spec: BackboneSpec, resolution: int | None = None, classes: int = 1000) -> Cost:
    """Of ``build_classifier``'s model, at the member's own resolution unless told otherwise."""
    side = resolution or spec.resolution
    cost, filters, size = _features(spec, (side, side))
    cost += _conv(filters, spec.top_filters, 1, size)
    filters = spec.top_filters
    if spec.hidden_filters:
        cost += _dense(filters, spec.hidden_filters)
        filters = spec.hidden_filters
    return cost + _dense(filters, classes)


def _features(spec: BackboneSpec, size: tuple[int, int]) -> tuple[Cost, int, tuple[int, int]]:
    size = _strided(size, 2)
    cost = _conv(3, spec.stem_filters, 3, size)
    for block in spec.blocks():
        cost += _block(block, size)
        size = _strided(size, block.stride)
    return cost, block.filters, size


def _block(block: Block, size: tuple[int, int]) -> Cost:
    after, cost = _strided(size, block.stride), Cost()
    expands = block.expanded != block.inputs
    if block.kind == "mbconv":
        if expands:
            cost += _conv(block.inputs, block.expanded, 1, size)
        cost += _conv(1, block.expanded, block.kernel, after)  # depthwise: one input channel each
        project = 1
    else:
        if expands:
            cost += _conv(block.inputs, block.expanded, block.kernel, after)
        project = 1 if expands else block.kernel
    if block.squeezed:
        cost += _dense(block.expanded, block.squeezed) + _dense(block.squeezed, block.expanded)
    return cost + _conv(block.expanded, block.filters, project, after)


def _conv(inputs: int, filters: int, kernel: int, size: tuple[int, int]) -> Cost:
    """With batch norm; ``size`` is that of the output."""
    weights = inputs * filters * kernel * kernel
    return Cost(weights + 4 * filters, weights * size[0] * size[1])


def _dense(inputs: int, filters: int) -> Cost:
    return Cost(inputs * filters + filters, inputs * filters)


def _strided(size: tuple[int, int], stride: int) -> tuple[int, int]:
    return -(-size[0] // stride), -(-size[1] // stride)
