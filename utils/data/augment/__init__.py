"""Random changes to training photos and their boxes.

``config`` holds the strengths. ``params`` draws all random numbers of a sample from a seed.
``geometry`` places a photo in a network input and moves its boxes with it. ``colour`` changes
colours, blurs, and adds JPEG noise. ``utils.data.batches.samples`` puts samples together.

A new augmentation needs a strength in ``config``, a random number in ``params``, its effect in
``geometry`` or ``colour``, and a row in ``docs/augmentation.md``. Draw its number after the others,
which then stay the same.
"""

from utils.data.augment.config import (
    AUGMENTATIONS,
    LIGHT,
    NO_AUGMENTATION,
    AugmentConfig,
    augmentation,
)
from utils.data.augment.geometry import IGNORED

__all__ = [
    "AUGMENTATIONS",
    "IGNORED",
    "LIGHT",
    "NO_AUGMENTATION",
    "AugmentConfig",
    "augmentation",
]
