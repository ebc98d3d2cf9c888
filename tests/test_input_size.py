"""The input size that the objects of a dataset need."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.data.input_size import MIN_OBJECT_SIDE_SHORT_RUN, SizeNeeds, input_size_for_objects
from utils.data.records import Dataset, Record


def dataset(side, *, photo=(1000, 800), count=40):
    """Photos with one square object of this many pixels each."""
    records = tuple(
        Record(
            image_id=str(i), image=Path(f"{i}.jpg"), width=photo[0], height=photo[1],
            boxes=np.array([[10, 10, 10 + side, 10 + side]], np.float32),
            class_ids=np.zeros(1, np.int32), difficult=np.zeros(1, bool),
        )
        for i in range(count)
    )  # fmt: skip
    return Dataset(records, ("thing",))


def test_large_objects_need_few_pixels_and_small_ones_many():
    needs = [SizeNeeds.of(dataset(side)) for side in (500, 90, 70, 50, 20)]
    sizes = [one.smallest() for one in needs]
    assert sizes[0] == 256
    assert sizes[-1] == 640
    assert sizes == sorted(sizes)
    # Nine objects in ten have 24 pixels at needed.
    assert needs[1].needed == pytest.approx(24 * 1000 / 90, rel=1e-3)


def test_large_objects_get_the_usual_size():
    assert input_size_for_objects(dataset(500))[0] == 416
    assert input_size_for_objects(dataset(30))[0] == 640  # small ones more


def test_no_more_pixels_than_the_photos_have():
    assert input_size_for_objects(dataset(8, photo=(320, 240)))[0] == 320
    assert input_size_for_objects(dataset(8, photo=(450, 300)))[0] == 416
    assert input_size_for_objects(dataset(8, photo=(200, 100)))[0] == 256


def test_wide_photos_may_have_more_pixels_along_their_side():
    assert input_size_for_objects(dataset(8, photo=(1600, 400)))[0] == 1024
    assert input_size_for_objects(dataset(8, photo=(1600, 1200)))[0] == 640
    squares = input_size_for_objects(dataset(8, photo=(1600, 400)), aspect=(1.0, 1.0))
    assert squares[0] == 640  # where training pictures are squares


def test_without_objects_the_smallest_size_and_its_reason():
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    records = [
        replace(record, **dict(zip(("boxes", "class_ids", "difficult"), empty, strict=True)))
        for record in dataset(50).records
    ]
    size, why = input_size_for_objects(Dataset(tuple(records), ("thing",)))
    assert size == 256
    assert "no objects" in why


def test_with_little_time_objects_may_be_smaller_but_not_too_small():
    needs = SizeNeeds.of(dataset(40))  # 24 pixels at 600: 640 is what they ask for
    assert needs.smallest() == 640
    assert needs.smallest(MIN_OBJECT_SIDE_SHORT_RUN) == 320  # at 256 they would be 10 pixels
    tiny = SizeNeeds.of(dataset(8))
    assert tiny.smallest(MIN_OBJECT_SIDE_SHORT_RUN) == 640  # or they could not be seen
    assert needs.pixels(640) == 640 * 512
    assert needs.pixels(352) == 352 * 288  # a size that was asked for
