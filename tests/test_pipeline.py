"""The stream of batches: complete, reproducible from any step, sturdy."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.data.augment import IGNORED, NO_AUGMENTATION, AugmentConfig
from utils.data.pipeline import TrainingSamples, training_batches
from utils.data.records import Dataset, Record
from utils.errors import UserError


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


def take(samples, batch_size, first_step, steps):
    batches = iter(training_batches(samples, batch_size, first_step))
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
