"""The stream of batches: complete, reproducible from any step, robust to unreadable photos."""

import dataclasses
import gc
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.data.augment import IGNORED, NO_AUGMENTATION, AugmentConfig
from utils.data.batches.image_cache import DiskCache, MemoryCache
from utils.data.batches.pipeline import (
    input_size_at,
    next_batch,
    training_batches,
    workers_for,
)
from utils.data.batches.samples import TrainingSamples
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.training.choices.phases import Phase
from utils.training.loader import TrainingLoader


@pytest.fixture(autouse=True)
def no_stream_is_left():
    """An error holds the frames, and so the stream, it came from. The garbage collector may drop it
    in a thread of the next stream, which may then wait for ever."""
    yield
    gc.collect()


def make_dataset(folder: Path, count: int, boxes=1) -> Dataset:
    """Photos whose grey level is 20 × their number."""
    records = []
    for i in range(count):
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), np.full((64, 64, 3), 20 * i, np.uint8))
        own = np.array([[8, 8, 40, 40]] * (boxes if i else 0), np.float32).reshape(-1, 4)
        records.append(
            Record(
                str(i), path, 64, 64, own, np.zeros(len(own), np.int32), np.zeros(len(own), bool)
            )
        )
    return Dataset(tuple(records), ("thing",))


EVERYTHING = AugmentConfig(mosaic=0.5, mixup=0.5, rotation=10, blur=0.3, jpeg=0.3)


def make_photos(folder: Path, count: int) -> Dataset:
    """JPEGs of several sizes, larger than the network input, with up to three objects."""
    rng, records = np.random.default_rng(0), []
    for i in range(count):
        height, width = (int(side) for side in rng.integers(100, 400, 2))
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        path = folder / f"{i}.jpg"
        cv2.imwrite(str(path), cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
        corners = rng.uniform(0, 0.5, (i % 4, 2))
        boxes = np.concatenate([corners, corners + 0.4], 1) * [width, height, width, height]
        ids, difficult = np.arange(i % 4, dtype=np.int32) % 2, np.zeros(i % 4, bool)
        records.append(Record(str(i), path, width, height, np.float32(boxes), ids, difficult))
    return Dataset(tuple(records), ("one", "two"))


def assert_equal(some, others):
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def take(samples, batch_size, first_step, steps, **options):
    batches = iter(training_batches(samples, batch_size, first_step, **options))
    return [[part.numpy() for part in next(batches)] for _ in range(steps)]


def test_every_epoch_shows_every_photo_once_in_another_order(tmp_path):
    samples = TrainingSamples(make_dataset(tmp_path, 6), 64, 0, NO_AUGMENTATION)
    shown = [int(samples[i][0][0, 0, 0]) // 20 for i in range(18)]
    epochs = [shown[i : i + 6] for i in (0, 6, 12)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(6))] * 3
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_stream_started_later_is_the_same_stream(tmp_path):
    dataset = make_dataset(tmp_path, 5)
    whole = take(TrainingSamples(dataset, 64, 3, AugmentConfig()), 2, 0, 8)
    late = take(TrainingSamples(dataset, 64, 3, AugmentConfig()), 2, 5, 3)
    for a, b in zip(whole[5:], late, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    other = take(TrainingSamples(dataset, 64, 4, AugmentConfig()), 2, 0, 1)
    assert not np.array_equal(whole[0][0], other[0][0])


def test_a_stream_can_be_dropped_at_once(tmp_path):
    """A thread that tunes it would first have to wake, up to a minute later."""
    samples = TrainingSamples(make_dataset(tmp_path, 5), 64, 0, NO_AUGMENTATION)
    assert training_batches(samples, 2, 0).options().autotune.enabled is False


def test_padding_and_photos_without_objects(tmp_path):
    samples = TrainingSamples(make_dataset(tmp_path, 4, boxes=3), 64, 0, NO_AUGMENTATION)
    images, boxes, class_ids = take(samples, 4, 0, 1)[0]
    assert images.shape == (4, 64, 64, 3)
    assert images.dtype == np.uint8
    assert boxes.shape == (4, 3, 4)
    assert class_ids.shape == (4, 3)
    empty = int(np.flatnonzero(images[:, 0, 0, 0] == 0)[0])
    assert (class_ids[empty] == IGNORED).all()
    assert (boxes[empty] == 0).all()
    assert (np.delete(class_ids, empty, axis=0) == 0).all()


def test_difficult_objects_are_ignored_not_dropped(tmp_path):
    record = make_dataset(tmp_path, 2).records[1]
    record = Record("1", record.image, 64, 64, record.boxes, record.class_ids, np.array([True]))
    samples = TrainingSamples(Dataset((record,), ("thing",)), 64, 0, NO_AUGMENTATION)
    _, boxes, class_ids = samples[0]
    assert class_ids.tolist() == [IGNORED]
    assert boxes.tolist() == [[8, 8, 40, 40]]


def test_a_photo_that_cannot_be_read_is_replaced_and_reported(tmp_path):
    dataset = make_dataset(tmp_path, 4)
    dataset.records[2].image.write_bytes(b"no picture")
    samples = TrainingSamples(dataset, 64, 0, NO_AUGMENTATION)
    shown = [int(samples[i][0][0, 0, 0]) // 20 for i in range(4)]
    assert 2 not in shown
    assert len(shown) == 4
    assert list(samples.unreadable) == ["2"]
    assert "2.png" in samples.unreadable["2"]


def test_no_readable_photo_is_an_error(tmp_path):
    dataset = make_dataset(tmp_path, 2)
    for record in dataset.records:
        record.image.write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of the 2 training photos"):
        TrainingSamples(dataset, 64, 0, NO_AUGMENTATION)[0]


def test_more_than_one_epoch_in_a_batch(tmp_path):
    images, _, _ = take(
        TrainingSamples(make_dataset(tmp_path, 3), 64, 0, NO_AUGMENTATION), 8, 0, 1
    )[0]
    assert len(images) == 8


def test_the_number_of_workers_changes_nothing(tmp_path):
    dataset = make_photos(tmp_path, 9)
    two, eight, one = (
        take(TrainingSamples(dataset, 96, 5, EVERYTHING), 4, 0, 8, workers=workers)
        for workers in (2, 8, 1)
    )
    assert_equal(two, eight)
    assert_equal(two, one)


def test_a_run_resumed_inside_an_epoch_continues_with_the_same_batches(tmp_path):
    dataset = make_photos(tmp_path, 9)
    whole = take(TrainingSamples(dataset, 96, 5, EVERYTHING), 4, 0, 8, workers=8)
    for step in (1, 3, 6):  # 9 photos in batches of 4: none of them begins an epoch
        resumed = take(TrainingSamples(dataset, 96, 5, EVERYTHING), 4, step, 2, workers=2)
        assert_equal(whole[step : step + 2], resumed)


def test_shards_together_are_the_whole_batch(tmp_path):
    samples = TrainingSamples(make_photos(tmp_path, 9), 96, 5, EVERYTHING)
    whole = take(samples, 6, 2, 4)
    for parts in (2, 3):
        shards = [take(samples, 6, 2, 4, shard=(i, parts)) for i in range(parts)]
        for step in range(4):
            images = np.concatenate([shard[step][0] for shard in shards])
            assert np.array_equal(images, whole[step][0])
            rows = [row for shard in shards for row in zip(*shard[step][1:], strict=True)]
            for (boxes, ids), *expected in zip(rows, *whole[step][1:], strict=True):
                real = [(boxes != 0).any(axis=1), (expected[0] != 0).any(axis=1)]
                assert np.array_equal(boxes[real[0]], expected[0][real[1]])
                assert np.array_equal(ids[real[0]], expected[1][real[1]])


@pytest.mark.parametrize("shard", [(0, 4), (2, 2), (-1, 2)])
def test_impossible_shards_are_refused(tmp_path, shard):
    samples = TrainingSamples(make_dataset(tmp_path, 2), 64, 0, NO_AUGMENTATION)
    with pytest.raises(ValueError, match="of a batch of 6"):
        training_batches(samples, 6, 0, shard=shard)


def test_sizes_differ_by_batch_and_follow_from_seed_and_step(tmp_path):
    samples = TrainingSamples(make_photos(tmp_path, 5), 96, 5, EVERYTHING)
    sizes = (64, 96, 128)
    whole = take(samples, 2, 0, 9, sizes=sizes)
    shown = [batch[0].shape[1] for batch in whole]
    assert set(shown) == set(sizes)
    assert shown == [input_size_at(sizes, 5, step) for step in range(9)]
    assert shown != [input_size_at(sizes, 6, step) for step in range(9)]
    assert_equal(whole[4:7], take(samples, 2, 4, 3, sizes=sizes))
    step = shown.index(96)
    assert_equal(whole[step : step + 1], take(samples, 2, step, 1))


def test_another_configuration_from_some_step_on(tmp_path):
    """Photos and order stay; what is drawn for a photo does not depend on what is switched off."""
    samples = TrainingSamples(make_photos(tmp_path, 7), 96, 5, EVERYTHING)
    weaker = dataclasses.replace(EVERYTHING, mosaic=0.0, mixup=0.0)
    later = samples.with_config(weaker, 64)
    fresh = TrainingSamples(samples.dataset, 64, 5, weaker)
    assert_equal(take(later, 2, 3, 3), take(fresh, 2, 3, 3))
    assert later.errors is samples.errors


def test_augmentation_grows_with_every_epoch_of_its_warmup(tmp_path):
    photos, strong = make_photos(tmp_path, 3), AugmentConfig(scale=(2.0, 2.0), aspect=0)
    samples = TrainingSamples(photos, 96, 5, strong, warmup_epochs=4)
    widths = []
    for epoch in range(6):
        weak = strong.at_strength(min((epoch + 1) / 4, 1.0))
        expected = TrainingSamples(photos, 96, 5, weak)[3 * epoch]
        got = samples.with_config(strong)[3 * epoch]
        np.testing.assert_array_equal(got.image, expected.image)
        np.testing.assert_array_equal(got.boxes, expected.boxes)
        widths.append(weak.scale[0])
    assert widths == sorted(widths)
    assert widths[0] == pytest.approx(2**0.25)
    assert widths[3:] == [2.0] * 3


def test_pictures_have_the_shape_that_is_asked_for_also_in_later_phases(tmp_path):
    samples = TrainingSamples(make_photos(tmp_path, 4), 96, 5, EVERYTHING, aspect=(1.0, 0.6))
    later = samples.with_config(NO_AUGMENTATION, 128)
    for one, shape in ((samples, (64, 96, 3)), (later, (96, 128, 3))):
        images, _, _ = take(one, 2, 0, 1)[0]
        assert images.shape == (2, *shape)
    scales = {images.shape[1:3] for images, _, _ in take(samples, 2, 0, 9, sizes=(96, 128))}
    assert scales == {(64, 96), (96, 128)}


@pytest.mark.parametrize("kind", ["memory", "disk", "small memory", "small disk"])
def test_a_cache_changes_nothing(tmp_path, kind):
    dataset = make_photos(tmp_path, 9)
    reader = {
        "memory": lambda: MemoryCache(10**9),
        "disk": lambda: DiskCache(tmp_path / "cache", 10**9),
        "small memory": lambda: MemoryCache(100_000),
        "small disk": lambda: DiskCache(tmp_path / "cache", 100_000),
    }[kind]()
    plain = take(TrainingSamples(dataset, 96, 5, EVERYTHING), 4, 0, 8)
    for _ in range(2):  # filling it, and from it
        cached = TrainingSamples(dataset, 96, 5, EVERYTHING, reader)
        assert_equal(plain, take(cached, 4, 0, 8))
    assert 0 < reader.used <= reader.budget


def test_an_unreadable_photo_in_a_mosaic_is_replaced(tmp_path):
    dataset = make_photos(tmp_path, 5)
    dataset.records[2].image.write_bytes(b"no picture")
    samples = TrainingSamples(dataset, 96, 0, AugmentConfig(mosaic=1.0))
    for index in range(5):
        assert samples[index].image.shape == (96, 96, 3)
    assert list(samples.unreadable) == ["2"]


def test_a_photo_whose_size_is_not_that_of_its_record_is_skipped(tmp_path):
    dataset = make_dataset(tmp_path, 3)
    cv2.imwrite(str(dataset.records[1].image), np.full((64, 80, 3), 20, np.uint8))
    samples = TrainingSamples(dataset, 64, 0, NO_AUGMENTATION)
    shown = [int(samples[i][0][0, 0, 0]) // 20 for i in range(3)]
    assert 1 not in shown
    assert "is not the picture of 64×64 pixels" in samples.unreadable["1"]


def test_an_error_in_a_worker_is_raised_as_it_was(tmp_path):
    dataset = make_dataset(tmp_path, 2)
    for record in dataset.records:
        record.image.write_bytes(b"no picture")
    samples = TrainingSamples(dataset, 64, 0, NO_AUGMENTATION)
    batches = iter(training_batches(samples.with_config(EVERYTHING), 2, 0))
    with pytest.raises(UserError, match="none of the 2 training photos"):
        next_batch(batches, samples)


def test_the_threads_follow_the_cores_within_bounds():
    assert [workers_for(cores) for cores in (1, 4, 12, 16, 64)] == [4, 4, 12, 16, 16]


def test_batches_that_are_copied_to_a_device_are_the_same(tmp_path):
    samples = TrainingSamples(make_photos(tmp_path, 5), 64, 0, EVERYTHING)
    there = take(samples, 2, 3, 4, device="/CPU:0")
    assert_equal(there, take(samples, 2, 3, 4))


def test_an_unreadable_dataset_is_reported_from_a_device_too(tmp_path):
    dataset = make_dataset(tmp_path, 2)
    for path in tmp_path.glob("*.png"):
        path.write_bytes(b"no picture")
    samples = TrainingSamples(dataset, 64, 0, NO_AUGMENTATION)
    stream = iter(training_batches(samples, 2, 0, device="/CPU:0"))
    with pytest.raises(UserError, match=r"none of the 2 training photos can be read \(.*\.png"):
        next_batch(stream, samples)


def test_a_loader_drops_its_stream_when_it_is_closed(tmp_path):
    samples = TrainingSamples(make_dataset(tmp_path, 4), 64, 0, NO_AUGMENTATION)
    loader, phase = TrainingLoader(samples, 2), Phase(0, (64,), NO_AUGMENTATION)
    before = loader.next(0, phase)
    stream = weakref.ref(loader._batches)
    gc.disable()
    try:
        loader.close()
        assert stream() is None
    finally:
        gc.enable()
    assert_equal([loader.next(0, phase)], [before])  # and begins anew where it is asked to
