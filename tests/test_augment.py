"""Augmentation of one photo: the letterbox without it, colours, strengths from files."""

from dataclasses import asdict

import numpy as np
import pytest

from tests.drawn_photos import LabelledPhoto, as_png, compose
from utils.data.augment import (
    AUGMENTATIONS,
    IGNORED,
    NO_AUGMENTATION,
    AugmentConfig,
    augmentation,
)
from utils.data.augment.colour import recolour
from utils.data.augment.geometry import move_boxes, place_photo, render
from utils.data.augment.params import ImageParams, PhotoParams, SampleParams
from utils.data.batches.input_shape import TrainingShape
from utils.errors import UserError
from utils.letterbox import PAD_VALUE, Letterbox


def augment(image, boxes, class_ids, size, rng, config):
    """One photo → one square network input, without mosaic and mixup."""
    photo = LabelledPhoto(as_png(image), image.shape[1], image.shape[0], boxes, class_ids)
    params = SampleParams((ImageParams(((0, PhotoParams(rng, config)),)),))
    return compose([photo], params, TrainingShape.square(size), config)


def drawn_alone(image, boxes, size, config):
    """A photo of full resolution in a square, and its boxes: only placed, without colour."""
    picture = np.full((size, size, 3), PAD_VALUE, np.uint8)
    params = PhotoParams(np.random.default_rng(0), config)
    placement = place_photo(image.shape[1::-1], (size, size), (size, size), params)
    return picture, move_boxes(boxes, render(image, 1, placement, picture))


@pytest.mark.parametrize("config", [NO_AUGMENTATION, AugmentConfig(mosaic=0.5).at_strength(0)])
def test_without_augmentation_it_is_the_letterbox(config):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (120, 200, 3), np.uint8)
    boxes = np.array([[10, 20, 60, 90]], np.float32)
    letterbox = Letterbox(200, 120, 96, 96)
    picture, moved = drawn_alone(image, boxes, 96, config)
    assert np.array_equal(picture, letterbox.apply(image))
    assert moved == pytest.approx(letterbox.to_input(boxes), abs=1e-4)
    letterbox = Letterbox(200, 120, 256, 256)
    picture, moved, ids = augment(image, boxes, np.array([1]), 256, rng, config)
    assert np.array_equal(picture, letterbox.apply(image))
    assert moved == pytest.approx(letterbox.to_input(boxes), abs=1e-4)
    assert ids.tolist() == [1]


@pytest.mark.parametrize("height", range(91, 100))
def test_odd_padding_is_that_of_the_letterbox(height):
    placement = place_photo(
        (200, height),
        (200, 200),
        (200, 200),
        PhotoParams(np.random.default_rng(0), NO_AUGMENTATION),
    )
    letterbox = Letterbox(200, height, 200, 200)
    assert placement.matrix[:, 2].tolist() == [letterbox.left, letterbox.top]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"brightness": 1.2}, [120, 60, 24]),
        (
            {"saturation": 0.0},
            [62, 62, 62],
        ),  # luma of BT.601: 0.299 · 100 + 0.587 · 50 + 0.114 · 20
        ({"contrast": 0.5}, [81, 56, 41]),  # half the distance to the mean grey, 61.5
        ({"hue": 2 * np.pi / 3}, [63, 45, 142]),
    ],
)
def test_colours_by_hand(change, expected):
    image = np.full((8, 8, 3), (100, 50, 20), np.uint8)
    params = PhotoParams(np.random.default_rng(0), NO_AUGMENTATION)
    vars(params).update(change)
    recolour(image, params)
    assert np.abs(image.astype(int) - expected).max() <= 1
    assert image.dtype == np.uint8


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


def test_blur_takes_detail_away_and_keeps_the_mean():
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32)
    blurred = augmentation("none", {"blur": 1, "blur_sigma": 3})
    picture, boxes, ids = augment(image, *nothing, 96, np.random.default_rng(2), blurred)
    assert picture.std() < 0.5 * image.std()
    assert picture.mean() == pytest.approx(image.mean(), abs=2)
    assert boxes.shape == (0, 4)
    assert ids.shape == (0,)


def test_jpeg_noise_is_small_on_what_is_smooth_and_keeps_colours_in_place():
    ramp = np.linspace(0, 255, 96)[None, :, None] * [1.0, 0.5, 0.0] + [0, 0, 40]
    image = np.repeat(ramp, 96, axis=0).astype(np.uint8)
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32)
    noisy = augmentation("none", {"jpeg": 1, "jpeg_quality": [50, 50]})
    picture, _, _ = augment(image, *nothing, 96, np.random.default_rng(2), noisy)
    difference = np.abs(picture.astype(int) - image)
    assert 0.2 < difference.mean() < 4


def test_random_parameters_cover_their_ranges_and_no_more():
    config = AugmentConfig(
        scale=(0.5, 2.0), aspect=0.3, rotation=20, translation=0.5, blur=0.4, blur_sigma=2,
        jpeg=0.4, jpeg_quality=(40, 42),
    )  # fmt: skip
    params = [PhotoParams(np.random.default_rng(i), config) for i in range(2000)]
    ranges = {
        "scale": (0.5, 2.0), "aspect": (1 / 1.3, 1.3), "angle": (-20, 20),
        "position_x": (0.25, 0.75), "position_y": (0.25, 0.75),
        "brightness": (0.75, 1.25), "contrast": (0.75, 1.25),
        "saturation": (0.6, 1.4), "hue": (-np.pi / 18, np.pi / 18),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        values = np.array([getattr(p, name) for p in params])
        margin = 0.02 * (high - low)
        assert low <= values.min() < low + margin, name
        assert high - margin < values.max() <= high, name
    assert np.mean([p.mirror for p in params]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([p.blur > 0 for p in params]) == pytest.approx(0.4, abs=0.04)
    assert {p.jpeg for p in params} == {0, 40, 41, 42}
    assert np.mean([p.jpeg > 0 for p in params]) == pytest.approx(0.4, abs=0.04)


def test_random_parameters_do_not_depend_on_what_else_is_switched_on():
    plain = PhotoParams(np.random.default_rng(3), AugmentConfig())
    more = PhotoParams(np.random.default_rng(3), AugmentConfig(rotation=10, blur=1, jpeg=1))
    for name in ("scale", "aspect", "position_x", "mirror", "brightness", "hue"):
        assert getattr(plain, name) == getattr(more, name)


def test_strengths_come_from_a_file_or_a_command_line():
    expected = AugmentConfig(mosaic=0.5, scale=(0.5, 2.0), jpeg_quality=(20, 80))
    changes = {"mosaic": 0.5, "scale": [0.5, 2], "jpeg-quality": [20, 80]}
    assert augmentation("full", changes) == expected
    assert augmentation("full", ["mosaic=0.5", "scale=0.5,2", "jpeg_quality=20,80"]) == expected
    assert augmentation("light") == AUGMENTATIONS["light"]
    assert augmentation("none", asdict(expected)) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mosiac": 0.5}, "did you mean mosaic"),
        ({"mosaic": 1.5}, "mosaic: 1.5 does not lie between 0 and 1"),
        ({"mosaic": "much"}, "'much' is not a number"),
        ({"mosaic": True}, "True is not a number"),
        ({"mosaic": 10**400}, "0 is not a number"),
        ({"mosaic": [0.1, 0.2]}, "takes one number"),
        ({"scale": 0.5}, "takes two numbers"),
        ({"scale": [2, 0.5]}, "scale: the smallest, 2.0, exceeds the largest, 0.5"),
        ({"rotation": float("nan")}, "rotation: nan"),
        (["mosaic"], "not of the form name=value"),
        (["jpeg_quality=nan,50"], r"jpeg_quality: \['nan', '50'\] is not a number"),
        (["jpeg_quality=10,inf"], r"jpeg_quality: \['10', 'inf'\] is not a number"),
    ],
)
def test_wrong_strengths_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        augmentation("full", changes)


def test_strength_grows_from_nothing_to_the_configuration():
    config = AugmentConfig(mosaic=0.5, rotation=10)
    assert config.at_strength(1) == config
    half = config.at_strength(0.5)
    assert half.mosaic == 0.25
    assert half.rotation == 5
    assert half.scale == pytest.approx((0.6**0.5, 1.5**0.5))
    assert half.min_visible == config.min_visible
    assert config.at_strength(3).mosaic == 1
    with pytest.raises(ValueError, match="not positive"):
        config.at_strength(-1)
