"""Rows by name, rows scaled freely, and the compound rule behind the published ones."""

import difflib
from dataclasses import dataclass, replace

from nets.backbones.cost import classifier_cost
from nets.backbones.spec import BackboneSpec
from nets.backbones.tables import BACKBONES, BASES


def resolve(
    name: str,
    *,
    width: float | None = None,
    depth: float | None = None,
    stochastic_depth: float | None = None,
    se_ratio: float | None = None,
    dropout: float | None = None,
) -> BackboneSpec:
    """The row of a member or of a family's base, with what is not None put in its place.

    Args:
        name: a key of ``BACKBONES``, or "efficientnet", "efficientnet_lite", "efficientnetv2".
        width: factor on every number of filters.
        depth: factor on every number of repeats.
        stochastic_depth: rate towards which the blocks' drop rates rise, 0 to below 1.
        se_ratio: squeeze-excite's hidden width as a share, 0 to 1; 0 leaves squeeze-excite out.
        dropout: rate before the classifier's last layer, 0 to below 1.
    """
    row = BACKBONES.get(BASES.get(name, name))
    if row is None:
        near = difflib.get_close_matches(name, [*BACKBONES, *BASES], n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"There is no backbone {name!r}.{hint} There are: {', '.join(BACKBONES)}.")
    for label, value in (("width", width), ("depth", depth)):
        if value is not None and not 0 < value <= 10:
            raise ValueError(f"{label} must be above 0 and at most 10, not {value}.")
    for label, value in (("stochastic_depth", stochastic_depth), ("dropout", dropout)):
        if value is not None and not 0 <= value < 1:
            raise ValueError(f"{label} must be at least 0 and below 1, not {value}.")
    if se_ratio is not None and not 0 <= se_ratio <= 1:
        raise ValueError(f"se_ratio must lie between 0 and 1, not {se_ratio}.")
    if se_ratio and not any(stage.se_ratio for stage in row.family.stages):
        raise ValueError(f"{name} has no squeeze-excite whose ratio could be set.")
    changes = {
        "width": width,
        "depth": depth,
        "stochastic_depth": stochastic_depth,
        "se_ratio": se_ratio,
        "dropout": dropout,
    }
    return replace(row, **{key: value for key, value in changes.items() if value is not None})


@dataclass(frozen=True)
class CompoundScaling:
    """EfficientNet-B0 scaled by the compound rule.

    ``relative_cost`` is what the rule predicts, multiply-adds in units of B0's; ``parameters``
    and ``multiply_adds`` are those of the classifier that results once filters and repeats are
    rounded, at ``resolution``.
    """

    depth: float
    width: float
    resolution: int
    relative_cost: float
    parameters: int
    multiply_adds: int


def compound_scaling(
    phi: float, *, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15
) -> CompoundScaling:
    """Depth alpha^phi, width beta^phi, resolution 224 gamma^phi (arXiv 1905.11946, equation 3).

    The constants are the paper's; cost grows by (alpha beta^2 gamma^2)^phi, about 2^phi.
    """
    depth, width, resolution = alpha**phi, beta**phi, round(224 * gamma**phi)
    cost = classifier_cost(resolve("efficientnet", width=width, depth=depth), resolution)
    return CompoundScaling(
        depth=depth,
        width=width,
        resolution=resolution,
        relative_cost=(alpha * beta**2 * gamma**2) ** phi,
        parameters=cost.parameters,
        multiply_adds=cost.multiply_adds,
    )
