"""The random numbers of a sample, all drawn up front and in a fixed order.

They follow from the seed of the run, the epoch, and the position in the epoch alone. So every
worker changes a sample in the same way, also after a resume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.data.augment.config import AugmentConfig

# Which numbers are drawn: the second word of every seed.
_PHOTO, _COMPOSITION = 1, 2


class PhotoParams:
    """What happens to one photo.

    Attributes:
        scale: factor on the letterboxed size.
        aspect: factor on width over height.
        position_x, position_y: of the photo in its region: 0 at the left or top, 1 at the right or
            bottom. A photo larger than its region shows its right or bottom part at 1.
        mirror, flip: mirrored left to right, top to bottom.
        angle: in degrees, clockwise.
        brightness, contrast, saturation: factors.
        hue: turn in radians.
        blur: standard deviation in pixels, 0 for none.
        jpeg: quality, 0 for none.
        crop: four uniform random numbers in [0, 1) that place a crop, as
            ``utils.data.batches.crops`` says.
    """

    def __init__(self, rng: np.random.Generator, config: AugmentConfig) -> None:
        low, high = np.log(config.scale)
        u = rng.random(15)
        self.scale = float(np.exp(low + u[0] * (high - low)))
        self.aspect = float((1 + config.aspect) ** (2 * u[1] - 1))
        self.position_x = 0.5 + config.translation * (float(u[2]) - 0.5)
        self.position_y = 0.5 + config.translation * (float(u[3]) - 0.5)
        self.mirror = bool(u[4] < config.horizontal_flip)
        self.flip = bool(u[5] < config.vertical_flip)
        self.brightness = float(1 + (2 * u[6] - 1) * config.brightness)
        self.contrast = float(1 + (2 * u[7] - 1) * config.contrast)
        self.saturation = float(1 + (2 * u[8] - 1) * config.saturation)
        self.hue = float(np.deg2rad((2 * u[9] - 1) * config.hue))
        self.angle = float((2 * u[10] - 1) * config.rotation)
        self.blur = float(u[12] * config.blur_sigma) if u[11] < config.blur else 0.0
        worst, best = config.jpeg_quality
        self.jpeg = int(worst + u[14] * (best + 1 - worst)) if u[13] < config.jpeg else 0
        self.crop = rng.random(4)


@dataclass(frozen=True)
class ImageParams:
    """One image: a single photo, or a mosaic of four.

    Attributes:
        photos: (position in the epoch's order, what happens to that photo), one or four.
        centre: the point where the four meet, relative to width and height; None for one photo.
    """

    photos: tuple[tuple[int, PhotoParams], ...]
    centre: tuple[float, float] | None = None

    def regions(self, width: int, height: int) -> list[tuple[int, int, int, int]]:
        """The rectangle of each photo, ``x0, y0, x1, y1``, in a network input of that size."""
        if self.centre is None:
            return [(0, 0, width, height)]
        x, y = round(self.centre[0] * width), round(self.centre[1] * height)
        return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]


@dataclass(frozen=True)
class SampleParams:
    """One sample: a single image, or two that are blended (mixup).

    Attributes:
        images: one, or two.
        mixup_weight: weight of the first image in the blend.
    """

    images: tuple[ImageParams, ...]
    mixup_weight: float = 1.0


def sample_params(
    seed: int, epoch: int, position: int, photos: int, config: AugmentConfig
) -> SampleParams:
    """All random numbers of a sample.

    Args:
        seed: of the run.
        epoch, position: of the sample; ``position`` counts in the epoch's order.
        photos: number of photos in the dataset. The others in a mosaic or mixup are any of them.
        config: strengths.
    """

    def photo(at: int, number: int) -> tuple[int, PhotoParams]:
        own = [seed, _PHOTO, epoch, position]
        return at, PhotoParams(np.random.default_rng([*own, number] if number else own), config)

    if not config.mosaic and not config.mixup:
        return SampleParams((ImageParams((photo(position, 0),)),))

    rng = np.random.default_rng([seed, _COMPOSITION, epoch, position])
    u = rng.random((2, 3))  # two images: mosaic or not, and where its photos meet
    partners = rng.integers(0, photos, 7)
    blended = rng.random() < config.mixup
    mixup_weight = float(rng.beta(config.mixup_alpha, config.mixup_alpha)) if blended else 1.0

    chosen = [position, *(int(partner) for partner in partners)]
    images = []
    for i in range(1 + blended):
        is_mosaic = u[i, 0] < config.mosaic
        numbers = range(4 * i, 4 * i + (4 if is_mosaic else 1))
        centre = (0.3 + 0.4 * float(u[i, 1]), 0.3 + 0.4 * float(u[i, 2])) if is_mosaic else None
        images.append(ImageParams(tuple(photo(chosen[n], n) for n in numbers), centre))
    return SampleParams(tuple(images), mixup_weight)
