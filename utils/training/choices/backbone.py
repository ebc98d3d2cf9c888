"""The backbone of a run: one whose pretrained heads come with the project, unless one is named."""

from __future__ import annotations

from collections.abc import Iterable

from nets.backbones import BACKBONES
from nets.backbones.measured import DETECTORS
from nets.head_weights import BUNDLED
from utils.errors import UserError
from utils.training.config import TrainConfig

AUTO = "auto"


def choose_backbone(
    config: TrainConfig, saved: str | None = None, bundled: Iterable[str] = BUNDLED
) -> tuple[str, str]:
    """The backbone's name, and a sentence why; "" where there is nothing to choose.

    ``auto`` takes a backbone whose ImageNet weights and pretrained heads need no download. Of
    several it takes the fastest where ``--minutes`` limit the run, and otherwise the one with the
    highest ImageNet accuracy. A run that starts from a checkpoint has that checkpoint's backbone,
    and stays at ``auto``.

    Args:
        config: the options.
        saved: the option of the run that is resumed; None for a new run.
        bundled: names of the backbones whose pretrained heads come with the project.

    Raises:
        UserError: a file of backbone weights is given, but not of which backbone.
    """
    if config.backbone != AUTO:
        return config.backbone, ""
    if saved:
        return saved, f"backbone {saved}: that of the run that is resumed" * (saved != AUTO)
    if config.weights:
        return AUTO, ""
    if config.backbone_weights not in ("imagenet", "none"):
        raise UserError(
            f"--backbone-weights {config.backbone_weights}: give --backbone too, the network that "
            "these weights are of (`--backbone help` lists all)"
        )
    if config.minutes:
        name = min(bundled, key=lambda name: DETECTORS[name][2])
        rule = "the fastest"
    else:
        name = max(bundled, key=lambda name: BACKBONES[name].top1)
        rule = "the most accurate"
    return name, (
        f"backbone {name}: {rule} of those whose pretrained heads come with the project "
        "(--backbone efficientnet_b0 and others: `--backbone help`)"
    )
