"""Augmentation: boxes stay on what they mark, and the same seed gives the same picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.data.augment import IGNORED, NO_AUGMENTATION, AugmentConfig, augment
from utils.letterbox import Letterbox

GEOMETRY = AugmentConfig(brightness=0, contrast=0, saturation=0, hue=0, vertical_flip=0.5)


@given(
    width=st.integers(60, 700),
    height=st.integers(60, 700),
    where=st.tuples(*[st.floats(0, 1)] * 4),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=120, deadline=None)
def test_a_drawn_box_is_found_where_the_label_says(width, height, where, seed):
    """A white box on black, found again by its pixels within a pixel and a half."""
    w, h = 20 + int(where[2] * (width - 20)), 20 + int(where[3] * (height - 20))
    x, y = int(where[0] * (width - w)), int(where[1] * (height - h))
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + h, x : x + w] = 255
    boxes = np.array([[x, y, x + w, y + h]], np.float32)
    picture, moved, ids = augment(
        image, boxes, np.array([5]), 160, np.random.default_rng(seed), GEOMETRY
    )
    assert picture.shape == (160, 160, 3)
    assert picture.dtype == np.uint8
    found = np.argwhere(picture[..., 0] > 180)  # above the grey of the padding
    if not len(moved):
        assert len(found) == 0
        return
    sides = moved[0, 2:] - moved[0, :2]
    if sides.min() < 3 or not len(found):
        return  # a sliver at the border has no pixel brighter than the threshold for certain
    top_left, bottom_right = found.min(axis=0)[::-1], found.max(axis=0)[::-1] + 1
    assert np.abs(np.concatenate([top_left, bottom_right]) - moved[0]).max() <= 1.5
    assert ids[0] in (5, IGNORED)


def test_without_augmentation_it_is_the_letterbox():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 200, 3), np.uint8)
    boxes = np.array([[10, 20, 60, 90]], np.float32)
    picture, moved, ids = augment(image, boxes, np.array([1]), 96, rng, NO_AUGMENTATION)
    letterbox = Letterbox(200, 120, 96, 96)
    assert np.array_equal(picture, letterbox.apply(image))
    assert moved == pytest.approx(letterbox.to_input(boxes), abs=1e-4)
    assert ids.tolist() == [1]


def test_same_generator_same_picture_and_other_seed_another():
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    boxes, ids = np.array([[10, 20, 60, 90]], np.float32), np.array([1])
    runs = [
        augment(image, boxes, ids, 96, np.random.default_rng([3, 1, seed]), AugmentConfig())
        for seed in (7, 7, 8)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not np.array_equal(runs[0][0], runs[2][0])


def test_what_is_mostly_cut_off_is_ignored_and_what_is_gone_is_dropped():
    image = np.zeros((100, 100, 3), np.uint8)
    boxes = np.array([[0, 0, 10, 10], [40, 40, 60, 60], [90, 90, 100, 100]], np.float32)
    seen = set()
    for seed in range(60):
        _, moved, ids = augment(
            image, boxes, np.array([0, 1, 2]), 96, np.random.default_rng(seed),
            AugmentConfig(scale=(2.5, 2.5), horizontal_flip=0),
        )  # fmt: skip
        assert len(moved) == len(ids) <= 3
        assert (moved >= 0).all()
        assert (moved <= 96).all()
        full = 24.0**2  # of a 10-pixel box at 2.5 times 96/100
        areas = np.prod(moved[:, 2:] - moved[:, :2], axis=1)
        for area, class_id in zip(areas, ids, strict=True):
            if class_id in (0, 2):
                assert area > 0.2 * full  # aspect jitter leaves a margin around 30 %
        seen |= set(ids.tolist())
    assert IGNORED in seen


def test_colour_changes_leave_boxes_and_shapes_alone():
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    boxes, ids = np.array([[10, 20, 60, 90]], np.float32), np.array([1])
    colours = AugmentConfig(scale=(1.0, 1.0), aspect=0, horizontal_flip=0)
    picture, moved, _ = augment(image, boxes, ids, 96, np.random.default_rng(1), colours)
    assert np.array_equal(moved, boxes)
    assert not np.array_equal(picture, image)
    grey = np.full((96, 96, 3), 90, np.uint8)
    turned = AugmentConfig((1.0, 1.0), 0, 0, 0, brightness=0, contrast=0, saturation=0.9, hue=30)
    same, _, _ = augment(grey, boxes, ids, 96, np.random.default_rng(1), turned)
    assert np.abs(same.astype(int) - 90).max() <= 1  # grey has no hue to turn
