"""Rectangular training: the shape that nine photos in ten fit into, and photos in it."""

from pathlib import Path

import numpy as np
import pytest

from tests.drawn_photos import LabelledPhoto, as_png, compose
from utils.data.augment import NO_AUGMENTATION
from utils.data.augment.params import sample_params
from utils.data.batches.input_shape import TrainingShape, rectangular_aspect, training_shape
from utils.data.records import Dataset, Record


def dataset(*shapes):
    records = [
        Record(
            str(i), Path(f"{i}.jpg"), width, height, np.zeros((0, 4), np.float32),
            np.zeros(0, np.int32), np.zeros(0, bool),
        )
        for i, (width, height) in enumerate(shapes)
    ]  # fmt: skip
    return Dataset(tuple(records), ("thing",))


@pytest.mark.parametrize(
    ("shapes", "size", "expected"),
    [
        ([(640, 480)] * 10, 416, (416, 320)),  # 312 pixels high, on to the next multiple of 32
        ([(480, 640)] * 10, 416, (320, 416)),
        ([(640, 480)] * 5 + [(480, 640)] * 5, 416, (416, 416)),  # both ways: the square
        ([(640, 480)] * 19 + [(480, 640)], 416, (416, 320)),  # one in twenty is made smaller
        ([(800, 200)] * 19 + [(480, 640)], 416, (416, 320)),  # but to three quarters, no less
        ([(500, 500)], 320, (320, 320)),
        ([(5000, 100)], 320, (320, 96)),  # no narrower than three tenths
    ],
)
def test_nine_photos_in_ten_fill_it(shapes, size, expected):
    shape = training_shape(size, rectangular_aspect(dataset(*shapes)))
    assert (shape.width, shape.height) == expected


@pytest.mark.parametrize(("width", "height"), [(64, 48), (48, 64)])
def test_a_photo_lies_whole_and_centred_in_it(width, height):
    """As large as in the square if it fits, smaller otherwise; its box with it."""
    pixels = np.full((height, width, 3), 7, np.uint8)
    box = np.array([[0, 0, width, height]], np.float32)
    photo = LabelledPhoto(as_png(pixels), width, height, box, np.zeros(1, np.int32))
    params = sample_params(0, 0, 0, 1, NO_AUGMENTATION)
    shape = training_shape(128, (1.0, 0.75))
    assert shape == TrainingShape(128, 96, (128, 96))
    picture = compose([photo], params, shape, NO_AUGMENTATION)
    assert picture.image.shape == (96, 128, 3)
    expected = [0, 0, 128, 96] if width > height else [28, 0, 100, 96]
    np.testing.assert_array_equal(picture.boxes, [expected])
    rows, columns = np.nonzero((picture.image == 7).all(axis=2))
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_array_equal(seen, expected)
