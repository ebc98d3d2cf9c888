"""Random changes to training photos and their boxes.

``config`` says how strongly, ``draw`` draws all the random numbers of a sample from a seed,
``geometry`` places a photo in a network input and moves its boxes with it, ``colour`` changes its
light, ``compose`` makes a sample of one photo, of four (mosaic), or of two blended (mixup).
"""

from utils.data.augment.compose import augment
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
    "augment",
    "augmentation",
]
