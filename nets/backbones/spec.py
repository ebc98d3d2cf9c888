"""What a backbone is: a family's table of stages, a member's scaling, and the blocks they give.

``Family`` holds what all members share, ``BackboneSpec`` one member. ``BackboneSpec.blocks()``
expands the table into the blocks that the builder makes and the cost estimate counts.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from nets.layers import Block

STRIDES = (8, 16, 32)  # of the three feature levels


@dataclass(frozen=True)
class Stage:
    """One row of a paper's architecture table; only the first repeat has the stride."""

    kind: str  # "mbconv" or "fused"
    expansion: float
    filters: int
    repeats: int
    stride: int
    kernel: int
    se_ratio: float = 0.0  # 0: no squeeze-excite
    activation: str | None = None  # None: the family's


@dataclass(frozen=True)
class Family:
    """What the members of a family share.

    ``scale`` and ``offset`` turn pixels (0-255, RGB) into what the published weights expect:
    pixel * scale + offset, a number or one for each channel.
    """

    stages: tuple[Stage, ...]
    scale: tuple[float, float, float] | float
    offset: tuple[float, float, float] | float
    stem: int = 32
    top: int = 1280
    hidden: int = 0  # MobileNetV3's fully connected layer between pooling and classes
    activation: str = "swish"
    se_activation: str = "swish"
    se_gate: str = "sigmoid"
    se_of_expanded: bool = False  # squeeze-excite is a ratio of the expanded width, not the input's
    momentum: float = 0.99
    stochastic_depth: float = 0.2
    scale_ends: bool = True  # False: width spares stem and top, depth the first and last stage
    limit_rounding_down: bool = True  # to at least 90 % of the filters, see ``round_filters``


@dataclass(frozen=True)
class BackboneSpec:
    """One member: a family scaled in width and depth, with its paper's resolution and dropout.

    ``top1`` is the published ImageNet accuracy in percent. ``stochastic_depth`` and ``se_ratio``
    override the family's where they are not None.
    """

    family: Family
    width: float = 1.0
    depth: float = 1.0
    resolution: int = 224
    dropout: float = 0.2
    top1: float | None = None
    stochastic_depth: float | None = None
    se_ratio: float | None = None

    @property
    def stem_filters(self) -> int:
        return self._stem_or_top(self.family.stem)

    @property
    def top_filters(self) -> int:
        return self._stem_or_top(self.family.top)

    @property
    def hidden_filters(self) -> int:
        return self._stem_or_top(self.family.hidden) if self.family.hidden else 0

    def blocks(self) -> list[Block]:
        """All blocks from stem to top, with their final widths.

        Drop rates rise linearly over the blocks, from 0 towards the family's rate.
        """
        rows = list(self._rows())
        rate = self.stochastic_depth
        rate = self.family.stochastic_depth if rate is None else rate
        inputs, blocks = self.stem_filters, []
        for position, (name, stage, stride) in enumerate(rows):
            block = self._block(name, stage, stride, inputs, rate * position / len(rows))
            blocks.append(block)
            inputs = block.filters
        return blocks

    def levels(self) -> list[Block]:
        """The blocks whose outputs are the feature levels: the last of strides 8, 16 and 32."""
        stride, last = 2, {}
        for block in self.blocks():
            stride *= block.stride
            last[stride] = block
        return [last[stride] for stride in STRIDES]

    def _rows(self) -> Iterator[tuple[str, Stage, int]]:
        stages = self.family.stages
        for i, stage in enumerate(stages):
            fixed = i in (0, len(stages) - 1) and not self.family.scale_ends
            repeats = stage.repeats if fixed else math.ceil(self.depth * stage.repeats)
            for j in range(repeats):
                yield f"stage{i + 1}_block{j + 1}", stage, stage.stride if j == 0 else 1

    def _block(self, name: str, stage: Stage, stride: int, inputs: int, rate: float) -> Block:
        family = self.family
        expanded = round_filters(inputs * stage.expansion)
        ratio = stage.se_ratio
        if ratio and self.se_ratio is not None:
            ratio = self.se_ratio
        if family.se_of_expanded:
            squeezed = round_filters(expanded * ratio)
        else:
            squeezed = max(1, int(inputs * ratio))
        return Block(
            name=name,
            kind=stage.kind,
            inputs=inputs,
            expanded=expanded,
            filters=self._round(stage.filters),
            kernel=stage.kernel,
            stride=stride,
            squeezed=squeezed if ratio else 0,
            drop_rate=rate,
            activation=stage.activation or family.activation,
            se_activation=family.se_activation,
            se_gate=family.se_gate,
            momentum=family.momentum,
        )

    def _round(self, filters: int) -> int:
        return round_filters(
            filters * self.width, limit_rounding_down=self.family.limit_rounding_down
        )

    def _stem_or_top(self, filters: int) -> int:
        return self._round(filters) if self.family.scale_ends else filters


def round_filters(filters: float, *, limit_rounding_down: bool = True) -> int:
    """The nearest multiple of 8, at least 8.

    With ``limit_rounding_down``, rounding removes at most 10 % of the filters, as ``round_filters``
    of EfficientNet's published code.
    """
    rounded = max(8, int(filters + 4) // 8 * 8)
    if limit_rounding_down and rounded < 0.9 * filters:
        rounded += 8
    return rounded
