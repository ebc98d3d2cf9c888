"""95 % intervals of AP by bootstrap over images, and paired differences.

Images, not objects, are drawn with replacement (Efron, "Bootstrap Methods: Another Look at the
Jackknife", 1979), because objects on one photo are alike. AP takes the best precision "at this
recall or beyond". Chance therefore raises the AP of a small set, and that of a resample even more.
The plain percentile interval lies too high and misses the true value too often. The corrections:

- The bias is measured on random halves of the images: d = AP of half the images - AP of all. It
  falls with the root of the number of images, as simulations show. AP of all images is therefore
  too high by d / (√2 - 1). The interval is built around AP minus that.
- The shape is that of the resamples around their mean. The width is that of the resamples or that
  of the halves, whichever is wider. Halves spread as much as whole sets do (Shao and Wu, "A General
  Theory for Jackknife Variance Estimation", 1989). An interval of a score is a tenth wider, because
  the correction is itself uncertain. In a difference most of that cancels.
- A class with almost no errors has almost no spread in any resample, but this is not certainty.
  What held on n images may fail on a share of 1 - 0.05^(1 / n) of them: the exact binomial bound,
  the "rule of three" of Hanley and Lippman-Hand, 1983. Where the spread of a class is smaller, the
  rest is added, class by class. A class with almost no AP gets the same allowance upwards: on that
  share of images plus one step of recall (below), AP may rise by 1 - AP.
- COCO reads precision at 101 recalls, so AP of a class has steps of 1/101, which no resample shows.
  One step, divided by the root of the number of averaged APs, is added below the score.
- The interval is extended, where necessary, to the score and a little above it, and cut at 0 and 1.
  An interval of a difference reaches at least 1.96 standard deviations to both sides.

``python -m bench.intervals`` measures how often the interval contains the true value.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.coco import RECALLS, coco_average_precisions
from utils.evaluation.matching import MatchedResults
from utils.evaluation.schema import Comparison, Difference, Estimate
from utils.evaluation.tables import mean_of_known

RESAMPLES = 1000
HALVES = 200
MIN_IMAGES = 5  # with objects of a class, for an interval of that class
ALL_IOUS, IOU_50 = slice(None), slice(0, 1)  # of the IoU thresholds
_BIAS = 1 / (np.sqrt(2) - 1)
_WIDER = 1.1
_NORMAL = 1.96  # standard deviations to each side that hold 95 %
_ABOVE = 1.5  # standard deviations of the resamples that an interval reaches above the score
_UNSEEN_PROBABILITY = 0.05  # of seeing nothing of what occurs on the share that is allowed for
_STEP = 1 / len(RECALLS)
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Draws:
    """How often each image is in each resample, float32.

    Attributes:
        whole: (images, B), drawn with replacement.
        half: (images, H), each half of the images; two neighbouring columns hold every image once.
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
    """Resamples of images numbered from 1; the same arguments give the same resamples.

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


def sample(matched: MatchedResults, draws: Draws) -> Samples:
    """AP on all images and on every resample."""
    return Samples(
        coco_average_precisions(matched)[..., 0],
        coco_average_precisions(matched, draws.whole),
        coco_average_precisions(matched, draws.half),
    )


def estimate_class(samples: Samples, class_id: int, thresholds: slice, images: int) -> Estimate:
    """AP of one class, mean over the thresholds; ``images`` hold its objects."""
    one = _part(samples, slice(class_id, class_id + 1), thresholds)
    return _estimate(one, [images], images)


def estimate_mean(
    samples: Samples, thresholds: slice, images_of_class: Sequence[int], images: int
) -> Estimate:
    """AP, mean over the classes with objects and over the thresholds.

    Args:
        samples: of all classes.
        thresholds: which of the IoU thresholds.
        images_of_class: how many images hold objects of each class.
        images: how many images hold objects.
    """
    return _estimate(_part(samples, slice(None), thresholds), images_of_class, images)


def mean_of(matched: MatchedResults, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """AP, mean over classes and thresholds, with its interval; arguments as for ``draw``."""
    samples = sample(matched, draw(matched.images, resamples, seed))
    return estimate_mean(samples, ALL_IOUS, matched.images_of_class, matched.images_with_objects)


def compare(
    this: Samples,
    other: Samples,
    name: str,
    classes: list[str],
    images_of_class: list[int],
    images: int,
) -> Comparison:
    """Two detectors on the same images and draws; the last two as for ``estimate_mean``."""

    def difference(which: slice, thresholds: slice, count: int) -> Difference:
        of_this, of_other = _part(this, which, thresholds), _part(other, which, thresholds)
        part = _part(this - other, which, thresholds)
        estimate = _estimate(part, images_of_class[which], count, difference=True)
        has_interval = estimate.low is not None
        return Difference(
            this=mean_of_known(of_this.value),
            other=mean_of_known(of_other.value),
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            more_than_luck=not estimate.low <= 0 <= estimate.high if has_interval else None,
        )

    return Comparison(
        other=name,
        ap=difference(slice(None), ALL_IOUS, images),
        ap50=difference(slice(None), IOU_50, images),
        classes={
            label: difference(slice(c, c + 1), ALL_IOUS, images_of_class[c])
            for c, label in enumerate(classes)
        },
    )


def _part(samples: Samples, classes: slice, thresholds: slice) -> Samples:
    return Samples(
        samples.value[classes, thresholds],
        samples.whole[classes, thresholds],
        samples.half[classes, thresholds],
    )


@dataclass(frozen=True)
class _Resampled:
    """What the resamples show of a score or of a difference; K classes have objects.

    Attributes:
        whole: (B,), mean over the classes and thresholds on each resample.
        half: (H,), the same on each half of the images.
        bias: how far the value on all images is above the true one.
        values: (K, T), on all images.
        class_spread: (K,), standard deviation of each class over the resamples.
        images_of_class: (K,), how many images hold objects of each class.
    """

    whole: np.ndarray
    half: np.ndarray
    bias: float
    values: np.ndarray
    class_spread: np.ndarray
    images_of_class: np.ndarray

    @classmethod
    def of(cls, samples: Samples, images_of_class: Sequence[int]) -> _Resampled:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a class may be in no resample
            by_class = samples.whole.mean(axis=1, dtype=np.float64)  # (C, B)
            halves = samples.half.mean(axis=1, dtype=np.float64)  # (C, H)
            whole, half = np.nanmean(by_class, axis=0), np.nanmean(halves, axis=0)
            class_spread = np.nanstd(by_class, axis=1)
            bias = np.nanmean(np.nanmean(halves, axis=1) - samples.value.mean(axis=1)) * _BIAS
        known = np.isfinite(samples.value).all(axis=1)
        return cls(
            whole[np.isfinite(whole)],
            half[np.isfinite(half)],
            bias,
            samples.value[known],
            class_spread[known],
            np.asarray(images_of_class)[known],
        )


def _estimate(
    samples: Samples, images_of_class: Sequence[int], images: int, *, difference: bool = False
) -> Estimate:
    """The mean over classes and thresholds of a score or of a difference, with its interval."""
    value = mean_of_known(samples.value)
    if value is None or images < MIN_IMAGES or not samples.whole.shape[2]:
        return Estimate(value)
    resampled = _Resampled.of(samples, images_of_class)
    if not len(resampled.whole) or not len(resampled.half):
        return Estimate(value)
    interval = _difference_interval if difference else _score_interval
    low, high = interval(value, resampled)
    return Estimate(value, float(low), float(high))


def _score_interval(value: float, resampled: _Resampled) -> tuple[float, float]:
    low, high = _bias_corrected(value, resampled, _WIDER)
    # What no image shows may lower the score, or raise it.
    class_spread, images = resampled.class_spread, resampled.images_of_class
    low = value - np.hypot(value - low, _unseen(class_spread, images))
    lacking = 1 - resampled.values.mean(axis=1)
    above = _unseen(class_spread, images, step=_STEP, effect=lacking)
    high = value + np.hypot(high - value, above)
    # Steps of recall.
    low = value - np.hypot(value - low, _STEP / np.sqrt(resampled.values.size))
    # Extended above the score, and cut.
    high = max(high, value + _ABOVE * resampled.whole.std())
    return max(0.0, low), min(1.0, high)


def _difference_interval(value: float, resampled: _Resampled) -> tuple[float, float]:
    class_spread = resampled.class_spread
    if value == 0 and not class_spread[np.isfinite(class_spread)].any():
        return 0.0, 0.0  # the two are equal in every resample
    low, high = _bias_corrected(value, resampled, 1.0)
    # What no image shows may change either score.
    unseen = _unseen(class_spread, resampled.images_of_class)
    low = value - np.hypot(value - low, unseen)
    high = value + np.hypot(high - value, unseen)
    # At least 1.96 standard deviations to both sides, and cut.
    reach = _NORMAL * max(resampled.whole.std(), resampled.half.std())
    low, high = min(low, value - reach), max(high, value + reach)
    return max(-1.0, low), min(1.0, high)


def _bias_corrected(value: float, resampled: _Resampled, wider: float) -> tuple[float, float]:
    """The shape of the resamples around the value without its bias, extended to the value.

    Args:
        value: the score or difference on all images.
        resampled: what the resamples show of it.
        wider: factor of the width.
    """
    low = high = value - resampled.bias
    spread, half_spread = resampled.whole.std(), resampled.half.std()
    if spread > 0:
        factor = max(1.0, half_spread / spread) * wider
        shape = factor * (np.percentile(resampled.whole, _PERCENTILES) - resampled.whole.mean())
        low, high = low + shape[0], high + shape[1]
    return min(low, value), max(high, value)


def _unseen(
    spread: np.ndarray, images: np.ndarray, *, step: float = 0.0, effect: np.ndarray | float = 1.0
) -> float:
    """How far the mean over classes may be off because something occurs on no image here.

    Args:
        spread: (C,) standard deviation of each class over the resamples.
        images: (C,) how many images hold its objects.
        step: added to the share of images on which it may occur.
        effect: (C,) what it would change in the AP of a class if it occurred on all images.
    """
    share = 1 - _UNSEEN_PROBABILITY ** (1 / np.maximum(images, 1)) + step
    unseen = np.maximum((share * effect) ** 2 - (_NORMAL * spread) ** 2, 0.0)
    return float(np.sqrt(np.nansum(unseen)) / max(len(unseen), 1))
