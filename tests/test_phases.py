"""Phases of a run: what grows, and what is off at the end."""

import json
from dataclasses import asdict

import pytest

from utils.data.augment import AUGMENTATIONS, AugmentConfig
from utils.training.choices.phases import (
    FINAL_SHARE,
    choose_phases,
    phase_at,
    strongest_phase,
    with_saved_sizes,
)

STEADY = {"multi_scale": False, "progressive": False, "final_strength": 1.0}


def test_an_ordinary_run_is_one_phase():
    full = AUGMENTATIONS["full"]
    (only,) = choose_phases(416, full, **STEADY)
    assert (only.begins, only.sizes, only.augment, only.drop_strength) == (0.0, (416,), full, 1.0)


def test_mosaic_and_mixup_are_off_at_the_end():
    augment = AugmentConfig(mosaic=0.5, mixup=0.2)
    phases = choose_phases(416, augment, **STEADY)
    assert phase_at(phases, 0.0).augment == augment
    assert phase_at(phases, 0.79).augment == augment
    final = phase_at(phases, 1 - FINAL_SHARE).augment
    assert (final.mosaic, final.mixup) == (0, 0)
    assert (final.scale, final.hue) == (augment.scale, augment.hue)


def test_augmentation_is_weaker_at_the_end():
    full = AUGMENTATIONS["full"]
    options = STEADY | {"final_strength": 0.5}
    whole, final = choose_phases(416, full, **options)
    assert (whole.begins, whole.augment) == (0.0, full)
    assert final.begins == pytest.approx(1 - FINAL_SHARE)
    assert final.sizes == whole.sizes
    assert final.augment.hue == full.hue / 2
    assert final.augment.horizontal_flip == full.horizontal_flip / 2
    assert final.augment.scale == pytest.approx((0.6**0.5, 1.5**0.5))
    (only,) = choose_phases(416, AUGMENTATIONS["none"], **options)  # nothing to do less of
    assert only.augment == AUGMENTATIONS["none"]


def test_multi_scale_spans_three_to_five_quarters():
    (only,) = choose_phases(416, AugmentConfig(), **STEADY | {"multi_scale": True})
    assert only.sizes == (320, 352, 384, 416, 448, 480, 512)


@pytest.mark.parametrize(
    ("size", "sizes"), [(32, (32, 64)), (64, (32, 64, 96)), (96, (64, 96, 128))]
)
def test_multi_scale_changes_the_smallest_sizes_too(size, sizes):
    (only,) = choose_phases(size, AugmentConfig(), **STEADY | {"multi_scale": True})
    assert only.sizes == sizes


@pytest.mark.parametrize("size", [32, 64, 96])
def test_a_resumed_run_keeps_the_sizes_of_an_older_version(size):
    full, options = AUGMENTATIONS["full"], {"progressive": True, "final_strength": 0.3}
    before = choose_phases(size, full, multi_scale=False, **options)
    now = choose_phases(size, full, multi_scale=True, **options)
    saved = json.loads(json.dumps([asdict(phase) for phase in before]))
    assert with_saved_sizes(now, saved) == before != now
    assert with_saved_sizes(now, ()) == now  # a new run


def test_a_progressive_run_grows_in_size_strength_and_dropping():
    augment = AugmentConfig(mosaic=0.4)
    phases = choose_phases(416, augment, **STEADY | {"progressive": True})
    assert [p.begins for p in phases] == pytest.approx([0, 0.3, 0.6, 0.8])
    assert [p.sizes for p in phases] == [(288,), (352,), (416,), (416,)]
    strengths = [p.drop_strength for p in phases]
    assert strengths == sorted(strengths)
    assert strengths[-1] == 1
    assert [p.augment.mosaic for p in phases][:3] == pytest.approx([0.4 * s for s in strengths[:3]])
    assert phases[2].augment == augment
    assert phases[3].augment.mosaic == 0
    assert all(size % 32 == 0 for p in phases for size in p.sizes)


def test_each_moment_has_the_latest_phase_that_has_begun():
    phases = choose_phases(64, AugmentConfig(), **STEADY | {"progressive": True})
    assert [phases.index(phase_at(phases, p)) for p in (0, 0.29, 0.3, 0.59, 0.6, 1)] == [
        0, 0, 1, 1, 2, 2,
    ]  # fmt: skip


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("augment", [AugmentConfig(), AugmentConfig(mosaic=0.5, mixup=0.1)])
def test_the_strongest_phase_is_the_last_before_the_final_one(progressive, augment):
    for strength in (0.3, 1.0):
        options = {"progressive": progressive, "final_strength": strength}
        phases = choose_phases(416, augment, **STEADY | options)
        assert strongest_phase(phases).augment == augment
        assert strongest_phase(phases).sizes == (416,)


def test_a_progressive_run_has_a_final_phase_too():
    options = {"progressive": True, "final_strength": 0.5}
    *_, last, final = choose_phases(416, AugmentConfig(), **STEADY | options)
    assert (last.begins, final.begins) == pytest.approx((0.6, 0.8))
    assert final.augment == AugmentConfig().at_strength(0.5)
    assert (final.sizes, final.drop_strength) == (last.sizes, last.drop_strength)
