"""Recipes: what belongs together in a way of training, and what options change of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from nets.loss import LossConfig
from utils.data.augment import AUGMENTATIONS, AugmentConfig
from utils.training.choices.phases import PROGRESSIVE_PHASES
from utils.training.config import TrainConfig

# How long after a progressive run has reached its full input size weight averaging starts, as a
# share of the run. Nearly all of the average then comes from pictures of that size.
PROGRESSIVE_AVERAGE_DELAY = 0.15
CONTINUED = 2  # epochs and rates are divided by it where the network knows all classes already


class Rates(NamedTuple):
    """Highest learning rates for batches of 8.

    Attributes:
        heads: of pyramid and heads.
        backbone: of a pretrained one.
    """

    heads: float
    backbone: float


@dataclass(frozen=True)
class Recipe:
    """A way of training a pretrained network.

    Attributes:
        pretrained_heads: whether feature pyramid and heads start from weights too, where the
            project has some for the backbone.
        frozen_share: share of the run in which the backbone does not learn.
        frozen_stages: stages of the backbone that never learn, counted from the input.
        frozen_depthwise: whether the backbone's depthwise kernels never learn. Their gradient
            costs a fifth of a step, and they see shapes that all pictures have.
        frozen_batch_norms: whether the backbone's batch norms keep ImageNet's statistics.
        rates: highest learning rates for batches of 8, by optimizer.
        average: whether a moving average of the weights is scored and saved.
        average_start_epoch, average_start: epochs and share of the run after which that average
            weights all steps equally, as in stochastic weight averaging (SWA).
        rectangular: whether training pictures have the shape of the photos instead of a square.
        epochs: of a run whose heads and backbone are pretrained; more would overfit.
        augment: strengths of the augmentation.
        augment_warmup_epochs: epochs until augmentation has its full strength. It grows in equal
            steps: while photos are new, they need no variation.
        final_strength: factor on the augmentation in the final phase; see
            ``utils.training.choices.phases``.
        simota: whether SimOTA assigns objects to predictions; otherwise anchor shapes alone do.
        repeat_threshold: share of the photos below which a class is rare, so that its photos are
            seen more often (``utils.data.batches.repeats``).
        loss: weights and thresholds of the loss.
    """

    pretrained_heads: bool = True
    frozen_share: float = 0.1
    frozen_stages: int = 2
    frozen_depthwise: bool = True
    frozen_batch_norms: bool = True
    rates: Mapping[str, Rates] = field(
        default_factory=lambda: {
            "adamw": Rates(heads=4e-3, backbone=1e-3),
            "sgd": Rates(heads=1e-2, backbone=5e-3),
        }
    )
    average: bool = True
    average_start_epoch: int = 10
    average_start: float = 1 / 3
    rectangular: bool = True
    epochs: int = 20
    augment: AugmentConfig = AUGMENTATIONS["full"]
    augment_warmup_epochs: int = 8
    final_strength: float = 0.3
    simota: bool = True
    repeat_threshold: float = 0.25
    loss: LossConfig = field(default_factory=LossConfig)


# YOLOv3 as tutorials train it. One anchor for each object, and 1 as the target of its objectness
# (Redmon & Farhadi, 2018, section 2.1); ordinary cross-entropy; the backbone frozen for the first
# half, then learning as a whole, batch norms included; photos at a quarter to twice their size.
# Decoding, the box loss (CIoU) and the weights of the loss are those of the default.
PLAIN = Recipe(
    pretrained_heads=False,
    frozen_share=0.5,
    frozen_stages=0,
    frozen_depthwise=False,
    frozen_batch_norms=False,
    rates={"adamw": Rates(1e-3, 1e-3), "sgd": Rates(1e-2, 1e-2)},
    average=False,
    rectangular=False,
    epochs=50,
    augment=AugmentConfig(
        scale=(0.25, 2.0), aspect=0.3, brightness=0.4, contrast=0, saturation=0.7, hue=18
    ),
    augment_warmup_epochs=1,
    final_strength=1.0,
    simota=False,
    repeat_threshold=0.0,
    loss=LossConfig(objectness_from_iou=0.0, gce_q=0.0),
)
RECIPES = {"default": Recipe(), "plain": PLAIN}


def choose_recipe(config: TrainConfig, *, continued: bool = False) -> Recipe:
    """The recipe asked for, with its parts changed as other options say.

    Args:
        config: the options.
        continued: the run starts from a detector that knows all of its classes. Nothing is
            random, so the backbone need not wait for the heads, and the run can be short.
    """
    changes = {}
    if continued:
        recipe = RECIPES[config.recipe]
        changes["frozen_share"] = 0.0
        changes["average_start_epoch"] = recipe.average_start_epoch // CONTINUED
        changes["epochs"] = recipe.epochs // CONTINUED
    if config.frozen_stages is not None:
        changes["frozen_stages"] = config.frozen_stages
    if config.frozen_stages == 0:
        changes["frozen_depthwise"] = False
    if config.augmentation:
        changes["augment"] = AUGMENTATIONS[config.augmentation]
    if config.augmentation or config.augment:
        # Strengths that the user asks for hold from start to end.
        changes |= {"augment_warmup_epochs": 1, "final_strength": 1.0}
    random_backbone = config.backbone_weights == "none" and not config.weights
    if random_backbone or config.schedule == "step":
        # Never: a network that improves until the end is better at the end than on average.
        changes["average_start"] = 1.0
    elif config.progressive:
        changes["average_start"] = PROGRESSIVE_PHASES[-1][0] + PROGRESSIVE_AVERAGE_DELAY
    return replace(RECIPES[config.recipe], **changes)
