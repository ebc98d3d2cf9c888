"""How sure a score is: 95 % intervals by bootstrap over images, and paired differences.

Images, not objects, are drawn with replacement (Efron, "Bootstrap Methods: Another Look at the
Jackknife", 1979), since objects on one photo are alike. Average precision has a trap: the best
precision "at this recall or beyond" picks out lucky stretches, so that AP of a small set is too
high on average, and that of a resample even more. The plain percentile interval misses the truth
upwards far too often. What is done about it:

- The excess is measured on random halves of the images: AP of half the images minus AP of all,
  call it d. If the excess falls with the root of the number of images, as simulations show, AP of
  all is too high by d / (√2 − 1). The interval is built around AP less that.
- Its shape is that of the resamples about their mean, its width that of the resamples or that of
  the halves (which spread as much as whole sets do: Shao and Wu, "A General Theory for Jackknife
  Variance Estimation", 1989), whichever is wider, and a tenth more, because the correction is
  itself uncertain (not so for differences, in which most of it cancels).
- A class with next to no errors brings next to no spread, in whatever resample, and yet not
  certainty: what held on n images may fail in a share of 1 − 0.05^(1 / n) of them (the exact
  binomial bound, the "rule of three" of Hanley and Lippman-Hand, 1983). Where the spread of a class
  says less than that, the rest is added, class by class.
- COCO reads precision at 101 recalls, so AP of a class comes in steps of 1/101, and no resample
  shows what lies between. One step, over the root of the number of APs that the mean is of, is
  added below the score.
- It is stretched, where need be, to take in the score itself and a little above it, and cut off at
  0 and 1. An interval of a difference reaches as far to both sides of it as its spread says.

``python -m bench.intervals`` measures how often the interval holds the truth.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.analysis import Comparison, Difference, Estimate
from utils.evaluation.average_precision import RECALLS, average_precisions
from utils.evaluation.matching import Matching
from utils.evaluation.tables import FoundTable, TruthTable

RESAMPLES = 1000
HALVES = 200
MIN_IMAGES = 5  # with objects of a class, for an interval of that class
_EXCESS = 1 / (np.sqrt(2) - 1)
_WIDER = 1.1
_NORMAL = 1.96  # standard deviations to each side that hold 95 %
_UP = 1.5  # standard deviations of the resamples that an interval reaches above the score
_FAILING = 0.05  # probability of no failure, at the share of failing images that is allowed for
_STEP = 1 / len(RECALLS)
_LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class Draws:
    """How often each image is in each resample, float32.

    Attributes:
        whole: (images, B), drawn with replacement.
        half: (images, H), half of the images each, every image once in two neighbours.
    """

    whole: np.ndarray
    half: np.ndarray


@dataclass(frozen=True)
class Samples:
    """AP by class and IoU threshold on the images and on their resamples; NaN without objects.

    Attributes:
        value: (C, T).
        whole: (C, T, B).
        half: (C, T, H).
    """

    value: np.ndarray
    whole: np.ndarray
    half: np.ndarray

    def __sub__(self, other: Samples) -> Samples:
        return Samples(self.value - other.value, self.whole - other.whole, self.half - other.half)


def draw(images: int, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Resamples of images numbered from 1; the same for the same numbers.

    Without resamples there are no halves either.
    """
    generator = np.random.default_rng(seed)
    whole = np.empty((images, resamples), np.float32)
    for b in range(resamples):
        drawn = generator.integers(images, size=images) if images else []
        whole[:, b] = np.bincount(drawn, minlength=images)
    halves = HALVES if resamples else 0
    half = np.zeros((images, halves), np.float32)
    for h in range(0, halves, 2):
        order = generator.permutation(images)
        half[order[: images // 2], h] = 1
        half[order[images // 2 :], h + 1] = 1
    return Draws(whole, half)


def sample(truth: TruthTable, found: FoundTable, matching: Matching, draws: Draws) -> Samples:
    """AP on everything and on every resample."""
    images = len(draws.whole)
    once = np.ones((images, 1))
    return Samples(
        average_precisions(truth, found, matching, once)[..., 0],
        average_precisions(truth, found, matching, draws.whole),
        average_precisions(truth, found, matching, draws.half),
    )


def estimate_class(samples: Samples, class_id: int, thresholds: slice, images: int) -> Estimate:
    """AP of one class, mean over the thresholds; ``images`` hold its objects."""
    one = _part(samples, slice(class_id, class_id + 1), thresholds)
    return _estimate(one, [images], images)


def estimate_mean(
    samples: Samples, thresholds: slice, images_of_class: Sequence[int], images: int
) -> Estimate:
    """AP, mean over the classes with objects and the thresholds; ``images`` hold objects, of each
    class ``images_of_class``."""
    return _estimate(_part(samples, slice(None), thresholds), images_of_class, images)


def compare(
    this: Samples,
    other: Samples,
    name: str,
    classes: list[str],
    images_of_class: list[int],
    images: int,
) -> Comparison:
    """Two detectors on the same images and draws; ``images`` hold objects, of each class
    ``images_of_class``."""

    def difference(which: slice, thresholds: slice, count: int) -> Difference:
        of_this, of_other = _part(this, which, thresholds), _part(other, which, thresholds)
        part = _part(this - other, which, thresholds)
        estimate = _estimate(part, images_of_class[which], count, difference=True)
        sure = estimate.low is not None
        return Difference(
            this=_mean(of_this.value),
            other=_mean(of_other.value),
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            more_than_luck=not estimate.low <= 0 <= estimate.high if sure else None,
        )

    all_ious, half = slice(None), slice(0, 1)
    return Comparison(
        other=name,
        ap=difference(slice(None), all_ious, images),
        ap50=difference(slice(None), half, images),
        classes={
            label: difference(slice(c, c + 1), all_ious, images_of_class[c])
            for c, label in enumerate(classes)
        },
    )


def _part(samples: Samples, classes: slice, thresholds: slice) -> Samples:
    return Samples(
        samples.value[classes, thresholds],
        samples.whole[classes, thresholds],
        samples.half[classes, thresholds],
    )


def _estimate(
    samples: Samples, images_of_class: Sequence[int], images: int, *, difference: bool = False
) -> Estimate:
    """The mean over classes and thresholds of a score or of a difference, with its interval."""
    value = _mean(samples.value)
    if value is None or images < MIN_IMAGES or not samples.whole.shape[2]:
        return Estimate(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class may be in no resample
        classes = samples.whole.mean(axis=1, dtype=np.float64)  # (C, B)
        halves = samples.half.mean(axis=1, dtype=np.float64)  # (C, H)
        whole, half = np.nanmean(classes, axis=0), np.nanmean(halves, axis=0)
        spreads = np.nanstd(classes, axis=1)
        excess = np.nanmean(np.nanmean(halves, axis=1) - samples.value.mean(axis=1)) * _EXCESS
    whole, half = whole[np.isfinite(whole)], half[np.isfinite(half)]
    if not len(whole) or not len(half):
        return Estimate(value)
    spread, of_halves = whole.std(), half.std()
    if difference and value == 0 and not spreads[np.isfinite(spreads)].any():
        return Estimate(value, 0.0, 0.0)  # no difference at all is none
    low = high = value - excess
    if spread > 0:
        factor = max(1.0, of_halves / spread) * (1.0 if difference else _WIDER)
        shape = factor * (np.percentile(whole, _LEVELS) - whole.mean())
        low, high = low + shape[0], high + shape[1]
    low, high = min(low, value), max(high, value)
    known = np.isfinite(samples.value).all(axis=1)
    doubt = _doubt(spreads[known], np.asarray(images_of_class)[known])
    low = value - np.hypot(value - low, doubt)
    if not difference:
        low = value - np.hypot(value - low, _STEP / np.sqrt(samples.value[known].size))
        high = max(high, value + _UP * spread)
        return Estimate(value, float(max(0.0, low)), float(min(1.0, high)))
    high = value + np.hypot(high - value, doubt)
    reach = _NORMAL * max(spread, of_halves)
    low, high = min(low, value - reach), max(high, value + reach)
    return Estimate(value, float(max(-1.0, low)), float(min(1.0, high)))


def _doubt(spreads: np.ndarray, images: np.ndarray) -> float:
    """How far the mean over classes may be off because classes had too few images to fail on.

    Args:
        spreads: (C,) standard deviation of each class over the resamples.
        images: (C,) how many images hold its objects.
    """
    failing = 1 - _FAILING ** (1 / np.maximum(images, 1))
    unseen = np.maximum(failing**2 - (_NORMAL * spreads) ** 2, 0.0)
    return float(np.sqrt(np.nansum(unseen)) / max(len(unseen), 1))


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None
