"""``AugmentConfig``: the strengths of augmentation, its presets, and changes to them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from utils.errors import UserError

_PROBABILITIES = ("horizontal_flip", "vertical_flip", "mosaic", "mixup", "blur", "jpeg")
_SHARES = ("translation", "brightness", "contrast", "saturation", "min_visible")


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths of augmentation. Zeros, and ones for ``scale``, change nothing.

    Attributes:
        scale: smallest and largest factor on the letterboxed size, drawn log-uniformly.
        aspect: width over height is multiplied or divided by up to 1 + ``aspect``.
        horizontal_flip, vertical_flip: probabilities.
        brightness, contrast, saturation: largest relative change.
        hue: largest rotation of the hue in degrees.
        min_visible: an object is ignored if less than this share of its area is left, or if the
            weight of its image in a mixup is less.
        translation: how far from the middle the photo or its visible part may lie; 1 is anywhere.
        rotation: largest rotation in degrees, either way.
        mosaic: probability of an image of four photos.
        mosaic_scale: factor on ``scale`` in a mosaic, where each photo has only a region.
        mixup: probability of a blend of two images.
        mixup_alpha: the weights follow Beta(alpha, alpha); larger values are closer to a half.
        blur: probability of a Gaussian blur.
        blur_sigma: its largest standard deviation in pixels of the network input.
        jpeg: probability of JPEG noise.
        jpeg_quality: lowest and highest quality of the JPEG, 1 to 100.
    """

    scale: tuple[float, float] = (0.6, 1.5)
    aspect: float = 0.2
    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.4
    hue: float = 10.0
    min_visible: float = 0.3
    translation: float = 1.0
    rotation: float = 0.0
    mosaic: float = 0.0
    mosaic_scale: float = 0.6
    mixup: float = 0.0
    mixup_alpha: float = 8.0
    blur: float = 0.0
    blur_sigma: float = 1.5
    jpeg: float = 0.0
    jpeg_quality: tuple[int, int] = (30, 90)

    def __post_init__(self) -> None:
        """Raises ValueError, naming the field, for a value out of range."""
        for name in (*_PROBABILITIES, *_SHARES):
            _within(name, getattr(self, name), 0, 1)
        for factor in self.scale:
            _within("scale", factor, 0.05, 20)
        _within("aspect", self.aspect, 0, 4)
        _within("hue", self.hue, 0, 180)
        _within("rotation", self.rotation, 0, 180)
        _within("mosaic_scale", self.mosaic_scale, 0.1, 2)
        _within("mixup_alpha", self.mixup_alpha, 0.01, 1000)
        _within("blur_sigma", self.blur_sigma, 0, 20)
        for quality in self.jpeg_quality:
            _within("jpeg_quality", quality, 1, 100)
        for name in ("scale", "jpeg_quality"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the smallest, {low}, exceeds the largest, {high}")

    def at_strength(self, strength: float) -> AugmentConfig:
        """Weaker or stronger augmentation: 0 changes nothing, 1 is this configuration.

        Probabilities and ranges are multiplied by ``strength`` (``scale``: its logarithm), up to
        their limits. Progressive training raises it from stage to stage, as EfficientNetV2 does
        (Tan & Le, 2021, section 4.2).

        Raises:
            ValueError: ``strength`` is negative.
        """
        if not strength >= 0:
            raise ValueError(f"the strength of augmentation is {strength}, which is not positive")
        names = (*_PROBABILITIES, *_SHARES)
        changes = {n: min(1.0, getattr(self, n) * strength) for n in names if n != "min_visible"}
        low, high = self.scale
        return replace(
            self,
            **changes,
            scale=(max(0.05, low**strength), min(20.0, high**strength)),
            aspect=min(4.0, self.aspect * strength),
            hue=min(180.0, self.hue * strength),
            rotation=min(180.0, self.rotation * strength),
        )


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: {value} does not lie between {low} and {high}")


# For short runs, which learn little from full augmentation, and for objects that must not be
# mirrored: those with text, or with a left and a right.
LIGHT = AugmentConfig(
    scale=(0.8, 1.25), aspect=0.1, horizontal_flip=0, brightness=0.15, contrast=0.15,
    saturation=0.2, hue=5,
)  # fmt: skip
NO_AUGMENTATION = AugmentConfig(
    scale=(1.0, 1.0), aspect=0, horizontal_flip=0, brightness=0, contrast=0, saturation=0, hue=0,
    min_visible=0, translation=0,
)  # fmt: skip
AUGMENTATIONS = {"full": AugmentConfig(), "light": LIGHT, "none": NO_AUGMENTATION}


def augmentation(
    preset: str | AugmentConfig, changes: Mapping[str, Any] | Sequence[str] | None = None
) -> AugmentConfig:
    """A preset with some strengths changed.

    Args:
        preset: a key of ``AUGMENTATIONS``, or strengths.
        changes: strengths by name, as in a YAML file (``mosaic: 0.5``, ``scale: [0.5, 2]``), or
            as texts ``mosaic=0.5``, ``scale=0.5,2`` from a command line. ``-`` and ``_`` are the
            same.

    Raises:
        UserError: no such preset or strength, or a value out of range.
    """
    if isinstance(preset, str) and preset not in AUGMENTATIONS:
        raise UserError(f"augmentation {preset!r} is not one of {', '.join(AUGMENTATIONS)}")
    base = AUGMENTATIONS[preset] if isinstance(preset, str) else preset
    known = {field.name for field in fields(base)}
    given = {}
    for key, value in _pairs(changes or {}):
        name = key.strip().replace("-", "_")
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise UserError(f"augmentation has no strength {key!r}{hint}")
        given[name] = _value(key, value, pair=isinstance(getattr(base, name), tuple))
    try:
        return replace(base, **given)
    except ValueError as error:
        raise UserError(f"augmentation, {error}") from None


def _pairs(changes: Mapping[str, Any] | Sequence[str]) -> list[tuple[str, Any]]:
    if isinstance(changes, Mapping):
        return [(str(key), value) for key, value in changes.items()]
    pairs = []
    for text in changes:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"augmentation: {text!r} is not of the form name=value")
        pairs.append((key, value.split(",") if "," in value else value))
    return pairs


def _value(name: str, value: Any, *, pair: bool) -> Any:
    items = value if isinstance(value, (list, tuple)) else [value]
    try:
        if any(isinstance(item, bool) for item in items):
            raise ValueError
        numbers = [float(item) for item in items]
        if name.replace("-", "_") == "jpeg_quality":
            numbers = [round(number) for number in numbers]
    except (OverflowError, TypeError, ValueError):
        raise UserError(f"augmentation, {name}: {value!r} is not a number") from None
    if len(numbers) != 1 + pair:
        raise UserError(f"augmentation, {name}: takes {'two numbers' if pair else 'one number'}")
    return tuple(numbers) if pair else numbers[0]
