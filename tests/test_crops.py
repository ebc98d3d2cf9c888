"""``train.py --tile``: the crops of an epoch, where they lie, and objects that a border cuts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drawn_photos import drawn_photo, find
from utils.data.augment import IGNORED, NO_AUGMENTATION, AugmentConfig
from utils.data.augment.params import sample_params
from utils.data.batches.crops import (
    AIMED,
    MIN_VISIBLE,
    Crops,
    crop_corner,
    crop_counts,
    limited_to_crop_size,
    too_small,
)
from utils.data.batches.image_cache import needed_bytes
from utils.data.batches.input_shape import TrainingShape
from utils.data.batches.pipeline import training_batches
from utils.data.batches.samples import TrainingSamples
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.images import decode_image
from utils.tiling import Tiling
from utils.training.choices.tile import choose_tile, crops_text, tile_facts

SIDE = 96
PLAIN = replace(NO_AUGMENTATION, min_visible=MIN_VISIBLE)


def dataset(photos):
    """A dataset of drawn photos, and a reader that decodes them."""
    records = [
        Record(
            str(i), f"{i}", p.width, p.height, p.boxes, p.class_ids, np.zeros(len(p.boxes), bool)
        )
        for i, p in enumerate(photos)
    ]

    def read(path, *, reduce):
        return decode_image(photos[int(path)].data, reduce=reduce)

    return Dataset(tuple(records), ("thing",)), read


def plain_record(width, height, boxes, difficult=()):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    hard = np.isin(np.arange(len(boxes)), list(difficult))
    return Record("a", "a.jpg", width, height, boxes, np.zeros(len(boxes), np.int32), hard)


def samples_of(photos, config=PLAIN, seed=0, size=SIDE, side=SIDE):
    data, read = dataset(photos)
    return TrainingSamples(data, size, seed, config, read, crops=Crops.of(data, side))


def test_crops_of_an_epoch_worked_by_hand():
    sizes = np.array([[400, 300], [400, 300], [400, 300], [100, 100], [90, 400], [50, 60]])
    objects = np.array([0, 2, 50, 1, 9, 3])
    # Areas in crops of 100: 12, 12, 12, 1, 4 (90 counts as 100) and 1.
    assert crop_counts(sizes, objects, 100).tolist() == [1, 4, 12, 1, 4, 1]


def test_larger_photos_are_also_shown_whole_and_difficult_objects_do_not_count():
    boxes = [[10, 10, 20, 20], [50, 50, 60, 60]]
    records = (
        plain_record(400, 300, boxes),
        plain_record(400, 300, boxes, difficult=[1]),
        plain_record(80, 100, boxes),
    )
    crops = Crops.of(Dataset(records, ("thing",)), 100)
    assert crops.photos.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 2]
    assert np.flatnonzero(crops.whole).tolist() == [4, 7]
    assert crops.visible_size((400, 300)) == (100, 100)
    assert crops.visible_size((80, 300)) == (80, 100)
    assert "7 crops of 3 photos, and 2" in crops_text(crops, 3)


lengths = st.integers(20, 900)
unit = st.floats(0, 1, exclude_max=True)


@given(width=lengths, height=lengths, view=st.tuples(lengths, lengths),
       where=st.tuples(*[unit] * 4), u=st.tuples(*[unit] * 4))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_crops_lie_in_the_photo_and_show_what_they_are_aimed_at(width, height, view, where, u):
    x0, y0 = where[0] * (width - 2), where[1] * (height - 2)
    x1, y1 = x0 + 1 + where[2] * (width - x0 - 1), y0 + 1 + where[3] * (height - y0 - 1)
    box = np.array([x0, y0, x1, y1])
    corner = np.array(crop_corner((width, height), view, box[None], np.array(u)))
    end = corner + view
    assert (corner >= 0).all()
    for axis, length in enumerate((width, height)):
        assert end[axis] <= max(length, view[axis]) + 1e-6
        if u[0] >= AIMED:
            assert corner[axis] == pytest.approx(
                max(0, length - view[axis]) * u[2 + axis], abs=1e-6
            )
            continue
        low, high = box[axis], box[axis + 2]
        seen = min(high, end[axis]) - max(low, corner[axis])
        assert seen == pytest.approx(min(high - low, view[axis]), abs=1e-3)


def test_a_crop_without_objects_to_aim_at_lies_anywhere():
    nothing = np.zeros((0, 4), np.float32)
    corner = crop_corner((300, 200), (100, 100), nothing, np.array([0, 0, 0.5, 0.25]))
    assert corner == (100, 25)


@given(width=st.integers(100, 400), height=st.integers(100, 400), x=unit, y=unit,
       seed=st.integers(0, 1000))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_objects_are_where_their_labels_say_at_full_resolution(width, height, x, y, seed):
    left, top = int(x * (width - 24)), int(y * (height - 24))
    photo = drawn_photo((width, height), (left, top, left + 24, top + 24))
    samples = samples_of([photo], seed=seed)
    order = samples._epoch_order(0)
    for index in range(len(samples)):
        image, boxes, ids = samples[index]
        assert image.shape == (SIDE, SIDE, 3)
        found = find(image)
        if samples.crops.whole[order[index]]:
            shrunk = 24 * SIDE / max(width, height)
            assert len(boxes) == 1
            assert (ids[0] == IGNORED) == (shrunk < 8 - 0.3) or abs(shrunk - 8) < 0.3
            continue
        if not len(boxes):
            continue
        sides = boxes[0, 2:] - boxes[0, :2]
        assert (sides <= 24 + 1e-3).all()  # not resized
        assert (ids[0] == IGNORED) == (sides.prod() < MIN_VISIBLE * 24 * 24)
        if sides.min() >= 3:
            assert np.abs(found - boxes[0]).max() <= 1.5


def test_a_crop_of_pixels_is_the_photo_itself():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (230, 310, 3), np.uint8)
    record = plain_record(310, 230, [[20, 30, 50, 50], [200, 100, 230, 140]])
    data = Dataset((record,), ("thing",))
    samples = TrainingSamples(
        data, SIDE, 3, PLAIN, lambda path, *, reduce: pixels, crops=Crops.of(data, SIDE)
    )
    order, seen = samples._epoch_order(0), set()
    for index in range(len(samples)):
        if samples.crops.whole[order[index]]:
            continue
        image, boxes, _ = samples[index]
        windows = np.lib.stride_tricks.sliding_window_view(pixels[..., 0], (SIDE, SIDE))
        top, left = np.argwhere((windows == image[..., 0]).all(axis=(2, 3)))[0]
        seen.add((int(top), int(left)))
        moved = record.boxes - np.float32([left, top, left, top])
        clipped = np.clip(moved, 0, SIDE)
        visible = (clipped[:, 2:] - clipped[:, :2]).min(axis=1) > 0
        np.testing.assert_allclose(boxes, clipped[visible], atol=0.5)
    assert len(seen) == len(samples) - 1  # all at different places


def test_small_photos_are_used_whole_as_without_tiles():
    photos = [drawn_photo((80, 60), (10, 10, 40, 40)), drawn_photo((60, 90), (5, 20, 30, 50))]
    data, read = dataset(photos)
    config = AugmentConfig()
    with_crops = samples_of(photos, config, seed=4)
    without = TrainingSamples(data, SIDE, 4, config, read)
    assert len(with_crops) == len(without) == 2
    # Zoomed in, a photo is larger than the picture, and lies elsewhere.
    small = replace(config, scale=(0.5, 0.9), aspect=0)
    for index in range(6):
        pair = (x.with_config(small)[index] for x in (with_crops, without))
        assert all(np.array_equal(a, b) for a, b in zip(*pair, strict=True))


def test_background_and_objects_are_both_shown():
    photos = [drawn_photo((600, 600), (250, 250, 280, 280))] * 4
    samples = samples_of(photos)
    shown = [bool((samples[i].class_ids >= 0).any()) for i in range(10 * len(samples))]
    assert 0.2 < np.mean(shown) < 0.6  # a third is aimed at it


def test_another_epoch_has_other_crops_and_the_same_position_always_the_same_sample():
    photos = [drawn_photo((300, 200), (100, 90, 130, 120)), drawn_photo((80, 60), (9, 9, 40, 40))]
    config = AugmentConfig(mosaic=0.5, rotation=5, min_visible=MIN_VISIBLE)
    samples, again = samples_of(photos, config), samples_of(photos, config)
    count = 3 * len(samples)
    for index in reversed(range(count)):  # in another order, as workers ask for them
        assert all(np.array_equal(a, b) for a, b in zip(samples[index], again[index], strict=True))
    first = {samples[i].image.tobytes() for i in range(len(samples))}
    assert not first & {samples[i].image.tobytes() for i in range(len(samples), 2 * len(samples))}


def test_a_stream_resumed_at_any_step_goes_on_as_if_never_stopped():
    photos = [drawn_photo((300, 200), (100, 90, 130, 120)), drawn_photo((210, 260), (9, 9, 40, 40))]
    samples = samples_of(photos, AugmentConfig())
    run = [b for b, _ in zip(training_batches(samples, 2, 0), range(5), strict=False)]
    resumed = iter(training_batches(samples_of(photos, AugmentConfig()), 2, 3, workers=1))
    for batch in run[3:]:
        for a, b in zip(batch, next(resumed), strict=True):
            assert np.array_equal(a.numpy(), b.numpy())


def test_without_crops_nothing_is_drawn_otherwise():
    """The numbers that place a crop come last: those of augmentation are what they were."""
    params = sample_params(5, 1, 2, 10, AugmentConfig()).images[0].photos[0][1]
    u = np.random.default_rng([5, 1, 1, 2]).random(19)
    assert params.mirror == (u[4] < 0.5)
    assert params.crop.tolist() == u[15:].tolist()


def test_tiny_objects_are_ignored_where_a_photo_is_shown_whole():
    boxes = np.array([[0, 0, 8, 8], [0, 0, 7.9, 8], [0, 0, 4, 16]])
    assert too_small(boxes).tolist() == [False, True, False]


def test_choices_by_size_see_what_crops_show():
    data = Dataset((plain_record(400, 80, [[300, 10, 330, 50], [0, 0, 400, 80]]),), ("thing",))
    shown = limited_to_crop_size(data, 100).records[0]
    assert (shown.width, shown.height) == (100, 80)
    assert shown.boxes.tolist() == [[0, 0, 30, 40], [0, 0, 100, 80]]


def test_auto_takes_crops_where_most_objects_are_smaller_than_a_cell():
    large = Dataset((plain_record(4000, 3000, [[9, 9, 39, 39]] * 3),), ("thing",))
    # 30 pixels at 416/4000 are 3.
    side, why = choose_tile("auto", large, 416)
    assert side == 416
    assert "100% of the objects would be smaller than 8 pixels" in why
    assert choose_tile("auto", large, "auto")[0] == 640
    half = [[9, 9, 39, 39], [9, 9, 900, 900]]
    assert choose_tile("auto", Dataset((plain_record(4000, 3000, half),), ("a",)), 416)[0] is None
    small = Dataset((plain_record(300, 200, [[9, 9, 13, 13]]),), ("thing",))
    assert choose_tile("auto", small, 416)[0] is None  # there is no more resolution
    empty = Dataset((plain_record(4000, 3000, []),), ("thing",))
    assert "no objects" in choose_tile("auto", empty, 416)[1]
    assert choose_tile("off", large, 416) == (None, "")
    assert choose_tile("512", large, 416)[0] == 512


def test_checkpoints_record_side_and_overlap():
    assert tile_facts(None) == {}
    assert tile_facts(512) == {"tile": {"side": 512, "overlap": Tiling(512).overlap}}


def test_the_cache_expects_photos_at_full_resolution():
    data = Dataset((plain_record(1600, 1600, [[9, 9, 39, 39]]),), ("thing",))
    whole = needed_bytes(data, [SIDE], NO_AUGMENTATION)
    assert needed_bytes(data, [SIDE], NO_AUGMENTATION, Crops.of(data, SIDE)) >= 3 * 1600 * 1600
    assert whole < 3 * 1600 * 1600 / 16


def test_photos_that_cannot_be_read_are_counted_once():
    data, _ = dataset([drawn_photo((300, 200), (100, 90, 130, 120))])

    def read(path, *, reduce):
        raise UserError(f"{path}: damaged")

    samples = TrainingSamples(data, SIDE, 0, PLAIN, read, crops=Crops.of(data, SIDE))
    with pytest.raises(UserError, match="none of the 1 training photos"):
        samples[0]


def test_rectangles_and_mosaics_show_crops_at_the_same_scale():
    photo = drawn_photo((400, 400), (180, 180, 204, 204))
    data, read = dataset([photo])
    config = replace(PLAIN, mosaic=1.0, mosaic_scale=1.0)
    samples = TrainingSamples(data, 160, 0, config, read, crops=Crops.of(data, 160))
    sizes = []
    for index in range(12):
        params = sample_params(0, index, 0, len(samples), config)
        order = [0] * len(samples)  # a crop, not the whole photo
        sample = samples.compose(params, order, TrainingShape(160, 160, (160, 160)), config)
        sizes += (sample.boxes[:, 2:] - sample.boxes[:, :2]).tolist()
    assert sizes
    assert np.max(sizes) == pytest.approx(24, abs=0.5)
