"""Named recipes: what belongs together in a way of training, beside what the options say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nets.loss import LossConfig
from utils.data.augment import AUGMENTATIONS, AugmentConfig


class Rates(NamedTuple):
    """Highest learning rates for batches of 8.

    Attributes:
        few, many: of pyramid and heads, where there are fewer photos than
            ``automatic.FEW_PHOTOS``, which are seen often and soon known by heart, or more.
        backbone: of a pretrained one.
    """

    few: float
    many: float
    backbone: float


@dataclass(frozen=True)
class Recipe:
    """A way of training a pretrained network.

    Attributes:
        pretrained_heads: whether feature pyramid and heads start from weights too, where there are
            some for the backbone.
        frozen_share: of the run, in which the backbone does not learn.
        frozen_stages: stages of the backbone that never learn, counted from the pixels.
        frozen_depthwise: whether the backbone's depthwise kernels stay as they are; their gradient
            costs a fifth of a step, and they look at shapes that all pictures have.
        frozen_norms: whether the backbone's batch norms keep the statistics they came with.
        rates: highest learning rates for batches of 8, by optimiser.
        average: whether a moving average of the weights is what is scored and saved.
        settled_epochs, settled_share: epochs and share of the run after which that average takes
            all steps alike. Before, what was learnt is rough; and a set that is seen less often
            has no steps to spare.
        fitted_canvas: whether the network input is cut to the shape of the photos in training.
        sightings: of each photo, after which a run ends by itself if heads and backbone are
            pretrained: it would go on to learn its photos by heart.
        augment: how strongly photos are changed.
        familiar: the sighting from which on a photo is changed so strongly; before, in proportion
            to how often it has been seen. A photo that is new needs no changes to be so.
        closing_strength: factor on how strongly photos are changed in the last part of a run; see
            ``utils.training.phases``.
        simota: whether labels are assigned by SimOTA, instead of by the shapes of anchors.
        loss: its weights and thresholds.
    """

    pretrained_heads: bool = True
    frozen_share: float = 0.1
    frozen_stages: int = 2
    frozen_depthwise: bool = True
    frozen_norms: bool = True
    rates: Mapping[str, Rates] = field(
        default_factory=lambda: {
            "adamw": Rates(few=2e-3, many=4e-3, backbone=1e-3),
            "sgd": Rates(few=1e-2, many=1e-2, backbone=5e-3),
        }
    )
    average: bool = True
    settled_epochs: int = 10
    settled_share: float = 1 / 3
    fitted_canvas: bool = True
    sightings: int = 20
    augment: AugmentConfig = AUGMENTATIONS["full"]
    familiar: int = 8
    closing_strength: float = 0.3
    simota: bool = True
    loss: LossConfig = field(default_factory=LossConfig)


# YOLOv3 as tutorials train it: one anchor for each object and 1 as the target of its objectness
# (Redmon & Farhadi, 2018, section 2.1), ordinary cross-entropy, the backbone frozen for the first
# half and then learning as a whole, batch norms included; photos at a quarter to twice their size.
# What decodes the boxes, the box loss (CIoU) and the weights of the loss are those of the default.
PLAIN = Recipe(
    pretrained_heads=False,
    frozen_share=0.5,
    frozen_stages=0,
    frozen_depthwise=False,
    frozen_norms=False,
    rates={"adamw": Rates(1e-3, 1e-3, 1e-3), "sgd": Rates(1e-2, 1e-2, 1e-2)},
    average=False,
    fitted_canvas=False,
    sightings=50,
    augment=AugmentConfig(
        scale=(0.25, 2.0), aspect=0.3, brightness=0.4, contrast=0, saturation=0.7, hue=18
    ),
    familiar=1,
    closing_strength=1.0,
    simota=False,
    loss=LossConfig(objectness_from_iou=0.0, gce_q=0.0),
)
RECIPES = {"default": Recipe(), "plain": PLAIN}
