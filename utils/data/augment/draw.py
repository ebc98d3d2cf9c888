"""The random numbers of a sample, all drawn up front and in a fixed order.

A sample is known by the seed of the run, its epoch, and its place in the epoch. Nothing else
enters, so that the same sample is changed in the same way by any worker, and after a resume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.data.augment.config import AugmentConfig

# Which numbers are drawn: the second word of every seed.
_PHOTO, _COMPOSITION = 1, 2


class PhotoDraw:
    """What happens to one photo.

    Attributes:
        scale: factor on the letterboxed size.
        aspect: factor on width over height.
        place_x, place_y: where the photo lies in its room, 0 at the left or top, 1 at the right or
            bottom; a photo larger than its room shows its right or bottom at 1.
        mirror, flip: left and right, top and bottom change places.
        angle: in degrees, clockwise as seen.
        brightness, contrast, saturation: factors.
        hue: turn in radians.
        blur: standard deviation in pixels, 0 for none.
        jpeg: quality, 0 for none.
    """

    def __init__(self, rng: np.random.Generator, config: AugmentConfig) -> None:
        low, high = np.log(config.scale)
        u = rng.random(15)
        self.scale = float(np.exp(low + u[0] * (high - low)))
        self.aspect = float((1 + config.aspect) ** (2 * u[1] - 1))
        self.place_x = 0.5 + config.translation * (float(u[2]) - 0.5)
        self.place_y = 0.5 + config.translation * (float(u[3]) - 0.5)
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


@dataclass(frozen=True)
class Layer:
    """One picture: of a single photo, or a mosaic of four.

    Attributes:
        photos: (place in the epoch's order, what happens to that photo), one or four.
        centre: where the four meet, as shares of width and height; None for a single photo.
    """

    photos: tuple[tuple[int, PhotoDraw], ...]
    centre: tuple[float, float] | None = None


@dataclass(frozen=True)
class SampleDraw:
    """One sample: a picture, and perhaps a second one blended into it.

    Attributes:
        layers: one picture, or two.
        share: of the first picture in a blend.
    """

    layers: tuple[Layer, ...]
    share: float = 1.0


def draw_sample(
    seed: int, epoch: int, place: int, photos: int, config: AugmentConfig
) -> SampleDraw:
    """All that is random about a sample.

    Args:
        seed: of the run.
        epoch, place: which sample: the ``place``-th photo of the epoch's order.
        photos: how many the dataset has; partners are any of them.
        config: strengths.
    """

    def photo(at: int, number: int) -> tuple[int, PhotoDraw]:
        own = [seed, _PHOTO, epoch, place]
        return at, PhotoDraw(np.random.default_rng([*own, number] if number else own), config)

    if not config.mosaic and not config.mixup:
        return SampleDraw((Layer((photo(place, 0),)),))

    rng = np.random.default_rng([seed, _COMPOSITION, epoch, place])
    u = rng.random((2, 3))  # two layers: mosaic or not, and where its photos meet
    partners = rng.integers(0, photos, 7)
    blended = rng.random() < config.mixup
    share = float(rng.beta(config.mixup_alpha, config.mixup_alpha)) if blended else 1.0

    chosen = [place, *(int(partner) for partner in partners)]
    layers = []
    for i in range(1 + blended):
        tiled = u[i, 0] < config.mosaic
        numbers = range(4 * i, 4 * i + (4 if tiled else 1))
        centre = (0.3 + 0.4 * float(u[i, 1]), 0.3 + 0.4 * float(u[i, 2])) if tiled else None
        layers.append(Layer(tuple(photo(chosen[n], n) for n in numbers), centre))
    return SampleDraw(tuple(layers), share)
