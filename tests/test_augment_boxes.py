"""An object drawn into a photo is found in the augmented picture where its label says.

Labels are checked against the pixels alone: objects of a colour of their own are looked for in the
picture, in each augmentation and for random photos, boxes and parameters.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.drawn_photos import COLOURS, compose, drawn_photo, extent, find
from utils.data.augment import IGNORED, AugmentConfig
from utils.data.augment.geometry import clip_boxes, move_boxes
from utils.data.augment.params import sample_params
from utils.data.batches.input_shape import TrainingShape

SIZE = 160
GEOMETRY = AugmentConfig(brightness=0, contrast=0, saturation=0, hue=0, vertical_flip=0.5)
seeds = st.integers(0, 10_000)
# A square, and a rectangle whose height is rounded up.
training_shapes = st.sampled_from([TrainingShape.square(SIZE), TrainingShape(SIZE, 96, (SIZE, 90))])
positions = st.tuples(*[st.floats(0, 1)] * 4)
# Up to ten times the network input: decoded at every reduction.
sides = st.integers(60, 500) | st.integers(500, 1600)
large = st.integers(300, 1600)  # a drawn ellipse is right to half a pixel of the photo


def box_in(width, height, where, smallest=20):
    """A box of whole pixels inside the photo, at least a fifteenth of it a side."""
    w, h = max(smallest, width // 15), max(smallest, height // 15)
    w, h = w + int(where[2] * (width - w)), h + int(where[3] * (height - h))
    x, y = int(where[0] * (width - w)), int(where[1] * (height - h))
    return x, y, x + w, y + h


def round_box_in(width, height, where):
    """A box inside the photo that is at most 2.2 times as long as it is wide."""
    w = round(min(width, height) * (0.15 + 0.3 * where[2]))
    h = round(w * 2.2 ** (2 * where[3] - 1))
    x, y = int(where[0] * (width - w)), int(where[1] * (height - h))
    return x, y, x + w, y + h


def augmented(photos, seed, config, shape):
    params = sample_params(seed, 0, 0, len(photos), config)
    return params, compose(photos, params, shape, config)


def check(found, label, tolerance=1.5):
    assert np.abs(found - label).max() <= tolerance, f"found {found}, labelled {label}"


@given(width=sides, height=sides, where=positions, seed=seeds, shape=training_shapes)
@settings(max_examples=150, deadline=None)
def test_scale_aspect_position_and_mirroring(width, height, where, seed, shape):
    photo = drawn_photo((width, height), box_in(width, height, where))
    _, (picture, boxes, ids) = augmented([photo], seed, GEOMETRY, shape)
    assert picture.shape == (shape.height, shape.width, 3)
    assert picture.dtype == np.uint8
    found = find(picture)
    if not len(boxes):
        assert found is None
        return
    assert ids[0] in (0, IGNORED)
    if (boxes[0, 2:] - boxes[0, :2]).min() >= 3:  # slivers at the border may be dim
        check(found, boxes[0])


@given(width=large, height=large, where=positions, seed=seeds, shape=training_shapes)
@settings(max_examples=150, deadline=None)
def test_rotation(width, height, where, seed, shape):
    """An ellipse, for which the new box is exact, wherever all of it is seen."""
    photo = drawn_photo((width, height), round_box_in(width, height, where), ellipse=True)
    config = replace(GEOMETRY, rotation=45, scale=(0.6, 1.2))
    _, (picture, boxes, _) = augmented([photo], seed, config, shape)
    assume(len(boxes))
    assume(
        (boxes[0, :2] > 1).all()
        and (boxes[0, 2:] < np.array([shape.width, shape.height]) - 1).all()
    )
    assume((boxes[0, 2:] - boxes[0, :2]).min() >= 8)
    check(find(picture), boxes[0])


@given(
    photo_shapes=st.lists(st.tuples(sides, sides, positions), min_size=4, max_size=4),
    seed=seeds,
    shape=training_shapes,
)
@settings(max_examples=60, deadline=None)
def test_mosaic(photo_shapes, seed, shape):
    photos = [
        drawn_photo((width, height), box_in(width, height, where), colour, class_id=i)
        for i, ((width, height, where), colour) in enumerate(
            zip(photo_shapes, COLOURS, strict=True)
        )
    ]
    config = replace(GEOMETRY, mosaic=1.0, min_visible=0.0)
    params, (picture, boxes, ids) = augmented(photos, seed, config, shape)
    shown = [at for at, _ in params.images[0].photos]
    assert len(shown) == 4
    for class_id, colour in enumerate(COLOURS):
        mine = boxes[ids == class_id]
        if shown.count(class_id) > 1 or len(mine) != 1:  # the same photo may come twice
            continue
        if (mine[0, 2:] - mine[0, :2]).min() >= 3:
            check(find(picture, colour), mine[0])
    for colour in COLOURS:
        if list(COLOURS).index(colour) not in shown:
            assert find(picture, colour) is None


def test_photos_of_a_mosaic_are_as_small_as_its_scale_says():
    photos = [
        drawn_photo((400, 400), (180, 180, 220, 220), colour, class_id=i)
        for i, colour in enumerate(COLOURS)
    ]
    config = replace(GEOMETRY, mosaic=1.0, scale=(1.0, 1.0), aspect=0.0, min_visible=0.99)
    longest = {}
    for scale in (1.0, 0.5):
        _, (_, boxes, ids) = augmented(
            photos, 0, replace(config, mosaic_scale=scale), TrainingShape.square(SIZE)
        )
        whole = boxes[ids != IGNORED]
        longest[scale] = (whole[:, 2:] - whole[:, :2]).max()
    assert longest[1.0] == pytest.approx(16, abs=1)  # 40 of 400 pixels, of 160
    assert longest[0.5] == pytest.approx(8, abs=1)


@given(
    first=st.tuples(sides, sides, positions),
    second=st.tuples(sides, sides, positions),
    seed=seeds,
    shape=training_shapes,
)
@settings(max_examples=60, deadline=None)
def test_mixup(first, second, seed, shape):
    photos = [
        drawn_photo((width, height), box_in(width, height, where), colour, class_id=i)
        for i, (colour, (width, height, where)) in enumerate([("red", first), ("green", second)])
    ]
    config = replace(GEOMETRY, mixup=1.0, min_visible=0.0)
    params, (picture, boxes, ids) = augmented(photos, seed, config, shape)
    assume([image.photos[0][0] for image in params.images] == [0, 1])
    image = picture.astype(int)
    for class_id, weight in ((0, params.mixup_weight), (1, 1 - params.mixup_weight)):
        mine = boxes[ids == class_id]
        if len(mine) and (mine[0, 2:] - mine[0, :2]).min() >= 3:
            # Padding is grey in both; what a channel has over blue comes from its object.
            check(extent(image[..., class_id] - image[..., 2] > 127.5 * weight), mine[0])


@given(side=st.integers(100, 900), where=positions, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_colour_blur_and_jpeg_noise_leave_boxes_alone(side, where, seed):
    """Square photos that fill the picture: the object is what is brighter than the middle."""
    photo = drawn_photo((side, side), box_in(side, side, where))
    config = AugmentConfig(
        scale=(1.0, 1.4), aspect=0, hue=0, saturation=0, blur=1.0, jpeg=1.0, jpeg_quality=(60, 90)
    )
    _, (picture, boxes, _) = augmented([photo], seed, config, TrainingShape.square(SIZE))
    assume(len(boxes))
    assume((boxes[0, 2:] - boxes[0, :2]).min() >= 8)
    assume((boxes[0, 2:] - boxes[0, :2]).max() <= SIZE - 16)
    red = picture[..., 0].astype(int)
    check(extent(red > (red.min() + red.max()) / 2), boxes[0])


@given(width=large, height=large, where=positions, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_all_at_once(width, height, where, seed):
    """Mosaic, rotation, scale, mirroring and mixup together, colours as they are."""
    box = round_box_in(width, height, where)
    photos = [drawn_photo((width, height), box, "red", ellipse=True, class_id=0)]
    photos += [drawn_photo((200, 150), (20, 20, 60, 60), "green", class_id=1) for _ in range(30)]
    config = replace(
        GEOMETRY, mosaic=0.7, mixup=0.7, rotation=20, scale=(0.6, 1.1), min_visible=0.0
    )
    params, (picture, boxes, ids) = augmented(photos, seed, config, TrainingShape.square(256))
    assume(sum(at == 0 for image in params.images for at, _ in image.photos) == 1)
    mine = boxes[ids == 0]
    centre = params.images[0].centre
    x1, y1 = (1, 1) if centre is None else centre  # the first photo's region
    assume(len(mine) == 1)
    label = mine[0]
    assume(
        (label[:2] > 1).all() and label[2] < round(x1 * 256) - 1 and label[3] < round(y1 * 256) - 1
    )
    assume((label[2:] - label[:2]).min() >= 8)
    image = picture.astype(int)
    check(extent(image[..., 0] - image[..., 2] > 127.5 * params.mixup_weight), label)


def test_objects_of_a_faint_picture_are_ignored():
    photos = [drawn_photo((100, 100), (20, 20, 60, 60), class_id=3)] * 2
    config = AugmentConfig(scale=(1, 1), mixup=1.0, mixup_alpha=0.3)
    faint = 0
    for seed in range(40):
        params, (_, _, ids) = augmented(photos, seed, config, TrainingShape.square(SIZE))
        weights = params.mixup_weight, 1 - params.mixup_weight
        expected = [3 if weight >= 0.3 else IGNORED for weight in weights]
        assert ids.tolist() == expected
        faint += IGNORED in expected
    assert 10 < faint < 40


def test_the_box_of_a_turned_circle_keeps_its_size_and_a_quarter_turn_swaps_sides():
    box = np.array([[10.0, 20, 50, 60]])
    cos, sin = np.cos(np.pi / 4), np.sin(np.pi / 4)
    moved = move_boxes(box, np.array([[cos, -sin, 0], [sin, cos, 0]]))
    assert moved[0, 2:] - moved[0, :2] == pytest.approx([40, 40])
    assert (moved[0, 2:] + moved[0, :2]) / 2 == pytest.approx([-10 / 2**0.5, 70 / 2**0.5])
    quarter = np.array([[0, -1, 100], [1, 0, 0]])  # (x, y) → (100 − y, x)
    assert move_boxes(np.array([[10, 20, 50, 80]]), quarter)[0] == pytest.approx([20, 10, 80, 50])


def test_a_whole_object_is_visible_whatever_its_coordinates():
    rng = np.random.default_rng(0)
    corner, sides = rng.random((500, 2)) * 300 + 1, rng.random((500, 2)) * 100 + 5
    boxes = np.concatenate([corner, corner + sides], axis=1)
    boxes[:5] = [-1e-12, 0, 410 + 1e-12, 416]  # up to the border, moved by rounding
    boxes[5:10] = [0, 0, 416.01, 416]
    _, ids = clip_boxes(boxes, np.arange(500), (416, 416), 1.0)
    assert (ids < 0).tolist() == [False] * 5 + [True] * 5 + [False] * 490


def test_clipping():
    boxes = np.array(
        [[-10, 0, 10, 10], [-10, 0, 2, 10], [-9, 0, 0, 5], [5, 5, 5.5, 9], [95, 1, 120, 9]]
    )
    kept, ids = clip_boxes(boxes, np.arange(5), (100, 50), 0.3)
    assert kept.tolist() == [[0, 0, 10, 10], [0, 0, 2, 10], [5, 5, 5.5, 9], [95, 1, 100, 9]]
    assert ids.tolist() == [0, IGNORED, IGNORED, IGNORED]
    assert kept.dtype == np.float32
    assert ids.dtype == np.int32
